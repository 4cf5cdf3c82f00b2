"""Schemas taken apart: references inside the document, and the refusal of all others."""

import pytest

from event_issuer.domain.contracts import Contract, check_definition
from event_issuer.domain.dialects import DEFAULT_DIALECT, Place, dialect_named
from event_issuer.domain.errors import SchemaInvalid, Violation
from event_issuer.domain.subschemas import subschemas_of
from tests.domain.schemas import Schema

DRAFT_07 = "http://json-schema.org/draft-07/schema#"


def violations(definition: Schema) -> list[Violation]:
    with pytest.raises(SchemaInvalid) as raised:
        check_definition(definition)
    return list(raised.value.violations)


@pytest.mark.parametrize(
    "reference",
    [
        "https://example.com/schema.json",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "other.json",
        "/other.json#/$defs/a",
        "//example.com/a",
        "urn:example:a",
        "https://json-schema.org/draft/2020-12/schema",
        "",
    ],
)
@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
def test_a_reference_does_not_leave_its_document(keyword: str, reference: str) -> None:
    definition: Schema = {"properties": {"a/b": {keyword: reference}}, "$defs": {"a": {}}}
    message = f"{keyword} {reference!r} leaves this document; it may be '#', '#/a/pointer' or '#anchor'"
    assert violations(definition) == [Violation(f"/properties/a~1b/{keyword}", keyword, message)]


@pytest.mark.parametrize(
    "reference", ["#/$defs/b", "#/$defs", "#/$defs/a/const", "#/enum/0", "#/x-own/a", "#missing", "#/%24defs/b", "#/"]
)
def test_a_reference_names_a_schema(reference: str) -> None:
    definition: Schema = {
        "$ref": reference,
        "$defs": {"a": {"const": {}}},
        "enum": [{}],
        "x-own": {"a": {}},
    }
    message = f"$ref {reference!r} names no schema in this document"
    assert violations(definition) == [Violation("/$ref", "$ref", message)]


def test_all_bad_references_are_listed() -> None:
    definition: Schema = {"allOf": [{"$ref": "a.json"}, {"$ref": "#b"}, {}]}
    assert [found.path for found in violations(definition)] == ["/allOf/0/$ref", "/allOf/1/$ref"]


@pytest.mark.parametrize(
    ("reference", "definitions"),
    [
        ("#/$defs/a", {"a": {"type": "string"}}),
        ("#/%24defs/a%20b~1c", {"a b/c": {"type": "string"}}),
        ("#/$defs/a/properties/%C3%A5", {"a": {"properties": {"å": {"type": "string"}}}}),
        ("#name", {"a": {"$anchor": "name", "type": "string"}}),
        ("#name", {"a": {"$dynamicAnchor": "name", "type": "string"}}),
        ("#/$defs/a/allOf/1", {"a": {"allOf": [{}, {"type": "string"}]}}),
    ],
)
def test_references_are_followed_inside_the_document(reference: str, definitions: Schema) -> None:
    definition: Schema = {"properties": {"it": {"$ref": reference}}, "$defs": definitions}
    check_definition(definition)
    kept = Contract(definition)
    assert (kept.accepts({"it": "text"}), kept.accepts({"it": 1})) == (True, False)


def test_draft_07_names_anchors_by_id() -> None:
    definition: Schema = {
        "$schema": DRAFT_07,
        "properties": {"it": {"$ref": "#name"}},
        "definitions": {"a": {"$id": "#name", "type": "string"}},
    }
    check_definition(definition)
    assert not Contract(definition).accepts({"it": 1})
    definition["definitions"] = {"a": {"$anchor": "name"}}
    assert [found.rule for found in violations(definition)] == ["$ref"]


def test_properties_may_be_named_like_keywords() -> None:
    definition: Schema = {
        "properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}, "$schema": {}, "properties": {}},
        "enum": [{"$ref": "https://example.com/not-a-reference"}],
        "default": {"$ref": 7},
        "examples": [{"$id": "x"}],
    }
    check_definition(definition)
    assert Contract(definition).accepts({"$ref": "https://example.com/not-a-reference"})


@pytest.mark.parametrize("schema", [{}, {"$schema": DRAFT_07}])
def test_a_contract_is_one_document(schema: Schema) -> None:
    part = {"$id": "https://example.com/part"}
    message = "Only the root of a schema may have an $id, not a part of it ('https://example.com/part')"
    assert violations(schema | {"properties": {"a": part}}) == [Violation("/properties/a/$id", "$id", message)]
    check_definition(schema | {"$id": "https://example.com/root"})


def test_a_contract_is_in_one_dialect() -> None:
    message = f"A part of a schema cannot be in another dialect than its root ('{DRAFT_07}')"
    definition: Schema = {"not": {"$schema": DRAFT_07}}
    assert violations(definition) == [Violation("/not/$schema", "$schema", message)]
    check_definition({"not": {"$schema": DEFAULT_DIALECT.uri}})


@pytest.mark.parametrize(
    ("definition", "path", "loop"),
    [
        ({"$ref": "#"}, "", "# → #"),
        ({"allOf": [{"$ref": "#"}]}, "", "# → #/allOf/0 → #"),
        (
            {"not": {"anyOf": [{"$dynamicRef": "#me"}], "$dynamicAnchor": "me"}},
            "/not",
            "#/not → #/not/anyOf/0 → #/not",
        ),
    ],
)
def test_a_schema_that_never_goes_down_is_refused(definition: Schema, path: str, loop: str) -> None:
    message = f"The schema applies to a value by way of itself: {loop}"
    assert violations(definition) == [Violation(path, "$ref", message)]


def test_recursion_down_into_the_document_is_fine() -> None:
    definition: Schema = {"properties": {"next": {"$ref": "#"}}, "additionalProperties": False}
    check_definition(definition)
    kept = Contract(definition)
    assert kept.accepts({"next": {"next": {}}})
    assert [found.path for found in kept.violations({"next": {"next": {"x": 1}}})] == ["/next/next"]


def test_every_part_has_its_place() -> None:
    definition: Schema = {
        "properties": {"a": True, "b/c": {"items": {}}},
        "patternProperties": {"^x": {}},
        "additionalProperties": False,
        "prefixItems": [{}, {}],
        "items": {},
        "if": {},
        "$defs": {"unused": {}},
    }
    root, *rest = subschemas_of(definition, DEFAULT_DIALECT)
    assert [subschema.pointer for subschema in rest] == [
        "/properties/a",
        "/properties/b~1c",
        "/patternProperties/^x",
        "/additionalProperties",
        "/prefixItems/0",
        "/prefixItems/1",
        "/items",
        "/if",
        "/$defs/unused",
        "/properties/b~1c/items",
    ]
    assert dict(root.applied) == {
        Place.PROPERTY: [1, 2],
        Place.EVERY_PROPERTY: [3],
        Place.OTHER_PROPERTIES: [4],
        Place.ITEM: [5, 6],
        Place.OTHER_ITEMS: [7],
        Place.SAME: [8],
        Place.NOWHERE: [9],
    }
    assert root.named == {"a": 1, "b/c": 2, 0: 5, 1: 6}


@pytest.mark.parametrize(
    ("uri", "known"),
    [(DRAFT_07, True), (DRAFT_07.rstrip("#"), True), (DRAFT_07 + "#", False), ("", False), (None, False), (7, False)],
)
def test_a_dialect_is_named_with_or_without_an_empty_fragment(uri: object, known: bool) -> None:
    assert (dialect_named(uri) is not None) is known
