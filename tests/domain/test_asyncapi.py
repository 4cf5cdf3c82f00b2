"""The catalogue as AsyncAPI: by the official schema, with every reference leading somewhere, whatever came first."""

import json
from typing import Any

import jsonschema_rs
import pytest

from event_issuer.domain.asyncapi import AsyncApiCatalogue
from tests.domain.asyncapi_rules import at, faults, references
from tests.domain.listed import CREATED_AT, NAME, listed_schema, listed_type

URL = "https://events.example.com"
DRAFT_07 = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}
TYPES = (
    listed_type(schemas=(listed_schema({"type": "object"}), listed_schema(DRAFT_07, 2, {"train": "4521"}))),
    listed_type("acme.both.v1", may_produce=True),
    listed_type("acme.sent.v1", may_consume=False, may_produce=True, owner="rail"),
    listed_type("acme.seen.v1", may_consume=False, is_deprecated=True, sunset_at=CREATED_AT),
)


def document_of(*types: Any, public_url: str = URL) -> Any:
    catalogue = AsyncApiCatalogue(public_url, "/graphql")
    for listed in types:
        catalogue.add(listed)
    return json.loads(catalogue.document())


def test_the_document_keeps_the_official_schema() -> None:
    assert faults(document_of(*TYPES)) == []
    assert faults(document_of()) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("#/operations/receive.acme.both.v1/action", "publish"),
        ("#/channels/webhook.acme.both.v1/address", 7),
        ("#/channels/webhook.acme.both.v1/subscribe", {}),
        ("#/components/messages/acme.both.v1/examples", [{"name": "empty"}]),
        ("#/components/securitySchemes/apiKey/in", "body"),
        ("#/info/version", None),
        ("#/asyncapi", "2.6.0"),
        ("#/operations/receive.acme.both.v1/channel", {"$ref": "#/channels/elsewhere"}),
    ],
)
def test_a_wrong_document_is_found(path: str, value: object) -> None:
    document = document_of(*TYPES)
    parent, _, name = path.rpartition("/")
    spoiled: Any = at(document, parent)
    spoiled[name] = value
    assert faults(document) != []


def test_the_order_of_types_does_not_matter() -> None:
    forwards, backwards = (json.dumps(document_of(*types)) for types in (TYPES, TYPES[::-1]))
    assert forwards == backwards


def test_each_direction_has_its_channel_and_operation() -> None:
    document = document_of(*TYPES)
    assert list(document["channels"]) == [
        "produce.acme.both.v1",
        "produce.acme.sent.v1",
        "webhook.acme.both.v1",
        f"webhook.{NAME}",
    ]
    assert {name: operation["action"] for name, operation in document["operations"].items()} == {
        "receive.acme.both.v1": "receive",
        f"receive.{NAME}": "receive",
        "send.acme.both.v1": "send",
        "send.acme.sent.v1": "send",
    }
    assert document["channels"]["produce.acme.both.v1"] == {
        "address": "/graphql",
        "title": "acme.both.v1",
        "messages": {"acme.both.v1": {"$ref": "#/components/messages/acme.both.v1"}},
        "servers": [{"$ref": "#/servers/issuer"}],
    }
    assert document["channels"]["webhook.acme.both.v1"]["address"] is None
    assert document["operations"]["receive.acme.both.v1"] == {
        "action": "receive",
        "channel": {"$ref": "#/channels/webhook.acme.both.v1"},
        "messages": [{"$ref": "#/channels/webhook.acme.both.v1/messages/acme.both.v1"}],
        "traits": [{"$ref": "#/components/operationTraits/webhook"}],
    }


def test_a_message_is_a_cloudevent_with_the_latest_schema() -> None:
    message = document_of(*TYPES)["components"]["messages"][NAME]
    assert message == {
        "name": NAME,
        "title": NAME,
        "description": "A train has arrived.",
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "allOf": [{"$ref": "#/components/schemas/CloudEventHeaders"}],
            "properties": {"ce-type": {"const": NAME}},
        },
        "payload": {"schemaFormat": "application/schema+json;version=draft-07", "schema": {"type": "object"}},
        "tags": [{"name": "owner:acme", "description": "The tenant that owns it."}],
        "x-dataschema": f"{URL}/v1/schemas/{NAME}/2",
        "x-schema-version": 2,
        "examples": [{"name": "example", "payload": {"train": "4521"}}],
    }


def test_a_farewell_is_told() -> None:
    message = document_of(*TYPES)["components"]["messages"]["acme.seen.v1"]
    assert [tag["name"] for tag in message["tags"]] == ["owner:acme", "deprecated"]
    assert message["x-sunset-at"] == "2023-11-14T22:13:20.000000Z"


@pytest.mark.parametrize(
    ("public_url", "server"),
    [
        (URL, {"host": "events.example.com", "protocol": "https"}),
        ("http://[::1]:8000/issuer/a", {"host": "[::1]:8000", "protocol": "http", "pathname": "/issuer/a"}),
    ],
)
def test_the_server_is_where_partners_reach_it(public_url: str, server: dict[str, str]) -> None:
    document = document_of(*TYPES, public_url=public_url)
    assert faults(document) == []
    security = [{"$ref": "#/components/securitySchemes/apiKey"}]
    assert document["servers"]["issuer"] == server | {"description": "The issuer.", "security": security}
    assert document["components"]["securitySchemes"]["apiKey"]["name"] == "X-API-Key"


def test_headers_of_a_delivery_are_accepted_and_others_are_not() -> None:
    document = document_of(*TYPES)
    headers = document["components"]["messages"][NAME]["headers"] | {"components": document["components"]}
    validator = jsonschema_rs.Draft7Validator(headers, validate_formats=True, offline=True)
    good = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/rail",
        "ce-type": NAME,
        "ce-time": "2026-01-01T00:00:00Z",
        "content-type": "application/json",
        "webhook-timestamp": "1700000000",
    }
    assert validator.is_valid(good)
    for name, value in {"ce-type": "other", "ce-specversion": "0.3", "ce-time": "today", "ce-id": ""}.items():
        assert not validator.is_valid(good | {name: value})


SCHEMAS = [
    {
        "$id": "https://example.com/a",
        "type": "object",
        "properties": {"train": {"$ref": "#/$defs/train%20number"}, "next": {"$ref": "#"}, "at": {"$ref": "#station"}},
        "$defs": {"train number": {"type": "string"}, "é/~": {"$anchor": "station", "enum": ["OSL", {"$ref": "#"}]}},
    },
    {
        "type": "object",
        "properties": {"$ref": {"type": "string"}, "a": {"$ref": "#/$defs/b", "$dynamicRef": "#c"}},
        "$defs": {"b": {"minLength": 1}, "c": {"$dynamicAnchor": "c", "type": "string"}},
    },
    {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": {"a": {"$ref": "#text"}, "b": {"items": [{"$ref": "#/definitions/t"}]}},
        "definitions": {"t": {"$id": "#text", "type": "string"}},
    },
]
DOCUMENTS: list[object] = [
    {},
    {"train": "1"},
    {"train": 1},
    {"next": {"train": 1}},
    {"next": {"at": "OSL"}},
    {"at": "BGO"},
    {"$ref": 1, "a": "x"},
    {"a": ""},
    {"a": 1},
    {"b": [1]},
    {"b": ["x"], "a": "x"},
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_embedded_schema_judges_as_the_registered_one(schema: dict[str, Any]) -> None:
    document = document_of(listed_type(schemas=(listed_schema(schema),)))
    assert faults(document) == []
    payload = document["components"]["messages"][NAME]["payload"]
    assert all(reference.startswith("#/components/messages/") for reference in _schema_references(payload["schema"]))
    validator = jsonschema_rs.validator_cls_for(schema)
    registered = validator(schema, offline=True)
    place = {"$ref": f"#/components/messages/{NAME}/payload/schema"}
    embedded = validator(place | document | ({"$schema": schema["$schema"]} if "$schema" in schema else {}))
    verdicts = [registered.is_valid(value) for value in DOCUMENTS]
    assert [embedded.is_valid(value) for value in DOCUMENTS] == verdicts
    assert len(set(verdicts)) == 2


def _schema_references(schema: object) -> list[str]:
    return [reference for reference in references(schema) if reference != "#"]  # one stands in an `enum`, as data
