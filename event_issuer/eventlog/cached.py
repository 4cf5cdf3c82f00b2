"""What the logs have alike: requests that share a write, pages that readers share, and who hears of heads that move.

How a group is written and a page loaded is each log's own.
"""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Final

import structlog

from event_issuer.db import dedupe, verdicts
from event_issuer.db.database import Database
from event_issuer.db.identity_index import IdentityIndex
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.records import Appended, NewRecord
from event_issuer.domain.time import SECOND_US, Clock, Instant
from event_issuer.eventlog.groups import GroupCommit
from event_issuer.eventlog.pages import Loaded, PageCache
from event_issuer.eventlog.protocol import Bounds, HeadListener, Judge, LogRecord, Page
from event_issuer.telemetry.metrics import Metrics

FORGOTTEN_AT_ONCE: Final = 1_000  # verdicts on what was trimmed: no transaction is long

logger = structlog.get_logger(__name__)


class CachedLog(ABC):
    """`run()` must be running for `append` to be answered.

    `judge` is asked of records that say no schema version: they came by another way than the API.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        log_id: str,
        *,
        cache_bytes_max: int,
        judge: Judge | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.log_id = log_id
        self._database, self._clock = database, clock
        self._judge, self._metrics = judge, metrics or Metrics()
        self._identities = IdentityIndex()
        self._groups = GroupCommit(self._append_now)
        self._listeners: list[HeadListener] = []
        self._pages = PageCache(self._load, clock, self._announce, bytes_max=cache_bytes_max)

    def partition_of(self, event: CloudEvent, partition_ids: Sequence[int]) -> int:
        """Those without a key are spread by their id."""
        count = len(partition_ids)
        if count == 1:
            return partition_ids[0]
        key = event.partitionkey
        return partition_ids[self._number_of(key, count) if key else zlib.crc32(event.id.encode()) % count]

    def watch(self, listener: HeadListener) -> None:
        self._listeners.append(listener)

    async def append(self, records: Sequence[NewRecord]) -> Sequence[Appended]:
        return await self._groups.append(records) if records else []

    async def run(self) -> None:
        """Writes what is appended until cancelled; what is still waiting then is refused as Unavailable."""
        with suppress(Unavailable):  # else the first append does it all at once, and holds up other writers
            while not await self._database.run(dedupe.update(self._database.dialect, self._identities)):
                pass
        await self._groups.run()

    async def step(self) -> int:
        return await self._groups.step()

    async def read(self, partition_id: int, offset: int) -> Page:
        return await self._pages.read(partition_id, offset)

    def known_head(self, partition_id: int) -> int | None:
        return self._pages.head(partition_id)

    async def remembered(self, identities: Sequence[bytes]) -> list[tuple[Instant, int, int]]:
        known = await self._database.run(dedupe.known_among(self._database.dialect, self._identities, identities))
        return [(recorded_at, partition_id, offset) for _, partition_id, offset, recorded_at in known.values()]

    async def _append_now(self, records: Sequence[NewRecord]) -> Sequence[Appended]:
        begun_s = monotonic()
        appended = await self._write(records)
        self._metrics.append_duration.observe(round((monotonic() - begun_s) * SECOND_US))
        self._metrics.append_records.observe(len(records))
        return appended

    def _publish(self, partition_id: int, records: list[LogRecord]) -> None:
        """Feeds the cache with what was just appended, one behind the other; it tells who waits for the partition.

        What is still to be judged is loaded instead.
        """
        if self._judge is None or all(record.schema_version is not None for record in records):
            self._pages.extend(partition_id, records)

    def _notice(self, found: dict[int, Bounds]) -> int:
        """How many of these heads are news."""
        return sum(self._pages.notice(partition_id, bounds) for partition_id, bounds in found.items())

    async def _forget(self, partition_id: int, bounds: Bounds) -> None:
        """What lay before these bounds was trimmed."""
        self._pages.notice(partition_id, bounds)
        self._pages.forget(partition_id, bounds.first)
        dialect = self._database.dialect
        while await self._database.run(verdicts.forget(dialect, partition_id, bounds.first, FORGOTTEN_AT_ONCE)):
            pass  # batch by batch

    def _announce(self, partition_id: int, next_offset: int) -> None:
        for listener in self._listeners:
            try:
                listener(partition_id, next_offset)
            except Exception:  # one listener's fault is not the others', nor the producer's
                logger.exception("a listener failed", partition=partition_id)

    @abstractmethod
    def _number_of(self, key: str, count: int) -> int:
        """Which of `count` partitions has the events of this key."""

    @abstractmethod
    async def _write(self, records: Sequence[NewRecord]) -> Sequence[Appended]: ...

    @abstractmethod
    async def _load(self, partition_id: int, offset: int, before_offset: int) -> Loaded: ...
