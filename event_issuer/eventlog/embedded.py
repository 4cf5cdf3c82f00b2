"""The embedded log: partitions as tables of our own database.

Concurrent appends share one commit (group commit): while one group is being written, the next one gathers. A group
that fails is retried request by request, so that one bad request cannot fail its neighbours. Pages are served through
a cache that appends feed, so a lane at the head reads nothing from the store.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from event_issuer.db import log as sql
from event_issuer.db.database import Database
from event_issuer.domain.errors import LimitExceeded, Unavailable
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.time import Clock, Instant
from event_issuer.eventlog.pages import PAGE_RECORDS, PageCache
from event_issuer.eventlog.protocol import (
    Appended,
    AppendStatus,
    Bounds,
    HeadListener,
    LogRecord,
    NewRecord,
    Page,
)

GROUP_RECORDS_MAX: Final = 2_000  # a commit of 2,000 rows takes some 20 ms: long enough to batch, short enough to wait
WAITING_RECORDS_MAX: Final = 50_000  # at 1 KiB each, 50 MiB of memory that producers may fill before they are told
TRIM_BATCH: Final = 1_000  # rows per transaction, so that retention never holds up an append for long


@dataclass(slots=True)
class _Request:
    records: Sequence[NewRecord]
    answer: "asyncio.Future[Sequence[Appended]]"


class EmbeddedLog:
    """Implements `EventLog`. `run()` must be running for `append` to be answered."""

    def __init__(self, database: Database, clock: Clock, log_id: str, *, cache_bytes_max: int) -> None:
        self.log_id = log_id
        self._database = database
        self._clock = clock
        self._waiting: deque[_Request] = deque()
        self._waiting_records = 0
        self._arrived = asyncio.Event()
        self._listeners: list[HeadListener] = []
        self._pages = PageCache(self._load, bytes_max=cache_bytes_max)

    def watch(self, listener: HeadListener) -> None:
        self._listeners.append(listener)

    async def append(self, records: Sequence[NewRecord]) -> Sequence[Appended]:
        if not records:
            return []
        if self._waiting_records + len(records) > WAITING_RECORDS_MAX:
            raise LimitExceeded(f"{self._waiting_records} events are waiting to be written; try again shortly.")
        answer: asyncio.Future[Sequence[Appended]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Request(records, answer))
        self._waiting_records += len(records)
        self._arrived.set()
        return await answer

    async def run(self) -> None:
        """Writes groups until cancelled; what is still waiting then is refused as Unavailable."""
        try:
            while True:
                await self._arrived.wait()
                await self.step()
        finally:
            self._refuse_waiting()

    async def step(self) -> int:
        """Writes one group; the number of requests it answered."""
        group = self._take_group()
        if not self._waiting:
            self._arrived.clear()
        if not group:
            return 0
        try:
            await self._write(group)
        except asyncio.CancelledError:
            for request in group:
                _refuse(request, Unavailable("The service is shutting down; the outcome is not known."))
            raise
        except Exception as failure:
            await self._write_singly(group, failure)
        return len(group)

    def _take_group(self) -> list[_Request]:
        group: list[_Request] = []
        count = 0
        while self._waiting and (not group or count + len(self._waiting[0].records) <= GROUP_RECORDS_MAX):
            request = self._waiting.popleft()
            count += len(request.records)
            group.append(request)
        self._waiting_records -= count
        return group

    async def _write_singly(self, group: Sequence[_Request], failure: Exception) -> None:
        for request in group:
            try:
                if len(group) == 1:
                    raise failure
                await self._write([request])
            except Exception as problem:
                _refuse(request, problem)

    async def _write(self, group: Sequence[_Request]) -> None:
        records = [record for request in group for record in request.records]
        rows = [_row(record) for record in records]
        placed = await self._database.run(sql.append_group(self._database.dialect, rows, self._clock()))
        self._publish(records, placed)
        start = 0
        for request in group:
            end = start + len(request.records)
            if not request.answer.done():
                request.answer.set_result([_appended(place) for place in placed[start:end]])
            start = end

    def _publish(self, records: Sequence[NewRecord], placed: Sequence[sql.Placed]) -> None:
        """Feeds the cache and tells who waits for these partitions."""
        fresh: dict[int, list[LogRecord]] = {}
        for record, place in zip(records, placed, strict=True):
            if place.is_new:
                fresh.setdefault(place.partition_id, []).append(
                    LogRecord(place.partition_id, place.offset, place.recorded_at, record.schema_version, record.event)
                )
        for partition_id, appended in fresh.items():
            self._pages.extend(partition_id, appended)
            self._announce(partition_id, appended[-1].offset + 1)

    def _announce(self, partition_id: int, next_offset: int) -> None:
        for listener in self._listeners:
            listener(partition_id, next_offset)

    async def read(self, partition_id: int, offset: int) -> Page:
        return await self._pages.read(partition_id, offset)

    async def bounds(self, partition_ids: Sequence[int]) -> dict[int, Bounds]:
        if not partition_ids:
            return {}
        rows = await self._database.read(sql.bounds(self._database.dialect, partition_ids))
        return {row[0]: Bounds(row[1], row[2]) for row in rows}

    async def notice(self, partition_ids: Sequence[int]) -> None:
        """Looks at these partitions' heads, which another process may have moved, and tells the listeners."""
        for partition_id, found in (await self.bounds(partition_ids)).items():
            if self._pages.notice_head(partition_id, found.next):
                self._announce(partition_id, found.next)

    async def offset_at(self, partition_id: int, instant: Instant) -> int:
        rows = await self._database.read(sql.offset_at(partition_id, instant))
        return int(rows[0][0])

    async def trim(self, partition_id: int, before_offset: int) -> int:
        removed = 0
        while True:
            batch = await self._database.run(sql.trim(partition_id, before_offset, TRIM_BATCH))
            removed += batch
            if batch < TRIM_BATCH:
                return removed

    async def _load(self, partition_id: int, offset: int) -> list[LogRecord]:
        rows = await self._database.read(sql.read_page(partition_id, offset, offset + PAGE_RECORDS))
        return [
            LogRecord(partition_id, row[0], row[1], row[2], CloudEvent(orjson.loads(row[3]), row[4])) for row in rows
        ]

    def _refuse_waiting(self) -> None:
        while self._waiting:
            _refuse(self._waiting.popleft(), Unavailable("The service is shutting down; nothing was written."))
        self._waiting_records = 0


async def open_embedded_log(
    database: Database, clock: Clock, fresh_log_id: str, *, cache_bytes_max: int
) -> EmbeddedLog:
    """Opens the log in `database`; `fresh_log_id` becomes its identity if it has none yet."""
    log_id = await database.run(sql.log_identity(fresh_log_id))
    return EmbeddedLog(database, clock, log_id, cache_bytes_max=cache_bytes_max)


def _row(record: NewRecord) -> sql.RecordRow:
    return sql.RecordRow(
        record.partition_id,
        record.schema_version,
        orjson.dumps(record.event.attributes),
        record.event.data,
        record.identity_digest,
        record.content_digest,
    )


def _appended(place: sql.Placed) -> Appended:
    status = AppendStatus.PERSISTED
    if not place.is_new:
        status = AppendStatus.DUPLICATE if place.same_content else AppendStatus.CONFLICT
    return Appended(status, place.partition_id, place.offset, place.recorded_at)


def _refuse(request: _Request, problem: Exception) -> None:
    if not request.answer.done():
        request.answer.set_exception(problem)
