"""Schema versions of an event type: reading them, and adding the next one. Knows nothing of what a schema says."""

from collections.abc import Sequence
from dataclasses import dataclass

from event_issuer.db.changes import Topic, announce
from event_issuer.db.paging import ById, page_by_id
from event_issuer.db.tables import SchemaVersion
from event_issuer.db.work import Dialect, Statement, Work
from event_issuer.domain.errors import LimitExceeded
from event_issuer.domain.paging import PageRequest, Slice
from event_issuer.domain.time import Instant


@dataclass(frozen=True, slots=True)
class NextVersion:
    """A schema that may follow version `after` in the mode `compatibility`: it was compared by these."""

    event_type_id: int
    after: int
    compatibility: str
    definition: str
    example: str | None


def insert(dialect: Dialect, new: NextVersion, versions_max: int, now: Instant) -> Work[int | None]:
    """The id of version `after + 1`; None when the type has changed since the schema was compared.

    Raises LimitExceeded. The type's row is locked, so that versions are numbered without a gap.
    """
    lock = " FOR UPDATE" if dialect == "postgresql" else ""
    types = yield Statement(f"SELECT compatibility FROM event_types WHERE id = $1{lock}", (new.event_type_id,))
    latest = yield Statement("SELECT MAX(version) FROM schema_versions WHERE event_type_id = $1", (new.event_type_id,))
    if not types or (types[0][0], latest[0][0]) != (new.compatibility, new.after):
        return None
    if new.after >= versions_max:
        raise LimitExceeded(f"An event type may have {versions_max} schema versions; make a new event type.")
    rows = yield Statement(
        "INSERT INTO schema_versions (event_type_id, version, definition, example, created_at_us) "
        "VALUES ($1, $2, $3, $4, $5) RETURNING id",
        (new.event_type_id, new.after + 1, new.definition, new.example, now),
    )
    yield from announce(Topic.EVENT_TYPE, new.event_type_id, now)
    return int(rows[0][0])


async def page(event_type_id: int, request: PageRequest) -> Slice[SchemaVersion]:
    """In order of their ids, which is that of their versions."""
    wanted = SchemaVersion.event_type_id == event_type_id
    return await page_by_id(ById(SchemaVersion, SchemaVersion.id, wanted), request)


async def by_version(event_type_id: int, version: int) -> SchemaVersion | None:
    both = (SchemaVersion.event_type_id == event_type_id) & (SchemaVersion.version == version)
    return await SchemaVersion.objects().where(both).first()


async def since(event_type_id: int, version: int) -> list[SchemaVersion]:
    """The versions from this one on, in their order."""
    both = (SchemaVersion.event_type_id == event_type_id) & (SchemaVersion.version >= version)
    return list(await SchemaVersion.objects().where(both).order_by(SchemaVersion.version))


async def latest(event_type_id: int) -> SchemaVersion | None:
    query = SchemaVersion.objects().where(SchemaVersion.event_type_id == event_type_id)
    return await query.order_by(SchemaVersion.version, ascending=False).first()


async def by_id(schema_id: int) -> SchemaVersion | None:
    return await SchemaVersion.objects().where(SchemaVersion.id == schema_id).first()


def latest_versions(event_type_ids: Sequence[int]) -> Statement:
    """Rows of (event type id, its latest version): they are numbered from 1 without a gap."""
    ids = ", ".join(str(int(id_)) for id_ in event_type_ids)
    return Statement(
        f"SELECT event_type_id, MAX(version) FROM schema_versions WHERE event_type_id IN ({ids or 'NULL'}) "
        "GROUP BY event_type_id"
    )
