"""Filters as callers give them: read, and held against the schemas of the event types that they are for.

A pointer that no schema version of any of these types can have is a mistake, and refused while somebody looks. Schemas
are looked at from the latest version on, up to a bound; what none of those forbids is let through.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Final

from event_issuer.db import schemas as sql
from event_issuer.db.database import Database
from event_issuer.domain.access import Caller
from event_issuer.domain.errors import SchemaInvalid
from event_issuer.domain.filter_pointers import Shape
from event_issuer.domain.filters import Filter, PointerInFilter, parse_filter, refused_pointers

VERSIONS_LOOKED_AT_MAX: Final = 200  # some milliseconds each, if they are large


async def checked_filter(caller: Caller, database: Database, value: object, event_type_ids: Sequence[int]) -> Filter:
    """`value` is parsed JSON; the event types are ones that the caller may consume. Raises BadInput with the place of
    each fault."""
    caller.authorise_presence()
    filter_ = parse_filter(value)
    missing = list(filter_.pointers)
    if missing:
        missing = await _impossible(database, missing, event_type_ids)
    if missing:
        raise refused_pointers(missing)
    return filter_


async def _impossible(
    database: Database, pointers: list[PointerInFilter], event_type_ids: Sequence[int]
) -> list[PointerInFilter]:
    for number, (event_type_id, version) in enumerate(await _versions(database, event_type_ids)):
        if not pointers or number == VERSIONS_LOOKED_AT_MAX:
            return []
        row = await sql.by_version(event_type_id, version)
        if row is not None:
            pointers = _left_by(row.definition, pointers)
        await asyncio.sleep(0)
    return pointers


async def _versions(database: Database, event_type_ids: Sequence[int]) -> list[tuple[int, int]]:
    """All of these types, the latest version of each before any older one."""
    rows = await database.read(sql.latest_versions(event_type_ids))
    latest: dict[int, int] = {row[0]: row[1] for row in rows}
    every = [(id_, version) for id_, last in latest.items() for version in range(1, last + 1)]
    return sorted(every, key=lambda one: (latest[one[0]] - one[1], one[0]))


def _left_by(definition: str, pointers: list[PointerInFilter]) -> list[PointerInFilter]:
    """Those that this schema forbids."""
    try:
        shape = Shape(json.loads(definition))
    except SchemaInvalid:  # the bounds have become narrower since it was registered
        return []
    return [one for one in pointers if not shape.may_have(one.tokens)]
