"""The SQL of a lost position: the lane begins elsewhere, and what it had parked of another log is void."""

from dataclasses import dataclass

from event_issuer.db.lanes import move, record_error
from event_issuer.db.work import Statement, Work
from event_issuer.domain.subscriptions import Command
from event_issuer.domain.time import Instant


@dataclass(frozen=True, slots=True)
class Relocation:
    """A lane that goes on at `next_offset` of log `log_id`. Its parked events from `void_from` on (None: none) are dead
    letters now, for the reason that `void_error` tells, and name no event any more."""

    lane_id: int
    log_id: str
    next_offset: int
    settled_above: str
    void_from: int | None
    void_error: str


def relocate(moved: Relocation, now: Instant) -> Work[None]:
    voided = 0
    if moved.void_from is not None:
        yield Statement(
            "UPDATE parked_events SET log_offset = NULL "
            "WHERE lane_id = $1 AND log_offset >= $2 AND dead_lettered_at_us IS NOT NULL",
            (moved.lane_id, moved.void_from),
        )
        rows = yield Statement(
            "UPDATE parked_events SET log_offset = NULL, batch_from = NULL, blocks_key = FALSE, "
            "next_attempt_at_us = NULL, dead_lettered_at_us = $3, last_outcome = 'REFUSED', last_error = $4 "
            "WHERE lane_id = $1 AND log_offset >= $2 AND dead_lettered_at_us IS NULL RETURNING 1",
            (moved.lane_id, moved.void_from, now, moved.void_error),
        )
        voided = len(rows)
        yield Statement("UPDATE lanes SET start_offset = $2 WHERE id = $1", (moved.lane_id, moved.next_offset))
    yield Statement(
        "UPDATE lanes SET log_id = $2, next_offset = $3, settled_above = $4, expired_count = expired_count + $5 "
        "WHERE id = $1",
        (moved.lane_id, moved.log_id, moved.next_offset, moved.settled_above, voided),
    )


def tell(subscription_id: int, message: str, fails: bool, now: Instant) -> Work[None]:
    """Writes the error record; where the subscription is to fail, once."""
    if not fails or (yield from move(subscription_id, Command.FAIL, now)):
        yield from record_error(subscription_id, message, None, None, now)
