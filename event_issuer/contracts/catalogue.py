"""The catalogue: event types as producing needs them, with their contracts compiled, in memory.

An entry is read when it is first asked for and forgotten when its type changes, in whatever process. Names that are
not there are remembered too, so that a stranger's typing does not reach the database a second time. Knows no callers.
"""

import asyncio
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from event_issuer.db import event_types as sql
from event_issuer.db import schemas
from event_issuer.db.changes import ChangeFeed, Topic
from event_issuer.db.database import Database
from event_issuer.domain.access import Audience
from event_issuer.domain.contracts import Contract
from event_issuer.domain.kafka_binding import PlainRule
from event_issuer.domain.verdicts import ValidationMode

ENTRIES_MAX: Final = 4096  # a compiled contract takes some 10 to 100 KiB
NAME_LENGTH_MAX: Final = 255  # no event type has a longer one, so it is not looked up


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """`contract` is that of schema version `version`, the latest; `partition_ids` are in the order of their numbers."""

    id: int
    name: str
    tenant_id: int
    audience: Audience
    validation: ValidationMode
    deduplicates: bool
    partition_ids: tuple[int, ...]
    version: int
    contract: Contract
    plain_rule: PlainRule | None = None  # what plain JSON of the type's topic becomes


class Catalogue:
    def __init__(self, database: Database, feed: ChangeFeed) -> None:
        self._database = database
        self._entries: OrderedDict[str, CatalogueEntry | None] = OrderedDict()
        self._loading: dict[str, asyncio.Task[CatalogueEntry | None]] = {}
        self._generation = 0
        feed.listen(self._forget)

    def _forget(self, topic: Topic, event_type_id: int) -> None:
        if topic is Topic.EVENT_TYPE:
            self._generation += 1
            stale = [name for name, entry in self._entries.items() if entry is None or entry.id == event_type_id]
            for name in stale:
                del self._entries[name]

    def known(self, name: str) -> CatalogueEntry | None:
        """The entry if it is in memory: what a batch asks per event."""
        return self._entries.get(name)

    async def entry(self, name: str) -> CatalogueEntry | None:
        """The event type of that name; None if there is none. Raises Unavailable."""
        if not 0 < len(name) <= NAME_LENGTH_MAX:
            return None
        if name in self._entries:
            self._entries.move_to_end(name)
            return self._entries[name]
        loading = self._loading.get(name)
        if loading is None:
            loading = self._loading[name] = asyncio.create_task(self._load(name))
            loading.add_done_callback(lambda _: self._loading.pop(name, None))
        return await asyncio.shield(loading)  # one caller that goes away must not take it from the others

    async def _load(self, name: str) -> CatalogueEntry | None:
        generation = self._generation
        entry = await self._read(name)
        if generation == self._generation:  # else a type changed while we read: what we found may be old
            self._entries[name] = entry
            if len(self._entries) > ENTRIES_MAX:
                self._entries.popitem(last=False)
        return entry

    async def _read(self, name: str) -> CatalogueEntry | None:
        row = await sql.by_name(name)
        schema = await schemas.latest(row.id) if row is not None else None
        if row is None or schema is None:
            return None
        partitions = await self._database.read(sql.partitions_of(row.id))
        return CatalogueEntry(
            id=row.id,
            name=row.name,
            tenant_id=row.tenant_id,
            audience=Audience(row.audience),
            validation=ValidationMode(row.validation),
            deduplicates=bool(row.deduplicates),
            partition_ids=tuple(partition[0] for partition in partitions),
            version=schema.version,
            contract=Contract(json.loads(schema.definition)),  # as it was tried: integers of any size exact
            plain_rule=_plain_rule(row.name, row.plain_json_source),
        )


def _plain_rule(event_type: str, source: str | None) -> PlainRule | None:
    return None if source is None else PlainRule(event_type, source)
