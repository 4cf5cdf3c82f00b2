"""The SQL of settling: attempts, parked events and cursors of many lanes, in one transaction under their leases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from event_issuer.db.lanes import move, record_error
from event_issuer.db.work import Dialect, Row, Statement, Work, batches, insertion, numbers, rows_cte
from event_issuer.domain.subscriptions import DELIVERING, Command
from event_issuer.domain.time import Instant

_ATTEMPTS = {
    "subscription_id": "bigint",
    "partition_id": "bigint",
    "log_offset": "bigint",
    "kind": "text",
    "number": "integer",
    "started_at_us": "bigint",
    "duration_us": "bigint",
    "outcome": "text",
    "http_status": "integer",
    "error": "text",
    "response_excerpt": "text",
    "trace_id": "text",
    "timings": "text",
}
_BATCH_ATTEMPTS = _ATTEMPTS | {"log_offsets": "text"}
_LANES = {
    "id": "bigint",
    "next_offset": "bigint",
    "settled_above": "text",
    "filtered_count": "bigint",
    "last_filtered": "text",
    "expired_count": "bigint",
    "delivered_count": "bigint",
}
_PARKED = {
    "lane_id": "bigint",
    "subscription_id": "bigint",
    "partition_id": "bigint",
    "log_offset": "bigint",
    "partitionkey": "text",
    "blocks_key": "boolean",
    "followers_from": "bigint",
    "attempts": "integer",
    "parked_at_us": "bigint",
    "next_attempt_at_us": "bigint",
    "dead_lettered_at_us": "bigint",
    "last_outcome": "text",
    "last_error": "text",
    "batch_from": "bigint",
}
_HEALTH = {
    "id": "bigint",
    "probe_step": "integer",
    "probe_at_us": "bigint",
    "paused_until_us": "bigint",
    "pauses": "integer",
    "frozen_us": "bigint",
    "frozen_since_us": "bigint",
}
_ID = {"id": "bigint"}
_EPOCHS = {"partition_id": "bigint", "epoch": "bigint"}
_PARKED_CHANGING = {
    name: _PARKED[name]
    for name in (
        "blocks_key",
        "followers_from",
        "attempts",
        "next_attempt_at_us",
        "dead_lettered_at_us",
        "last_outcome",
        "last_error",
        "batch_from",
    )
}


@dataclass(slots=True)
class Settlement:
    """Rows in the column order of the tables above; `parked_updates` begin with the row's id.

    `epochs` are the leases under which all this happened: partition → epoch.
    """

    epochs: Mapping[int, int]
    attempts: list[Row] = field(default_factory=list)
    has_batches: bool = False  # then attempts have one more column, `log_offsets`: NULL for a single event
    lanes: list[Row] = field(default_factory=list)
    parked_inserts: list[Row] = field(default_factory=list)
    parked_updates: list[Row] = field(default_factory=list)
    parked_deletes: list[int] = field(default_factory=list)
    failures: list[Row] = field(default_factory=list)  # (subscription_id, message, trace_id, http_status)
    errors: list[Row] = field(default_factory=list)  # the same
    health: list[Row] = field(default_factory=list)


class LeaseLost(Exception):
    """Another process took these partitions over: nothing of the settlement was written."""

    def __init__(self, partition_ids: Sequence[int]) -> None:
        super().__init__(f"leases lost: {list(partition_ids)}")
        self.partition_ids = frozenset(partition_ids)


def settle(dialect: Dialect, owner: str, settlement: Settlement, now: Instant) -> Work[dict[tuple[int, int], int]]:
    """Writes a settlement; the new parked rows' ids by (lane id, offset). Raises LeaseLost.

    A lane that was deleted meanwhile keeps nothing: its cursor and its parked events are dropped.
    """
    yield from hold_leases(dialect, owner, settlement.epochs)
    yield from _tell_subscriptions(dialect, settlement, now)
    columns = _BATCH_ATTEMPTS if settlement.has_batches else _ATTEMPTS
    for part in batches(columns, settlement.attempts):
        yield insertion(dialect, "attempts", columns, part)
    for part in batches(_LANES, settlement.lanes):
        moved = rows_cte(dialect, "moved", _LANES, part)
        yield Statement(
            f"{moved.sql} UPDATE lanes SET next_offset = moved.next_offset, settled_above = moved.settled_above, "
            "filtered_count = moved.filtered_count, last_filtered = moved.last_filtered, "
            "expired_count = moved.expired_count, delivered_count = moved.delivered_count "
            "FROM moved WHERE lanes.id = moved.id",
            moved.args,
        )
    yield from _change_parked(dialect, settlement)
    ids: dict[tuple[int, int], int] = {}
    for part in batches(_PARKED, settlement.parked_inserts):
        insert = insertion(dialect, "parked_events", _PARKED, part)
        living = "WHERE EXISTS (SELECT 1 FROM lanes WHERE lanes.id = fresh.lane_id) ORDER BY lane_id, log_offset"
        rows = yield Statement(f"{insert.sql} {living} RETURNING lane_id, log_offset, id", insert.args)
        ids |= {(row[0], row[1]): row[2] for row in rows}
    return ids


def hold_leases(dialect: Dialect, owner: str, epochs: Mapping[int, int]) -> Work[None]:
    """Keeps the leases for this transaction, so that no takeover can come between the check and the commit. Raises
    LeaseLost.

    They are taken in order of the partitions, as whoever renews them does: neither waits for the other for ever.
    """
    held: set[int] = set()
    for part in batches(_EPOCHS, sorted(epochs.items())):
        asked = rows_cte(dialect, "asked", _EPOCHS, part)
        rows = yield from numbers(
            dialect,
            Statement(asked.sql, [*asked.args, owner]),
            "leases.partition_id",
            "FROM leases JOIN asked ON asked.partition_id = leases.partition_id AND asked.epoch = leases.epoch "
            f"WHERE leases.owner = ${len(asked.args) + 1}",
            "ORDER BY leases.partition_id FOR SHARE OF leases",
        )
        held.update(row[0] for row in rows)
    lost = epochs.keys() - held
    if lost:
        raise LeaseLost(sorted(lost))


def _change_parked(dialect: Dialect, settlement: Settlement) -> Work[None]:
    for ids in batches(_ID, [(id_,) for id_ in settlement.parked_deletes]):
        gone = rows_cte(dialect, "gone", _ID, ids)
        yield Statement(f"{gone.sql} DELETE FROM parked_events WHERE id IN (SELECT id FROM gone)", gone.args)
    assignments = ", ".join(f"{name} = changed.{name}" for name in _PARKED_CHANGING)
    for part in batches(_ID | _PARKED_CHANGING, settlement.parked_updates):
        changed = rows_cte(dialect, "changed", _ID | _PARKED_CHANGING, part)
        yield Statement(
            f"{changed.sql} UPDATE parked_events SET {assignments} FROM changed WHERE parked_events.id = changed.id",
            changed.args,
        )


def _tell_subscriptions(dialect: Dialect, settlement: Settlement, now: Instant) -> Work[None]:
    """What concerns subscriptions as a whole. It comes before their lanes, as in an owner's change, so that neither
    waits for the other for ever.

    The health of one that was stopped meanwhile is not kept: it begins anew when it starts.
    """
    delivering = ", ".join(f"'{status}'" for status in sorted(DELIVERING))
    assignments = ", ".join(f"{name} = healthy.{name}" for name in _HEALTH if name != "id")
    for part in batches(_HEALTH, settlement.health):
        healthy = rows_cte(dialect, "healthy", _HEALTH, part)
        yield Statement(
            f"{healthy.sql} UPDATE subscriptions SET {assignments} FROM healthy "
            f"WHERE subscriptions.id = healthy.id AND status IN ({delivering})",
            healthy.args,
        )
    for subscription_id, message, trace_id, http_status in settlement.errors:
        yield from record_error(subscription_id, message, trace_id, http_status, now)
    for failure in settlement.failures:
        yield from _fail(failure, now)


def _fail(failure: Row, now: Instant) -> Work[None]:
    """The endpoint is gone: the subscription fails, with an error record that says so."""
    subscription_id, message, trace_id, http_status = failure
    if (yield from move(subscription_id, Command.FAIL, now)):
        yield from record_error(subscription_id, message, trace_id, http_status, now)
