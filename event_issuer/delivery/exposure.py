"""Exposure: how many deliveries a crash at this moment would repeat, and the bound on it.

A delivery is exposed from the start of its request until its outcome is written down, or it was given up; a batch is as
many deliveries as it has events, so that the bound may be passed by one batch. While
settling fails the exposure is shut: nothing new is sent, because its outcome could not be kept.
"""

from collections.abc import Callable


class Exposure:
    def __init__(self, count_max: int) -> None:
        self.count = 0
        self.is_shut = False
        self.count_max = count_max
        self._starved: set[Callable[[], None]] = set()

    def has_room(self) -> bool:
        return self.count < self.count_max and not self.is_shut

    def wake_when_room(self, wake: Callable[[], None]) -> None:
        """Calls `wake` once, at the next chance that there is room."""
        self._starved.add(wake)

    def take(self, count: int = 1) -> None:
        self.count += count

    def give_back(self, count: int) -> None:
        self.count -= count
        if self.has_room():
            self._wake()

    def shut(self) -> None:
        self.is_shut = True

    def reopen(self) -> None:
        """Settling works: what waited while it did not may go on."""
        if self.is_shut:
            self.is_shut = False
            self._wake()

    def _wake(self) -> None:
        if self._starved:
            starved, self._starved = self._starved, set()
            for wake in starved:
                wake()
