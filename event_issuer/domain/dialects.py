"""The JSON Schema dialects we take: which keyword holds schemas, and to what part of a document they apply.

To add a dialect, add a row to `DIALECTS`. Sources: JSON Schema Core and Validation 2020-12 and 2019-09; draft-07
(draft-handrews-json-schema-01). This module knows no bounds and judges nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

import jsonschema_rs

from event_issuer.domain.violations import pointer_token


class Place(Enum):
    """What the schemas under a keyword apply to, seen from the value that the keyword is checked on."""

    SAME = auto()  # the value itself
    PROPERTY = auto()  # the property of that name
    EVERY_PROPERTY = auto()  # any property, or its name
    OTHER_PROPERTIES = auto()  # the properties that `properties` beside it does not name
    ITEM = auto()  # the item at that index
    EVERY_ITEM = auto()  # any item
    OTHER_ITEMS = auto()  # the items behind those with a schema of their own
    NOWHERE = auto()  # nothing: the keyword only keeps schemas for references


@dataclass(frozen=True, slots=True)
class Dialect:
    """One dialect. `ref_stands_alone`: keywords beside `$ref` count for nothing (draft-07, section 8.3)."""

    uri: str
    validator: type[jsonschema_rs.Validator]
    places: Mapping[str, Place]
    references: tuple[str, ...]
    anchors: tuple[str, ...]
    ref_stands_alone: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A schema directly inside another one: `step` is the way to it, `key` its property or item there."""

    place: Place
    key: str | int
    step: str
    schema: dict[str, object] | bool


# Keywords whose value is an object of schemas; that of the others is one schema or an array of schemas.
_MAPS = frozenset({"$defs", "definitions", "properties", "patternProperties", "dependentSchemas", "dependencies"})

_PLACES_OF_ALL = {
    "$defs": Place.NOWHERE,
    "definitions": Place.NOWHERE,
    "allOf": Place.SAME,
    "anyOf": Place.SAME,
    "oneOf": Place.SAME,
    "not": Place.SAME,
    "if": Place.SAME,
    "then": Place.SAME,
    "else": Place.SAME,
    "properties": Place.PROPERTY,
    "patternProperties": Place.EVERY_PROPERTY,
    "propertyNames": Place.EVERY_PROPERTY,
    "additionalProperties": Place.OTHER_PROPERTIES,
    "contains": Place.EVERY_ITEM,
}

_2020_12 = Dialect(
    uri="https://json-schema.org/draft/2020-12/schema",
    validator=jsonschema_rs.Draft202012Validator,
    places=_PLACES_OF_ALL
    | {
        "dependentSchemas": Place.SAME,
        "dependencies": Place.SAME,  # no keyword any more, but the library still applies it
        "unevaluatedProperties": Place.EVERY_PROPERTY,
        "unevaluatedItems": Place.EVERY_ITEM,
        "prefixItems": Place.ITEM,
        "items": Place.OTHER_ITEMS,
        "contentSchema": Place.NOWHERE,
    },
    references=("$ref", "$dynamicRef"),
    anchors=("$anchor", "$dynamicAnchor"),
    ref_stands_alone=False,
)

_2019_09 = Dialect(
    uri="https://json-schema.org/draft/2019-09/schema",
    validator=jsonschema_rs.Draft201909Validator,
    places=_PLACES_OF_ALL
    | {
        "dependentSchemas": Place.SAME,
        "dependencies": Place.SAME,  # as in 2020-12
        "unevaluatedProperties": Place.EVERY_PROPERTY,
        "unevaluatedItems": Place.EVERY_ITEM,
        "items": Place.OTHER_ITEMS,
        "additionalItems": Place.OTHER_ITEMS,
        "contentSchema": Place.NOWHERE,
    },
    references=("$ref", "$recursiveRef"),
    anchors=("$anchor",),
    ref_stands_alone=False,
)

_DRAFT_07 = Dialect(
    uri="http://json-schema.org/draft-07/schema",
    validator=jsonschema_rs.Draft7Validator,
    places=_PLACES_OF_ALL
    | {"dependencies": Place.SAME, "items": Place.OTHER_ITEMS, "additionalItems": Place.OTHER_ITEMS},
    references=("$ref",),
    anchors=(),
    ref_stands_alone=True,
)

DIALECTS = {dialect.uri: dialect for dialect in (_2020_12, _2019_09, _DRAFT_07)}
DEFAULT_DIALECT = _2020_12


def dialect_named(uri: object) -> Dialect | None:
    """The dialect that `$schema` names, with or without an empty fragment; None if it is not one of ours."""
    return DIALECTS.get(uri.removesuffix("#")) if isinstance(uri, str) else None


def parts(schema: Mapping[str, object], dialect: Dialect) -> Iterator[Part]:
    """The schemas directly inside `schema`. What is no schema is passed over: the metaschema judges it."""
    for keyword, value in schema.items():
        place = dialect.places.get(keyword)
        if place is None or (dialect.ref_stands_alone and "$ref" in schema and place is not Place.NOWHERE):
            continue
        if isinstance(value, list) and keyword == "items":
            place = Place.ITEM  # 2019-09 and before spell prefixItems so
        for key, member in _members(keyword, value):
            if isinstance(member, (dict, bool)):
                step = f"/{keyword}" if key is None else f"/{keyword}/{pointer_token(str(key))}"
                yield Part(place, "" if key is None else key, step, member)


def _members(keyword: str, value: object) -> Iterable[tuple[str | int | None, object]]:
    if keyword in _MAPS and isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else [(None, value)]
