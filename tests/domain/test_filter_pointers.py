"""Which pointers a schema forbids: case by case, and never one that a valid document has."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from event_issuer.domain.filter_pointers import Shape
from event_issuer.domain.json_pointers import tokens_of

SEVEN: dict[str, Any] = {"$schema": "http://json-schema.org/draft-07/schema#"}
CLOSED = {"additionalProperties": False}
TRAIN: dict[str, Any] = {"type": "object", "properties": {"number": {"type": "string"}, "cars": {"type": "array"}}}
CASES: list[tuple[dict[str, Any], str, bool]] = [
    ({}, "/a/b/0", True),
    ({"type": "object"}, "", True),
    ({"type": "string"}, "/a", False),
    ({"type": ["string", "object"]}, "/a", True),
    (TRAIN, "/other", True),
    (TRAIN | CLOSED, "/other", False),
    (TRAIN | CLOSED, "/number", True),
    (TRAIN | CLOSED, "/number/0", False),
    (TRAIN | CLOSED, "/cars/0/x", True),
    (TRAIN | CLOSED, "/cars/00", False),
    (TRAIN | CLOSED, "/cars/-", False),
    (TRAIN | {"unevaluatedProperties": False}, "/other", False),
    (TRAIN | {"unevaluatedProperties": False, "anyOf": [{}]}, "/other", True),
    (TRAIN | {"additionalProperties": {"type": "integer"}}, "/other", True),
    (TRAIN | {"additionalProperties": {"type": "integer"}}, "/other/x", False),
    (TRAIN | CLOSED | {"patternProperties": {"^x": True}}, "/other", True),
    ({"properties": {"a": False}}, "/a", False),
    ({"properties": {"a": True}}, "/a/b", True),
    ({"properties": {"a/b~c": {"type": "object"} | CLOSED}}, "/a~1b~0c", True),
    ({"properties": {"a/b~c": {"type": "object"} | CLOSED}}, "/a~1b~0c/d", False),
    ({"type": "array", "prefixItems": [{"type": "null"}], "items": False}, "/0", True),
    ({"type": "array", "prefixItems": [{"type": "null"}], "items": False}, "/1", False),
    ({"type": "array", "prefixItems": [{"type": "null"}]}, "/1/x", True),
    ({"type": "array", "prefixItems": [{}], "unevaluatedItems": False}, "/1", False),
    ({"type": "array", "items": TRAIN | CLOSED}, "/7/number", True),
    ({"type": "array", "items": TRAIN | CLOSED}, "/7/other", False),
    ({"$ref": "#/$defs/a%20b", "$defs": {"a b": {"type": "object"} | CLOSED}}, "/x", False),
    (
        {"properties": {"next": {"$ref": "#"}, "end": {"type": "null"}}, "type": "object"} | CLOSED,
        "/next/next/end",
        True,
    ),
    ({"properties": {"next": {"$ref": "#"}}, "type": "object"} | CLOSED, "/next/next/end", False),
    ({"$ref": "#t", "$defs": {"t": {"$anchor": "t", "type": "integer"}}}, "/x", False),
    ({"allOf": [TRAIN, {"properties": {"number": {"type": "integer"}}}]}, "/number", True),
    ({"allOf": [TRAIN, {"type": "array"}]}, "/number", False),
    ({"anyOf": [TRAIN | CLOSED, {"type": "string"}]}, "/other", False),
    ({"oneOf": [TRAIN | CLOSED, TRAIN]}, "/other", True),
    ({"anyOf": [TRAIN]} | CLOSED, "/number", False),
    ({"not": {"required": ["a"]}}, "/a", True),  # not looked at
    ({"const": {"a": [1]}}, "/a/0", True),
    ({"const": {"a": [1]}}, "/a/1", False),
    ({"const": None}, "/a", False),
    ({"enum": ["x", {"a": 1}]}, "/a", True),
    ({"enum": ["x", {"a": 1}]}, "/b", False),
    (SEVEN | {"type": "array", "items": [{}], "additionalItems": False}, "/1", False),
    (SEVEN | {"type": "array", "items": [{}], "additionalItems": False}, "/0", True),
    (SEVEN | {"items": [{}], "additionalItems": False}, "/1", True),  # of an object
    (
        SEVEN
        | {
            "properties": {"a": {"$ref": "#/definitions/any", "type": "null"}},
            "definitions": {"any": {}},
        },
        "/a/b",
        True,
    ),
]


@pytest.mark.parametrize(("schema", "pointer", "possible"), CASES, ids=[f"{n} {c[1]}" for n, c in enumerate(CASES)])
def test_which_pointers_a_schema_allows(schema: dict[str, Any], pointer: str, possible: bool) -> None:
    assert Shape(schema).may_have(tokens_of(pointer)) is possible


SCALARS = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a"])
DOCUMENTS: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner), max_leaves=6
)
TYPES = st.sampled_from(["object", "array", "string", "integer", "null"])


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    part = inner | st.booleans()
    keywords = {
        "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
        "properties": st.dictionaries(st.sampled_from("abc"), part, max_size=3),
        "additionalProperties": part,
        "unevaluatedProperties": part,
        "patternProperties": st.dictionaries(st.sampled_from("ab"), part, max_size=1),
        "items": part,
        "prefixItems": st.lists(part, min_size=1, max_size=2),
        "unevaluatedItems": part,
        "allOf": st.lists(part, min_size=1, max_size=2),
        "anyOf": st.lists(part, min_size=1, max_size=2),
        "oneOf": st.lists(part, min_size=1, max_size=2),
        "not": part,
        "if": part,
        "then": part,
        "const": DOCUMENTS,
        "enum": st.lists(DOCUMENTS, min_size=1, max_size=2, unique_by=str),
        "$ref": st.just("#/$defs/x"),
    }
    return st.fixed_dictionaries({}, optional={name: keywords[name] for name in keywords}).flatmap(
        lambda schema: st.sets(st.sampled_from(sorted(schema) or ["type"]), max_size=3).map(
            lambda kept: {name: value for name, value in schema.items() if name in kept}
        )
    )


def pointers(document: Any) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [()]
    members = (
        document.items() if isinstance(document, dict) else enumerate(document if isinstance(document, list) else ())
    )
    for key, value in members:
        found += [(str(key), *rest) for rest in pointers(value)]
    return found


@given(schemas(schemas(st.just({}))), schemas(st.just({})), DOCUMENTS)
def test_what_a_valid_document_has_is_never_forbidden(schema: dict[str, Any], target: Any, document: Any) -> None:
    target.pop("$ref", None)  # a schema that refers to itself is refused before
    definition = schema | {"$defs": {"x": target}}
    assume(jsonschema_rs.Draft202012Validator(definition).is_valid(document))
    shape = Shape(definition)
    assert [one for one in pointers(document) if not shape.may_have(one)] == []
