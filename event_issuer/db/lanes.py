"""The SQL of lanes: what a delivery process needs to open them, and the states it moves a subscription through."""

from collections.abc import Sequence
from dataclasses import dataclass

from event_issuer.db.changes import Topic, announce
from event_issuer.db.work import Statement, Work
from event_issuer.domain.subscriptions import DELIVERING, TRANSITIONS, Command, Status
from event_issuer.domain.time import Instant


@dataclass(frozen=True, slots=True)
class LaneRow:
    """The last four are of a replay's lane: None, and nothing delivered, where the lane is live."""

    id: int
    subscription_id: int
    partition_id: int
    next_offset: int
    settled_above: str
    filtered_count: int
    last_filtered: str | None
    expired_count: int
    log_id: str | None
    delivered_count: int
    replay_id: int | None
    end_offset: int | None
    replay_filter: str | None


@dataclass(frozen=True, slots=True)
class ParkedRow:
    id: int
    lane_id: int
    log_offset: int
    partitionkey: str | None
    blocks_key: bool
    followers_from: int | None
    attempts: int
    parked_at_us: Instant
    next_attempt_at_us: Instant | None
    last_outcome: str | None
    last_error: str | None
    dead_lettered_at_us: Instant | None
    wish: str | None
    batch_from: int | None


def lanes_of(subscription_id: int) -> Statement:
    """The live ones, those of replays that run, and those of others where something is to be tried again."""
    return Statement(
        "SELECT lanes.id, lanes.subscription_id, lanes.partition_id, next_offset, settled_above, filtered_count, "
        "last_filtered, expired_count, lanes.log_id, lanes.delivered_count, lanes.replay_id, end_offset, "
        "replays.filter FROM lanes LEFT JOIN replays ON replays.id = lanes.replay_id LEFT JOIN replay_ranges "
        "ON replay_ranges.replay_id = lanes.replay_id AND replay_ranges.partition_id = lanes.partition_id "
        "WHERE lanes.subscription_id = $1 AND (lanes.replay_id IS NULL OR replays.status = 'RUNNING' "
        "OR EXISTS (SELECT 1 FROM parked_events WHERE lane_id = lanes.id "
        "AND (dead_lettered_at_us IS NULL OR wish IS NOT NULL))) ORDER BY lanes.id",
        (subscription_id,),
    )


def parked_of(lane_id: int, count_max: int) -> Statement:
    """Those that still wait, the dead letters that hold their key, and those with a wish, the oldest first."""
    return Statement(
        "SELECT id, lane_id, log_offset, partitionkey, blocks_key, followers_from, attempts, parked_at_us, "
        "next_attempt_at_us, last_outcome, last_error, dead_lettered_at_us, wish, batch_from FROM parked_events "
        "WHERE lane_id = $1 AND (dead_lettered_at_us IS NULL OR blocks_key OR wish IS NOT NULL) ORDER BY id LIMIT $2",
        (lane_id, count_max),
    )


def delivering(statuses: Sequence[Status]) -> Statement:
    """Ids of the subscriptions that are in one of `statuses`."""
    names = ", ".join(f"'{status}'" for status in statuses)
    return Statement(f"SELECT id FROM subscriptions WHERE deleted_at_us IS NULL AND status IN ({names}) ORDER BY id")


def state_of(subscription_id: int) -> Statement:
    """One row of (status, settings version), or none."""
    return Statement(
        "SELECT status, settings_version FROM subscriptions WHERE id = $1 AND deleted_at_us IS NULL", (subscription_id,)
    )


def move(subscription_id: int, command: Command, now: Instant) -> Work[bool]:
    """Applies `command` where the transition table allows it; whether the state changed. For the delivery side, which
    states a finding and does not insist."""
    moved = False
    for status, commands in TRANSITIONS.items():
        target = commands.get(command)
        if target is None or target is status or moved:
            continue
        rows = yield Statement(
            "UPDATE subscriptions SET status = $3, updated_at_us = $4 "
            "WHERE id = $1 AND status = $2 AND deleted_at_us IS NULL RETURNING id",
            (subscription_id, status.value, target.value, now),
        )
        moved = bool(rows)
        if moved:
            yield from keep_time(subscription_id, status, target, now)
    if moved:
        yield from announce(Topic.SUBSCRIPTION, subscription_id, now)
    return moved


def keep_time(subscription_id: int, before: Status, after: Status, now: Instant) -> Work[None]:
    """The subscription's own time stands still while it does not deliver. Whoever lets it deliver again has had its
    endpoint repaired: breaker and pause are forgotten."""
    if before not in DELIVERING and after in DELIVERING:
        yield Statement(
            "UPDATE subscriptions SET frozen_us = frozen_us + $2 - COALESCE(frozen_since_us, $2), "
            "frozen_since_us = NULL, probe_step = 0, probe_at_us = NULL, paused_until_us = NULL, pauses = 0 "
            "WHERE id = $1",
            (subscription_id, now),
        )
    elif before in DELIVERING and after not in DELIVERING:
        yield Statement(
            "UPDATE subscriptions SET frozen_since_us = COALESCE(frozen_since_us, $2) WHERE id = $1",
            (subscription_id, now),
        )


def record_error(
    subscription_id: int, message: str, trace_id: str | None, http_status: int | None, now: Instant
) -> Work[None]:
    yield Statement(
        "INSERT INTO subscription_errors (subscription_id, message, trace_id, http_status, created_at_us) "
        "VALUES ($1, $2, $3, $4, $5)",
        (subscription_id, message, trace_id, http_status, now),
    )
