"""Compaction: of the records of one key the newest is kept, where the event type asks for it.

A tombstone is the newest record of its key and says that the key is gone; once everybody had time to read it, it goes.
Records without a key stay. The newest record of each key is found in what has come since the last time; then the
older ones are removed from the beginning on, in batches that hold up no append for long. Several processes may do this
at once; what one has removed the other finds gone.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import orjson
import structlog

from event_issuer.db import compaction as sql
from event_issuer.db.database import Database
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.time import SECOND_US, Clock, Instant
from event_issuer.eventlog.protocol import EventLog

PAUSE_S: Final = 60.0  # a key's history is there a minute longer
LAG_S: Final = 60  # a record is not removed before its subscriptions had time to read it
TOMBSTONE_KEPT_S: Final = 24 * 3600  # for readers that are behind: they must hear that the key is gone
SWEEP_EVERY_S: Final = 3600  # looks for tombstones that may go, also where nothing new has come
KEYS_MAX: Final = 100_000  # held in memory for one partition, some 20 MB; the rest of what is new waits for its turn
BATCH: Final = 1_000  # records read, or removed in one transaction
PARTITIONS_MAX: Final = 100  # in one step

logger = structlog.get_logger(__name__)


class _Record(NamedTuple):
    offset: int
    recorded_at: Instant
    key: str | None
    is_tombstone: bool


class Compaction:
    def __init__(self, database: Database, log: EventLog, clock: Clock) -> None:
        self._database, self._log, self._clock = database, log, clock

    async def run(self) -> None:
        while True:
            try:
                await self.step()
            except Unavailable as problem:
                logger.warning("compaction put off", problem=problem.detail)
            await asyncio.sleep(PAUSE_S)

    async def step(self) -> int:
        """Compacts what is due; the number of records removed."""
        swept_before = self._clock() - SWEEP_EVERY_S * SECOND_US
        removed = 0
        for partition_id, compacted_to in await self._database.read(sql.due(swept_before, PARTITIONS_MAX)):
            removed += await self._compact(partition_id, compacted_to)
        return removed

    async def _compact(self, partition_id: int, compacted_to: int) -> int:
        now = self._clock()
        newest, end = await self._newest(partition_id, compacted_to, now - LAG_S * SECOND_US)
        gone: list[int] = []
        removed = 0
        async for record in self._records(partition_id, 0, end):
            if _may_go(record, newest, now - TOMBSTONE_KEPT_S * SECOND_US):
                gone.append(record.offset)
            if len(gone) == BATCH:
                removed += await self._remove(partition_id, gone)
                gone = []
        removed += await self._remove(partition_id, gone)
        await self._database.run(sql.note(partition_id, end, now))
        if removed:
            self._log.reload(partition_id)
        return removed

    async def _newest(self, partition_id: int, offset: int, before: Instant) -> tuple[dict[str, int], int]:
        """Key → offset of its newest record from `offset` on, among those recorded before `before`; and their end."""
        newest: dict[str, int] = {}
        end = offset
        async for record in self._records(partition_id, offset, None):
            if record.recorded_at >= before or len(newest) >= KEYS_MAX:
                break
            if record.key is not None:
                newest[record.key] = record.offset
            end = record.offset + 1
        return newest, end

    async def _records(self, partition_id: int, offset: int, before_offset: int | None) -> AsyncIterator[_Record]:
        while True:
            rows = await self._database.read(sql.records(partition_id, offset, before_offset, BATCH))
            for log_offset, recorded_at, attributes, has_data in rows:
                yield _Record(log_offset, recorded_at, orjson.loads(attributes).get("partitionkey"), not has_data)
            if len(rows) < BATCH:
                return
            offset = rows[-1][0] + 1

    async def _remove(self, partition_id: int, offsets: list[int]) -> int:
        if not offsets:
            return 0
        return await self._database.run(sql.remove(self._database.dialect, partition_id, offsets))


def _may_go(record: _Record, newest: dict[str, int], tombstones_before: Instant) -> bool:
    if record.key is None:
        return False
    if newest.get(record.key, -1) > record.offset:
        return True
    return record.is_tombstone and record.recorded_at < tombstones_before
