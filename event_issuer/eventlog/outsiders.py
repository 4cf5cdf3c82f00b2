"""Records of a topic that others write to, as records of the log: events, and what could not be read.

What could not be read stands in the log at its place, without data, as an event that is never delivered: so that it is
judged, counted and listed like any other that breaks its contract, and lanes pass it. Knows no broker and no store.
"""

from collections.abc import Sequence
from typing import Final

import structlog

from event_issuer.domain.events import CloudEvent
from event_issuer.domain.kafka_binding import (
    INSTANT_MAX,
    KafkaRecord,
    Outcome,
    ReadRecord,
    RecordRules,
    from_kafka,
    plain_id,
)
from event_issuer.domain.unreadable import Unreadable, UnreadableReason, unreadable
from event_issuer.domain.verdicts import Standing, Verdict
from event_issuer.eventlog.protocol import Judge, LogRecord, Outsider

NO_SOURCE: Final = "/"  # of what cannot be read, where no rule says one
# What holds of a record that cannot be read, whatever was found or decided when it could.
_NEVER: Final = Verdict(Standing.DEAD_LETTERED)

logger = structlog.get_logger(__name__)


def records_of(partition_id: int, fetched: Sequence[KafkaRecord], rules: RecordRules) -> list[LogRecord]:
    """In order, without tombstones that are no events: those are gaps, as compaction leaves them."""
    found = []
    for record in fetched:
        outcome = _read(record, rules)
        if outcome is not None:
            found.append(_log_record(partition_id, record, outcome, rules))
    return found


def _read(record: KafkaRecord, rules: RecordRules) -> Outcome:
    try:
        return from_kafka(record, rules.plain, data_bytes_max=rules.data_bytes_max)
    except Exception:  # a fault of ours is this record's outcome, not the end of its lane
        logger.exception("a record could not be read", event_type=rules.event_type, offset=record.offset)
        return unreadable(UnreadableReason.INTERNAL, "The record could not be read; the fault is ours.")


def _log_record(
    partition_id: int, record: KafkaRecord, outcome: ReadRecord | Unreadable, rules: RecordRules
) -> LogRecord:
    recorded_at = min(max(record.timestamp, 0), INSTANT_MAX)
    if isinstance(outcome, ReadRecord):
        # What was copied from another topic says a version of another type: it is judged like any outsider.
        is_ours = outcome.event.type == rules.event_type
        return LogRecord(
            partition_id, record.offset, recorded_at, outcome.schema_version if is_ours else None, outcome.event
        )
    event = CloudEvent(
        {
            "specversion": "1.0",
            "id": plain_id(record),
            "source": NO_SOURCE if rules.plain is None else rules.plain.source,
            "type": rules.event_type,
        },
        None,
    )
    return LogRecord(partition_id, record.offset, recorded_at, None, event, verdict=_NEVER, unreadable=outcome)


async def judge_outsiders(partition_id: int, records: Sequence[LogRecord], judge: Judge) -> None:
    """Sets the verdicts of records that say no schema version: they came by another way than the API."""
    outside: dict[int, Outsider] = {
        record.offset: record.unreadable or record.event for record in records if record.schema_version is None
    }
    if not outside:
        return
    found = await judge(partition_id, outside)
    for record in records:
        verdict = found.get(record.offset)
        if record.unreadable is None or (verdict is not None and verdict.is_withheld):
            record.verdict = verdict
