"""Event types with their first schema and their partitions: statements."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final, TypeAlias

from piccolo.columns.combination import WhereRaw
from piccolo.query import Objects

from event_issuer.db import partitions
from event_issuer.db.changes import Topic, announce
from event_issuer.db.tables import EventType
from event_issuer.db.work import Dialect, Statement, Work
from event_issuer.domain.errors import LimitExceeded
from event_issuer.domain.paging import PageRequest
from event_issuer.domain.text_search import NO_WORDS, Words
from event_issuer.domain.time import Instant


@dataclass(frozen=True, slots=True)
class NewEventType:
    """`retention_s` and `retention_bytes` (of one partition) bound what is kept; None leaves it to the settings."""

    name: str
    tenant_id: int
    description: str
    audience: str
    compatibility: str
    validation: str
    partition_count: int
    deduplicates: bool
    definition: str
    example: str | None
    retention_s: int | None = None
    retention_bytes: int | None = None
    compacts: bool = False
    plain_json_source: str | None = None


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which event types are looked for: all of these together. `owner` is a tenant's name."""

    name_prefix: str = ""
    words: Words = NO_WORDS
    status: str | None = None
    audience: str | None = None
    owner: str | None = None


ALL: Final = Criteria()


def insert(new: NewEventType, now: Instant) -> Work[int | None]:
    """The type, its first schema version and its empty partitions; its id, or None when the name is taken."""
    rows = yield Statement(
        "INSERT INTO event_types (name, tenant_id, description, audience, compatibility, validation, status, "
        "partition_count, deduplicates, retention_s, retention_bytes, created_at_us, compacts, plain_json_source) "
        "VALUES ($1, $2, $3, $4, $5, $6, 'ACTIVE', $7, $8, $9, $10, $11, $12, $13) "
        "ON CONFLICT (name) DO NOTHING RETURNING id",
        (
            new.name,
            new.tenant_id,
            new.description,
            new.audience,
            new.compatibility,
            new.validation,
            new.partition_count,
            new.deduplicates,
            new.retention_s,
            new.retention_bytes,
            now,
            new.compacts,
            new.plain_json_source,
        ),
    )
    if not rows:
        return None
    event_type_id = int(rows[0][0])
    yield Statement(
        "INSERT INTO schema_versions (event_type_id, version, definition, example, created_at_us) "
        "VALUES ($1, 1, $2, $3, $4)",
        (event_type_id, new.definition, new.example, now),
    )
    yield from partitions.insert(event_type_id, 0, new.partition_count)
    yield from announce(Topic.EVENT_TYPE, event_type_id, now)
    return event_type_id


@dataclass(frozen=True, slots=True)
class CurrentEventType:
    """What a change may look at, locked for it. The fields are columns."""

    id: int
    description: str
    audience: str
    compatibility: str
    validation: str
    status: str
    deprecated_at_us: Instant | None
    sunset_at_us: Instant | None
    migration_url: str | None
    retention_s: int | None
    retention_bytes: int | None
    plain_json_source: str | None


Decision: TypeAlias = Callable[[CurrentEventType], Mapping[str, object]]


def alter(
    dialect: Dialect, tenant_id: int, name: str, decide: Decision, now: Instant
) -> Work[tuple[int, Mapping[str, object]] | None]:
    """Sets the columns that `decide` returns; the type's id and these columns. What it raises undoes everything.

    None when the tenant has no such event type.
    """
    names = ", ".join(field.name for field in fields(CurrentEventType))
    lock = " FOR UPDATE" if dialect == "postgresql" else ""
    rows = yield Statement(
        f"SELECT {names} FROM event_types WHERE name = $1 AND tenant_id = $2{lock}", (name, tenant_id)
    )
    if not rows:
        return None
    current = CurrentEventType(*rows[0])
    changes = decide(current)
    if changes:
        assignments = ", ".join(f"{name} = ${number}" for number, name in enumerate(changes, 2))
        yield Statement(f"UPDATE event_types SET {assignments} WHERE id = $1", (current.id, *changes.values()))
        yield from announce(Topic.EVENT_TYPE, current.id, now)
    return current.id, changes


async def by_name(name: str) -> EventType | None:
    return await EventType.objects().where(EventType.name == name).first()


async def by_id(event_type_id: int) -> EventType | None:
    return await EventType.objects().where(EventType.id == event_type_id).first()


def refuse_beyond(tenant_id: int, count_max: int) -> Work[None]:
    """Raises LimitExceeded when the tenant has `count_max` event types. Two creations at once may pass it by one."""
    rows = yield Statement("SELECT COUNT(*) FROM event_types WHERE tenant_id = $1", (tenant_id,))
    if rows[0][0] >= count_max:
        raise LimitExceeded(f"A tenant may have {count_max} event types; the operator can raise the limit.")


def taken(name: str) -> Statement:
    """One row where there is an event type of that name."""
    return Statement("SELECT 1 FROM event_types WHERE name = $1", (name,))


async def page(request: PageRequest, key: str | None, criteria: Criteria = ALL) -> list[EventType]:
    """Up to `request.limit` event types in the direction of `request`, from `key` on (None: from its start).

    Of the words only those of ASCII are looked for here; the rest is the caller's to judge.
    """
    query = _meeting(criteria)
    after, before = (request.after, key) if request.backwards else (key, request.before)
    if after is not None:
        query = query.where(EventType.name > after)
    if before is not None:
        query = query.where(EventType.name < before)
    return list(await query.order_by(EventType.name, ascending=not request.backwards).limit(request.limit))


def _meeting(criteria: Criteria) -> Objects[EventType]:
    query = EventType.objects()
    prefix = criteria.name_prefix
    if prefix:
        query = query.where(WhereRaw("substr(name, 1, {}) = {}", len(prefix), prefix))
    for word in criteria.words.plain:
        escaped = re.sub("[%_!]", r"!\g<0>", word)
        query = query.where(WhereRaw("lower(name || ' ' || description) LIKE {} ESCAPE '!'", f"%{escaped}%"))
    if criteria.status is not None:
        query = query.where(EventType.status == criteria.status)
    if criteria.audience is not None:
        query = query.where(EventType.audience == criteria.audience)
    if criteria.owner is not None:
        query = query.where(WhereRaw("tenant_id = (SELECT id FROM tenants WHERE name = {})", criteria.owner))
    return query


def tenant_name(tenant_id: int) -> Statement:
    """One row of (name,)."""
    return Statement("SELECT name FROM tenants WHERE id = $1", (tenant_id,))


def partitions_of(event_type_id: int) -> Statement:
    """Rows of (id,), in order of the partition's number."""
    return Statement("SELECT id FROM partitions WHERE event_type_id = $1 ORDER BY number", (event_type_id,))


def partition_type(partition_id: int) -> Statement:
    """One row of (event type name,), or none."""
    return Statement(
        "SELECT name FROM event_types JOIN partitions ON event_type_id = event_types.id WHERE partitions.id = $1",
        (partition_id,),
    )


def place_of(partition_id: int) -> Statement:
    """One row of (event type name, number of the partition within it), or none."""
    return Statement(
        "SELECT name, number FROM event_types JOIN partitions ON event_type_id = event_types.id "
        "WHERE partitions.id = $1",
        (partition_id,),
    )


def types_of_partitions(partition_ids: Sequence[int]) -> Statement:
    """Rows of (partition id, event type id)."""
    ids = ", ".join(str(int(id_)) for id_ in partition_ids)
    return Statement(f"SELECT id, event_type_id FROM partitions WHERE id IN ({ids})")


def deprecated_partitions(event_type_id: int | None = None) -> Statement:
    """Rows of (event type id, partition id, deprecated at, sunset at, migration URL), of all types or of one."""
    return Statement(
        "SELECT event_types.id, partitions.id, deprecated_at_us, sunset_at_us, migration_url FROM event_types "
        "JOIN partitions ON event_type_id = event_types.id WHERE status = 'DEPRECATED' "
        "AND event_types.id = COALESCE($1, event_types.id) ORDER BY partitions.id",
        (event_type_id,),
    )
