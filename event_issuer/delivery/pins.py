"""Pins: a subscription may ask for events that keep one schema version of their type, whatever the latest one is.

An event that breaks it is filtered out: settled without an attempt. An event is judged once per version, for all lanes:
what was found stays on its record. Knows neither lanes nor who asked for the version.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from event_issuer.contracts.judging import keeps
from event_issuer.contracts.versions import Versions
from event_issuer.db import event_types as sql
from event_issuer.db.database import Database
from event_issuer.domain.contracts import Contract
from event_issuer.domain.errors import NotFound
from event_issuer.eventlog.protocol import LogRecord

JUDGED_AT_ONCE: Final = 16  # of a page; a judgement may take 5 ms, and others want the event loop, too

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pin:
    """`contract` is that of schema version `version` of the type whose events are judged."""

    version: int
    contract: Contract

    def takes(self, record: LogRecord) -> bool:
        if record.schema_version == self.version:
            return True  # it was judged by this version when it was accepted
        judged = record.judged
        if judged is None:
            judged = record.judged = {}
        taken = judged.get(self.version)
        if taken is None:
            taken = judged[self.version] = self._judge(record)
        return taken

    async def judge(self, records: Sequence[LogRecord]) -> None:
        """Judges those that are not yet judged, some at a time."""
        fresh = [record for record in records if record.judged is None or self.version not in record.judged]
        for number, record in enumerate(fresh, 1):
            self.takes(record)
            if number % JUDGED_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _judge(self, record: LogRecord) -> bool:
        try:
            return keeps(self.contract, record.event)
        except Exception:  # a fault of ours takes no event from anybody
            logger.exception("an event could not be judged", partition=record.partition_id, offset=record.offset)
            return True


class Pins:
    def __init__(self, database: Database, versions: Versions) -> None:
        self._database, self._versions = database, versions

    async def of(self, version: int | None, partition_ids: Sequence[int]) -> Mapping[int, Pin]:
        """By partition; nothing without a version. Raises Unavailable, and NotFound for a version that a partition's
        type does not have, which none is pinned to."""
        pins: dict[int, Pin] = {}
        if version is None or not partition_ids:
            return pins
        for partition_id, event_type_id in await self._database.read(sql.types_of_partitions(partition_ids)):
            contract = await self._versions.contract(event_type_id, version)
            if contract is None:
                raise NotFound(f"The type of partition {partition_id} has no schema version {version}.")
            pins[partition_id] = Pin(version, contract)
        return pins
