"""A lane's cursor: the lowest offset not yet settled, and the ranges settled above it.

With the ranges, one slow request never makes a crash repeat its finished neighbours. The window between the lowest
unsettled offset and the highest settled one is bounded by whoever reads ahead, not here.
"""

import json
from bisect import bisect_left, bisect_right


class Cursor:
    """`next_offset` is the lowest unsettled offset; the ranges above it are disjoint, ordered, and never touch it."""

    __slots__ = ("_ends", "_starts", "next_offset")

    def __init__(self, next_offset: int, ranges: list[list[int]] | None = None) -> None:
        self.next_offset = next_offset
        self._starts = [start for start, _ in ranges or ()]
        self._ends = [end for _, end in ranges or ()]

    @classmethod
    def parse(cls, next_offset: int, settled_above: str) -> "Cursor":
        """`settled_above` is JSON: a list of [first, past the last]."""
        return cls(next_offset, json.loads(settled_above) if settled_above != "[]" else None)

    def settled_above(self) -> str:
        if not self._starts:
            return "[]"
        return json.dumps([list(pair) for pair in zip(self._starts, self._ends, strict=True)], separators=(",", ":"))

    @property
    def count_above(self) -> int:
        """How many offsets above `next_offset` are settled."""
        return sum(self._ends) - sum(self._starts)

    @property
    def end(self) -> int:
        """Past the highest settled offset."""
        return self._ends[-1] if self._ends else self.next_offset

    def is_settled(self, offset: int) -> bool:
        if offset < self.next_offset:
            return True
        if not self._starts:
            return False
        index = bisect_right(self._starts, offset) - 1
        return index >= 0 and offset < self._ends[index]

    def unsettled_before(self, offset: int) -> int:
        """How many offsets below `offset` are not settled."""
        above = [
            min(end, offset) - start for start, end in zip(self._starts, self._ends, strict=True) if start < offset
        ]
        return max(0, offset - self.next_offset - sum(above))

    def unsettled(self, start: int, end: int) -> int:
        """How many offsets with `start` ≤ offset < `end` are not settled."""
        start = max(start, self.next_offset)
        if start >= end:
            return 0
        ranges = zip(self._starts, self._ends, strict=True)
        return end - start - sum(max(0, min(last, end) - max(first, start)) for first, last in ranges)

    def settle(self, offset: int) -> None:
        """Marks one offset; settling twice changes nothing."""
        if offset == self.next_offset:
            self.next_offset = offset + 1
            if self._starts and self._starts[0] == self.next_offset:
                self._starts.pop(0)
                self.next_offset = self._ends.pop(0)
        elif not self.is_settled(offset):
            self._insert(offset)

    def settle_range(self, start: int, end: int) -> None:
        """Marks `start` ≤ offset < `end`: offsets that the log does not have (any more)."""
        start = max(start, self.next_offset)
        if start >= end:
            return
        first = bisect_left(self._ends, start)  # the ranges that the new one meets are first ≤ index < last
        last = bisect_right(self._starts, end)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]
        if start == self.next_offset:
            self.next_offset = end
            del self._starts[0], self._ends[0]

    def _insert(self, offset: int) -> None:
        index = bisect_right(self._starts, offset)
        joins_left = index > 0 and self._ends[index - 1] == offset
        joins_right = index < len(self._starts) and self._starts[index] == offset + 1
        if joins_left and joins_right:
            self._ends[index - 1] = self._ends.pop(index)
            self._starts.pop(index)
        elif joins_left:
            self._ends[index - 1] = offset + 1
        elif joins_right:
            self._starts[index] = offset
        else:
            self._starts.insert(index, offset)
            self._ends.insert(index, offset + 1)
