"""The SQL of handshakes: which subscriptions wait for their endpoint's agreement, and what came of asking.

A row is claimed by moving its `verify_at_us` ahead. Whoever claimed it may write its finding only while that value
still stands: an owner's change in between asks anew and makes the finding worthless.
"""

from dataclasses import dataclass

from event_issuer.db.lanes import move, record_error
from event_issuer.db.work import Dialect, Row, Statement, Work
from event_issuer.domain.subscriptions import Command
from event_issuer.domain.time import Instant


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt at a handshake; `number` counts from 1 since the owner last asked for verification."""

    subscription_id: int
    url: str
    verification: str
    number: int
    claimed_until: Instant


@dataclass(frozen=True, slots=True)
class Objection:
    """Why the endpoint may not be sent to; `retry_at` None gives up."""

    message: str
    trace_id: str
    http_status: int | None
    retry_at: Instant | None


def anything_due(now: Instant) -> Statement:
    """One row if there is something to claim."""
    return Statement(
        "SELECT 1 FROM subscriptions WHERE status = 'INITIALIZING' AND verify_at_us <= $1 AND deleted_at_us IS NULL "
        "LIMIT 1",
        (now,),
    )


def claim(dialect: Dialect, now: Instant, claimed_until: Instant, count_max: int) -> Work[list[Claim]]:
    """Takes up to `count_max` that are due; another process leaves them alone until `claimed_until`."""
    lock = " FOR UPDATE SKIP LOCKED" if dialect == "postgresql" else ""
    rows: list[Row] = yield Statement(
        "UPDATE subscriptions SET verify_at_us = $2, verification_attempts = verification_attempts + 1 "
        "WHERE id IN (SELECT id FROM subscriptions WHERE status = 'INITIALIZING' AND verify_at_us <= $1 "
        f"AND deleted_at_us IS NULL ORDER BY verify_at_us, id LIMIT $3{lock}) "
        "RETURNING id, url, verification, verification_attempts, verify_at_us",
        (now, claimed_until, count_max),
    )
    return sorted((Claim(*row) for row in rows), key=lambda claimed: claimed.subscription_id)


def agreed(claimed: Claim, now: Instant) -> Work[bool]:
    """The endpoint wants the events: STARTING. False when the claim no longer stands."""
    if not (yield from _end_claim(claimed, None, now)):
        return False
    return (yield from move(claimed.subscription_id, Command.VERIFIED, now))


def objected(claimed: Claim, objection: Objection, now: Instant) -> Work[bool]:
    """Keeps what was wrong; to be asked again, or FAILED. False when the claim no longer stands."""
    if not (yield from _end_claim(claimed, objection.retry_at, None)):
        return False
    yield from record_error(claimed.subscription_id, objection.message, objection.trace_id, objection.http_status, now)
    if objection.retry_at is None:
        yield from move(claimed.subscription_id, Command.FAIL, now)
    return True


def _end_claim(claimed: Claim, next_at: Instant | None, verified_at: Instant | None) -> Work[bool]:
    rows = yield Statement(
        "UPDATE subscriptions SET verify_at_us = $3, verified_at_us = COALESCE($4, verified_at_us) "
        "WHERE id = $1 AND status = 'INITIALIZING' AND verify_at_us = $2 AND url = $5 AND deleted_at_us IS NULL "
        "RETURNING id",
        (claimed.subscription_id, claimed.claimed_until, next_at, verified_at, claimed.url),
    )
    return bool(rows)
