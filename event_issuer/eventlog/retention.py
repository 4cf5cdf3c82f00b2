"""Retention: events leave the log by age and by bytes, and identities leave the dedupe window by age and by number.

Everything goes in batches that hold up no append for long. An event that its subscription has not yet been sent goes,
too: bounds are promises to the disk. Several processes may do this at once; what one has removed the other finds gone.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from event_issuer.db import dedupe
from event_issuer.db import retention as sql
from event_issuer.db.database import Database
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.time import SECOND_US, Clock
from event_issuer.eventlog.embedded import TRIM_BATCH
from event_issuer.eventlog.protocol import EventLog

PAUSE_S: Final = 60.0  # bounds are hours and gigabytes: a minute more does not matter
PARTITIONS_MAX: Final = 100  # in one step

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RetentionBounds:
    """What is kept: events for `events_s` and `events_bytes` per partition, where their type does not say (None: no
    bound); identities for `identities_s`, and `identities_max` of them."""

    events_s: int | None
    events_bytes: int | None
    identities_s: int
    identities_max: int


class Retention:
    def __init__(self, database: Database, log: EventLog, clock: Clock, bounds: RetentionBounds) -> None:
        self._database, self._log, self._clock, self._bounds = database, log, clock, bounds

    async def run(self) -> None:
        while True:
            try:
                removed = await self.step()
            except Unavailable as problem:
                logger.warning("retention put off", problem=problem.detail)
                removed = 0
            if not removed:
                await asyncio.sleep(PAUSE_S)

    async def step(self) -> int:
        """Removes what is to go; how many events and identities. 0 says that nothing is left to be removed."""
        trimmed = 0 if self._log.keeps_itself else await self._trim()
        return trimmed + await self._forget()

    async def _trim(self) -> int:
        bounds, removed = self._bounds, 0
        overfull = sql.overfull(self._clock(), bounds.events_s, bounds.events_bytes, PARTITIONS_MAX)
        for partition_id, instant, excess_bytes in await self._database.read(overfull):
            before_offset = 0
            if instant is not None:
                before_offset = await self._log.offset_at(partition_id, instant)
            if excess_bytes is not None:
                rows = await self._database.read(sql.offset_freeing(partition_id, excess_bytes, TRIM_BATCH))
                before_offset = max(before_offset, rows[0][0])
            removed += await self._log.trim(partition_id, before_offset)
        return removed

    async def _forget(self) -> int:
        dialect = self._database.dialect
        before = self._clock() - self._bounds.identities_s * SECOND_US
        for row in await self._database.read(dedupe.oldest_of_newest(dialect, self._bounds.identities_max)):
            before = max(before, row[0])
        forgotten = 0
        while True:
            batch = await self._database.run(dedupe.forget(dialect, before, TRIM_BATCH))
            forgotten += batch
            if batch < TRIM_BATCH:
                return forgotten
