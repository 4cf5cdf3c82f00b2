"""The SQL of upkeep: removes what is no longer needed, each statement a bounded number of rows.

Ids rise with time, so "the oldest" are the lowest ids: no index on times is needed. Dead letters are the exception: an
event may have been parked long before it became one.
"""

from typing import Final, TypeAlias

from event_issuer.db.changes import Topic, announce
from event_issuer.db.replaying import remove_ranges_of
from event_issuer.db.work import Dialect, Statement, Work, removal
from event_issuer.domain.time import Instant

# In the order of removal: whatever points to another row goes before it.
_OF_A_SUBSCRIPTION: Final = (
    "parked_events",
    "attempts",
    "subscription_errors",
    "test_deliveries",
    "lanes",
    "replays",
)

Death: TypeAlias = tuple[Instant, int]
"""When an event became a dead letter, and its row's id: the order in which they go."""


def deleted_subscriptions(before: Instant, count_max: int) -> Statement:
    """Rows of (id,): subscriptions marked as deleted before that time."""
    return Statement(
        "SELECT id FROM subscriptions WHERE deleted_at_us < $1 ORDER BY id LIMIT $2",
        (before, count_max),
    )


def subscriptions_after(subscription_id: int, count_max: int) -> Statement:
    """Rows of (id,), in order."""
    return Statement("SELECT id FROM subscriptions WHERE id > $1 ORDER BY id LIMIT $2", (subscription_id, count_max))


def remove_subscription(dialect: Dialect, subscription_id: int, count_max: int) -> Work[int]:
    """Removes up to `count_max` rows of a deleted subscription, at last its own; the number of rows removed."""
    removed = yield from remove_ranges_of(dialect, subscription_id, count_max)
    if removed >= count_max:
        return removed
    for table in _OF_A_SUBSCRIPTION:
        delete = f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE subscription_id = $1 LIMIT $2)"
        removed += yield from removal(dialect, Statement(delete, (subscription_id, count_max - removed)))
        if removed >= count_max:
            return removed
    yield Statement("DELETE FROM subscription_event_types WHERE subscription_id = $1", (subscription_id,))
    yield Statement("DELETE FROM subscriptions WHERE id = $1", (subscription_id,))
    return removed + 1


def newest_beyond(table: str, subscription_id: int, kept: int) -> Statement:
    """One row of (id,), the newest of the subscription's rows beyond the newest `kept`; or none."""
    return Statement(
        f"SELECT id FROM {table} WHERE subscription_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2",
        (subscription_id, kept),
    )


def remove_up_to(dialect: Dialect, table: str, subscription_id: int, id_: int, count_max: int) -> Work[int]:
    """Removes up to `count_max` of the subscription's rows up to and with `id_`, the oldest first; how many."""
    delete = (
        f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE subscription_id = $1 AND id <= $2 "
        "ORDER BY id LIMIT $3)"
    )
    return (yield from removal(dialect, Statement(delete, (subscription_id, id_, count_max))))


def remove_attempts_before(dialect: Dialect, instant: Instant, count_max: int) -> Work[int]:
    """Looks at the `count_max` oldest attempts and removes those that began before `instant`; the number removed."""
    delete = "DELETE FROM attempts WHERE id IN (SELECT id FROM attempts ORDER BY id LIMIT $2) AND started_at_us < $1"
    return (yield from removal(dialect, Statement(delete, (instant, count_max))))


_DEAD = "subscription_id = $1 AND dead_lettered_at_us IS NOT NULL AND COALESCE(wish, '') <> 'DISCARD'"


def oldest_dead_letter(subscription_id: int) -> Statement:
    """One row of (when, id), or none."""
    return Statement(
        f"SELECT dead_lettered_at_us, id FROM parked_events WHERE {_DEAD} ORDER BY dead_lettered_at_us, id LIMIT 1",
        (subscription_id,),
    )


def newest_dead_letter_beyond(subscription_id: int, kept: int) -> Statement:
    """One row of (when, id), the newest of the dead letters beyond the newest `kept`; or none."""
    return Statement(
        f"SELECT dead_lettered_at_us, id FROM parked_events WHERE {_DEAD} "
        "ORDER BY dead_lettered_at_us DESC, id DESC LIMIT 1 OFFSET $2",
        (subscription_id, kept),
    )


def drop_dead_letters(subscription_id: int, up_to: Death, count_max: int, now: Instant) -> Work[int]:
    """Drops up to `count_max` of the subscription's dead letters, the oldest first, and counts them; how many.

    One that holds its key is discarded as its owner would: its lane, which is opened anew, lets those behind it go on.
    """
    held = f"{_DEAD} AND blocks_key"
    due = "(dead_lettered_at_us, id) <= ($2, $3) ORDER BY dead_lettered_at_us, id LIMIT $4"
    discarded = yield Statement(
        "UPDATE parked_events SET wish = 'DISCARD' "
        f"WHERE id IN (SELECT id FROM parked_events WHERE {held} AND {due}) RETURNING 1",
        (subscription_id, *up_to, count_max),
    )
    deleted = yield Statement(
        "DELETE FROM parked_events "
        f"WHERE id IN (SELECT id FROM parked_events WHERE {_DEAD} AND NOT blocks_key AND {due}) RETURNING 1",
        (subscription_id, *up_to, count_max - len(discarded)),
    )
    count = len(discarded) + len(deleted)
    if count:
        yield Statement(
            "UPDATE subscriptions SET dropped_dead_letters = dropped_dead_letters + $2, "
            "settings_version = settings_version + $3 WHERE id = $1",
            (subscription_id, count, int(bool(discarded))),
        )
    if discarded:
        yield from announce(Topic.SUBSCRIPTION, subscription_id, now)
    return count
