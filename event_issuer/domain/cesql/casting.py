"""Values of one type as values of another, as §3.7 of CESQL 1.0.0 has it. Raises Fault for what cannot be cast."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from event_issuer.domain.cesql.parsing import INTEGER_MAX, INTEGER_MIN
from event_issuer.domain.cesql.syntax import Fault, FaultKind, Value

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}
SHOWN_LENGTH_MAX: Final = 40


def to_integer(value: Value, column: int) -> int:
    if isinstance(value, str):
        number = int(value) if _INTEGER.fullmatch(value) else None
        if number is None or not INTEGER_MIN <= number <= INTEGER_MAX:
            raise _no_cast(value, "an integer of 32 bits", column)
        return number
    return int(value)


def to_boolean(value: Value, column: int) -> bool:
    if isinstance(value, str):
        found = _BOOLEANS.get(value.lower())
        if found is None:
            raise _no_cast(value, "a boolean", column)
        return found
    return bool(value)


def to_string(value: Value, column: int = 0) -> str:
    """Never fails; the column makes it alike to the others."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def like(value: Value, model: Value, column: int) -> Value:
    """The value, cast to the type of `model`."""
    return value if type(value) is type(model) else CASTS[type(model)](value, column)


CASTS: Final[Mapping[type[Value], Callable[[Value, int], Value]]] = {
    bool: to_boolean,
    int: to_integer,
    str: to_string,
}


def _no_cast(value: str, what: str, column: int) -> Fault:
    return Fault(FaultKind.CAST, column, f"{value[:SHOWN_LENGTH_MAX]!r} is not {what}.")
