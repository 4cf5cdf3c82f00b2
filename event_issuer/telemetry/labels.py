"""Label values that somebody else chooses, kept to a bounded number: each one is a time series in every store."""

from typing import Final

OTHER: Final = "other"


class BoundedLabel:
    """The first `count_max` values keep their names until the process ends; all others are `other`."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._known: set[str] = set()

    def of(self, value: str) -> str:
        if value in self._known:
            return value
        if len(self._known) >= self._count_max:
            return OTHER
        self._known.add(value)
        return value
