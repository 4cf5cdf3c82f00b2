"""Event types are registered to a schema registry through the API, against a small real one."""

import json
from typing import Any

import pytest

from event_issuer.app import Issuer
from event_issuer.domain.access import EVERYTHING, Action, Policy
from tests.api.partners import SCHEMA, TYPE, Partner, Partners, Refused
from tests.api.registries import (
    DRAFT_07,
    FIRST,
    SECOND,
    definitions,
    import_one,
    publish,
    registered,
    set_registry,
    text,
)
from tests.db.rows import select
from tests.egress.receiver import Receivers, reset
from tests.egress.registry import Registry

REGISTER = "mutation ($i: RegisterSchemaInput!) { registerSchema(input: $i) { created } }"
COUNTS = """SELECT (SELECT COUNT(*) FROM registry_versions),
  (SELECT COUNT(*) FROM audit_entries WHERE action = 'publish')"""
DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"
OTHER: dict[str, Any] = {**SCHEMA, "required": ["train", "delay"]}
SUBJECT = f"{TYPE}-value"


async def add_version(partner: Partner, schema: object, name: str = TYPE) -> None:
    await partner.ask(REGISTER, i={"eventType": name, "schema": schema})


def posted(registry: Registry) -> list[Any]:
    """The schemas that were sent in."""
    bodies = [request.partition(b"\r\n\r\n")[2] for request in registry.receiver.requests if request[:4] == b"POST"]
    return [json.loads(json.loads(body)["schema"]) for body in bodies]


def rows(published: Any) -> list[tuple[bool, int, int, int]]:
    """Rows of whether it is new, our version, the subject's, and the schema's id."""
    found = [(one["created"], one["registered"]) for one in published["versions"]]
    return [(new, one["version"], one["registryVersion"], one["schemaId"]) for new, one in found]


async def test_versions_are_registered_in_order_and_once(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    registry = await Registry.start(receivers)
    registry.add("taken", '{"type":"null"}')  # the id 1
    await operator.create_type()
    await add_version(operator, OTHER)
    await set_registry(operator, registry.url)
    found = await publish(operator, TYPE)
    assert found["subject"] == SUBJECT
    assert rows(found) == [(True, 1, 1, 2), (True, 2, 2, 3)]
    assert posted(registry) == [{"$schema": DRAFT_2020, **SCHEMA}, {"$schema": DRAFT_2020, **OTHER}]
    assert await registered(operator, TYPE) == [(1, SUBJECT, 1, 2), (2, SUBJECT, 2, 3)]
    registry.receiver.requests.clear()
    assert rows(await publish(operator, TYPE)) == [(False, 1, 1, 2), (False, 2, 2, 3)]
    assert [request.split(b" ")[0] for request in registry.receiver.requests] == [b"GET"]
    assert await select(issuer.database, COUNTS) == [(2, 2)]
    await add_version(operator, {**OTHER, "title": "Third."})
    assert rows(await publish(operator, TYPE)) == [(False, 1, 1, 2), (False, 2, 2, 3), (True, 3, 3, 4)]
    audit = "SELECT detail FROM audit_entries WHERE action = 'publish' ORDER BY id LIMIT 1"
    detail = {"eventType": TYPE, "version": 1, "subject": SUBJECT, "schemaId": 2}
    assert [json.loads(row[0]) for row in await select(issuer.database, audit)] == [detail]


async def test_what_came_from_a_subject_goes_to_it(operator: Partner, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    registry.add("orders", text(FIRST), schemaType="JSON")
    await set_registry(operator, registry.url)
    await import_one(operator, "orders")
    await add_version(operator, SECOND, "acme.orders")
    found = await publish(operator, "acme.orders")
    assert (found["subject"], rows(found)) == ("orders", [(False, 1, 1, 1), (True, 2, 2, 2)])
    assert posted(registry) == [SECOND]
    again = await import_one(operator, "orders")
    assert (again["outcome"], await definitions(operator, "acme.orders")) == ("UNCHANGED", [FIRST, SECOND])


async def test_what_the_registry_has_is_recognised(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    """As after a call whose answer was lost, or by another way."""
    registry = await Registry.start(receivers)
    registry.add(SUBJECT, json.dumps({"$schema": DRAFT_2020, **SCHEMA}, indent=2), schemaType="JSON")
    await operator.create_type()
    await add_version(operator, OTHER)
    await set_registry(operator, registry.url)
    assert rows(await publish(operator, TYPE)) == [(False, 1, 1, 1), (True, 2, 2, 2)]
    assert posted(registry) == [{"$schema": DRAFT_2020, **OTHER}]
    registry.subjects.clear()  # it lost everything, and knows only the numbers of schemas
    assert rows(await publish(operator, TYPE)) == [(True, 1, 1, 3), (True, 2, 2, 2)]
    assert await select(issuer.database, "SELECT COUNT(*) FROM registry_versions") == [(2,)]


async def test_a_schema_that_returns_is_there_once(operator: Partner, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    await operator.create_type(compatibility="NONE")
    await set_registry(operator, registry.url)
    for schema in (OTHER, SCHEMA):
        await add_version(operator, schema)
    for new in (True, False):
        assert rows(await publish(operator, TYPE)) == [(new, 1, 1, 1), (new, 2, 2, 2)]
    assert await registered(operator, TYPE) == [(1, SUBJECT, 1, 1), (2, SUBJECT, 2, 2)]


async def test_a_subject_that_went_another_way_is_left_alone(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    registry = await Registry.start(receivers)
    registry.add(SUBJECT, text(FIRST), schemaType="JSON")
    await operator.create_type()
    await set_registry(operator, registry.url)
    with pytest.raises(Refused) as refused:
        await publish(operator, TYPE)
    assert (refused.value.code, refused.value.message) == (
        "CONFLICT",
        f"The subject {SUBJECT} has a version 1 that {TYPE} has not; import it first.",
    )
    assert len(registry.subjects[SUBJECT]) == 1
    assert await select(issuer.database, COUNTS) == [(0, 0)]


async def test_what_the_registry_refuses_is_told(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    registry = await Registry.start(receivers, sealed=frozenset({SUBJECT}))
    await operator.create_type()
    await set_registry(operator, registry.url)
    with pytest.raises(Refused) as refused:
        await publish(operator, TYPE)
    assert (refused.value.code, refused.value.message) == (
        "SCHEMA_INCOMPATIBLE",
        f"Version 1 is not registered to {SUBJECT}. The schema registry answered 409: Schema being registered is "
        "incompatible with an earlier schema.",
    )
    assert registry.subjects == {}
    assert await select(issuer.database, COUNTS) == [(0, 0)]


async def test_a_registry_that_is_away_is_told(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    receiver = await receivers(reset())
    await operator.create_type()
    await set_registry(operator, f"http://127.0.0.1:{receiver.port}")
    with pytest.raises(Refused) as refused:
        await publish(operator, TYPE)
    assert refused.value.code == "UNAVAILABLE"
    assert await select(issuer.database, COUNTS) == [(0, 0)]


async def test_only_the_owner_publishes(
    operator: Partner, partners: Partners, issuer: Issuer, receivers: Receivers
) -> None:
    registry = await Registry.start(receivers)
    await operator.create_type(audience="OPEN", schema={"$schema": DRAFT_07})
    colleague = await partners.invite("banenor", principal="colleague")
    foreigner = await partners.invite("acme", Policy(Action.MANAGE_EVENT_TYPES, EVERYTHING))
    with pytest.raises(Refused, match="Your tenant has no schema registry"):
        await publish(operator, TYPE)
    await set_registry(operator, registry.url)
    await set_registry(foreigner, registry.url)
    for partner, code in ((colleague, "FORBIDDEN"), (foreigner, "NOT_FOUND")):
        with pytest.raises(Refused) as refused:
            await publish(partner, TYPE)
        assert refused.value.code == code
    assert registry.receiver.requests == []
    assert await select(issuer.database, COUNTS) == [(0, 0)]
