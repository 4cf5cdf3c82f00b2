"""The SQL of expunging: one event's data leave the log, with what endpoints answered to it; its position stays."""

from dataclasses import dataclass

import orjson

from event_issuer.db.batches import carried
from event_issuer.db.changes import Topic, announce
from event_issuer.db.work import Dialect, Statement, Work, removal
from event_issuer.domain.errors import Conflict
from event_issuer.domain.time import Instant


@dataclass(frozen=True, slots=True)
class Expunged:
    """`is_news`: it was not expunged before. `excerpts` of answers have gone."""

    event_id: str
    source: str
    is_news: bool
    excerpts: int


def expunge(dialect: Dialect, partition_id: int, offset: int, now: Instant) -> Work[Expunged | None]:
    """None where the log has no such record. Raises Conflict for one that never had data.

    Whoever keeps pages of the partition reads them anew; subscriptions that may hold the event in memory are opened
    anew, and where it is parked it is due now, so that its lane finds out at once.
    """
    lock = " FOR UPDATE" if dialect == "postgresql" else ""
    position = (partition_id, offset)
    rows = yield Statement(
        "SELECT attributes, LENGTH(data), expunged_at_us FROM log_records "
        f"WHERE partition_id = $1 AND log_offset = $2{lock}",
        position,
    )
    if not rows:
        return None
    attributes, data_bytes, expunged_at = orjson.loads(rows[0][0]), rows[0][1], rows[0][2]
    if expunged_at is None and data_bytes is None:
        raise Conflict("The event has no data that could be expunged.")
    if expunged_at is None:
        yield Statement(
            "UPDATE log_records SET data = NULL, expunged_at_us = $3 WHERE partition_id = $1 AND log_offset = $2",
            (*position, now),
        )
        yield Statement(
            "UPDATE log_heads SET kept_bytes = kept_bytes - $2 WHERE partition_id = $1", (partition_id, data_bytes)
        )
        yield from _tell_lanes(partition_id, offset, now)
        yield from announce(Topic.VERDICT, partition_id, now)
    redaction = (
        "UPDATE attempts SET response_excerpt = NULL WHERE partition_id = $1 AND log_offset = $2 "
        "AND outcome <> 'DELIVERED' AND response_excerpt IS NOT NULL"
    )
    excerpts = yield from removal(dialect, Statement(redaction, position))
    redaction = (
        f"UPDATE attempts SET response_excerpt = NULL WHERE partition_id = $1 AND {carried(dialect, '$2')} "
        "AND outcome <> 'DELIVERED' AND response_excerpt IS NOT NULL"
    )
    excerpts += yield from removal(dialect, Statement(redaction, position))
    return Expunged(attributes["id"], attributes["source"], expunged_at is None, excerpts)


def _tell_lanes(partition_id: int, offset: int, now: Instant) -> Work[None]:
    parked = yield Statement(
        "UPDATE parked_events SET next_attempt_at_us = $3 WHERE lane_id IN (SELECT id FROM lanes WHERE "
        "partition_id = $1) AND log_offset = $2 AND dead_lettered_at_us IS NULL RETURNING subscription_id",
        (partition_id, offset, now),
    )
    ahead = yield Statement(
        "SELECT subscription_id FROM lanes WHERE partition_id = $1 AND next_offset <= $2", (partition_id, offset)
    )
    for subscription_id in sorted({row[0] for row in [*parked, *ahead]}):
        yield Statement(
            "UPDATE subscriptions SET settings_version = settings_version + 1 WHERE id = $1", (subscription_id,)
        )
        yield from announce(Topic.SUBSCRIPTION, subscription_id, now)
