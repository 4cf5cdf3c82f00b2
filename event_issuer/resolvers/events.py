"""Reading the log: one event by its id, and pages of events from a place on, for those who may consume them."""

import heapq
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from event_issuer.contracts.catalogue import Catalogue, CatalogueEntry
from event_issuer.db import event_types as sql
from event_issuer.db.database import Database
from event_issuer.domain.access import Caller
from event_issuer.domain.errors import BadInput, NotFound
from event_issuer.domain.paging import PAGE_SIZE, PAGE_SIZE_MAX
from event_issuer.domain.positions import LogCursor, parse_cursor
from event_issuer.domain.time import Instant
from event_issuer.eventlog.protocol import EventLog, LogRecord

TYPES_MAX: Final = 100  # event types in one query or one subscription


class StartPoint(StrEnum):
    EARLIEST = "EARLIEST"
    LATEST = "LATEST"


@dataclass(frozen=True, slots=True)
class StartFrom:
    """Exactly one of the three is set."""

    at: StartPoint | None = None
    time: Instant | None = None
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """A record with the cursor to read on behind it."""

    record: LogRecord
    cursor: str


@dataclass(frozen=True, slots=True)
class FoundEvents:
    events: Sequence[FoundEvent]
    has_next: bool
    start_cursor: str


class Events:
    def __init__(self, database: Database, log: EventLog, catalogue: Catalogue) -> None:
        self._database, self._log, self._catalogue = database, log, catalogue

    async def at(self, caller: Caller, partition_id: int, offset: int) -> LogRecord | None:
        """The event at a position; None where there is none (any more), or none that the caller may consume."""
        caller.authorise_presence()
        rows = await self._database.read(sql.partition_type(partition_id))
        entry = await self._catalogue.entry(rows[0][0]) if rows else None
        if entry is None or not caller.may_consume(entry.name, entry.audience, entry.tenant_id):
            return None
        page = await self._log.read(partition_id, offset)
        return page.records[0] if page.records and page.records[0].offset == offset else None

    async def page(
        self, caller: Caller, names: Sequence[str], first: int | None, after: str | None, start: StartFrom | None
    ) -> FoundEvents:
        """Up to `first` events of these types, by offset within a partition and by time across partitions.

        Raises BadInput, and NotFound for a type that the caller may not consume.
        """
        entries = await authorised_entries(caller, self._catalogue, names)
        size = PAGE_SIZE if first is None else first
        if not 0 <= size <= PAGE_SIZE_MAX:
            raise BadInput(f"A page has 0 to {PAGE_SIZE_MAX} items, not {size}.")
        if after is not None and start is not None:
            raise BadInput("Give after or from, not both.")
        begin = StartFrom(cursor=after) if after is not None else start or StartFrom(at=StartPoint.EARLIEST)
        offsets = await start_offsets(self._log, entries, begin)
        reader = _MergingReader(self._log, entries, offsets)
        start_cursor = reader.cursor()
        found = []
        async for record in reader.records(size):
            found.append(FoundEvent(record, reader.cursor()))
        return FoundEvents(found, await reader.has_more(), start_cursor)


async def authorised_entries(caller: Caller, catalogue: Catalogue, names: Sequence[str]) -> list[CatalogueEntry]:
    """The types of these names, each of which the caller may consume. Raises BadInput, NotFound."""
    caller.authorise_presence()
    if not 0 < len(set(names)) <= TYPES_MAX:
        raise BadInput(f"Name 1 to {TYPES_MAX} event types, not {len(set(names))}.")
    entries = []
    for name in dict.fromkeys(names):
        entry = await catalogue.entry(name)
        if entry is None or not caller.may_consume(name, entry.audience, entry.tenant_id):
            raise NotFound(f"There is no event type {name!r:.200} that you may consume.")
        entries.append(entry)
    return entries


async def start_offsets(log: EventLog, entries: Sequence[CatalogueEntry], start: StartFrom) -> dict[int, int]:
    """The offset to begin at, by partition id. A partition that a cursor does not know begins at its first offset."""
    partition_ids = [id_ for entry in entries for id_ in entry.partition_ids]
    if start.time is not None:
        return {id_: await log.offset_at(id_, start.time) for id_ in partition_ids}
    bounds = await log.bounds(partition_ids)
    if start.at is StartPoint.LATEST:
        return {id_: bounds[id_].next for id_ in partition_ids}
    begin = {id_: bounds[id_].first for id_ in partition_ids}
    if start.cursor is not None:
        known = parse_cursor(start.cursor, log.log_id).offsets
        for entry in entries:
            for number, id_ in enumerate(entry.partition_ids):
                begin[id_] = max(begin[id_], known.get(entry.name, {}).get(number, 0))
    return begin


class _MergingReader:
    """Reads several partitions as one, a page of each at a time."""

    def __init__(self, log: EventLog, entries: Sequence[CatalogueEntry], offsets: dict[int, int]) -> None:
        self._log, self._entries, self._offsets = log, entries, offsets
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
        offsets = {
            entry.name: {number: self._offsets[id_] for number, id_ in enumerate(entry.partition_ids)}
            for entry in self._entries
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
            if page.records or page.next_offset == offset:
                return list(reversed(page.records))
            self._offsets[partition_id] = page.next_offset
