"""JSON values as bytes: written once, read strictly, bounded in depth.

Refused is what Python lets through and readers in other languages do not take: NaN and Infinity, unpaired surrogates
(RFC 8259 §8.2), deep nesting. The text of each ValueError goes on from "it is". Knows neither events nor schemas.
"""

import json
import math
import sys
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

import orjson

# Levels of arrays and objects inside each other: where .NET's reader stops. No event or schema of real use is near it.
DEPTH_MAX: Final = 64
SHOWN_LENGTH_MAX: Final = 40  # of a number or a name in a message: it may be as long as the body
_WHITE_SPACE: Final = b" \n\r\t"

_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**64 - 1  # what orjson writes and reads as an integer
_DOUBLE_MAX: Final = int(sys.float_info.max)


def json_bytes(value: object) -> bytes:
    """The one serialisation of a JSON value: UTF-8, compact, members in the order given. Raises ValueError."""
    try:
        encoded = orjson.dumps(value)
    except orjson.JSONEncodeError:
        encoded = _with_big_integers(value)
    if _may_be_deep(encoded):
        _refuse_deep(value)
    # orjson writes null for NaN and Infinity; what reads back as it was has none, and reading is quicker than looking.
    if b"null" in encoded and orjson.loads(encoded) != value:
        _refuse_infinite(value)
    return encoded


def json_document(text: bytes) -> object:
    """The value that the text spells, integers of any size exact. Raises ValueError.

    A name that occurs twice in an object is refused: readers differ on which of the two counts, so what is judged
    here might not be what is read there.
    """
    try:
        document: object = orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        raise ValueError(f"not JSON: {problem}") from None
    if _may_be_deep(text):
        _refuse_deep(document)
    # What prints as it was written has no name twice, and no integer that orjson made a float: beyond 64 bits.
    if not is_same_text(orjson.dumps(document), text):
        document = json.loads(text, object_pairs_hook=distinct_names)
    return document


def is_same_text(one: bytes, other: bytes) -> bool:
    """Whether two JSON texts differ in white space at most."""
    return one == other or one.translate(None, _WHITE_SPACE) == other.translate(None, _WHITE_SPACE)


def distinct_names(members: list[tuple[str, object]]) -> dict[str, object]:
    """What `json.loads` takes as its hook for objects. Raises ValueError for a name that occurs twice."""
    found = dict(members)
    if len(found) < len(members):
        seen: set[str] = set()
        twice = next(name for name, _ in members if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"ambiguous: an object has the name {twice[:SHOWN_LENGTH_MAX]!r} twice")
    return found


def exact_float(literal: str) -> float:
    """The number that a JSON text spells, if a double gives it back. Raises ValueError with a whole sentence.

    `1e2` is 100.0, the same value, and `0.10000000000000001`, as C prints it, the same double as 0.1.
    """
    number = float(literal)
    if repr(number) == literal or _is_print_of(number, literal):
        return number
    shown = literal if len(literal) <= SHOWN_LENGTH_MAX else literal[:SHOWN_LENGTH_MAX] + "…"
    raise ValueError(f"The number {shown} would become {number!r} here")


def _is_print_of(number: float, literal: str) -> bool:
    """Whether the literal is the shortest decimal that gives this double, or the one of 17 digits that C prints."""
    try:
        return Decimal(literal) in (Decimal(repr(number)), Decimal(f"{number:.17g}"))
    except InvalidOperation:  # an exponent of 18 digits or more
        return False


def json_type(value: object) -> str:
    """What a message calls the type of a JSON value."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _may_be_deep(encoded: bytes) -> bool:
    """A quick look: so few brackets cannot be deep."""
    return encoded.count(b"[") + encoded.count(b"{") > DEPTH_MAX


def _refuse_deep(value: object) -> None:
    level = [value]
    for _ in range(DEPTH_MAX):
        level = [child for parent in level for child in _children(parent)]
    if any(isinstance(value, (dict, list)) for value in level):
        raise ValueError(f"nested more than {DEPTH_MAX} levels deep")


def _refuse_infinite(value: object) -> None:
    to_do = [value]
    while to_do:
        value = to_do.pop()
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"not JSON: {value} is no number there")
        to_do.extend(_children(value))


def _children(value: object) -> Sequence[object]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()


def _with_big_integers(value: object) -> bytes:
    """Serialises what orjson has refused: integers beyond 64 bits are written by Python, all else as ever."""
    _refuse_deep(value)
    try:
        return orjson.dumps(_spelled(value))
    except orjson.JSONEncodeError as problem:
        raise ValueError(f"not JSON: {problem}") from None


def _spelled(value: object) -> object:
    if isinstance(value, dict):
        return {key: _spelled(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_spelled(item) for item in value]
    if isinstance(value, int) and not _INTEGER_MIN <= value <= _INTEGER_MAX:
        if abs(value) > _DOUBLE_MAX:
            raise ValueError("not portable: an integer beyond 1.8e308 is read as Infinity elsewhere")
        return orjson.Fragment(str(value))
    return value
