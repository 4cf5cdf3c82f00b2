"""One timer, set anew again and again. Knows nothing of what is due."""

import asyncio
from collections.abc import Callable

from event_issuer.domain.time import SECOND_US, Clock, Instant


class Alarm:
    """Calls `ring` once when the time that was set last has come."""

    def __init__(self, ring: Callable[[], None], clock: Clock) -> None:
        self._ring, self._clock = ring, clock
        self._timer: asyncio.TimerHandle | None = None

    def set(self, due_at: Instant | None, looked_at: Instant) -> None:
        """None is no time at all. What was due at `looked_at` was seen then; what came due since rings at once."""
        self.stop()
        delay_us = 0 if due_at is None else due_at - self._clock()
        if delay_us > 0:
            self._timer = asyncio.get_running_loop().call_later(delay_us / SECOND_US, self._ring)
        elif due_at is not None and due_at > looked_at:
            self._ring()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
