"""The SQL of upkeep: removes what is no longer needed, each statement a bounded number of rows.

Ids rise with time, so "the oldest" are the lowest ids: no index on times is needed.
"""

from typing import Final

from event_issuer.db.work import Statement, Work
from event_issuer.domain.time import Instant

# In the order of removal: whatever points to another row goes before it.
_OF_A_SUBSCRIPTION: Final = ("parked_events", "attempts", "subscription_errors", "test_deliveries", "lanes")


def deleted_subscriptions(before: Instant, count_max: int) -> Statement:
    """Rows of (id,): subscriptions marked as deleted before that time."""
    return Statement(
        "SELECT id FROM subscriptions WHERE deleted_at_us < $1 ORDER BY id LIMIT $2",
        (before, count_max),
    )


def subscriptions_after(subscription_id: int, count_max: int) -> Statement:
    """Rows of (id,), in order."""
    return Statement("SELECT id FROM subscriptions WHERE id > $1 ORDER BY id LIMIT $2", (subscription_id, count_max))


def remove_subscription(subscription_id: int, count_max: int) -> Work[int]:
    """Removes up to `count_max` rows of a deleted subscription, at last its own; the number of rows removed."""
    removed = 0
    for table in _OF_A_SUBSCRIPTION:
        rows = yield Statement(
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE subscription_id = $1 LIMIT $2) RETURNING 1",
            (subscription_id, count_max - removed),
        )
        removed += len(rows)
        if removed >= count_max:
            return removed
    yield Statement("DELETE FROM subscription_event_types WHERE subscription_id = $1", (subscription_id,))
    yield Statement("DELETE FROM subscriptions WHERE id = $1", (subscription_id,))
    return removed + 1


def newest_beyond(table: str, subscription_id: int, kept: int) -> Statement:
    """One row of (id,), the newest of the subscription's rows beyond the newest `kept`; or none.

    Of `parked_events` only dead letters count.
    """
    return Statement(
        f"SELECT id FROM {table} WHERE {_removable(table)} ORDER BY id DESC LIMIT 1 OFFSET $2",
        (subscription_id, kept),
    )


def remove_up_to(table: str, subscription_id: int, id_: int, count_max: int) -> Work[int]:
    """Removes up to `count_max` of the subscription's rows up to and with `id_`, the oldest first; the number removed.

    Of `parked_events` only dead letters go.
    """
    rows = yield Statement(
        f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {_removable(table)} AND id <= $2 "
        "ORDER BY id LIMIT $3) RETURNING 1",
        (subscription_id, id_, count_max),
    )
    return len(rows)


def _removable(table: str) -> str:
    return "subscription_id = $1" + (" AND dead_lettered_at_us IS NOT NULL" if table == "parked_events" else "")


def newest_dead_letter(subscription_id: int, before: Instant) -> Statement:
    """One row of (id,): the newest of the dead letters from before that time, or None."""
    return Statement(
        "SELECT MAX(id) FROM parked_events WHERE subscription_id = $1 AND dead_lettered_at_us < $2",
        (subscription_id, before),
    )


def remove_attempts_before(instant: Instant, count_max: int) -> Work[int]:
    """Looks at the `count_max` oldest attempts and removes those that began before `instant`; the number removed."""
    rows = yield Statement(
        "DELETE FROM attempts WHERE id IN (SELECT id FROM attempts ORDER BY id LIMIT $2) AND started_at_us < $1 "
        "RETURNING 1",
        (instant, count_max),
    )
    return len(rows)
