"""Schema versions through the API: registering, checking; what is refused changes nothing."""

import asyncio
import copy
from typing import Any

import jsonschema_rs
import pytest

from event_issuer.app import Issuer
from event_issuer.domain.access import Action, Policy
from tests.api.partners import SCHEMA, TYPE, Partner, Partners, Refused, event
from tests.db.rows import select

REGISTER = """mutation ($input: RegisterSchemaInput!) { registerSchema(input: $input) {
  created schemaVersion { id version definition dataschema example } } }"""
CHECK = """query ($type: String!, $schema: JSON!) { checkCompatibility(eventType: $type, schema: $schema) {
  verdict mode problems { path rule message againstVersion witness } } }"""
VALIDATE = """query ($event: CloudEvent!) { validateEvent(event: $event) {
  valid schemaVersion violations { path } } }"""
VERSIONS = """query ($name: String!) { eventType(name: $name) {
  latestSchema { version } schemas { nodes { version definition } } } }"""
COUNTS = "SELECT (SELECT COUNT(*) FROM schema_versions), (SELECT COUNT(*) FROM audit_entries WHERE action = 'register')"

STRICTER: dict[str, Any] = {**copy.deepcopy(SCHEMA), "required": ["train", "delay"]}
WIDER: dict[str, Any] = {**copy.deepcopy(SCHEMA), "additionalProperties": True}
NO_DELAY = {"train": "1"}  # what STRICTER refuses and SCHEMA takes


async def register(partner: Partner, schema: object, name: str = TYPE, **more: object) -> Any:
    given = {"eventType": name, "schema": schema, **more}
    return (await partner.ask(REGISTER, input=given))["registerSchema"]


async def check(partner: Partner, schema: object, name: str = TYPE) -> Any:
    return (await partner.ask(CHECK, type=name, schema=schema))["checkCompatibility"]


async def versions(partner: Partner, name: str = TYPE) -> list[object]:
    found = (await partner.ask(VERSIONS, name=name))["eventType"]
    assert found["latestSchema"]["version"] == len(found["schemas"]["nodes"])
    assert [node["version"] for node in found["schemas"]["nodes"]] == list(range(1, len(found["schemas"]["nodes"]) + 1))
    return [node["definition"] for node in found["schemas"]["nodes"]]


async def test_a_schema_becomes_the_next_version_and_judges(operator: Partner, issuer: Issuer) -> None:
    await operator.create_type()
    assert (await operator.produce(event("1")))["persisted"] == 1
    example = {"train": "12", "delay": 3}
    made = await register(operator, STRICTER, example=example)
    assert made["created"] is True
    version = made["schemaVersion"]
    assert (version["version"], version["definition"], version["example"]) == (2, STRICTER, example)
    assert version["dataschema"] == f"https://events.example.com/v1/schemas/{TYPE}/2"
    assert await versions(operator) == [SCHEMA, STRICTER]
    audit = "SELECT action, object_kind, detail FROM audit_entries WHERE action = 'register'"
    detail = f'{{"eventType": "{TYPE}", "version": 2}}'
    assert await select(issuer.database, audit) == [("register", "schema version", detail)]

    async with asyncio.timeout(5):
        rejected = 0
        while not rejected:  # the catalogue hears of the new version by way of the database
            rejected = (await operator.produce(event("2")))["rejected"]
    kept = await operator.produce(event("3", data=example))
    assert kept["results"][0]["event"]["schemaVersion"] == 2


async def test_an_incompatible_schema_is_refused_with_what_shows_it(operator: Partner, issuer: Issuer) -> None:
    await operator.create_type()
    with pytest.raises(Refused) as refused:
        await register(operator, WIDER)
    assert refused.value.code == "SCHEMA_INCOMPATIBLE"
    assert refused.value.message.startswith("The schema may not follow version 1 in the mode FORWARD: The new version")
    problems = refused.value.error["extensions"]["problems"]
    assert [(found["path"], found["rule"], found["againstVersion"]) for found in problems] == [
        ("/additionalProperties", "additionalProperties", 1)
    ]
    witness = problems[0]["witness"]
    assert (jsonschema_rs.is_valid(WIDER, witness), jsonschema_rs.is_valid(SCHEMA, witness)) == (True, False)
    assert await select(issuer.database, COUNTS) == [(1, 0)]
    assert await check(operator, WIDER) == {"verdict": "INCOMPATIBLE", "mode": "FORWARD", "problems": problems}


async def test_what_is_undecided_is_refused_too(operator: Partner, issuer: Issuer) -> None:
    await operator.create_type(compatibility="FULL", schema={"not": {"pattern": "^a+$"}})
    unknown = {"not": {"pattern": "^(?:a+)$"}}
    report = await check(operator, unknown)
    assert (report["verdict"], report["mode"]) == ("UNDECIDED", "FULL")
    for problem in report["problems"]:
        assert problem.pop("message").startswith("It is not decided whether each document")
        assert problem == {"path": "", "rule": "undecided", "againstVersion": 1, "witness": None}
    with pytest.raises(Refused) as refused:
        await register(operator, unknown)
    assert refused.value.code == "SCHEMA_INCOMPATIBLE"
    told = refused.value.error["extensions"]["problems"]
    assert [problem["rule"] for problem in told] == ["undecided"] * len(report["problems"])
    assert all("witness" not in problem for problem in told)
    assert await select(issuer.database, COUNTS) == [(1, 0)]


@pytest.mark.parametrize(
    ("mode", "stricter", "wider"),
    [
        ("NONE", [], []),
        ("FORWARD", [], [1]),
        ("BACKWARD", [1], []),
        ("FULL", [1], [1]),
    ],
)
async def test_each_mode_keeps_its_promise(operator: Partner, mode: str, stricter: list[int], wider: list[int]) -> None:
    await operator.create_type(compatibility=mode)
    for schema, expected in ((STRICTER, stricter), (WIDER, wider)):
        report = await check(operator, schema)
        assert report["verdict"] == ("INCOMPATIBLE" if expected else "COMPATIBLE")
        assert [problem["againstVersion"] for problem in report["problems"]] == expected
    assert await versions(operator) == [SCHEMA]


async def test_a_transitive_mode_looks_at_all_versions(operator: Partner) -> None:
    for name, mode in (("a.one", "BACKWARD"), ("a.all", "BACKWARD_TRANSITIVE")):
        await operator.create_type(name, compatibility=mode, schema={"properties": {"platform": {"type": "integer"}}})
        await register(operator, {}, name)
    assert (await check(operator, {"required": ["train"]}, "a.one"))["problems"][0]["againstVersion"] == 2
    report = await check(operator, {"required": ["train"]}, "a.all")
    assert [(found["againstVersion"], found["witness"]) for found in report["problems"]] == [(2, {}), (1, {})]


async def test_the_same_schema_is_no_new_version(operator: Partner, issuer: Issuer) -> None:
    schema = {"type": "object", "properties": {"n": {"maximum": 10}}}
    await operator.create_type(schema=schema)
    for same in (schema, {"properties": {"n": {"maximum": 10.0}}, "type": "object"}):
        made = await register(operator, same)
        assert (made["created"], made["schemaVersion"]["version"]) == (False, 1)
        assert (await check(operator, same))["verdict"] == "COMPATIBLE"
    assert await select(issuer.database, COUNTS) == [(1, 0)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"schema": True}, "A schema that can serve as a contract is a JSON object, not a boolean"),
        ({"schema": {"type": "nothing"}}, '"nothing" is not valid'),
        ({"schema": {"$comment": "x" * 300_000}}, "at most 262144 are taken"),
        ({"schema": STRICTER, "example": {"train": "1"}}, "The example breaks the schema"),
        ({"schema": SCHEMA, "example": {"train": "north"}}, "The example breaks the schema"),
    ],
)
async def test_a_bad_schema_is_refused(
    operator: Partner, issuer: Issuer, given: dict[str, object], message: str
) -> None:
    await operator.create_type()
    with pytest.raises(Refused) as refused:
        await register(operator, **given)  # type: ignore[arg-type]
    assert refused.value.code == "SCHEMA_INVALID"
    assert message in refused.value.message
    assert await select(issuer.database, COUNTS) == [(1, 0)]


async def test_only_the_owner_registers(operator: Partner, partners: Partners, issuer: Issuer) -> None:
    await operator.create_type(audience="OPEN")
    await operator.create_type("a.secret")
    managing = (Policy(Action.MANAGE_EVENT_TYPES, TYPE), Policy(Action.MANAGE_EVENT_TYPES, "a.nowhere"))
    colleague = await partners.invite("banenor", principal="colleague")
    foreigner = await partners.invite("acme", *managing)
    for partner, name, code in (
        (colleague, TYPE, "FORBIDDEN"),
        (foreigner, TYPE, "NOT_FOUND"),
        (foreigner, "a.nowhere", "NOT_FOUND"),
        (foreigner, "a.secret", "FORBIDDEN"),
    ):
        with pytest.raises(Refused) as refused:
            await register(partner, STRICTER, name)
        assert refused.value.code == code
    assert await select(issuer.database, COUNTS) == [(2, 0)]


async def test_who_manages_types_may_ask_about_those_in_sight(operator: Partner, partners: Partners) -> None:
    await operator.create_type(audience="OPEN")
    manager = await partners.invite("acme", Policy(Action.MANAGE_EVENT_TYPES, "*"))
    assert (await check(manager, STRICTER))["verdict"] == "COMPATIBLE"
    assert await check(manager, STRICTER, "a.nowhere") is None
    reader = await partners.invite("umbrella")
    with pytest.raises(Refused, match="FORBIDDEN"):
        await check(reader, STRICTER)


async def test_an_event_may_name_the_version_that_judges_it(operator: Partner) -> None:
    await operator.create_type()
    await register(operator, STRICTER)
    url = f"https://events.example.com/v1/schemas/{TYPE}"
    await operator.create_type("another.type")
    foreign = event("4", data={"train": "1", "delay": 2}, dataschema="https://schemas.example.com/trains/1")
    sent = await operator.produce(
        event("1", dataschema=f"{url}/1"),
        event("2", dataschema=f"{url}/2", data={"train": "1", "delay": 2}),
        event("3", dataschema=f"{url}/2"),
        foreign,
        event("5", dataschema=f"{url}/3"),
        event("6", dataschema="https://events.example.com/v1/schemas/another.type/1"),
    )
    assert [result["status"] for result in sent["results"]] == [
        "PERSISTED",
        "PERSISTED",
        "REJECTED",
        "PERSISTED",
        "REJECTED",
        "REJECTED",
    ]
    assert [result["event"] and result["event"]["schemaVersion"] for result in sent["results"][:2]] == [1, 2]
    assert sent["results"][1]["event"]["cloudEvent"]["dataschema"] == f"{url}/2"
    assert sent["results"][2]["violations"][0]["rule"] == "required"
    for result in sent["results"][4:]:
        (violation,) = result["violations"]
        assert (violation["path"], violation["rule"]) == ("/dataschema", "dataschema")
        assert result["problem"]["code"] == "CONTRACT_BROKEN"


async def test_validation_says_which_version_judges(operator: Partner) -> None:
    await operator.create_type()
    await register(operator, STRICTER)
    url = f"https://events.example.com/v1/schemas/{TYPE}"
    judged = []
    for version in (1, 2, 3):
        value = event("1", dataschema=f"{url}/{version}")
        answer = (await operator.ask(VALIDATE, event=value))["validateEvent"]
        paths = [violation["path"] for violation in answer["violations"]]
        judged.append((answer["valid"], answer["schemaVersion"], paths))
    assert judged == [(True, 1, []), (False, 2, [""]), (False, None, ["/dataschema"])]


async def test_what_a_version_changed_is_told_in_words(operator: Partner) -> None:
    await operator.create_type()
    await register(operator, STRICTER)
    query = """query ($name: String!) { eventType(name: $name) {
      schemas { nodes { version changes { path kind sentence } } } } }"""
    nodes = (await operator.ask(query, name=TYPE))["eventType"]["schemas"]["nodes"]
    assert nodes == [
        {"version": 1, "changes": None},
        {
            "version": 2,
            "changes": [
                {"path": "/required", "kind": "NARROWED", "sentence": "requires the property 'delay'"},
            ],
        },
    ]
