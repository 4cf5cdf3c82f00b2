"""Schemas that refer to others become one document that judges the same, or are refused."""

import copy
from typing import Any

import jsonschema_rs
import pytest

from event_issuer.domain.bundling import REGISTRY_DIALECT, Document, bundle
from event_issuer.domain.contracts import check_definition
from event_issuer.domain.errors import SchemaInvalid

NEW = "https://json-schema.org/draft/2020-12/schema"


def document(definition: dict[str, Any], dialect: str = REGISTRY_DIALECT, **references: tuple[str, int]) -> Document:
    named = {name.replace("_", "."): key for name, key in references.items()}
    return Document({"$schema": dialect, **copy.deepcopy(definition)}, named)


def test_without_references_nothing_changes() -> None:
    root = document({"$id": "https://a.example/a.json", "$ref": "#/definitions/a", "definitions": {"a": {}}})
    assert bundle(root, {}) is root.definition


@pytest.mark.parametrize(("dialect", "shelf"), [(REGISTRY_DIALECT, "definitions"), (NEW, "$defs")])
def test_references_lead_to_where_the_schemas_are_now(dialect: str, shelf: str) -> None:
    inner = {"$id": "https://a.example/b.json", "items": {"$ref": "#"}, "type": ["array", "string"], "minLength": 2}
    root = document(
        {
            "$id": "https://a.example/a.json",
            "properties": {"x": {"$ref": "b.json"}, "y": {"$ref": "https://a.example/b.json#/items"}, "$ref": {}},
            "items": {"$ref": f"#/{shelf}/own"},
            shelf: {"own": {"const": {"$ref": "b.json"}}},
        },
        dialect,
        b_json=("b/~ c", 2),
    )
    made = bundle(root, {("b/~ c", 2): document(inner, dialect)})
    place = f"#/{shelf}/b~1~0%20c%402"
    place = place.replace("%40", "@")
    assert made == {
        "$schema": dialect,
        "properties": {"x": {"$ref": place}, "y": {"$ref": f"{place}/items"}, "$ref": {}},
        "items": {"$ref": f"#/{shelf}/own"},
        shelf: {
            "own": {"const": {"$ref": "b.json"}},
            "b/~ c@2": {"items": {"$ref": place}, "type": ["array", "string"], "minLength": 2},
        },
    }
    check_definition(made)
    accepts = jsonschema_rs.validator_for(made).is_valid
    assert accepts({"x": ["ab", ["cd"]], "y": "ab"})
    assert not accepts({"x": ["ab", ["c"]]})
    assert not accepts({"y": "a"})


def test_two_that_refer_to_one_share_it() -> None:
    last = document({"type": "string"})
    others = {
        ("b", 1): document({"$ref": "c"}, c=("c", 1)),
        ("c", 1): last,
    }
    made = bundle(document({"allOf": [{"$ref": "b"}, {"$ref": "c"}]}, b=("b", 1), c=("c", 1)), others)
    assert made["allOf"] == [{"$ref": "#/definitions/b@1"}, {"$ref": "#/definitions/c@1"}]
    assert made["definitions"] == {"b@1": {"$ref": "#/definitions/c@1"}, "c@1": {"type": "string"}}


OTHERS: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({"$ref": "d"}, {}, REGISTRY_DIALECT, "It refers to 'd', which is none of its references in the registry."),
    ({"$ref": "b#name"}, {}, REGISTRY_DIALECT, "It refers to 'b#name', an anchor in another schema"),
    ({"$ref": "b"}, {}, NEW, "It refers to b@1, which is in another dialect of JSON Schema."),
    ({"$ref": "b"}, {"items": {"$id": "c"}}, REGISTRY_DIALECT, "A part of b@1 has an $id of its own"),
    ({"$ref": "b"}, {"items": {"$recursiveRef": "#"}}, REGISTRY_DIALECT, "It has dynamic references, in b@1"),
    ({"items": {"$dynamicAnchor": "a"}}, {}, REGISTRY_DIALECT, "It has dynamic references, in the schema itself"),
]


@pytest.mark.parametrize(("root", "other", "dialect", "message"), OTHERS)
def test_what_would_mean_something_else_is_refused(
    root: dict[str, Any], other: dict[str, Any], dialect: str, message: str
) -> None:
    with pytest.raises(SchemaInvalid) as refused:
        bundle(document(root, b=("b", 1)), {("b", 1): document(other, dialect)})
    assert refused.value.detail.startswith(message)


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(SchemaInvalid, match=r"Its .schema is 'http://a\.b/c'; take one of"):
        bundle(document({"$ref": "b"}, "http://a.b/c", b=("b", 1)), {("b", 1): document({})})
