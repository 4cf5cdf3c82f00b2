"""The judge: what an answer, or its absence, means for an event and for its endpoint. `RULES` is the table that
`docs/delivery.md` prints.

Knows nothing of schedules or of what is done about the outcome.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from event_issuer.delivery.excerpt import excerpt_of
from event_issuer.domain.time import SECOND_US, Instant, from_datetime
from event_issuer.egress.messages import Failure, Response

ERROR_LENGTH_MAX: Final = 500
PAUSE_MAX_S: Final = 24 * 3600.0  # an endpoint that wants to wait longer should be stopped by its owner


class OutcomeKind(StrEnum):
    DELIVERED = "DELIVERED"
    RETRY = "RETRY"
    REFUSED = "REFUSED"
    GONE = "GONE"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`counts_against_endpoint`: it says that the endpoint fails, and not this event.

    With `pause_s` the endpoint asks to be left alone for so long, and the event is not to blame. `is_slow`: it will not
    be better soon. `is_final`: no further attempt can help, because the fault is ours or the event's.
    """

    kind: OutcomeKind
    http_status: int | None = None
    error: str | None = None
    response_excerpt: str | None = None
    is_final: bool = False
    counts_against_endpoint: bool = False
    pause_s: float | None = None
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table: `answers` and `follows` are its words, the rest is what the judge does."""

    answers: str
    kind: OutcomeKind
    follows: str
    counts_against_endpoint: bool = False
    statuses: frozenset[int] = frozenset()
    is_final: bool = False
    is_slow: bool = False


DELIVERED: Final = Rule(
    "2xx", OutcomeKind.DELIVERED, "nothing: the event is settled", statuses=frozenset(range(200, 300))
)
REFUSED: Final = Rule(
    "400, 413, 415, 422",
    OutcomeKind.REFUSED,
    "tried again, but a dead letter after `refusedAttemptsMax` attempts, 3 where nobody says: the endpoint has read it "
    "and does not want it",
    statuses=frozenset({400, 413, 415, 422}),
)
UNAUTHORISED: Final = Rule(
    "401, 403",
    OutcomeKind.RETRY,
    "an error record; tried again, but not sooner than in 5 min: somebody has to repair the credentials",
    counts_against_endpoint=True,
    statuses=frozenset({401, 403}),
    is_slow=True,
)
# CloudEvents webhook spec §2.3 and Standard Webhooks: never call again.
GONE: Final = Rule(
    "410",
    OutcomeKind.GONE,
    "the subscription is FAILED at once; its events wait until it is verified and started again",
    statuses=frozenset({410}),
)
PAUSE: Final = Rule(
    "429 and 503, with `Retry-After`",
    OutcomeKind.RETRY,
    "the subscription pauses for so long, 24 h at most; the event has not spent an attempt",
)
ABORTED: Final = Rule(
    "no 2xx, with `webhook-delivery: abort-message`", OutcomeKind.REFUSED, "a dead letter at once", is_final=True
)
DISABLED: Final = Rule("no 2xx, with `webhook-delivery: disable`", OutcomeKind.GONE, "the same as for 410")
OTHER: Final = Rule(
    "3xx, 404, 408, 425, 429, 5xx and every other status",
    OutcomeKind.RETRY,
    "tried again; a redirect is never followed",
    counts_against_endpoint=True,
)
UNANSWERED: Final = Rule(
    "no answer: DNS, connection, TLS, timeout, reset, not HTTP",
    OutcomeKind.RETRY,
    "tried again",
    counts_against_endpoint=True,
)
RULES: Final = (DELIVERED, REFUSED, UNAUTHORISED, GONE, PAUSE, ABORTED, DISABLED, OTHER, UNANSWERED)

_BY_STATUS: Final = {status: rule for rule in RULES for status in rule.statuses}
_PAUSING: Final = frozenset({429, 503})  # RFC 6585 §4, RFC 9110 §15.6.4
_BY_WISH: Final = {"abort-message": ABORTED, "disable": DISABLED}

# Made once: nearly every outcome is one of these.
_DELIVERED: Final = {status: Outcome(OutcomeKind.DELIVERED, status) for status in DELIVERED.statuses}


def judge(answer: Response | Failure, now: Instant, secrets: Sequence[str] = ()) -> Outcome:
    """`now` is what a `Retry-After` that names a date is measured from; `secrets` are the subscription's, which no
    excerpt may show."""
    if isinstance(answer, Failure):
        error = f"{answer.kind}: {answer.message}"[:ERROR_LENGTH_MAX]
        return Outcome(UNANSWERED.kind, error=error, counts_against_endpoint=UNANSWERED.counts_against_endpoint)
    delivered = _DELIVERED.get(answer.status)
    return _refusal(answer, now, secrets) if delivered is None else delivered


def _refusal(answer: Response, now: Instant, secrets: Sequence[str]) -> Outcome:
    status, headers = answer.status, answer.headers
    rule = _BY_STATUS.get(status, OTHER)
    pause_s = _pause_s(headers.get("retry-after"), now) if status in _PAUSING else None
    if pause_s is not None:
        rule = PAUSE
    rule = _BY_WISH.get(headers.get("webhook-delivery", "").strip().lower(), rule)
    return Outcome(
        rule.kind,
        status,
        f"The endpoint answered {status}.",
        excerpt_of(answer, secrets),
        is_final=rule.is_final,
        counts_against_endpoint=rule.counts_against_endpoint,
        pause_s=pause_s if rule is PAUSE else None,
        is_slow=rule.is_slow,
    )


def _pause_s(retry_after: str | None, now: Instant) -> float | None:
    """Seconds of a `Retry-After` (RFC 9110 §10.2.3), a number or a date; None where it is neither."""
    if retry_after is None:
        return None
    if re.fullmatch(r"[0-9]+", retry_after.strip()):
        return min(float(retry_after), PAUSE_MAX_S)
    try:
        date = parsedate_to_datetime(retry_after)
    except (ValueError, TypeError, OverflowError):
        return None
    seconds = (from_datetime(date if date.tzinfo else date.replace(tzinfo=UTC)) - now) / SECOND_US
    return min(max(seconds, 0.0), PAUSE_MAX_S)


def judge_table(rules: Sequence[Rule] = RULES) -> str:
    """The table as `docs/delivery.md` prints it."""
    lines = ["| answer | outcome | counts against the endpoint | what follows |", "|---|---|---|---|"]
    for rule in rules:
        counts = "yes" if rule.counts_against_endpoint else "no"
        lines.append(f"| {rule.answers} | {rule.kind} | {counts} | {rule.follows} |")
    return "\n".join(lines)
