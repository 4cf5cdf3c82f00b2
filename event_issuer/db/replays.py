"""Replays as their owners ask for them: their statements. What delivery does about them is in `replaying.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from event_issuer.db.access import Audit, audit
from event_issuer.db.changes import Topic, announce
from event_issuer.db.paging import ById, page_by_id
from event_issuer.db.replaying import end_early
from event_issuer.db.tables import Replay
from event_issuer.db.work import Dialect, Statement, Work, batches, insertion
from event_issuer.domain.errors import Conflict, LimitExceeded
from event_issuer.domain.paging import PageRequest, Slice
from event_issuer.domain.replays import KEPT, OPEN, OPEN_MAX, ReplayStatus
from event_issuer.domain.subscriptions import Status, refuse_untestable
from event_issuer.domain.time import Instant

OPEN_NAMES: Final = ", ".join(f"'{status}'" for status in sorted(OPEN))
_RANGES: Final = {
    "replay_id": "bigint",
    "partition_id": "bigint",
    "start_offset": "bigint",
    "end_offset": "bigint",
    "counted_to": "bigint",
}
_LANES: Final = {
    "subscription_id": "bigint",
    "partition_id": "bigint",
    "replay_id": "bigint",
    "start_offset": "bigint",
    "next_offset": "bigint",
    "settled_above": "text",
    "log_id": "text",
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events of one partition from `start` up to, but not with, `end`; None: up to the head that the creating
    transaction sees, which bounds both."""

    partition_id: int
    start: int
    end: int | None


@dataclass(frozen=True, slots=True)
class NewReplay:
    """`filter` is JSON, None for all that the subscription takes. `detail` is what the audit log shows of it."""

    tenant_id: int
    principal_id: int
    subscription_id: int
    is_dry_run: bool
    filter: str | None
    log_id: str
    stretches: Sequence[Stretch]
    detail: dict[str, object]


def insert(dialect: Dialect, new: NewReplay, now: Instant) -> Work[int | None]:
    """The id of the replay, with its lanes unless it is a dry run; None when the tenant has no such subscription.

    Raises LimitExceeded, and Conflict where the endpoint has not agreed to receive.
    """
    lock = " FOR UPDATE" if dialect == "postgresql" else ""  # two requests count in turn
    rows = yield Statement(
        "SELECT status, verified_at_us FROM subscriptions "
        f"WHERE id = $1 AND tenant_id = $2 AND deleted_at_us IS NULL{lock}",
        (new.subscription_id, new.tenant_id),
    )
    if not rows:
        return None
    if not new.is_dry_run:
        refuse_untestable(Status(rows[0][0]), rows[0][1])
    yield from _make_room(new.subscription_id)
    status = ReplayStatus.COUNTING if new.is_dry_run else ReplayStatus.RUNNING
    rows = yield Statement(
        "INSERT INTO replays (subscription_id, principal_id, status, is_dry_run, filter, log_id, matched_count, "
        "delivered_count, created_at_us) VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7) RETURNING id",
        (new.subscription_id, new.principal_id, status.value, new.is_dry_run, new.filter, new.log_id, now),
    )
    replay_id = int(rows[0][0])
    yield from _insert_ranges(dialect, new, replay_id)
    if not new.is_dry_run:
        yield Statement(
            "UPDATE subscriptions SET settings_version = settings_version + 1 WHERE id = $1", (new.subscription_id,)
        )
        yield from announce(Topic.SUBSCRIPTION, new.subscription_id, now)
    yield from audit(Audit(new.tenant_id, new.principal_id, "create", "replay", replay_id, new.detail), now)
    yield from announce(Topic.REPLAY, replay_id, now)
    return replay_id


def _make_room(subscription_id: int) -> Work[None]:
    rows = yield Statement(
        f"SELECT COUNT(*) FROM replays WHERE subscription_id = $1 AND status IN ({OPEN_NAMES})", (subscription_id,)
    )
    if rows[0][0] >= OPEN_MAX:
        raise LimitExceeded(f"A subscription may have {OPEN_MAX} replays at a time; wait for one to end or cancel it.")
    yield Statement(
        "DELETE FROM replays WHERE subscription_id = $1 AND swept_at_us IS NOT NULL AND id <= "
        "(SELECT id FROM replays WHERE subscription_id = $1 AND swept_at_us IS NOT NULL ORDER BY id DESC "
        "LIMIT 1 OFFSET $2)",
        (subscription_id, KEPT - 1),
    )


def _insert_ranges(dialect: Dialect, new: NewReplay, replay_id: int) -> Work[None]:
    """Where the subscription has a live lane, and there is anything between the ends."""
    rows = yield Statement(
        "SELECT lanes.partition_id, log_heads.next_offset FROM lanes "
        "JOIN log_heads ON log_heads.partition_id = lanes.partition_id "
        "WHERE lanes.subscription_id = $1 AND lanes.replay_id IS NULL",
        (new.subscription_id,),
    )
    heads: dict[int, int] = {row[0]: row[1] for row in rows}
    known = [one for one in new.stretches if one.partition_id in heads]
    ends = [
        (one, heads[one.partition_id] if one.end is None else min(one.end, heads[one.partition_id])) for one in known
    ]
    ranges = [(replay_id, one.partition_id, one.start, end, one.start) for one, end in ends if one.start < end]
    for part in batches(_RANGES, ranges):
        yield insertion(dialect, "replay_ranges", _RANGES, part)
    if not new.is_dry_run:
        lanes = [(new.subscription_id, id_, replay_id, start, start, "[]", new.log_id) for _, id_, start, *_ in ranges]
        for part in batches(_LANES, lanes):
            yield insertion(dialect, "lanes", _LANES, part)


def cancel(dialect: Dialect, tenant_id: int, principal_id: int, replay_id: int, now: Instant) -> Work[bool]:
    """At once: a late settle of its lanes writes nothing. False when the tenant has no such replay. Raises Conflict."""
    lock = " FOR UPDATE" if dialect == "postgresql" else ""
    rows = yield Statement(
        "SELECT id FROM subscriptions WHERE tenant_id = $1 AND deleted_at_us IS NULL "
        f"AND id = (SELECT subscription_id FROM replays WHERE id = $2){lock}",
        (tenant_id, replay_id),
    )
    if not rows:
        return False
    found = yield Statement("SELECT status FROM replays WHERE id = $1", (replay_id,))
    if not found:
        return False
    if not (yield from end_early(replay_id, ReplayStatus.CANCELLED, now)):
        raise Conflict(f"A replay that is {found[0][0]} has ended; there is nothing to cancel.")
    entry = Audit(tenant_id, principal_id, "cancel", "replay", replay_id, {"subscription": rows[0][0]})
    yield from audit(entry, now)
    return True


async def page(subscription_id: int, request: PageRequest) -> Slice[Replay]:
    """The oldest first."""
    return await page_by_id(ById(Replay, Replay.id, Replay.subscription_id == subscription_id), request)


async def by_id(replay_id: int) -> Replay | None:
    return await Replay.objects().where(Replay.id == replay_id).first()


def delivered(replay_id: int) -> Statement:
    """One row of (how many events it has delivered,), or none: those of lanes that are there, and of others."""
    return Statement(
        "SELECT delivered_count + COALESCE((SELECT SUM(delivered_count) FROM lanes WHERE replay_id = replays.id), 0) "
        "FROM replays WHERE id = $1",
        (replay_id,),
    )
