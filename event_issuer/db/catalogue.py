"""What the catalogue reads beyond one event type: schemas of many, owners' names, and who may use a type."""

from collections.abc import Sequence

from event_issuer.db.access import ACTIVE
from event_issuer.db.tables import Principal
from event_issuer.db.work import Statement
from event_issuer.domain.access import Action
from event_issuer.domain.paging import PageRequest, id_of


def schema_totals(event_type_ids: Sequence[int], *, latest_only: bool) -> Statement:
    """One row of (versions, characters of schemas and examples) of these types, one type or more."""
    return Statement(
        "SELECT COUNT(*), COALESCE(SUM(LENGTH(definition) + COALESCE(LENGTH(example), 0)), 0) FROM schema_versions "
        f"WHERE {_of(event_type_ids, latest_only)}",
        event_type_ids,
    )


def schemas_of(event_type_ids: Sequence[int], *, latest_only: bool) -> Statement:
    """Rows of (event type, version, definition, example, created), the oldest version of a type first."""
    return Statement(
        "SELECT event_type_id, version, definition, example, created_at_us FROM schema_versions "
        f"WHERE {_of(event_type_ids, latest_only)} ORDER BY event_type_id, version",
        event_type_ids,
    )


def _of(event_type_ids: Sequence[int], latest_only: bool) -> str:
    wanted = f"event_type_id IN ({_slots(event_type_ids)})"
    if not latest_only:
        return wanted
    newer = "newer.event_type_id = schema_versions.event_type_id AND newer.version > schema_versions.version"
    return f"{wanted} AND NOT EXISTS (SELECT 1 FROM schema_versions AS newer WHERE {newer})"


def tenant_names(tenant_ids: Sequence[int]) -> Statement:
    """Rows of (id, name), for one tenant or more."""
    return Statement(f"SELECT id, name FROM tenants WHERE id IN ({_slots(tenant_ids)})", tenant_ids)


async def principal_page(tenant_id: int, request: PageRequest, key: str | None) -> list[Principal]:
    """Up to `request.limit` active principals in the direction of `request`, from `key` on (None: from its start).

    Raises BadInput for a cursor of another list.
    """
    query = Principal.objects().where(Principal.tenant_id == tenant_id, Principal.status == ACTIVE)
    after, before = (request.after, key) if request.backwards else (key, request.before)
    after_id, before_id = id_of(after), id_of(before)
    if after_id is not None:
        query = query.where(Principal.id > after_id)
    if before_id is not None:
        query = query.where(Principal.id < before_id)
    return list(await query.order_by(Principal.id, ascending=not request.backwards).limit(request.limit))


def policies_on_events(tenant_id: int, principal_ids: Sequence[int]) -> Statement:
    """Rows of (principal or None for the whole tenant, action, event type, source prefix); one principal or more."""
    return Statement(
        "SELECT principal_id, action, event_type, source_prefix FROM policies "
        f"WHERE action IN ('{Action.CONSUME}', '{Action.PRODUCE}') "
        f"AND (tenant_id = ${len(principal_ids) + 1} OR principal_id IN ({_slots(principal_ids)})) ORDER BY id",
        [*principal_ids, tenant_id],
    )


def _slots(values: Sequence[int]) -> str:
    return ", ".join(f"${number}" for number in range(1, len(values) + 1))
