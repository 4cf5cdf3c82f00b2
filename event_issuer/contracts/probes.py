"""Documents to try a schema on before it is registered: made to keep it busy, not to keep its promises.

They are built from where the schema looks (`Expansion`): every named property and item, long arrays, recursion
as deep as the budget goes, texts that its patterns have to read to the end. Nothing here measures or judges.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from event_issuer.domain.expansion import Expansion, Spot

# Values in one probe: about what a document of 16 KiB has.
VALUES_MAX = 1_000
# Characters of the text that a pattern is tried on.
TEXT_CHARS = 16 * 1024
# Levels of a probe, so that building one stays within Python's recursion limit.
LEVELS_MAX = 100

# What no schema lists, so that all it lists is compared. A fraction is what comparing numbers takes longest for.
_MISSES = ("no schema lists this text", 0.37)


@dataclass(frozen=True, slots=True)
class _Style:
    """`items`: the length of arrays, as far as the budget goes; `miss`: the value to take instead of what the schema
    lists or is typed for; None to take that."""

    items: int
    miss: str | float | None


# Deep recursion, arrays inside arrays, one long array.
_LENGTHS = (2, 30, VALUES_MAX)
_STYLES = tuple(_Style(items, miss) for items in _LENGTHS for miss in (None, *_MISSES))


def documents(expansion: Expansion) -> Iterator[object]:
    """Documents of at most `VALUES_MAX` values: branching and long, passing checks and failing them."""
    for style in _STYLES:
        yield _document(expansion.root, style, VALUES_MAX, LEVELS_MAX)


def texts(pattern: str) -> Iterator[str]:
    """Texts of the pattern's own letters and digits, with and without an end that does not belong."""
    letters = "".join(character for character in pattern if character.isalnum()) or "a"
    for text in (letters, letters[-1]):
        yield (text * TEXT_CHARS)[:TEXT_CHARS]
        yield (text * TEXT_CHARS)[: TEXT_CHARS - 1] + "!"


def _document(spot: Spot | None, style: _Style, values: int, levels: int) -> object:
    if spot is None or values <= 1 or levels == 0:
        return _scalar(spot, style)
    names = [key for key in spot.named if isinstance(key, str)]
    if names or spot.other_properties:
        names += ["another name"] if spot.other_properties else []
        names = names[:values]
        return {name: _document(spot.below(name), style, values // len(names), levels - 1) for name in names}
    indices = [key for key in spot.named if isinstance(key, int)]
    if indices or spot.other_items:
        length = min(max(style.items, len(indices)), values)
        return [_document(spot.below(index), style, values // length, levels - 1) for index in range(length)]
    return _scalar(spot, style)


def _scalar(spot: Spot | None, style: _Style) -> object:
    """A value that the spot lists or is typed for, else a number: more keywords look at numbers than at texts."""
    if style.miss is not None:
        return style.miss
    for subschema in spot.subschemas if spot else ():
        if subschema.keyword("const") is not None:
            return subschema.keyword("const")
        options = subschema.keyword("enum")
        if isinstance(options, list) and options:
            return options[-1]
        types = subschema.keyword("type")
        for name in types if isinstance(types, list) else [types]:
            if name in _SAMPLES:
                return _SAMPLES[name]
    return _SAMPLES["number"]


_SAMPLES: dict[object, object] = {
    "null": None,
    "boolean": True,
    "integer": 7,
    "number": 0.5,
    "string": "text",
    "array": [],
    "object": {},
}
