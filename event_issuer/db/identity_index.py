"""Where a new event's identity may be remembered already: an index in memory, of 8 to 16 bytes each.

An identity is a digest, so an index of them on disk would be written at a random page per event. This one is made from
the rows, which are written one behind the other. It misses nothing and answers with places to look at, of which hardly
any is wrong: what stands there decides. Knows no SQL.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

KEY_BYTES: Final = 8
SEGMENT_MIN: Final = 1 << 16  # places in the smallest segment, which takes half a MiB
SEGMENT_MAX: Final = 1 << 22  # and in the largest, 32 MiB: so much at most is kept of what is remembered no more

# A slot is 0, or 8 bits of the key above a place, counted from 1 behind the segment's base.
_PLACE_BITS: Final = 24
_PLACE_MASK: Final = (1 << _PLACE_BITS) - 1
_MARK_SHIFT: Final = 56


def keys_of(digests: Iterable[bytes]) -> "array[int]":
    """The first 64 bits of each digest, as this machine reads them."""
    return array("Q", b"".join([digest[:KEY_BYTES] for digest in digests]))


class IdentityIndex:
    """Places are numbers that only ever grow. Segments are filled one after the other and dropped whole.

    Each segment has room for as many as are remembered when it is begun: a key is looked for in a few of them only.
    """

    def __init__(self) -> None:
        self.last = 0  # every place up to this one is known
        self._segments: list[_Segment] = []

    def add(self, places: Sequence[int], keys: Sequence[int], last: int, remembered: int) -> None:
        """Takes places in ascending order, all above `self.last`, and their keys; up to `last` there are no others.

        `remembered`: how many places there are now, those included that are yet to be added.
        """
        start = 0
        while start < len(places):
            if not self._segments or not self._segments[-1].has_room_for(places[start]):
                self._segments.append(_Segment(places[start] - 1, remembered))
            start += self._segments[-1].add(places, keys, start)
        self.last = last

    def forget(self, first: int) -> None:
        """Drops what is known of places below `first`, as far as that is whole segments."""
        while self._segments and self._segments[0].last < first:
            del self._segments[0]

    def clear(self) -> None:
        self.last = 0
        self._segments.clear()

    def places(self, keys: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Pairs of an index in `keys` and a place: all places of each key, and of one in a hundred keys another."""
        for segment in self._segments:
            yield from segment.places(keys)


class _Segment:
    """An open hash table with linear probing, half full at most."""

    def __init__(self, base: int, remembered: int) -> None:
        capacity = 1 << max(remembered - 1, 0).bit_length()
        self._room = min(max(capacity, SEGMENT_MIN), SEGMENT_MAX)
        self._slots = array("I", bytes(4 * 2 * self._room))
        self._base = self.last = base

    def has_room_for(self, place: int) -> bool:
        return self._room > 0 and place - self._base <= _PLACE_MASK

    def add(self, places: Sequence[int], keys: Sequence[int], start: int) -> int:
        """Takes as many from `start` on as there is room for; how many."""
        stop = min(start + self._room, bisect_right(places, self._base + _PLACE_MASK))
        slots, mask, base = self._slots, len(self._slots) - 1, self._base
        for place, key in zip(places[start:stop], keys[start:stop], strict=True):
            slot = key & mask
            while slots[slot]:
                slot = (slot + 1) & mask
            slots[slot] = key >> _MARK_SHIFT << _PLACE_BITS | (place - base)
        self._room -= stop - start
        self.last = places[stop - 1]
        return stop - start

    def places(self, keys: Sequence[int]) -> Iterator[tuple[int, int]]:
        slots, mask = self._slots, len(self._slots) - 1
        # Most first slots are empty, and a comprehension passes them over more quickly than a loop.
        for index, key in [(index, key) for index, key in enumerate(keys) if slots[key & mask]]:
            slot = key & mask
            found = slots[slot]
            while found:
                if found >> _PLACE_BITS == key >> _MARK_SHIFT:
                    yield index, self._base + (found & _PLACE_MASK)
                slot = (slot + 1) & mask
                found = slots[slot]
