"""The built-in functions of CESQL 1.0.0 (§3.5), and the casts that it names INT, BOOL and STRING (§3.7).

To add a function, add a row to `FUNCTIONS`. Arguments arrive cast. Knows no syntax.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from event_issuer.domain.cesql.parsing import INTEGER_MAX, INTEGER_MIN
from event_issuer.domain.cesql.syntax import Fault, FaultKind, Value

# Unicode's White_Space. Python's own notion takes four control characters along (U+001C to U+001F), §3.5.1 does not.
WHITE_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a" + (
    "\u2028\u2029\u202f\u205f\u3000"
)
TEXT_LENGTH_MAX: Final = 8 * 1024  # of what CONCAT makes; all attributes of an event together have 6 KiB


class Misuse(Exception):
    """A function cannot do what it is asked; `value` is what it returns all the same."""

    def __init__(self, message: str, value: Value, kind: FaultKind = FaultKind.FUNCTION_EVALUATION) -> None:
        super().__init__(message)
        self.message, self.value, self.kind = message, value, kind


@dataclass(frozen=True, slots=True)
class Function:
    """`parameters` are types; the last one repeats, from not at all to any number, where it is `variadic`."""

    parameters: tuple[type[Value], ...]
    result: type[Value]
    run: Callable[..., Value]
    variadic: bool = False

    def takes(self, count: int) -> bool:
        fixed = len(self.parameters)
        return count >= fixed - 1 if self.variadic else count == fixed

    def parameter(self, index: int) -> type[Value]:
        return self.parameters[min(index, len(self.parameters) - 1)]


def function_named(name: str, arity: int) -> Function | None:
    """The one of that name that takes so many arguments (§3.5: overloading is by arity)."""
    return next((one for one in FUNCTIONS.get(name, ()) if one.takes(arity)), None)


def fault_of(misuse: Misuse, column: int) -> Fault:
    return Fault(misuse.kind, column, misuse.message, misuse.value)


def _concat(*texts: str) -> str:
    return _bounded("".join(texts))


def _concat_ws(delimiter: str, *texts: str) -> str:
    return _bounded(delimiter.join(texts))


def _bounded(text: str) -> str:
    if len(text) > TEXT_LENGTH_MAX:
        raise Misuse(f"A text of more than {TEXT_LENGTH_MAX} characters is not made.", "")
    return text


def _trim(text: str) -> str:
    return text.strip(WHITE_SPACE)


def _left(text: str, count: int) -> str:
    if count < 0:
        raise Misuse(f"LEFT takes no fewer than 0 characters, not {count}.", text)
    return text[:count]


def _right(text: str, count: int) -> str:
    if count < 0:
        raise Misuse(f"RIGHT takes no fewer than 0 characters, not {count}.", text)
    return text[-count:] if count else ""


def _substring(text: str, position: int, length: int | None = None) -> str:
    """Positions count from 1, or, where negative, from behind the end."""
    if abs(position) > len(text):
        raise Misuse(f"A text of {len(text)} characters has no position {position}.", "")
    if length is not None and length < 0:
        raise Misuse(f"A part has no fewer than 0 characters, not {length}.", "")
    if position == 0:
        return ""
    begin = position - 1 if position > 0 else len(text) + position
    return text[begin:] if length is None else text[begin : begin + length]


def _abs(number: int) -> int:
    if number == INTEGER_MIN:
        raise Misuse(f"The absolute value of {number} has more than 32 bits.", INTEGER_MAX, FaultKind.MATH)
    return abs(number)


def _same(value: Any) -> Any:
    return value


FUNCTIONS: Final[Mapping[str, tuple[Function, ...]]] = {
    "LENGTH": (Function((str,), int, len),),
    "CONCAT": (Function((str,), str, _concat, variadic=True),),
    "CONCAT_WS": (Function((str, str), str, _concat_ws, variadic=True),),
    "LOWER": (Function((str,), str, str.lower),),
    "UPPER": (Function((str,), str, str.upper),),
    "TRIM": (Function((str,), str, _trim),),
    "LEFT": (Function((str, int), str, _left),),
    "RIGHT": (Function((str, int), str, _right),),
    "SUBSTRING": (Function((str, int), str, _substring), Function((str, int, int), str, _substring)),
    "ABS": (Function((int,), int, _abs),),
    "INT": (Function((int,), int, _same),),
    "BOOL": (Function((bool,), bool, _same),),
    "STRING": (Function((str,), str, _same),),
}
