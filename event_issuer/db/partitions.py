"""Partitions: their rows, and what it takes that an event type has more of them than when it was made.

Offsets of a new partition begin at 0, and every lane on it does: to a subscription nothing there is old.
"""

from event_issuer.db.changes import Topic, announce
from event_issuer.db.work import Dialect, Statement, Work
from event_issuer.domain.time import Instant

# Of the subscriptions that take the event type, or of the one that is named, for each partition that has no lane yet.
_MISSING_LANES = (
    "INSERT INTO lanes (subscription_id, partition_id, start_offset, next_offset, settled_above, log_id) "
    "SELECT subscriptions.id, partitions.id, 0, 0, '[]', (SELECT log_id FROM log_identity) FROM partitions "
    "JOIN subscription_event_types ON subscription_event_types.event_type_id = partitions.event_type_id "
    "JOIN subscriptions ON subscriptions.id = subscription_event_types.subscription_id "
    "WHERE {} = $1 AND subscriptions.deleted_at_us IS NULL AND NOT EXISTS (SELECT 1 FROM lanes AS present "
    "WHERE present.subscription_id = subscriptions.id AND present.partition_id = partitions.id "
    "AND present.replay_id IS NULL) ORDER BY subscriptions.id, partitions.id"
)


def insert(event_type_id: int, first: int, before: int) -> Work[None]:
    """The empty partitions with the numbers from `first` to `before`."""
    for number in range(first, before):
        rows = yield Statement(
            "INSERT INTO partitions (event_type_id, number) VALUES ($1, $2) RETURNING id", (event_type_id, number)
        )
        yield Statement(
            "INSERT INTO log_heads (partition_id, first_offset, next_offset, recorded_at_us, kept_bytes) "
            "VALUES ($1, 0, 0, 0, 0)",
            (rows[0][0],),
        )


def grow(dialect: Dialect, event_type_id: int, count: int, now: Instant) -> Work[int]:
    """The event type has `count` partitions now; how many are new. Its subscriptions get their lanes there.

    It never has fewer than before. 0 when there is no such type.
    """
    # A subscription that is being made has a hold on the row: it is either waited for or sees the new partitions.
    lock = " FOR UPDATE" if dialect == "postgresql" else ""
    rows = yield Statement(f"SELECT partition_count FROM event_types WHERE id = $1{lock}", (event_type_id,))
    if not rows or rows[0][0] >= count:
        return 0
    yield from insert(event_type_id, rows[0][0], count)
    yield Statement("UPDATE event_types SET partition_count = $2 WHERE id = $1", (event_type_id, count))
    yield from announce(Topic.EVENT_TYPE, event_type_id, now)
    widened = yield Statement(
        f"{_MISSING_LANES.format('partitions.event_type_id')} RETURNING subscription_id", (event_type_id,)
    )
    for subscription_id in sorted({row[0] for row in widened}):
        # Only who has new settings is opened again.
        yield Statement(
            "UPDATE subscriptions SET settings_version = settings_version + 1 WHERE id = $1", (subscription_id,)
        )
        yield from announce(Topic.SUBSCRIPTION, subscription_id, now)
    return count - int(rows[0][0])


def insert_missing_lanes(subscription_id: int) -> Statement:
    """Lanes on partitions that have come since somebody looked what partitions there are."""
    return Statement(_MISSING_LANES.format("subscriptions.id"), (subscription_id,))
