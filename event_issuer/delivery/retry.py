"""When a failed event is tried again. Pure: the random generator is passed in."""

from random import Random
from typing import Final

from event_issuer.delivery.outcome import Outcome, OutcomeKind
from event_issuer.domain.subscriptions import DeliverySettings
from event_issuer.domain.time import SECOND_US, Instant

SLOW_RETRY_S: Final = 300.0  # where somebody has to repair something first


def next_attempt_at(
    settings: DeliverySettings, outcome: Outcome, attempts: int, age_us: int, now: Instant, random: Random
) -> Instant | None:
    """When attempt `attempts` + 1 is due; None when the budget is spent and the event becomes a dead letter.

    `age_us` is the time since the first failure. Full jitter: anything from at once to the whole delay, so that
    events that failed together do not come back together.
    """
    if outcome.is_final or attempts > len(settings.retry_delays_s):
        return None
    if outcome.kind is OutcomeKind.REFUSED and attempts >= settings.refused_attempts_max:
        return None
    delay_s = settings.retry_delays_s[attempts - 1] * random.random()
    if outcome.is_slow:
        delay_s = max(delay_s, SLOW_RETRY_S)
    delay_us = round(delay_s * SECOND_US)
    return None if age_us + delay_us > settings.retry_age_max_s * SECOND_US else now + delay_us
