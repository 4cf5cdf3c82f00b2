"""How many requests an endpoint gets at a time: at most what its subscription asks for, and fewer while it suffers.

Additive increase, multiplicative decrease (RFC 5681 has it for networks): each answer in time makes room for a little
more, an endpoint that is overloaded or slow halves it or takes a tenth. After it was down it begins with one. Knows
nothing of breakers.
"""

from typing import Final

OVERLOADED: Final = frozenset({429, 503})
HALVED: Final = 0.5
SLOWED: Final = 0.9
SLOW_FACTOR: Final = 4.0  # an answer that takes so many times as long as usual is slow
SLOW_LEAST_US: Final = 500_000  # below that nobody suffers, whatever is usual
USUAL_WEIGHT: Final = 1 / 64  # how fast a longer duration becomes the usual one; a shorter one does eight times as fast


class Concurrency:
    def __init__(self, most: int) -> None:
        self.most = most
        self.allowed = float(most)
        self._is_ramping = False
        self._usual_us = 0.0
        self._answers_until_decrease = 0  # one decrease per round of requests: they were sent at the same time

    def succeed(self, duration_us: int) -> bool:
        """Whether `allowed` has changed by a whole request or more."""
        usual_us = self._usual_us or float(duration_us)
        longer_us = duration_us - usual_us
        self._usual_us = usual_us + longer_us * (USUAL_WEIGHT if longer_us > 0 else 8 * USUAL_WEIGHT)
        if self._answers_until_decrease:
            self._answers_until_decrease -= 1
        if duration_us > SLOW_LEAST_US and duration_us > SLOW_FACTOR * usual_us:
            return self._decrease(SLOWED)
        if self.allowed >= self.most:
            return False
        before = int(self.allowed)
        step = 1.0 if self._is_ramping else 1.0 / self.allowed
        self.allowed = min(float(self.most), self.allowed + step)
        return int(self.allowed) != before

    def fail(self, status: int | None) -> bool:
        """An answer that was none, or not 2xx; whether `allowed` has changed by a whole request or more."""
        if self._answers_until_decrease:
            self._answers_until_decrease -= 1
        return status in OVERLOADED and self._decrease(HALVED)

    def begin_again(self) -> None:
        """The endpoint is back: one request at a time, twice as many with each round, until it suffers."""
        self.allowed, self._is_ramping = 1.0, True

    def _decrease(self, factor: float) -> bool:
        if self._answers_until_decrease:
            return False
        before = int(self.allowed)
        self.allowed = max(1.0, self.allowed * factor)
        self._answers_until_decrease, self._is_ramping = before, False
        return int(self.allowed) != before


class Pace:
    """At most `per_second` requests in a second, evenly; a tenth of a second's worth may go at once. Durations in
    seconds of any clock that does not go back."""

    def __init__(self, per_second: float) -> None:
        self._interval_s = 1.0 / per_second
        self._burst_s = max(0.0, 0.1 - self._interval_s)
        self._next_at_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """How long the next request has to wait; 0 when it may go now."""
        return max(0.0, self._next_at_s - self._burst_s - now_s)

    def take(self, now_s: float) -> None:
        self._next_at_s = max(self._next_at_s, now_s) + self._interval_s
