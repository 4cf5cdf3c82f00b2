"""Subjects of a schema registry become event types through the API, against a small real registry."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from event_issuer.app import Issuer
from tests.api.partners import SCHEMA, Partner, Refused
from tests.api.registries import (
    COUNTS,
    DRAFT_07,
    FIRST,
    NARROWER,
    SCHEMAS,
    SECOND,
    definitions,
    import_one,
    import_subjects,
    registered,
    set_registry,
    text,
)
from tests.db.rows import select
from tests.egress.receiver import Peer, Receivers, reset
from tests.egress.registry import Registry

NOTHING = [(0, 0, 0, 0)]


def asked(registry: Registry) -> list[str]:
    return [request.split(b"\r\n")[0].decode() for request in registry.receiver.requests]


async def test_a_subject_becomes_an_event_type_with_its_versions(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    registry = await Registry.start(receivers)
    registry.add("other", text({"$comment": "takes an id"}), schemaType="JSON")
    registry.add("orders-value", text(FIRST), schemaType="JSON")
    registry.add("orders-value", text(SECOND), schemaType="JSON")
    await set_registry(operator, registry.url)
    planned = await import_subjects(operator, dryRun=True)
    assert planned["subjects"][0] == {
        "subject": "orders-value",
        "eventTypeName": "acme.orders",
        "outcome": "CREATED",
        "versionsAdded": 2,
        "eventType": None,
        "problem": None,
    }
    assert await select(issuer.database, COUNTS) == NOTHING
    done = await import_subjects(operator, audience="OPEN", partitions=3, validation="QUARANTINE")
    assert done == {
        "complete": True,
        "subjects": [{**planned["subjects"][0], "eventType": {"name": "acme.orders"}}],
    }
    made = (await operator.ask(SCHEMAS, name="acme.orders"))["eventType"]
    assert made.pop("schemas")["nodes"] == [{"version": 1, "definition": FIRST}, {"version": 2, "definition": SECOND}]
    assert made == {
        "description": "An order was placed.",
        "audience": "OPEN",
        "compatibility": "BACKWARD",
        "validation": "QUARANTINE",
        "partitions": 3,
    }
    assert await registered(operator, "acme.orders") == [(1, "orders-value", 1, 2), (2, "orders-value", 2, 3)]
    audit = "SELECT action, detail FROM audit_entries WHERE detail LIKE '%acme.orders%' ORDER BY id"
    assert [action for action, _ in await select(issuer.database, audit)] == ["create", "register", "import"]


async def test_an_import_again_brings_only_what_is_new(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    registry.add("orders-value", text(FIRST), schemaType="JSON")
    await set_registry(operator, registry.url)
    assert (await import_one(operator, "orders-value"))["outcome"] == "CREATED"
    before = await select(issuer.database, COUNTS)
    registry.receiver.requests.clear()
    again = await import_one(operator, "orders-value")
    assert (again["outcome"], again["versionsAdded"]) == ("UNCHANGED", 0)
    assert asked(registry) == ["GET /subjects/orders-value/versions HTTP/1.1"]
    assert await select(issuer.database, COUNTS) == before
    registry.add("orders-value", json.dumps(FIRST, indent=1), schemaType="JSON")  # the same, written otherwise
    registry.add("orders-value", text(SECOND), schemaType="JSON")
    planned = await import_one(operator, "orders-value", dryRun=True)
    assert (planned["outcome"], planned["versionsAdded"]) == ("UPDATED", 1)
    assert await select(issuer.database, COUNTS) == before
    registry.receiver.requests.clear()
    again = await import_one(operator, "orders-value")
    assert (again["outcome"], again["versionsAdded"]) == ("UPDATED", 1)
    assert asked(registry) == [
        "GET /subjects/orders-value/versions HTTP/1.1",
        "GET /subjects/orders-value/versions/2 HTTP/1.1",
        "GET /subjects/orders-value/versions/3 HTTP/1.1",
    ]
    assert await definitions(operator, "acme.orders") == [FIRST, SECOND]
    assert await registered(operator, "acme.orders") == [
        (1, "orders-value", 1, 1),
        (1, "orders-value", 2, 2),
        (2, "orders-value", 3, 3),
    ]


async def test_a_subject_is_taken_whole_or_not_at_all(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    for schema in (FIRST, SECOND, NARROWER):
        registry.add("orders-value", text(schema), schemaType="JSON")
    await set_registry(operator, registry.url)
    for mode, number in (("BACKWARD", 3), ("FULL_TRANSITIVE", 3)):
        registry.levels["orders-value"] = mode
        refused = await import_one(operator, "orders-value")
        assert (refused["outcome"], refused["eventType"], refused["versionsAdded"]) == ("REFUSED", None, 0)
        assert refused["problem"]["code"] == "SCHEMA_INCOMPATIBLE"
        assert refused["problem"]["detail"].startswith(
            f"Version {number} of the subject: The schema may not follow version 2 in the mode {mode}: "
        )
        assert await select(issuer.database, COUNTS) == NOTHING
    assert (await import_one(operator, "orders-value", compatibility="NONE"))["versionsAdded"] == 3
    assert await definitions(operator, "acme.orders") == [FIRST, SECOND, NARROWER]


REFUSALS: list[tuple[str, str, dict[str, object], str, str]] = [
    ("orders-value", '"string"', {}, "SCHEMA_INVALID", "orders-value is of the type AVRO; only JSON Schema is taken."),
    ("orders-value", 'syntax = "proto3";', {"schemaType": "PROTOBUF"}, "SCHEMA_INVALID", "is of the type PROTOBUF"),
    ("orders-value", "{", {"schemaType": "JSON"}, "SCHEMA_INVALID", "orders-value cannot be read: "),
    ("orders-value", "true", {"schemaType": "JSON"}, "SCHEMA_INVALID", "orders-value is true or false"),
    ("orders-value", '{"type": "nothing"}', {"schemaType": "JSON"}, "SCHEMA_INVALID", "Version 1 of the subject: "),
    ("orders-value", '{"$ref": "a.json"}', {"schemaType": "JSON"}, "SCHEMA_INVALID", "leaves this document"),
    ("orders-value", '{"$schema": "http://a.b/c"}', {"schemaType": "JSON"}, "SCHEMA_INVALID", "is no dialect of ours"),
    ("Orders-value", "{}", {"schemaType": "JSON"}, "BAD_USER_INPUT", "'acme.Orders' cannot name an event type"),
    ("orders-key", "{}", {"schemaType": "JSON"}, "BAD_USER_INPUT", "It has the schemas of keys"),
]


@pytest.mark.parametrize(("subject", "schema", "more", "code", "message"), REFUSALS)
async def test_what_can_be_no_event_type_is_refused_by_subject(
    operator: Partner,
    issuer: Issuer,
    receivers: Receivers,
    subject: str,
    schema: str,
    more: dict[str, object],
    code: str,
    message: str,
) -> None:
    registry = await Registry.start(receivers)
    registry.add(subject, schema, **more)
    registry.add("parcels", text(FIRST), schemaType="JSON")
    await set_registry(operator, registry.url)
    found = await import_subjects(operator, subject, "parcels", "missing")
    by_subject = {one["subject"]: one for one in found["subjects"]}
    refused = by_subject[subject]
    assert (refused["outcome"], refused["problem"]["code"]) == ("REFUSED", code)
    assert message in refused["problem"]["detail"]
    assert by_subject["missing"]["problem"]["detail"] == "The schema registry has no subject 'missing'."
    assert (by_subject["parcels"]["outcome"], found["complete"]) == ("CREATED", True)
    assert await select(issuer.database, "SELECT name FROM event_types") == [("acme.parcels",)]
    assert await definitions(operator, "acme.parcels") == [FIRST]


async def test_references_become_a_part_of_the_schema(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    country = {"$schema": DRAFT_07, "definitions": {"code": {"pattern": "^[A-Z]{2}$"}}, "type": "object"}
    address = {"$schema": DRAFT_07, "properties": {"country": {"$ref": "country.json#/definitions/code"}}}
    order = {"$schema": DRAFT_07, "properties": {"to": {"$ref": "address.json"}}}
    registry.add("country", text(country), schemaType="JSON")
    to_country = {"name": "country.json", "subject": "country", "version": 1}
    registry.add("address", text(address), schemaType="JSON", references=[to_country])
    to_address = {"name": "address.json", "subject": "address", "version": 1}
    registry.add("orders-value", text(order), schemaType="JSON", references=[to_address])
    await set_registry(operator, registry.url)
    assert (await import_one(operator, "orders-value"))["outcome"] == "CREATED"
    (made,) = await definitions(operator, "acme.orders")
    assert made == {
        "$schema": DRAFT_07,
        "properties": {"to": {"$ref": "#/definitions/address@1"}},
        "definitions": {
            "address@1": {"properties": {"country": {"$ref": "#/definitions/country@1/definitions/code"}}},
            "country@1": {"definitions": {"code": {"pattern": "^[A-Z]{2}$"}}, "type": "object"},
        },
    }
    query = "query ($event: CloudEvent!) { validateEvent(event: $event) { violations { path } } }"
    broken = {"specversion": "1.0", "id": "1", "source": "/a", "type": "acme.orders", "data": {"to": {"country": "x"}}}
    found = (await operator.ask(query, event=broken))["validateEvent"]
    assert found == {"violations": [{"path": "/to/country"}]}
    registry.add("parcels", text({"$ref": "other.json"}), schemaType="JSON", references=[to_address])
    registry.add("avro", '"string"')
    to_avro = {"name": "avro", "subject": "avro", "version": 1}
    registry.add("pallets", text({"$ref": "avro"}), schemaType="JSON", references=[to_avro])
    before = await select(issuer.database, COUNTS)
    for subject, reason in (
        ("parcels", "It refers to 'other.json', which is none of its references in the registry."),
        ("pallets", "avro is of the type AVRO; only JSON Schema is taken."),
    ):
        refused = await import_one(operator, subject)
        assert (refused["outcome"], refused["problem"]["detail"]) == ("REFUSED", reason)
    assert await select(issuer.database, COUNTS) == before


async def test_an_event_type_that_went_another_way_is_left_alone(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    registry = await Registry.start(receivers)
    registry.add("orders-value", text(FIRST), schemaType="JSON")
    registry.add("orders", text(FIRST), schemaType="JSON")
    await operator.create_type("acme.orders", schema=SCHEMA, compatibility="NONE")
    await set_registry(operator, registry.url)
    before = await select(issuer.database, COUNTS)
    refused = await import_one(operator, "orders-value")
    assert (refused["outcome"], refused["problem"]["code"]) == ("REFUSED", "CONFLICT")
    assert "whose versions are not the subject's" in refused["problem"]["detail"]
    assert await select(issuer.database, COUNTS) == before
    assert (await import_one(operator, "orders", eventTypeName="b.{subject}"))["outcome"] == "CREATED"
    refused = await import_one(operator, "orders-value", eventTypeName="b.{topic}")
    assert refused["problem"]["detail"] == ("The event type is that of the subject orders; give another eventTypeName.")
    register = "mutation ($i: RegisterSchemaInput!) { registerSchema(input: $i) { created } }"
    await operator.ask(register, i={"eventType": "b.orders", "schema": {**FIRST, "title": "Ours."}})
    registry.add("orders", text(SECOND), schemaType="JSON")
    refused = await import_one(operator, "orders", eventTypeName="b.{subject}")
    assert refused["problem"]["detail"] == (
        "Version 2 of the subject is none of the event type's, which goes on otherwise after version 1."
    )
    assert len(await definitions(operator, "b.orders")) == 2


async def test_another_address_is_another_registry(operator: Partner, receivers: Receivers) -> None:
    first, second = await Registry.start(receivers), await Registry.start(receivers)
    first.add("orders-value", text(FIRST), schemaType="JSON")
    second.add("other", "{}", schemaType="JSON")
    second.add("orders-value", text(FIRST), schemaType="JSON")
    await set_registry(operator, first.url)
    await import_one(operator, "orders-value")
    await set_registry(operator, first.url, bearer="t0ken")
    assert await registered(operator, "acme.orders") == [(1, "orders-value", 1, 1)]
    await set_registry(operator, second.url)
    assert await registered(operator, "acme.orders") == []
    found = await import_one(operator, "orders-value")
    assert (found["outcome"], found["versionsAdded"]) == ("UNCHANGED", 0)
    assert await registered(operator, "acme.orders") == [(1, "orders-value", 1, 2)]


async def test_one_call_takes_so_many_subjects_and_the_next_goes_on(operator: Partner, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    names = [f"orders-{number:02}" for number in range(52)]
    for name in names:
        registry.add(name, '"string"')
    await set_registry(operator, registry.url)
    found = await import_subjects(operator)
    assert [one["subject"] for one in found["subjects"]] == names[:50]
    assert found["complete"] is False
    found = await import_subjects(operator, after=names[49])
    assert ([one["subject"] for one in found["subjects"]], found["complete"]) == (names[50:], True)
    registry.receiver.requests.clear()
    for chosen, message in (
        ({"subjects": {"names": names}}, "One call takes 50 subjects by their names, not 52."),
        ({"subjects": {"names": []}}, "Name the subjects; a prefix of no characters takes all of them."),
        ({"subjects": {"names": ["a"]}, "after": "a"}, "`after` goes on with subjects of a prefix"),
        ({"eventTypeName": "acme.orders"}, "eventTypeName is a name with {topic} or {subject} in it"),
    ):
        with pytest.raises(Refused) as refused:
            await import_subjects(operator, **chosen)
        assert refused.value.code == "BAD_USER_INPUT"
        assert message in refused.value.message
    assert registry.receiver.requests == []


async def test_a_registry_that_is_away_ends_the_import(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    receiver = await receivers(reset())
    await set_registry(operator, f"http://127.0.0.1:{receiver.port}")
    found = await import_subjects(operator, "orders", "parcels")
    assert [(one["subject"], one["outcome"]) for one in found["subjects"]] == [("orders", "REFUSED")]
    problem: Any = found["subjects"][0]["problem"]
    assert (problem["code"], problem["retryable"], found["complete"]) == ("UNAVAILABLE", True, False)
    assert len(receiver.requests) == 1
    with pytest.raises(Refused) as refused:
        await import_subjects(operator)
    assert refused.value.code == "UNAVAILABLE"
    assert await select(issuer.database, COUNTS) == NOTHING


class Interrupted(Registry):
    """Something happens before it answers a request that begins so."""

    def __init__(self, beginning: bytes, happens: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._beginning, self._happens = beginning, happens

    async def act(self, peer: Peer) -> None:
        if self.receiver.requests[-1].startswith(self._beginning):
            await self._happens()
        await super().act(peer)


async def test_nothing_is_written_when_the_registry_is_replaced_meanwhile(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    elsewhere = "https://registry.example.com"
    registry = Interrupted(b"GET /subjects/orders-value/versions/1 ", lambda: set_registry(operator, elsewhere))
    registry.receiver = await receivers(registry.act)
    registry.add("orders-value", text(FIRST), schemaType="JSON")
    registry.add("orders-value", text(SECOND), schemaType="JSON")
    await set_registry(operator, registry.url)
    refused = await import_one(operator, "orders-value")
    assert refused["problem"] == {
        "code": "CONFLICT",
        "detail": "Your tenant's schema registry has become another one meanwhile; import again.",
        "retryable": False,
    }
    assert await select(issuer.database, COUNTS) == NOTHING


async def test_nothing_is_written_when_the_name_is_taken_meanwhile(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    registry = Interrupted(b"GET /config/orders-value?", lambda: operator.create_type("acme.orders"))
    registry.receiver = await receivers(registry.act)
    registry.add("orders-value", text(FIRST), schemaType="JSON")
    registry.add("orders-value", text(SECOND), schemaType="JSON")
    await set_registry(operator, registry.url)
    refused = await import_one(operator, "orders-value")
    assert refused["problem"]["detail"] == "There is an event type acme.orders already; take another name."
    assert await definitions(operator, "acme.orders") == [SCHEMA]
    assert await registered(operator, "acme.orders") == []
    assert await select(issuer.database, COUNTS) == [(1, 1, 0, 0)]
