"""JSON Pointers (RFC 6901) into documents, and the equality of JSON values. Knows no schema and no filter."""

import re
from collections.abc import Callable
from enum import Enum
from typing import Final

_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)*", re.DOTALL)
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)


class Nothing(Enum):
    """What a pointer leads to where there is no value; null is one."""

    NOTHING = "NOTHING"


NOTHING: Final = Nothing.NOTHING


def tokens_of(pointer: str) -> tuple[str, ...]:
    """Raises ValueError with a whole sentence."""
    if _POINTER.fullmatch(pointer) is None:
        raise ValueError("A JSON Pointer is empty or begins with /, and ~ stands in ~0 and ~1 only (RFC 6901).")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def index_of(token: str) -> int | None:
    """The place in an array that a token names, if it can name one."""
    return int(token) if _INDEX.fullmatch(token) else None


def value_at(document: object, tokens: tuple[str, ...]) -> object:
    """`NOTHING` where the document ends before the pointer does."""
    for token in tokens:
        if isinstance(document, dict):
            document = document.get(token, NOTHING)
        elif isinstance(document, list):
            index = index_of(token)
            document = document[index] if index is not None and index < len(document) else NOTHING
        else:
            return NOTHING
    return document


def equality_with(wanted: object) -> Callable[[object], bool]:
    """Whether another value is the same in JSON: 1 is 1.0 and not true, and the order of members says nothing."""
    if isinstance(wanted, dict | list):
        return lambda value: are_equal(value, wanted)
    if isinstance(wanted, str):
        return lambda value: value == wanted
    if isinstance(wanted, bool) or wanted is None:
        return lambda value: value is wanted
    return lambda value: not isinstance(value, bool) and value == wanted


def are_equal(one: object, other: object) -> bool:
    to_do = [(one, other)]
    while to_do:
        one, other = to_do.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            to_do += [(value, other[name]) for name, value in one.items()]
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            to_do += zip(one, other, strict=True)
        elif isinstance(one, bool) is not isinstance(other, bool) or one != other:
            return False
    return True
