"""The tally: what a batch that was written down says to whoever watches, in counts and in one line of the log.

A batch is counted once it is written, so that what a crash repeats is counted once by each process that wrote it. Knows
nothing of how a batch comes about.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

import structlog

from event_issuer.delivery.attempt import Attempt, AttemptKind
from event_issuer.delivery.outcome import OutcomeKind
from event_issuer.delivery.parked import Parked
from event_issuer.domain.time import SECOND_US
from event_issuer.telemetry.metrics import Metrics

_DELIVERED: Final = OutcomeKind.DELIVERED
EXPIRED: Final = "EXPIRED"  # the dead letters that had no last attempt: retention was first

logger = structlog.get_logger(__name__)


class Tally:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        for kind in OutcomeKind:  # a series that is there from the start shows its first count as a change
            metrics.attempts.labels(kind.value)
        for outcome in (OutcomeKind.RETRY.value, OutcomeKind.REFUSED.value, EXPIRED):
            metrics.dead_lettered.labels(outcome)

    def settled(self, attempts: Sequence[Attempt], parked: Collection[Parked], duration_s: float) -> None:
        """These were written down together, within `duration_s`; `parked` were made, changed or removed."""
        try:
            self._count(attempts, parked, round(duration_s * SECOND_US))
        except Exception:  # a fault of ours, but what was written is written
            logger.exception("a settled batch was not counted")

    def _count(self, attempts: Sequence[Attempt], parked: Collection[Parked], duration_us: int) -> None:
        metrics = self._metrics
        metrics.settle_attempts.observe(len(attempts))
        metrics.settle_duration.observe(duration_us)
        outcomes = Counter([attempt.outcome.kind for attempt in attempts])
        for kind, count in outcomes.items():
            metrics.attempts.labels(kind.value).inc(count)
        metrics.attempt_duration.observe_all([attempt.duration_us for attempt in attempts])
        delivered = self._count_delivered([attempt for attempt in attempts if attempt.outcome.kind is _DELIVERED])
        newly_parked, newly_dead = self._count_parked(parked) if parked else (0, 0)
        logger.debug(
            "settled",
            attempts=len(attempts),
            delivered=delivered,
            parked=newly_parked,
            dead_lettered=newly_dead,
            duration_ms=duration_us / 1000,
        )

    def not_settled(self) -> None:
        self._metrics.settle_failures.inc()

    def _count_delivered(self, attempts: Sequence[Attempt]) -> int:
        """How many events they carried."""
        metrics = self._metrics
        carried = [(attempt, attempt.record) for attempt in attempts]
        carried += [(attempt, record) for attempt in attempts if attempt.others for record in attempt.others]
        types = Counter([record.event.attributes["type"] for _, record in carried])
        for name, count in types.items():
            metrics.delivered.labels(metrics.event_types.of(name)).inc(count)
        metrics.latency.observe_all(
            # The clocks of two processes may differ by more than a delivery takes.
            [
                max(0, one.started_at + one.duration_us - record.recorded_at)
                for one, record in carried
                if one.kind is not AttemptKind.REPLAY  # an event that is sent again comes late on purpose
            ]
        )
        return len(carried)

    def _count_parked(self, parked: Collection[Parked]) -> tuple[int, int]:
        """How many began to wait, and how many became dead letters: each once, whatever batch finds it so."""
        failed = [one for one in parked if one.attempts > 0 and not one.is_told_parked]
        dead = [one for one in parked if one.dead_lettered_at is not None and not one.is_told_dead]
        for one in failed:
            one.is_told_parked = True
        for one in dead:
            one.is_told_dead = True
        waiting = sum(one.dead_lettered_at is None or one.attempts > 1 for one in failed)
        for outcome, count in Counter(map(_last_outcome, dead)).items():
            self._metrics.dead_lettered.labels(outcome).inc(count)
        self._metrics.parked.inc(waiting)
        return waiting, len(dead)


def _last_outcome(parked: Parked) -> str:
    if parked.last_error is not None and parked.last_error.startswith(EXPIRED):
        return EXPIRED
    return parked.last_outcome or OutcomeKind.RETRY.value
