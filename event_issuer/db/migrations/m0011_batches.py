"""Batches: the events that one request carried, and the parked events that are tried again together."""

from collections.abc import Sequence

from event_issuer.db.work import Dialect

VERSION = 11
NAME = "batches"


def statements(dialect: Dialect) -> Sequence[str]:
    return [
        # Ranges of offsets, of which log_offset is the first. NULL is one event, as nearly all attempts have.
        "ALTER TABLE attempts ADD COLUMN log_offsets TEXT",
        "CREATE INDEX failed_batches ON attempts (partition_id, log_offset) "
        "WHERE log_offsets IS NOT NULL AND outcome <> 'DELIVERED'",
        # Where the batch began that the event is tried again with; NULL where it goes alone.
        "ALTER TABLE parked_events ADD COLUMN batch_from BIGINT",
    ]
