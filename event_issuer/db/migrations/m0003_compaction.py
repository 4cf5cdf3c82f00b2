"""Event types may ask for compaction; how far each partition has been compacted, and when it was last looked at."""

from collections.abc import Sequence

from event_issuer.db.work import Dialect

VERSION = 3
NAME = "compaction"


def statements(dialect: Dialect) -> Sequence[str]:
    return [
        "ALTER TABLE event_types ADD COLUMN compacts BOOLEAN NOT NULL DEFAULT FALSE",
        "CREATE TABLE compactions (partition_id BIGINT PRIMARY KEY REFERENCES partitions (id), "
        "compacted_to BIGINT NOT NULL, swept_at_us BIGINT NOT NULL)",
    ]
