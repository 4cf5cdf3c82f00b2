"""Reading the log: one event by its id, and pages of events from a place on, for those who may consume them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from event_issuer.contracts.catalogue import Catalogue, CatalogueEntry
from event_issuer.db import event_types as sql
from event_issuer.db.database import Database
from event_issuer.domain.access import Caller
from event_issuer.domain.errors import BadInput, NotFound
from event_issuer.domain.filters import Filter, passes
from event_issuer.domain.paging import PAGE_SIZE, PAGE_SIZE_MAX
from event_issuer.eventlog.protocol import EventLog, LogRecord
from event_issuer.eventlog.reading import MergingReader, StartFrom, StartPoint, record_at, start_offsets
from event_issuer.resolvers.filters import checked_filter

TYPES_MAX: Final = 100  # event types in one query or one subscription
LOOKED_AT_MAX: Final = 10_000  # events that one query with a filter looks at: some 50 ms
LOOKED_AT_AT_ONCE: Final = 16  # data may take long to parse, and others want the event loop


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """A record with the cursor to read on behind it."""

    record: LogRecord
    cursor: str


@dataclass(frozen=True, slots=True)
class FoundEvents:
    """`end_cursor` is behind all that was looked at, be it found or not."""

    events: Sequence[FoundEvent]
    has_next: bool
    end_cursor: str


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
        record = await record_at(self._log, partition_id, offset)
        return None if record is None or (record.verdict is not None and record.verdict.is_withheld) else record

    async def page(
        self,
        caller: Caller,
        names: Sequence[str],
        first: int | None,
        after: str | None,
        start: StartFrom | None,
        filter_: object = None,
    ) -> FoundEvents:
        """Up to `first` events of these types, by offset within a partition and by time across partitions.

        With a filter, fewer are found where `LOOKED_AT_MAX` were looked at. Raises BadInput, and NotFound for a
        type that the caller may not consume.
        """
        entries = await authorised_entries(caller, self._catalogue, names)
        size = PAGE_SIZE if first is None else first
        if not 0 <= size <= PAGE_SIZE_MAX:
            raise BadInput(f"A page has 0 to {PAGE_SIZE_MAX} items, not {size}.")
        if after is not None and start is not None:
            raise BadInput("Give after or from, not both.")
        begin = StartFrom(cursor=after) if after is not None else start or StartFrom(at=StartPoint.EARLIEST)
        partitions = {entry.name: entry.partition_ids for entry in entries}
        ids = [entry.id for entry in entries]
        reader = MergingReader(self._log, partitions, await start_offsets(self._log, partitions, begin))
        if filter_ is None:
            found = [FoundEvent(record, reader.cursor()) async for record in reader.records(size)]
        else:
            found = await _filtered(reader, size, await checked_filter(caller, self._database, filter_, ids))
        return FoundEvents(found, await reader.has_more(), reader.cursor())


async def _filtered(reader: MergingReader, size: int, filter_: Filter) -> list[FoundEvent]:
    found: list[FoundEvent] = []
    looked_at = 0
    async for record in reader.records(LOOKED_AT_MAX if size else 0):
        if passes(filter_, record.event):
            found.append(FoundEvent(record, reader.cursor()))
            if len(found) == size:
                break
        looked_at += 1
        if looked_at % LOOKED_AT_AT_ONCE == 0:
            await asyncio.sleep(0)
    return found


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
