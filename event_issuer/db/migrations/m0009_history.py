"""Bounded history: what is found quickly among many attempts, what was dropped, and what was lost of the log.

The three indexes on attempts and the one on parked events are partial: an event that is delivered at once, which is
nearly every one, costs none of them an entry.
"""

from collections.abc import Sequence

from event_issuer.db.work import Dialect

VERSION = 9
NAME = "history"


def statements(dialect: Dialect) -> Sequence[str]:
    return [
        "CREATE INDEX failed_attempts ON attempts (subscription_id, outcome, id) WHERE outcome <> 'DELIVERED'",
        "CREATE INDEX failed_attempts_of_event ON attempts (partition_id, log_offset) WHERE outcome <> 'DELIVERED'",
        "CREATE INDEX attempts_of_kind ON attempts (subscription_id, kind, id) WHERE kind <> 'DELIVERY'",
        "CREATE INDEX dead_letters ON parked_events (subscription_id, dead_lettered_at_us, id) "
        "WHERE dead_lettered_at_us IS NOT NULL",
        "ALTER TABLE subscriptions ADD COLUMN dropped_dead_letters BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE lanes ADD COLUMN log_id TEXT",  # the log that the cursor's offsets are of
        "ALTER TABLE lanes ADD COLUMN expired_count BIGINT NOT NULL DEFAULT 0",
        "UPDATE lanes SET log_id = (SELECT log_id FROM log_identity WHERE id = 1)",
        # Up to where retention has taken everything. Compaction, which takes some, moves `first_offset` only.
        "ALTER TABLE log_heads ADD COLUMN trimmed_to BIGINT NOT NULL DEFAULT 0",
        "UPDATE log_heads SET trimmed_to = first_offset WHERE partition_id IN (SELECT partitions.id FROM partitions "
        "JOIN event_types ON event_types.id = partitions.event_type_id WHERE NOT event_types.compacts)",
        "ALTER TABLE log_records ADD COLUMN expunged_at_us BIGINT",
    ]
