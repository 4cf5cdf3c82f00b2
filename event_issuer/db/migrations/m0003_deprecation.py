"""Event types get what a deprecation says beside its sunset: since when it holds, and where to read what comes next."""

from collections.abc import Sequence

from event_issuer.db.work import Dialect

VERSION = 3
NAME = "deprecation"


def statements(dialect: Dialect) -> Sequence[str]:
    return [
        "ALTER TABLE event_types ADD COLUMN deprecated_at_us BIGINT",
        "ALTER TABLE event_types ADD COLUMN migration_url TEXT",
    ]
