"""Webhook subscriptions: their statements. Creating and altering are works, so that state, lanes and audit agree."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from event_issuer.db.access import Audit, audit
from event_issuer.db.changes import Topic, announce
from event_issuer.db.database import Database
from event_issuer.db.lanes import keep_time
from event_issuer.db.paging import ById, page_by_id
from event_issuer.db.partitions import insert_missing_lanes
from event_issuer.db.replaying import keep_counts
from event_issuer.db.tables import Subscription, SubscriptionErrorRow
from event_issuer.db.work import Dialect, Statement, Work
from event_issuer.domain.errors import BadInput, LimitExceeded
from event_issuer.domain.paging import PageRequest, Slice
from event_issuer.domain.subscriptions import DeliverySettings, Status
from event_issuer.domain.time import Instant


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """The fields are columns; what is missing here is set by the database's side of things."""

    tenant_id: int
    principal_id: int
    application_id: str
    url: str
    content_mode: str
    ordering: str
    delivery: str
    verification: str
    api_key_header: str | None
    authentication_kind: str | None
    sealed_credentials: bytes | None
    sealed_signing_secret: bytes
    filter: str | None = None


@dataclass(frozen=True, slots=True)
class LaneStart:
    """Where a lane begins: at `offset`, or, when None, at the head that the creating transaction sees."""

    partition_id: int
    offset: int | None


@dataclass(frozen=True, slots=True)
class CurrentSubscription:
    """What an alteration may look at, locked for it."""

    id: int
    url: str
    status: Status
    content_mode: str
    ordering: str
    delivery: str
    api_key_header: str | None
    authentication_kind: str | None
    sealed_credentials: bytes | None
    verified_at_us: Instant | None
    settings_version: int


Decision = Callable[[CurrentSubscription], Mapping[str, object]]


def insert(
    dialect: Dialect,
    new: NewSubscription,
    event_type_ids: Sequence[int],
    starts: Sequence[LaneStart],
    count_max: int,
    now: Instant,
) -> Work[int]:
    """The subscription in state INITIALIZING, due for verification, with its lanes. Raises LimitExceeded."""
    yield from _refuse_beyond(dialect, new.tenant_id, count_max)
    columns = {field.name: getattr(new, field.name) for field in fields(new)}
    columns |= {"status": Status.INITIALIZING.value, "settings_version": 1, "verification_attempts": 0}
    columns |= {"verify_at_us": now, "created_at_us": now, "updated_at_us": now}
    slots = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    rows = yield Statement(
        f"INSERT INTO subscriptions ({', '.join(columns)}) VALUES ({slots}) RETURNING id", list(columns.values())
    )
    subscription_id = int(rows[0][0])
    for event_type_id in event_type_ids:
        yield Statement(
            "INSERT INTO subscription_event_types (subscription_id, event_type_id) VALUES ($1, $2)",
            (subscription_id, event_type_id),
        )
    yield from refuse_missing_version(subscription_id)
    yield from insert_lanes(subscription_id, starts)
    yield insert_missing_lanes(subscription_id)
    detail = {"url": new.url, "applicationId": new.application_id}
    yield from audit(Audit(new.tenant_id, new.principal_id, "create", "subscription", subscription_id, detail), now)
    yield from announce(Topic.SUBSCRIPTION, subscription_id, now)
    return subscription_id


def _refuse_beyond(dialect: Dialect, tenant_id: int, count_max: int) -> Work[None]:
    lock = " FOR UPDATE" if dialect == "postgresql" else ""
    yield Statement(f"SELECT id FROM tenants WHERE id = $1{lock}", (tenant_id,))  # two creations count in turn
    rows = yield Statement(
        "SELECT COUNT(*) FROM subscriptions WHERE tenant_id = $1 AND deleted_at_us IS NULL", (tenant_id,)
    )
    if rows[0][0] >= count_max:
        raise LimitExceeded(f"A tenant may have {count_max} subscriptions; delete one that is not needed.")


def insert_lanes(subscription_id: int, starts: Sequence[LaneStart]) -> Work[None]:
    for start in starts:
        yield Statement(
            "INSERT INTO lanes (subscription_id, partition_id, start_offset, next_offset, settled_above, log_id) "
            "SELECT CAST($1 AS BIGINT), partition_id, COALESCE($3, next_offset), COALESCE($3, next_offset), '[]', "
            "(SELECT log_id FROM log_identity) FROM log_heads "
            "WHERE partition_id = $2",
            (subscription_id, start.partition_id, start.offset),
        )


def change_event_types(subscription_id: int, starts: Mapping[int, Sequence[LaneStart]]) -> Work[None]:
    """Makes the keys of `starts` the event types of the subscription: a new one begins at its starts, one that is no
    longer among them loses its lanes and what is parked there."""
    rows = yield Statement(
        "SELECT event_type_id FROM subscription_event_types WHERE subscription_id = $1", (subscription_id,)
    )
    present = {row[0] for row in rows}
    for event_type_id in sorted(present - starts.keys()):
        pair = (subscription_id, event_type_id)
        its_partitions = "partition_id IN (SELECT id FROM partitions WHERE event_type_id = $2)"
        # A late settle writes nothing for a lane that is gone.
        gone = yield Statement(
            f"DELETE FROM lanes WHERE subscription_id = $1 AND {its_partitions} RETURNING replay_id, delivered_count",
            pair,
        )
        yield from keep_counts(gone)
        yield Statement(f"DELETE FROM parked_events WHERE subscription_id = $1 AND {its_partitions}", pair)
        yield Statement(
            f"DELETE FROM replay_ranges WHERE {its_partitions} "
            "AND replay_id IN (SELECT id FROM replays WHERE subscription_id = $1)",
            pair,
        )
        yield Statement("DELETE FROM subscription_event_types WHERE subscription_id = $1 AND event_type_id = $2", pair)
    for event_type_id in sorted(starts.keys() - present):
        yield Statement(
            "INSERT INTO subscription_event_types (subscription_id, event_type_id) VALUES ($1, $2)",
            (subscription_id, event_type_id),
        )
        yield from insert_lanes(subscription_id, starts[event_type_id])
    yield insert_missing_lanes(subscription_id)


def alter(
    dialect: Dialect,
    tenant_id: int,
    principal_id: int,
    subscription_id: int,
    action: str,
    decide: Decision,
    now: Instant,
) -> Work[bool]:
    """Sets the columns that `decide` returns; what it raises undoes everything. False when there is no such
    subscription of this tenant."""
    names = ", ".join(field.name for field in fields(CurrentSubscription))
    lock = " FOR UPDATE" if dialect == "postgresql" else ""
    rows = yield Statement(
        f"SELECT {names} FROM subscriptions WHERE id = $1 AND tenant_id = $2 AND deleted_at_us IS NULL{lock}",
        (subscription_id, tenant_id),
    )
    if not rows:
        return False
    found = CurrentSubscription(*rows[0])
    current = replace(found, status=Status(found.status))
    changes = dict(decide(current)) | {"updated_at_us": now}
    assignments = ", ".join(f"{name} = ${number}" for number, name in enumerate(changes, 2))
    yield Statement(f"UPDATE subscriptions SET {assignments} WHERE id = $1", (subscription_id, *changes.values()))
    yield from keep_time(subscription_id, current.status, Status(str(changes.get("status", current.status))), now)
    detail = {name: value for name, value in changes.items() if name in SHOWN}
    yield from audit(Audit(tenant_id, principal_id, action, "subscription", subscription_id, detail), now)
    yield from announce(Topic.SUBSCRIPTION, subscription_id, now)
    return True


def refuse_missing_version(subscription_id: int) -> Work[None]:
    """Raises BadInput where the subscription is pinned to a schema version that one of its event types does not have.

    A step of the work that pins it or changes its types; versions are never removed.
    """
    rows = yield Statement("SELECT delivery FROM subscriptions WHERE id = $1", (subscription_id,))
    version = DeliverySettings.from_json(rows[0][0]).schema_version
    if version is None:
        return
    lacking = yield Statement(
        "SELECT name FROM event_types JOIN subscription_event_types ON event_type_id = event_types.id "
        "WHERE subscription_id = $1 AND NOT EXISTS (SELECT 1 FROM schema_versions "
        "WHERE schema_versions.event_type_id = event_types.id AND version = $2) ORDER BY name LIMIT 1",
        (subscription_id, version),
    )
    if lacking:
        raise BadInput(f"The event type {lacking[0][0]} has no schema version {version}.")


# Columns whose new values the audit log shows: none of them holds a secret.
SHOWN = frozenset(
    {
        "status",
        "url",
        "application_id",
        "content_mode",
        "ordering",
        "delivery",
        "filter",
        "api_key_header",
        "authentication_kind",
    }
)


def in_status(tenant_id: int, status: Status, count_max: int) -> Statement:
    """Rows of (id,): up to `count_max` subscriptions of this tenant in `status`."""
    return Statement(
        "SELECT id FROM subscriptions WHERE tenant_id = $1 AND status = $2 AND deleted_at_us IS NULL "
        "ORDER BY id LIMIT $3",
        (tenant_id, status.value, count_max),
    )


async def by_id(tenant_id: int, subscription_id: int) -> Subscription | None:
    wanted = (Subscription.id == subscription_id) & (Subscription.tenant_id == tenant_id)
    return await Subscription.objects().where(wanted & Subscription.deleted_at_us.is_null()).first()


async def page(tenant_id: int, status: Status | None, request: PageRequest) -> Slice[Subscription]:
    wanted = (Subscription.tenant_id == tenant_id) & Subscription.deleted_at_us.is_null()
    if status is not None:
        wanted &= Subscription.status == status.value
    return await page_by_id(ById(Subscription, Subscription.id, wanted), request)


def event_type_ids_of(subscription_id: int) -> Statement:
    """Rows of (id,)."""
    return Statement(
        "SELECT event_type_id FROM subscription_event_types WHERE subscription_id = $1 ORDER BY event_type_id",
        (subscription_id,),
    )


async def event_types_of(database: Database, subscription_ids: Sequence[int]) -> dict[int, list[str]]:
    """The names of each subscription's event types, in name order."""
    found: dict[int, list[str]] = {id_: [] for id_ in subscription_ids}
    if not found:
        return found
    ids = ", ".join(str(int(id_)) for id_ in found)
    rows = await database.read(
        Statement(
            "SELECT subscription_id, name FROM subscription_event_types JOIN event_types "
            f"ON event_types.id = event_type_id WHERE subscription_id IN ({ids}) ORDER BY name"
        )
    )
    for subscription_id, name in rows:
        found[subscription_id].append(name)
    return found


async def errors_of(subscription_id: int, count: int) -> list[SubscriptionErrorRow]:
    """The newest first."""
    query = SubscriptionErrorRow.objects().where(SubscriptionErrorRow.subscription_id == subscription_id)
    return list(await query.order_by(SubscriptionErrorRow.id, ascending=False).limit(count))
