"""The schema registry: what a deprecation says beside its sunset, and what a pinned schema version keeps from a lane.

A deprecation says since when it holds, and where to read what comes next. A lane counts the events that were filtered
out, and says which was the last.
"""

from collections.abc import Sequence

from event_issuer.db.work import Dialect

VERSION = 4
NAME = "registry"


def statements(dialect: Dialect) -> Sequence[str]:
    return [
        "ALTER TABLE event_types ADD COLUMN deprecated_at_us BIGINT",
        "ALTER TABLE event_types ADD COLUMN migration_url TEXT",
        "ALTER TABLE lanes ADD COLUMN filtered_count BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE lanes ADD COLUMN last_filtered TEXT",
    ]
