"""When a failed event is tried again. Pure: the random generator is passed in."""

from random import Random
from typing import Final

from event_issuer.delivery.outcome import Outcome, OutcomeKind
from event_issuer.domain.subscriptions import DeliverySettings
from event_issuer.domain.time import SECOND_US, Instant

JITTER: Final = 0.2  # events that failed together do not come back together
REFUSED_ATTEMPTS_MAX: Final = 3  # an endpoint that refused an event so often has read it and will not change its mind


def next_attempt_at(
    settings: DeliverySettings, outcome: Outcome, attempts: int, now: Instant, random: Random
) -> Instant | None:
    """When attempt `attempts` + 1 is due; None when the budget is spent and the event becomes a dead letter."""
    if outcome.is_final or attempts > len(settings.retry_delays_s):
        return None
    if outcome.kind is OutcomeKind.REFUSED and attempts >= REFUSED_ATTEMPTS_MAX:
        return None
    delay_s = settings.retry_delays_s[attempts - 1] * (1 + JITTER * random.random())
    return now + round(delay_s * SECOND_US)
