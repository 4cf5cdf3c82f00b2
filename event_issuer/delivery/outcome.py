"""The judge: what an answer, or its absence, means for an event. One table, printed in `docs/delivery.md`.

Knows nothing of schedules or of what is done about the outcome.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from event_issuer.delivery.excerpt import excerpt_of
from event_issuer.egress.messages import Failure, Response

ERROR_LENGTH_MAX: Final = 500


class OutcomeKind(StrEnum):
    DELIVERED = "DELIVERED"
    RETRY = "RETRY"
    REFUSED = "REFUSED"
    GONE = "GONE"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`is_final`: no further attempt can help, because the fault is ours or the event's."""

    kind: OutcomeKind
    http_status: int | None = None
    error: str | None = None
    response_excerpt: str | None = None
    is_final: bool = False


# Statuses with a meaning of their own; every other one below 200 or from 300 on is worth a retry.
_KINDS: Final = {
    400: OutcomeKind.REFUSED,  # the receiver read this event and does not want it: another try seldom helps
    410: OutcomeKind.GONE,  # CloudEvents webhook spec §2.3 and Standard Webhooks: never call again
    413: OutcomeKind.REFUSED,
    415: OutcomeKind.REFUSED,
    422: OutcomeKind.REFUSED,
}


# Made once: nearly every outcome is one of these.
_DELIVERED: Final = {status: Outcome(OutcomeKind.DELIVERED, status) for status in range(200, 300)}


def judge(answer: Response | Failure, secrets: Sequence[str] = ()) -> Outcome:
    """`secrets` are the subscription's, which no excerpt may show."""
    if isinstance(answer, Failure):
        return Outcome(OutcomeKind.RETRY, error=f"{answer.kind}: {answer.message}"[:ERROR_LENGTH_MAX])
    status = answer.status
    delivered = _DELIVERED.get(status)
    if delivered is not None:
        return delivered
    kind = _KINDS.get(status, OutcomeKind.RETRY)
    return Outcome(kind, status, f"The endpoint answered {status}.", excerpt_of(answer, secrets))
