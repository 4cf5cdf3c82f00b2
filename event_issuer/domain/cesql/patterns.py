"""The patterns of LIKE: `%` stands for any characters, `_` for one, and `\\` before either takes its meaning away.

Source: CESQL 1.0.0 §3.4.3. Matching takes time by the product of both lengths, not more: the part between two `%` is
searched once, from where the one before it was found, and nothing is tried again (atomic groups).
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

_PART: Final = re.compile(r"\\[%_]|.", re.DOTALL)


def matcher(pattern: str) -> Callable[[str], bool]:
    """A function that says whether a whole text matches."""
    first, *others = _segments(pattern)
    if not others:
        whole = re.compile(first, re.DOTALL)
        return lambda text: whole.fullmatch(text) is not None
    *middle, last = others
    searched = "".join(f"(?>.*?{segment})" for segment in middle if segment)
    regex = re.compile(f"{first}{searched}.*{last}" if last else f"{first}{searched}", re.DOTALL)
    if last:
        return lambda text: regex.fullmatch(text) is not None
    return lambda text: regex.match(text) is not None


def _segments(pattern: str) -> list[str]:
    """What stands between the `%`, as regular expressions without quantifiers."""
    segments = [""]
    for part in _parts(pattern):
        if part == "%":
            segments.append("")
        else:
            segments[-1] += "." if part == "_" else re.escape(part[-1])
    return segments


def _parts(pattern: str) -> Iterator[str]:
    return (match[0] for match in _PART.finditer(pattern))
