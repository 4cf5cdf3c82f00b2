"""The embedded log: partitions as tables of our own database.

Concurrent appends share one commit. Pages are served through a cache that appends feed, so a lane at the head reads
nothing from the store.
"""

import zlib
from collections.abc import Sequence
from typing import Final

import orjson
import structlog

from event_issuer.db import log as sql
from event_issuer.db.database import Database
from event_issuer.db.work import Row
from event_issuer.domain.errors import NotFound
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.records import Appended, AppendStatus, NewRecord
from event_issuer.domain.time import Clock, Instant
from event_issuer.eventlog.cached import CachedLog
from event_issuer.eventlog.group_reads import GroupReads, Range
from event_issuer.eventlog.outsiders import judge_outsiders
from event_issuer.eventlog.pages import Loaded
from event_issuer.eventlog.protocol import Bounds, Judge, LogRecord, Loop, TypeStorage
from event_issuer.telemetry.metrics import Metrics

LOAD_BYTES_MAX: Final = 4 * 1024 * 1024  # of data read at once; a page of large events comes in parts
TRIM_BATCH: Final = 1_000  # rows per transaction, so that retention never holds up an append for long
TRIM_BYTES_MAX: Final = 16 * 1024 * 1024  # and bytes: a large record is a long chain of pages to give back

logger = structlog.get_logger(__name__)


class EmbeddedLog(CachedLog):
    """Implements `EventLog`."""

    can_expunge = True
    keeps_itself = False

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
        super().__init__(database, clock, log_id, cache_bytes_max=cache_bytes_max, judge=judge, metrics=metrics)
        self._reads = GroupReads(self._fetch)

    def loops(self) -> Sequence[Loop]:
        return [("log", self.run)]

    async def answers(self) -> None:
        """Its database is asked by whoever asks whether that answers."""

    async def prepare(self, storage: TypeStorage) -> int:
        return storage.partitions

    async def retain(self, storage: TypeStorage) -> None:
        """The loops of retention and compaction read what the type says."""

    def _number_of(self, key: str, count: int) -> int:
        return zlib.crc32(key.encode()) % count

    async def _write(self, records: Sequence[NewRecord]) -> Sequence[Appended]:
        work = sql.append_group(self._database.dialect, records, self._clock(), self._identities)
        appended = await self._database.run(work)
        try:
            self._publish_new(records, appended)
        except Exception:  # a fault of ours, but the events are in the log, and that is what was asked
            logger.exception("appended events reach readers late")
        return appended

    def _publish_new(self, records: Sequence[NewRecord], appended: Sequence[Appended]) -> None:
        fresh: dict[int, list[LogRecord]] = {}
        for record, (status, partition_id, offset, recorded_at) in zip(records, appended, strict=True):
            if status is AppendStatus.PERSISTED:
                fresh.setdefault(partition_id, []).append(
                    LogRecord(
                        partition_id, offset, recorded_at, record.schema_version, record.event, origin=record.origin
                    )
                )
        for partition_id, published in fresh.items():
            self._publish(partition_id, published)

    async def bounds(self, partition_ids: Sequence[int]) -> dict[int, Bounds]:
        found: dict[int, Bounds] = {}
        for statement in sql.bounds(self._database.dialect, partition_ids):
            found |= {row[0]: Bounds(*row[1:4]) for row in await self._database.read(statement)}
        return found

    async def note_heads(self, partition_ids: Sequence[int]) -> None:
        """The database has them."""

    async def notice(self, partition_ids: Sequence[int]) -> int:
        return self._notice(await self.bounds(partition_ids))

    async def offset_at(self, partition_id: int, instant: Instant) -> int:
        offset = (await self._database.read(sql.offset_at(partition_id, instant)))[0][0]
        if offset is None:
            raise NotFound(f"There is no partition {partition_id}.")
        return int(offset)

    async def trim(self, partition_id: int, before_offset: int) -> int:
        dialect, removed = self._database.dialect, 0
        while batch := await self._database.run(
            sql.trim(dialect, partition_id, before_offset, TRIM_BATCH, TRIM_BYTES_MAX)
        ):
            removed += batch
        for bounds in (await self.bounds([partition_id])).values():
            await self._forget(partition_id, bounds)
        return removed

    def reload(self, partition_id: int) -> None:
        self._pages.forget_all(partition_id)

    async def _fetch(self, ranges: Sequence[Range]) -> Sequence[Sequence[Row]]:
        """The rows of each range; none of a partition that is not there."""
        dialect = self._database.dialect
        rows = await self._database.read(sql.read_ranges(dialect, ranges, LOAD_BYTES_MAX // len(ranges)))
        return sql.found_in(dialect, rows, len(ranges))

    async def _load(self, partition_id: int, offset: int, before_offset: int) -> Loaded:
        rows = await self._reads.read(Range(partition_id, offset, before_offset))
        if not rows:
            raise NotFound(f"There is no partition {partition_id}.")
        first, next_offset = rows[0][:2]
        records = [
            LogRecord(
                partition_id, row[2], row[3], row[4], CloudEvent(orjson.loads(row[6]), row[7]), expunged_at=row[5]
            )
            for row in rows
            if row[2] is not None
        ]
        if self._judge is not None:
            await judge_outsiders(partition_id, records, self._judge)
        end = records[-1].offset + 1 if records else offset
        if not records and first <= offset:  # compaction has taken all that was there: else there is one at least
            end = max(offset, min(before_offset, next_offset))
        return Loaded(records, end, Bounds(first, next_offset))


async def open_embedded_log(
    database: Database,
    clock: Clock,
    fresh_log_id: str,
    *,
    cache_bytes_max: int,
    judge: Judge | None = None,
    metrics: Metrics | None = None,
) -> EmbeddedLog:
    """Opens the log in `database`; `fresh_log_id` becomes its identity if it has none yet."""
    log_id = await database.run(sql.log_identity(fresh_log_id))
    return EmbeddedLog(database, clock, log_id, cache_bytes_max=cache_bytes_max, judge=judge, metrics=metrics)
