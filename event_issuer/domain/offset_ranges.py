"""The offsets of a batch as they are stored: JSON, a list of [first, past the last], as a cursor has it.

Knows no log.
"""

import json
from collections.abc import Sequence


def ranges_text(offsets: Sequence[int]) -> str:
    """`offsets` rise."""
    ranges: list[list[int]] = []
    for offset in offsets:
        if ranges and ranges[-1][1] == offset:
            ranges[-1][1] = offset + 1
        else:
            ranges.append([offset, offset + 1])
    return json.dumps(ranges, separators=(",", ":"))


def offsets_in(text: str) -> list[int]:
    return [offset for first, end in json.loads(text) for offset in range(first, end)]


def count_in(text: str) -> int:
    return sum(end - first for first, end in json.loads(text))
