"""Event types through the API: making, reading, validating; what is refused changes nothing."""

import json
from typing import Any

import httpx
import pytest

from event_issuer.domain.access import Action, Policy
from tests.api.partners import CREATE_TYPE, SCHEMA, TYPE, Partner, Partners, Refused, event

READ = """query ($name: String!) { eventType(name: $name) {
  id name description audience compatibility validation partitions status sunsetAt owner { name }
  retentionSeconds retentionBytes plainJsonSource
  latestSchema { id version definition dataschema example } schemas { nodes { version } } } }"""
LIST = """query ($first: Int, $after: String, $last: Int, $before: String, $prefix: String) {
  eventTypes(first: $first, after: $after, last: $last, before: $before, filter: {namePrefix: $prefix}) {
    nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
VALIDATE = """query ($event: CloudEvent!) { validateEvent(event: $event) {
  valid schemaVersion violations { path rule message } } }"""


async def names(partner: Partner, **arguments: object) -> list[str]:
    return [node["name"] for node in (await partner.ask(LIST, **arguments))["eventTypes"]["nodes"]]


async def test_a_type_is_made_and_read(operator: Partner) -> None:
    example = {"train": "12", "delay": 3}
    made = await operator.create_type(
        example=example, partitions=3, audience="OPEN", retentionSeconds=3600, plainJsonSource="//kafka/trains"
    )
    assert (made["name"], made["audience"], made["partitions"], made["owner"]["name"]) == (TYPE, "OPEN", 3, "banenor")
    read = (await operator.ask(READ, name=TYPE))["eventType"]
    schema = read.pop("latestSchema")
    assert read == {
        "id": made["id"],
        "name": TYPE,
        "description": "Trains that arrived.",
        "audience": "OPEN",
        "compatibility": "FORWARD",
        "validation": "ENFORCED",
        "partitions": 3,
        "status": "ACTIVE",
        "sunsetAt": None,
        "owner": {"name": "banenor"},
        "retentionSeconds": 3600,
        "retentionBytes": None,
        "plainJsonSource": "//kafka/trains",
        "schemas": {"nodes": [{"version": 1}]},
    }
    assert schema["version"] == 1
    assert schema["definition"] == SCHEMA
    assert schema["example"] == example
    assert schema["dataschema"] == f"https://events.example.com/v1/schemas/{TYPE}/1"


async def test_the_schema_is_served_at_its_dataschema(
    operator: Partner, partners: Partners, http: httpx.AsyncClient
) -> None:
    await operator.create_type()
    await operator.create_type("open.to.all", audience="OPEN")
    path = f"/v1/schemas/{TYPE}/1"
    mine = await http.get(path, headers={"X-API-Key": operator.key})
    assert (mine.status_code, mine.headers["content-type"]) == (200, "application/schema+json")
    assert json.loads(mine.content) == SCHEMA
    stranger = await partners.invite("acme")
    for headers in ({}, {"X-API-Key": stranger.key}):
        assert (await http.get(path, headers=headers)).status_code == 404
        assert json.loads((await http.get("/v1/schemas/open.to.all/1", headers=headers)).content) == SCHEMA
    assert (await http.get("/v1/schemas/open.to.all/2")).status_code == 404


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        ({"name": "Trains"}, "BAD_USER_INPUT", "'Trains' cannot name an event type"),
        ({"name": "trains"}, "BAD_USER_INPUT", "'trains' cannot name an event type"),
        ({"name": "graphql.trains"}, "BAD_USER_INPUT", "'graphql.trains' cannot name an event type"),
        ({"description": ""}, "BAD_USER_INPUT", "A description has 1 to 4096 characters, not 0."),
        ({"partitions": 0}, "BAD_USER_INPUT", "An event type has 1 to 64 partitions, not 0."),
        ({"partitions": 65}, "BAD_USER_INPUT", "An event type has 1 to 64 partitions, not 65."),
        ({"retentionSeconds": 59}, "BAD_USER_INPUT", "retentionSeconds is 60 to 3153600000, not 59."),
        ({"schema": True}, "SCHEMA_INVALID", "A schema that can serve as a contract is a JSON object, not a boolean"),
        ({"schema": {"type": "nothing"}}, "SCHEMA_INVALID", '"nothing" is not valid'),
        ({"schema": {"$ref": "https://example.com/s"}}, "SCHEMA_INVALID", "leaves this document"),
        ({"example": {"train": "north"}}, "SCHEMA_INVALID", "The example breaks the schema"),
    ],
)
async def test_a_bad_type_is_refused(operator: Partner, spec: dict[str, Any], code: str, message: str) -> None:
    with pytest.raises(Refused) as refused:
        await operator.create_type(**{"name": TYPE, **spec})
    assert refused.value.code == code
    assert message in refused.value.message
    assert await names(operator) == []


async def test_an_expensive_schema_is_refused(operator: Partner) -> None:
    links = {f"l{n}": {"anyOf": [{"$ref": f"#/$defs/l{n + 1}"}, {"$ref": f"#/$defs/l{n + 1}"}]} for n in range(26)}
    schema = {"$ref": "#/$defs/l0", "$defs": {**links, "l26": {"type": "string"}}}
    with pytest.raises(Refused) as refused:
        await operator.create_type(schema=schema)
    assert refused.value.code == "SCHEMA_INVALID"
    assert refused.value.error["extensions"]["violations"][0]["rule"] == "expense"
    assert await names(operator) == []


async def test_a_name_is_taken_once(operator: Partner) -> None:
    await operator.create_type()
    with pytest.raises(Refused, match=f"CONFLICT: There is an event type {TYPE} already"):
        await operator.create_type(description="Another.")
    read = (await operator.ask(READ, name=TYPE))["eventType"]
    assert (read["description"], read["schemas"]) == ("Trains that arrived.", {"nodes": [{"version": 1}]})


async def test_only_who_may_manage_types_makes_them(partners: Partners, operator: Partner) -> None:
    outsider = await partners.invite("acme", Policy(Action.MANAGE_EVENT_TYPES, "acme.*"))
    with pytest.raises(Refused, match=f"FORBIDDEN: tester needs a policy for MANAGE_EVENT_TYPES on {TYPE}."):
        await outsider.create_type()
    assert await names(operator) == []
    assert (await outsider.create_type("acme.orders.v1"))["owner"] == {"name": "acme"}


async def test_a_foreign_type_looks_like_none(partners: Partners, operator: Partner) -> None:
    for name, audience in (("a.open", "OPEN"), ("a.granted", "GRANTED"), ("a.tenant", "TENANT"), ("a.mine", "GRANTED")):
        await operator.create_type(name, audience=audience)
    partner = await partners.invite("acme", Policy(Action.CONSUME, "a.mine"))
    assert await names(partner) == ["a.mine", "a.open"]
    assert (await partner.ask(READ, name="a.granted"))["eventType"] is None
    assert (await partner.ask(READ, name="a.nowhere"))["eventType"] is None
    id_ = (await operator.ask(READ, name="a.granted"))["eventType"]["id"]
    node = "query ($id: ID!) { node(id: $id) { __typename id } }"
    assert (await partner.ask(node, id=id_))["node"] is None
    assert (await operator.ask(node, id=id_))["node"] == {"__typename": "EventType", "id": id_}


async def test_types_are_listed_in_pages(operator: Partner) -> None:
    for name in ("b.1", "a.2", "a.1", "c.1", "a.3"):
        await operator.create_type(name)
    first = (await operator.ask(LIST, first=2))["eventTypes"]
    assert [node["name"] for node in first["nodes"]] == ["a.1", "a.2"]
    assert (first["pageInfo"]["hasNextPage"], first["pageInfo"]["hasPreviousPage"]) == (True, False)
    after = first["pageInfo"]["endCursor"]
    assert await names(operator, first=2, after=after) == ["a.3", "b.1"]
    assert await names(operator, last=2) == ["b.1", "c.1"]
    assert await names(operator, last=2, before=first["pageInfo"]["endCursor"]) == ["a.1"]
    assert await names(operator, prefix="a.") == ["a.1", "a.2", "a.3"]
    for arguments in ({"first": 1001}, {"first": -1}, {"first": 1, "last": 1}, {"after": "nonsense!"}):
        with pytest.raises(Refused, match="BAD_USER_INPUT"):
            await operator.ask(LIST, **arguments)


async def test_an_event_is_validated_without_a_trace(operator: Partner) -> None:
    await operator.create_type()

    async def judged(value: object) -> Any:
        return (await operator.ask(VALIDATE, event=value))["validateEvent"]

    assert await judged(event("1")) == {"valid": True, "schemaVersion": 1, "violations": []}
    broken = await judged(event("1", data={"train": "north", "delay": 1.5}))
    assert (broken["valid"], broken["schemaVersion"]) == (False, 1)
    assert sorted(broken["violations"], key=lambda found: found["path"]) == [
        {"path": "/delay", "rule": "type", "message": '1.5 is not of type "integer"'},
        {"path": "/train", "rule": "pattern", "message": '"north" does not match "^[0-9]{1,5}$"'},
    ]
    unread = await judged({"specversion": "1.0", "type": TYPE, "id": "1"})
    assert (unread["valid"], unread["schemaVersion"]) == (False, None)
    assert [found["path"] for found in unread["violations"]] == ["/source"]
    with pytest.raises(Refused, match=r"NOT_FOUND: There is no event type 'no\.such'"):
        await judged(event("1", type="no.such"))
    page = await operator.ask("query ($t: [String!]!) { events(eventTypes: $t) { nodes { id } } }", t=[TYPE])
    assert page["events"]["nodes"] == []


async def test_a_change_needs_a_key(http: httpx.AsyncClient, operator: Partner) -> None:
    for headers in ({}, {"X-API-Key": "eik_wrong"}, {"X-API-Key": operator.key + "x"}):
        spec = {"name": TYPE, "description": "x", "schema": SCHEMA}
        answer = await http.post("/graphql", json={"query": CREATE_TYPE, "variables": {"input": spec}}, headers=headers)
        body = json.loads(answer.content)
        assert (answer.status_code, body["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")
        assert "data" not in body
    assert await names(operator) == []
