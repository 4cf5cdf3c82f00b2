"""The health of an endpoint: its breaker, the pauses it asked for, and the time during which nothing was due.

A breaker opens when too many requests fail one after the other, or too large a part of them. While it is open one
request per step is tried, the probe, and what it says decides. Knows nothing of lanes, limits or the database.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from event_issuer.domain.time import SECOND_US, Instant

FAILURES_IN_A_ROW: Final = 10  # by chance, an endpoint that answers every second request has as many once in 1,000
WINDOW: Final = 50  # outcomes until the failure rate says something; older ones count half, a quarter, …
FAILED_PART_MAX: Final = 0.5
PAUSES_IN_A_ROW: Final = 5  # an endpoint that asks for pause after pause, and takes nothing between, is down
PROBE_DELAYS_S: Final = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 900.0)  # the last one again and again
PROBE_JITTER: Final = 0.5  # endpoints of one host that failed together are not probed together


class Breaker(StrEnum):
    CLOSED = "CLOSED"
    OPEN = "OPEN"  # nothing is sent until the next probe
    HALF_OPEN = "HALF_OPEN"  # the probe may be sent, or is under way


@dataclass(slots=True)
class HealthRecord:
    """What is stored of it. `probe_at` is set while the breaker is not closed.

    `frozen_us` is how long nothing was due, over all times that have ended; `frozen_since` is the beginning of one that
    has not.
    """

    probe_step: int = 0
    probe_at: Instant | None = None
    paused_until: Instant | None = None
    pauses: int = 0
    frozen_us: int = 0
    frozen_since: Instant | None = None


class Health:
    """`failures_in_a_row`: how many open the breaker."""

    def __init__(self, record: HealthRecord, random: Random, failures_in_a_row: int = FAILURES_IN_A_ROW) -> None:
        self.record = record
        self.breaker = Breaker.CLOSED if record.probe_at is None else Breaker.OPEN
        self._random = random
        self._failures_in_a_row_max = failures_in_a_row
        self._failures_in_a_row = 0
        self._answers = 0.0
        self._failures = 0.0

    def may_send(self) -> bool:
        return self.breaker is not Breaker.OPEN and self.record.paused_until is None

    @property
    def next_change_at(self) -> Instant | None:
        """When `pass_time` will have something to do."""
        times = [self.record.paused_until, self.record.probe_at if self.breaker is Breaker.OPEN else None]
        return min((at for at in times if at is not None), default=None)

    def pass_time(self, now: Instant) -> bool:
        """Ends a pause, and lets the probe out, when their time has come; whether anything has changed."""
        record, changed = self.record, False
        if record.paused_until is not None and record.paused_until <= now:
            record.paused_until = None
            changed = True
        if self.breaker is Breaker.OPEN and record.probe_at is not None and record.probe_at <= now:
            self.breaker = Breaker.HALF_OPEN
            changed = True
        self._freeze_or_thaw(now)
        return changed

    def succeed(self, now: Instant) -> bool:
        """A request got an answer that does not count against the endpoint; whether anything stored has changed."""
        self._failures_in_a_row = 0
        self._count(0.0)
        if self.breaker is Breaker.CLOSED:
            if not self.record.pauses:
                return False
            self.record.pauses = 0
            return True
        if self.breaker is Breaker.OPEN:
            return False  # it was under way when the breaker opened; the probe decides
        self._close()
        self._freeze_or_thaw(now)
        return True

    def fail(self, now: Instant) -> bool:
        """A request failed in a way that counts against the endpoint; whether anything stored has changed."""
        if self.breaker is not Breaker.CLOSED:
            if self.breaker is Breaker.HALF_OPEN:
                self._open(now, self.record.probe_step + 1)
                return True
            return False
        self._failures_in_a_row += 1
        self._count(1.0)
        many = self._answers >= WINDOW and self._failures >= FAILED_PART_MAX * self._answers
        if many or self._failures_in_a_row >= self._failures_in_a_row_max:
            self._open(now, 0)
            return True
        return False

    def pause(self, seconds: float, now: Instant) -> None:
        """The endpoint asks for it. Pause after pause opens the breaker; a pause at a probe only puts off the next."""
        record = self.record
        until = now + round(seconds * SECOND_US)
        if record.paused_until is None:  # requests that were under way together ask for one pause together
            record.pauses += 1
        record.paused_until = max(until, record.paused_until or until)
        if self.breaker is Breaker.HALF_OPEN or record.pauses >= PAUSES_IN_A_ROW:
            self._open(now, record.probe_step + 1 if self.breaker is Breaker.HALF_OPEN else 0)
        self._freeze_or_thaw(now)

    def frozen_us(self, now: Instant) -> int:
        """How long nothing was due, up to `now`."""
        since = self.record.frozen_since
        return self.record.frozen_us + (0 if since is None else max(0, now - since))

    def _count(self, failure: float) -> None:
        self._answers += 1.0
        self._failures += failure
        if self._answers >= 2 * WINDOW:
            self._answers /= 2
            self._failures /= 2

    def _open(self, now: Instant, step: int) -> None:
        delay_s = PROBE_DELAYS_S[min(step, len(PROBE_DELAYS_S) - 1)] * (1 - PROBE_JITTER * self._random.random())
        self.breaker = Breaker.OPEN
        self.record.probe_step, self.record.probe_at = step, now + round(delay_s * SECOND_US)
        self._freeze_or_thaw(now)

    def _close(self) -> None:
        self.breaker = Breaker.CLOSED
        self.record.probe_step, self.record.probe_at, self.record.pauses = 0, None, 0
        self._answers = self._failures = 0.0

    def _freeze_or_thaw(self, now: Instant) -> None:
        """Nothing is due and nothing ages while the breaker is not closed, or the endpoint asked for a pause."""
        record = self.record
        is_frozen = self.breaker is not Breaker.CLOSED or record.paused_until is not None
        if is_frozen and record.frozen_since is None:
            record.frozen_since = now
        elif not is_frozen and record.frozen_since is not None:
            record.frozen_us, record.frozen_since = self.frozen_us(now), None
