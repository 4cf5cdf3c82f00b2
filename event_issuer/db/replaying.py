"""The SQL of what delivery does about replays: counting their events, ending them, and sweeping up behind them.

A replay's lanes are removed as they have nothing left to do; what they delivered is added to the replay in the same
transaction, so that it is counted once. Whatever names a replay that has ended meanwhile changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from event_issuer.db.changes import Topic, announce
from event_issuer.db.lanes import record_error
from event_issuer.db.work import Dialect, Row, Statement, Work, removal
from event_issuer.domain.replays import OPEN, ReplayStatus
from event_issuer.domain.time import Instant

_OPEN: Final = ", ".join(f"'{status}'" for status in sorted(OPEN))
_EARLY: Final = f"'{ReplayStatus.CANCELLED}', '{ReplayStatus.FAILED}'"

# What a lane has yet to do: an event that waits or is to be discarded, or those that wait behind a dead letter.
_WAITING: Final = (
    "SELECT 1 FROM parked_events WHERE lane_id = lanes.id AND (dead_lettered_at_us IS NULL OR wish IS NOT NULL "
    "OR (blocks_key AND followers_from IS NOT NULL))"
)


@dataclass(frozen=True, slots=True)
class Place:
    recorded_at: Instant
    partition_id: int
    offset: int

    @property
    def order(self) -> tuple[Instant, int, int]:
        """By time, as far as partitions have one."""
        return (self.recorded_at, self.partition_id, self.offset)


@dataclass(frozen=True, slots=True)
class Counted:
    """Of one replay and partition: what lies from `begin` up to `end`, and how many events of it are wanted."""

    replay_id: int
    partition_id: int
    begin: int
    end: int
    matched: int = 0
    first: Place | None = None
    last: Place | None = None


def open_after(replay_id: int, count_max: int) -> Statement:
    """Rows of (id, subscription id, status, filter, log id, whether it is counted), by id."""
    return Statement(
        "SELECT replays.id, subscription_id, replays.status, replays.filter, log_id, counted_at_us IS NOT NULL "
        "FROM replays JOIN subscriptions ON subscriptions.id = subscription_id AND deleted_at_us IS NULL "
        f"WHERE swept_at_us IS NULL AND replays.status IN ({_OPEN}) AND replays.id > $1 ORDER BY replays.id LIMIT $2",
        (replay_id, count_max),
    )


def uncounted(replay_id: int) -> Statement:
    """One row of (partition id, counted to, end), or none."""
    return Statement(
        "SELECT partition_id, counted_to, end_offset FROM replay_ranges "
        "WHERE replay_id = $1 AND counted_to < end_offset ORDER BY partition_id LIMIT 1",
        (replay_id,),
    )


def note_counted(dialect: Dialect, counted: Counted) -> Work[bool]:
    """Adds it, unless another process has counted there meanwhile."""
    lock = " FOR UPDATE" if dialect == "postgresql" else ""
    rows = yield Statement(
        "SELECT first_recorded_at_us, first_partition_id, first_offset, last_recorded_at_us, last_partition_id, "
        f"last_offset FROM replays WHERE id = $1 AND status IN ({_OPEN}){lock}",
        (counted.replay_id,),
    )
    moved = yield Statement(
        "UPDATE replay_ranges SET counted_to = $4 WHERE replay_id = $1 AND partition_id = $2 AND counted_to = $3 "
        "RETURNING 1",
        (counted.replay_id, counted.partition_id, counted.begin, counted.end),
    )
    if not rows or not moved:
        return False
    if counted.first is not None and counted.last is not None:
        first = min(filter(None, (_place(rows[0][:3]), counted.first)), key=lambda place: place.order)
        last = max(filter(None, (_place(rows[0][3:]), counted.last)), key=lambda place: place.order)
        yield Statement(
            "UPDATE replays SET matched_count = matched_count + $2, "
            "first_recorded_at_us = $3, first_partition_id = $4, first_offset = $5, "
            "last_recorded_at_us = $6, last_partition_id = $7, last_offset = $8 WHERE id = $1",
            (counted.replay_id, counted.matched, *first.order, *last.order),
        )
    return True


def _place(columns: Row) -> Place | None:
    return None if columns[0] is None else Place(*columns)


def end_counting(replay_id: int, now: Instant) -> Work[bool]:
    """Where all is counted; a dry run has ended with that."""
    rows = yield Statement(
        "UPDATE replays SET counted_at_us = $2, "
        "status = CASE WHEN is_dry_run THEN 'COUNTED' ELSE status END, "
        "ended_at_us = CASE WHEN is_dry_run THEN CAST($2 AS BIGINT) ELSE ended_at_us END "
        f"WHERE id = $1 AND counted_at_us IS NULL AND status IN ({_OPEN}) "
        "AND NOT EXISTS (SELECT 1 FROM replay_ranges WHERE replay_id = $1 AND counted_to < end_offset) RETURNING 1",
        (replay_id, now),
    )
    return bool(rows)


def unfinished(replay_id: int) -> Statement:
    """One row where a lane of the replay has still something to do."""
    return Statement(
        "SELECT 1 FROM lanes JOIN replay_ranges ON replay_ranges.replay_id = lanes.replay_id "
        "AND replay_ranges.partition_id = lanes.partition_id "
        f"WHERE lanes.replay_id = $1 AND (next_offset < end_offset OR EXISTS ({_WAITING})) LIMIT 1",
        (replay_id,),
    )


def complete(replay_id: int, now: Instant) -> Work[bool]:
    rows = yield Statement(
        "UPDATE replays SET status = $2, ended_at_us = $3 WHERE id = $1 AND status = $4 RETURNING 1",
        (replay_id, ReplayStatus.COMPLETED.value, now, ReplayStatus.RUNNING.value),
    )
    return bool(rows)


def fail(dialect: Dialect, replay_id: int, message: str, now: Instant) -> Work[bool]:
    """It cannot go on: its subscription's errors say why."""
    lock = " FOR UPDATE" if dialect == "postgresql" else ""
    rows = yield Statement(
        f"SELECT id FROM subscriptions WHERE id = (SELECT subscription_id FROM replays WHERE id = $1){lock}",
        (replay_id,),
    )
    if not rows or not (yield from end_early(replay_id, ReplayStatus.FAILED, now)):
        return False
    yield from record_error(rows[0][0], message, None, None, now)
    return True


def end_early(replay_id: int, status: ReplayStatus, now: Instant) -> Work[bool]:
    """Whether it was open. Its lanes go with it, so that late settles write nothing; its subscription, which the caller
    has locked, is opened anew without them."""
    rows = yield Statement(
        f"UPDATE replays SET status = $2, ended_at_us = $3 WHERE id = $1 AND status IN ({_OPEN}) "
        "RETURNING subscription_id, is_dry_run",
        (replay_id, status.value, now),
    )
    if not rows:
        return False
    subscription_id, is_dry_run = rows[0]
    if not is_dry_run:
        gone = yield Statement(
            "DELETE FROM lanes WHERE replay_id = $1 RETURNING replay_id, delivered_count", (replay_id,)
        )
        yield from keep_counts(gone)
        yield Statement(
            "UPDATE subscriptions SET settings_version = settings_version + 1 WHERE id = $1", (subscription_id,)
        )
        yield from announce(Topic.SUBSCRIPTION, subscription_id, now)
    yield from announce(Topic.REPLAY, replay_id, now)
    return True


def keep_counts(lanes: Sequence[Row]) -> Work[None]:
    """Rows of (replay id, how many were delivered) of lanes that have been removed; replay id None of live ones."""
    counts: dict[int, int] = {}
    for replay_id, count in lanes:
        if replay_id is not None and count:
            counts[replay_id] = counts.get(replay_id, 0) + count
    for replay_id in sorted(counts):
        yield Statement(
            "UPDATE replays SET delivered_count = delivered_count + $2 WHERE id = $1", (replay_id, counts[replay_id])
        )


def sweepable() -> Statement:
    """One row where `sweep` has something to do."""
    idle = "NOT EXISTS (SELECT 1 FROM parked_events WHERE lane_id = lanes.id)"
    return Statement(
        "SELECT 1 FROM replays WHERE swept_at_us IS NULL AND ended_at_us IS NOT NULL AND ("
        "NOT EXISTS (SELECT 1 FROM lanes WHERE replay_id = replays.id) "
        f"OR EXISTS (SELECT 1 FROM lanes WHERE replay_id = replays.id AND {idle})) LIMIT 1"
    )


def sweep(dialect: Dialect, count_max: int, now: Instant) -> Work[int]:
    """Removes up to `count_max` rows of replays that have ended, and so many of what they left behind; how many.

    A lane stays as long as it has a dead letter: its owner may have it tried again.
    """
    lanes = yield Statement(
        "DELETE FROM lanes WHERE id IN (SELECT lanes.id FROM lanes JOIN replays ON replays.id = lanes.replay_id "
        "WHERE lanes.replay_id IS NOT NULL AND ended_at_us IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM parked_events WHERE lane_id = lanes.id) ORDER BY lanes.id LIMIT $1) "
        "RETURNING replay_id, delivered_count",
        (count_max,),
    )
    yield from keep_counts(lanes)
    orphans = (
        "SELECT parked_events.id FROM parked_events JOIN replays "
        "ON replays.subscription_id = parked_events.subscription_id "
        f"WHERE swept_at_us IS NULL AND replays.status IN ({_EARLY}) "
        "AND NOT EXISTS (SELECT 1 FROM lanes WHERE lanes.id = lane_id) LIMIT $1"
    )
    delete = Statement(f"DELETE FROM parked_events WHERE id IN ({orphans})", (count_max,))
    removed = len(lanes) + (yield from removal(dialect, delete))
    if removed < count_max:
        removed += yield from _sweep_ranges(dialect, count_max)
    if removed < count_max:
        yield Statement(
            "UPDATE replays SET swept_at_us = $1 WHERE swept_at_us IS NULL AND ended_at_us IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM lanes WHERE replay_id = replays.id)",
            (now,),
        )
    return removed


def _sweep_ranges(dialect: Dialect, count_max: int) -> Work[int]:
    """Those of replays without a lane; a lane that is tried again asks where its replay ends."""
    ranges = (
        "SELECT replay_id, partition_id FROM replay_ranges JOIN replays ON replays.id = replay_id "
        "WHERE ended_at_us IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lanes WHERE lanes.replay_id = replays.id) LIMIT $1"
    )
    delete = Statement(f"DELETE FROM replay_ranges WHERE (replay_id, partition_id) IN ({ranges})", (count_max,))
    return (yield from removal(dialect, delete))


def remove_ranges_of(dialect: Dialect, subscription_id: int, count_max: int) -> Work[int]:
    """Of a subscription that was deleted; the number removed."""
    ranges = (
        "SELECT replay_id, partition_id FROM replay_ranges JOIN replays ON replays.id = replay_id "
        "WHERE replays.subscription_id = $1 LIMIT $2"
    )
    delete = f"DELETE FROM replay_ranges WHERE (replay_id, partition_id) IN ({ranges})"
    return (yield from removal(dialect, Statement(delete, (subscription_id, count_max))))


def go_on_at(lane_id: int, next_offset: int, settled_above: str) -> Statement:
    """A lane that retention has overtaken."""
    return Statement(
        "UPDATE lanes SET next_offset = $2, settled_above = $3 WHERE id = $1", (lane_id, next_offset, settled_above)
    )
