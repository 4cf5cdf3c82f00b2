"""Records that are no events: why a verdict's record could not be read, and whether plain JSON is made one."""

from collections.abc import Sequence

from event_issuer.db.work import Dialect

VERSION = 13
NAME = "unreadable_records"


def statements(dialect: Dialect) -> Sequence[str]:
    return [
        # A code of UnreadableReason; NULL where there was an event, which broke its contract.
        "ALTER TABLE verdicts ADD COLUMN unreadable TEXT",
        # The source of events that are made of plain JSON; NULL where none are made.
        "ALTER TABLE event_types ADD COLUMN plain_json_source TEXT",
    ]
