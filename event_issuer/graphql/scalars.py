"""The scalars of the API. What cannot be carried over unharmed is refused, not bent."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NewType

import orjson
import strawberry
from graphql import (
    BooleanValueNode,
    EnumValueNode,
    FloatValueNode,
    GraphQLError,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    ValueNode,
    VariableNode,
)
from strawberry.types.scalar import ScalarDefinition

from event_issuer.domain.json_values import exact_float
from event_issuer.domain.time import Instant, from_datetime, to_datetime

JSON = NewType("JSON", object)
CloudEvent = NewType("CloudEvent", object)
DateTime = NewType("DateTime", int)
Long = NewType("Long", int)
URL = NewType("URL", str)

LONG_MIN: Final = -(2**63)
LONG_MAX: Final = 2**63 - 1
DATETIME_LENGTH_MAX: Final = 64
NUMBER_LENGTH_MAX: Final = 400  # digits of a number written into a query; longer ones have no use and cost time


def _parse_datetime(value: object) -> Instant:
    try:
        if isinstance(value, str) and len(value) <= DATETIME_LENGTH_MAX and "T" in value.upper():
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                return from_datetime(moment)
    except (ValueError, OverflowError):
        pass
    raise GraphQLError(f"A DateTime is RFC 3339 with an offset, such as 2026-01-31T12:00:00Z, not {value!r:.80}.")


def datetime_or_none(instant: int | None) -> DateTime | None:
    return None if instant is None else DateTime(instant)


def long_or_none(number: int | None) -> Long | None:
    return None if number is None else Long(number)


def url_or_none(text: str | None) -> URL | None:
    return None if text is None else URL(text)


def json_or_none(text: str | None) -> JSON | None:
    return None if text is None else stored_json(text)


def stored_json(text: str | bytes) -> JSON:
    """JSON as it is stored: it goes into the answer as these bytes."""
    return JSON(orjson.Fragment(text))


def _show_datetime(instant: Instant) -> str:
    return to_datetime(instant).isoformat().replace("+00:00", "Z")


def _parse_long(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and LONG_MIN <= value <= LONG_MAX:
        return value
    raise GraphQLError(f"A Long is an integer of 64 bits, not {value!r:.80}.")


def _parse_long_literal(node: ValueNode, _: Mapping[str, Any] | None = None) -> int:
    if isinstance(node, IntValueNode) and len(node.value) <= NUMBER_LENGTH_MAX:
        return _parse_long(int(node.value))
    raise GraphQLError("A Long is an integer of 64 bits.", node)


def _parse_url(value: object) -> str:
    if isinstance(value, str):
        return value
    raise GraphQLError(f"A URL is a string, not {value!r:.80}.")


def _json_literal(node: ValueNode, variables: Mapping[str, Any] | None = None) -> object:
    """A value written into the query itself. A number that a double cannot hold is refused."""
    match node:
        case IntValueNode() | FloatValueNode():
            return _number(node)
        case StringValueNode() | BooleanValueNode() | EnumValueNode():
            return node.value
        case NullValueNode():
            return None
        case ListValueNode():
            return [_json_literal(item, variables) for item in node.values]
        case ObjectValueNode():
            return {field.name.value: _json_literal(field.value, variables) for field in node.fields}
        case VariableNode() if variables is not None:
            return variables.get(node.name.value)
    raise GraphQLError("This is no JSON value.", node)


def _number(node: IntValueNode | FloatValueNode) -> int | float:
    text = node.value
    if len(text) > NUMBER_LENGTH_MAX:
        raise GraphQLError(f"A number has at most {NUMBER_LENGTH_MAX} characters.", node)
    if isinstance(node, IntValueNode):
        return int(text)
    try:
        return exact_float(text)
    except ValueError as problem:
        raise GraphQLError(f"{problem}; send it as a string.", node) from None


def _same(value: object) -> object:
    return value


def _any_json(name: str, description: str, url: str | None = None) -> ScalarDefinition:
    return strawberry.scalar(
        name=name,
        description=description,
        specified_by_url=url,
        serialize=_same,
        parse_value=_same,
        parse_literal=_json_literal,
    )


SCALARS: Final[Mapping[object, ScalarDefinition]] = {
    JSON: _any_json("JSON", "Any JSON value."),
    CloudEvent: _any_json(
        "CloudEvent",
        "A CloudEvent in the JSON event format. Any JSON value is taken; each event is judged on its own.",
        "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md",
    ),
    DateTime: strawberry.scalar(
        name="DateTime",
        description="RFC 3339 with an offset; a naive or date-only value is refused.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=_show_datetime,
        parse_value=_parse_datetime,
    ),
    Long: strawberry.scalar(
        name="Long",
        description="A 64-bit integer.",
        serialize=_same,
        parse_value=_parse_long,
        parse_literal=_parse_long_literal,
    ),
    URL: strawberry.scalar(
        name="URL",
        description="An absolute URL (RFC 3986).",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3986",
        serialize=_same,
        parse_value=_parse_url,
    ),
}
