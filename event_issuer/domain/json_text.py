"""JSON in and out of a face that must parse: strict where a number would change, fast where none can.

RFC 8259 leaves the range of numbers to the reader. Ours keeps integers exactly and refuses any other number that a
double does not give back (`12345678901234567890.123`, `1e400`). `1e2` is 100.0, the same value, and
`0.10000000000000001` is 0.1, the same double. Of equal keys the last one counts. This module knows nothing of HTTP.
"""

import json
import re
from typing import Any, Final

import orjson

from event_issuer.domain.errors import BadInput
from event_issuer.domain.json_values import exact_float

# A double gives back every decimal of up to 15 digits, and orjson every integer of 18: only a number of more than 16
# characters or with an exponent may change. Finding one is cheap when each byte becomes one of five classes (digit or
# point, `e`, minus, what may come before a number, the rest) and exponents are searched backwards, where they begin
# with the rare `e`: hexadecimal ids have many. What is found inside a string costs time, never truth.
_CLASSES: Final = bytes(
    ord("0" if c in b"0123456789." else "e" if c in b"eE" else "-" if c in b"-" else ":" if c in b":,[ \t\r\n" else "x")
    for c in range(256)
)
_LONG: Final = b"0" * 17
_EXPONENT: Final = b"0e"
_EXPONENT_BACKWARDS: Final = re.compile(rb"e0+-?(?::|$)")


def parse_json(body: bytes) -> Any:
    """The document in `body`, which must be UTF-8. Raises BadInput."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise BadInput(f"The body is no JSON: {problem}.") from None
    if not _may_change_a_number(body):
        return document
    # orjson turns integers beyond 64 bits into doubles; json keeps them. The text is known to be sound by now.
    try:
        return json.loads(body, parse_float=exact_float)
    except ValueError as problem:
        raise BadInput(f"{problem}; send it as a string.") from None


def render_json(value: object) -> bytes:
    """UTF-8 without spaces. Raises TypeError for what JSON cannot hold."""
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits, or an unpaired surrogate
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _may_change_a_number(body: bytes) -> bool:
    classes = body.translate(_CLASSES)
    if _LONG in classes:
        return True
    return _EXPONENT in classes and _EXPONENT_BACKWARDS.search(classes[::-1]) is not None
