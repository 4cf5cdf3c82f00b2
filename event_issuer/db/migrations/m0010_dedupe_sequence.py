"""SQLite's dedupe entries in the order they come, without an index: what is remembered moves over, the oldest first."""

from collections.abc import Sequence

from event_issuer.db.work import Dialect

VERSION = 10
NAME = "dedupe_sequence"

_COLUMNS = "identity_digest, content_digest, partition_id, log_offset, recorded_at_us"


def statements(dialect: Dialect) -> Sequence[str]:
    if dialect == "postgresql":  # writes what has changed of a page, not the page: there the index stays
        return []
    return [
        "DROP INDEX dedupe_entries_by_age",
        "ALTER TABLE dedupe_entries RENAME TO dedupe_entries_before",
        # AUTOINCREMENT: a number is never given again, so whoever has seen the last one knows which are new.
        "CREATE TABLE dedupe_entries (seq INTEGER PRIMARY KEY AUTOINCREMENT, identity_digest BLOB NOT NULL, "
        "content_digest BLOB NOT NULL, partition_id BIGINT NOT NULL, log_offset BIGINT NOT NULL, "
        "recorded_at_us BIGINT NOT NULL)",
        f"INSERT INTO dedupe_entries ({_COLUMNS}) SELECT {_COLUMNS} FROM dedupe_entries_before ORDER BY recorded_at_us",
        "DROP TABLE dedupe_entries_before",
    ]
