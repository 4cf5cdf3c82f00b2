"""Reading several partitions of the log as one: where to begin, and the merge by time. Knows no callers and no rights.

`partitions` names what is read: event type → partition ids in the order of their numbers.
"""

import heapq
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from event_issuer.domain.positions import LogCursor, parse_cursor
from event_issuer.domain.time import Instant
from event_issuer.eventlog.protocol import EventLog, LogRecord

Partitions: TypeAlias = Mapping[str, Sequence[int]]


class StartPoint(StrEnum):
    EARLIEST = "EARLIEST"
    LATEST = "LATEST"


@dataclass(frozen=True, slots=True)
class StartFrom:
    """Exactly one of the three is set."""

    at: StartPoint | None = None
    time: Instant | None = None
    cursor: str | None = None


async def record_at(log: EventLog, partition_id: int, offset: int) -> LogRecord | None:
    """None where retention took it, or nothing is yet."""
    page = await log.read(partition_id, offset)
    return page.records[0] if page.records and page.records[0].offset == offset else None


async def start_offsets(log: EventLog, partitions: Partitions, start: StartFrom) -> dict[int, int]:
    """The offset to begin at, by partition id. A partition that a cursor does not know begins at its first offset.

    Raises BadInput for a cursor that is none.
    """
    partition_ids = [id_ for of_type in partitions.values() for id_ in of_type]
    if start.time is not None:
        return {id_: await log.offset_at(id_, start.time) for id_ in partition_ids}
    bounds = await log.bounds(partition_ids)
    if start.at is StartPoint.LATEST:
        return {id_: bounds[id_].next for id_ in partition_ids}
    begin = {id_: bounds[id_].first for id_ in partition_ids}
    if start.cursor is not None:
        known = parse_cursor(start.cursor, log.log_id).offsets
        for name, of_type in partitions.items():
            for number, id_ in enumerate(of_type):
                begin[id_] = max(begin[id_], known.get(name, {}).get(number, 0))
    return begin


class MergingReader:
    """Events by offset within a partition and, as far as pages go, by time across partitions."""

    def __init__(self, log: EventLog, partitions: Partitions, offsets: dict[int, int]) -> None:
        self._log, self._partitions, self._offsets = log, partitions, offsets
        self._pages: dict[int, list[LogRecord]] = {}
        self._heads: list[tuple[Instant, int, int]] = []
        self._started = False

    async def records(self, count: int) -> AsyncIterator[LogRecord]:
        for _ in range(count):
            record = await self._next()
            if record is None:
                return
            yield record

    async def has_more(self) -> bool:
        await self._start()
        return bool(self._heads)

    def cursor(self) -> str:
        """Behind the last record that was given."""
        offsets = {
            name: {number: self._offsets[id_] for number, id_ in enumerate(of_type)}
            for name, of_type in self._partitions.items()
        }
        return LogCursor(self._log.log_id, offsets).encode()

    async def _start(self) -> None:
        if not self._started:
            self._started = True
            for partition_id in self._offsets:
                await self._refill(partition_id)

    async def _next(self) -> LogRecord | None:
        await self._start()
        if not self._heads:
            return None
        _, partition_id, _ = heapq.heappop(self._heads)
        record = self._pages[partition_id].pop()
        self._offsets[partition_id] = record.offset + 1
        await self._refill(partition_id)
        return record

    async def _refill(self, partition_id: int) -> None:
        """Puts the partition's next record on the heap, from the page in hand or from the next one."""
        waiting = self._pages.get(partition_id)
        if not waiting:
            waiting = await self._page(partition_id)
            self._pages[partition_id] = waiting
        if waiting:
            heapq.heappush(self._heads, (waiting[-1].recorded_at, partition_id, waiting[-1].offset))

    async def _page(self, partition_id: int) -> list[LogRecord]:
        """The next page that has records, the last one first; empty at the head."""
        while True:
            offset = self._offsets[partition_id]
            page = await self._log.read(partition_id, offset)
            readable = [one for one in page.records if one.verdict is None or not one.verdict.is_withheld]
            if readable or page.next_offset == offset:
                return list(reversed(readable))
            self._offsets[partition_id] = page.next_offset
