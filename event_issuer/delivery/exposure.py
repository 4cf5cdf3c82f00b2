"""Exposure: how many deliveries a crash at this moment would repeat, and the bound on it.

A delivery is exposed from the start of its request until its outcome is written down. While settling fails the
exposure is shut: nothing new is sent, because its outcome could not be kept.
"""

from collections.abc import Callable


class Exposure:
    def __init__(self, count_max: int) -> None:
        self.count = 0
        self.is_shut = False
        self._count_max = count_max
        self._starved: set[Callable[[], None]] = set()

    def has_room(self) -> bool:
        return self.count < self._count_max and not self.is_shut

    def wake_when_room(self, wake: Callable[[], None]) -> None:
        """Calls `wake` once, at the next chance that there is room."""
        self._starved.add(wake)

    def settled(self, count: int) -> None:
        self.count -= count
        self.is_shut = False
        starved, self._starved = self._starved, set()
        for wake in starved:
            wake()
