"""Records to append, the clock of the tests, and reading a partition from one end to the other."""

import hashlib
from dataclasses import dataclass

from event_issuer.domain.events import CloudEvent
from event_issuer.domain.records import NewRecord, new_record
from event_issuer.domain.time import SECOND_US, Instant
from event_issuer.eventlog.protocol import EventLog, LogRecord

START: Instant = 1_700_000_000_000_000


@dataclass
class Clock:
    now: Instant = START

    def __call__(self) -> Instant:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += round(seconds * SECOND_US)


def record(
    partition_id: int, id_: object, data: bytes | None = b"{}", *, key: str | None = None, deduplicates: bool = True
) -> NewRecord:
    attributes = {"specversion": "1.0", "id": str(id_), "source": "//trains", "type": "train.arrived"}
    if key is not None:
        attributes["partitionkey"] = key
    identity = hashlib.sha256(str(id_).encode()).digest() if deduplicates else None
    return new_record(partition_id, CloudEvent(attributes, data), 1, identity)


async def read_all(log: EventLog, partition_id: int, offset: int = 0) -> list[LogRecord]:
    """Page after page until the head."""
    found: list[LogRecord] = []
    while True:
        page = await log.read(partition_id, offset)
        found += page.records
        if not page.records and page.next_offset == offset:
            return found
        offset = page.next_offset


async def ids(log: EventLog, partition_id: int, offset: int = 0) -> list[str]:
    return [found.event.id for found in await read_all(log, partition_id, offset)]
