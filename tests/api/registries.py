"""What tests of schema registries ask: setting one, importing from it, publishing to it."""

import json
from typing import Any

from tests.api.partners import Partner

SET = """mutation ($input: SetSchemaRegistryInput!) { setSchemaRegistry(input: $input) {
  schemaRegistry { url credentialsKind } } }"""
REMOVE = "mutation { removeSchemaRegistry { removed } }"
GET = "{ schemaRegistry { url credentialsKind createdAt updatedAt } }"
IMPORT = """mutation ($input: ImportEventTypesInput!) { importEventTypes(input: $input) { complete
  subjects { subject eventTypeName outcome versionsAdded eventType { name } problem { code detail retryable } } } }"""
PUBLISH = """mutation ($input: PublishEventTypeInput!) { publishEventType(input: $input) {
  subject versions { created registered { version registryVersion schemaId } } } }"""
REGISTERED = """query ($name: String!) { registryVersions(eventType: $name) {
  version subject registryVersion schemaId } }"""
SCHEMAS = """query ($name: String!) { eventType(name: $name) {
  description audience compatibility validation partitions schemas { nodes { version definition } } } }"""

COUNTS = """SELECT (SELECT COUNT(*) FROM event_types), (SELECT COUNT(*) FROM schema_versions),
  (SELECT COUNT(*) FROM registry_versions),
  (SELECT COUNT(*) FROM audit_entries WHERE action IN ('register', 'import', 'publish'))"""

DRAFT_07 = "http://json-schema.org/draft-07/schema#"
FIRST: dict[str, Any] = {
    "$schema": DRAFT_07,
    "title": "An order was placed.",
    "type": "object",
    "properties": {"id": {"type": "string"}},
    "required": ["id"],
}
SECOND: dict[str, Any] = {**FIRST, "properties": {"id": {"type": "string"}, "note": {}}}
NARROWER: dict[str, Any] = {**FIRST, "required": ["id", "note"]}


def text(schema: object) -> str:
    return json.dumps(schema)


async def set_registry(partner: Partner, url: str, **credentials: object) -> Any:
    wish = {"url": url, "credentials": credentials or None}
    return (await partner.ask(SET, input=wish))["setSchemaRegistry"]["schemaRegistry"]


async def import_subjects(partner: Partner, *names: str, **more: object) -> Any:
    """By their names; without any by the prefix `orders`."""
    chosen = {"names": names} if names else {"prefix": "orders"}
    wish = {"subjects": chosen, "eventTypeName": "acme.{topic}", **more}
    return (await partner.ask(IMPORT, input=wish))["importEventTypes"]


async def import_one(partner: Partner, subject: str, **more: object) -> Any:
    found = await import_subjects(partner, subject, **more)
    assert [one["subject"] for one in found["subjects"]] == [subject]
    return found["subjects"][0]


async def publish(partner: Partner, name: str) -> Any:
    return (await partner.ask(PUBLISH, input={"eventType": name}))["publishEventType"]


async def registered(partner: Partner, name: str) -> list[tuple[int, str, int, int]]:
    """Rows of our version, subject, its version, and the schema's id."""
    found = (await partner.ask(REGISTERED, name=name))["registryVersions"]
    return [(one["version"], one["subject"], one["registryVersion"], one["schemaId"]) for one in found]


async def definitions(partner: Partner, name: str) -> list[Any]:
    found = (await partner.ask(SCHEMAS, name=name))["eventType"]
    return [] if found is None else [node["definition"] for node in found["schemas"]["nodes"]]
