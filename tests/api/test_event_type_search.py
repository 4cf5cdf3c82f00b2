"""Looking for event types, and who of a tenant may use one: the same on both stores."""

from typing import Any

import pytest

from event_issuer.app import Issuer
from event_issuer.domain.access import Action, Policy
from event_issuer.resolvers.event_types import SEARCHED_AT_ONCE
from tests.api.partners import TYPE, Partner, Partners, Refused
from tests.db.rows import execute

LIST = """query ($filter: EventTypeFilter, $first: Int, $after: String, $last: Int, $before: String) {
  eventTypes(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
    nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
USERS = """query ($name: String!, $first: Int, $after: String, $last: Int, $before: String) { eventType(name: $name) {
  users(first: $first, after: $after, last: $last, before: $before) {
    nodes { principal actions } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""


async def found(partner: Partner, *, first: int = 50, after: str | None = None, **filter_: object) -> list[str]:
    page = (await partner.ask(LIST, filter=filter_, first=first, after=after))["eventTypes"]
    return [node["name"] for node in page["nodes"]]


async def users(partner: Partner, name: str = TYPE, **arguments: object) -> Any:
    return (await partner.ask(USERS, name=name, **arguments))["eventType"]["users"]


@pytest.fixture
async def catalogue(operator: Partner, partners: Partners, issuer: Issuer) -> None:
    other = await partners.invite("acme", *(Policy(action, "acme.*") for action in Action))
    await operator.create_type("rail.arrived.v1", description="Et tog er kommet til ÅNDALSNES.", audience="OPEN")
    await operator.create_type("rail.departed.v1", description="Et tog er gått fra Bodø.", audience="TENANT")
    await operator.create_type("rail.possession.v1", description="100% av sporet er TATT, spor_3.", audience="OPEN")
    await other.create_type("acme.delayed.v1", description="Toget er forsinket.", audience="OPEN")
    await other.create_type("acme.secret.v1", description="Et tog som ingen skal se.", audience="TENANT")
    await execute(issuer.database, "UPDATE event_types SET status = 'DEPRECATED' WHERE name = 'rail.departed.v1'")


@pytest.mark.usefixtures("catalogue")
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["acme.delayed.v1", "acme.secret.v1", "rail.arrived.v1", "rail.departed.v1", "rail.possession.v1"]),
        ("tog", ["acme.delayed.v1", "acme.secret.v1", "rail.arrived.v1", "rail.departed.v1"]),
        ("TOG RAIL", ["rail.arrived.v1", "rail.departed.v1"]),
        ("åndalsnes", ["rail.arrived.v1"]),
        ("A\u030andalsnes", ["rail.arrived.v1"]),
        ("BODØ tog", ["rail.departed.v1"]),
        ("bodo", []),
        ("100%", ["rail.possession.v1"]),
        ("spor_3", ["rail.possession.v1"]),
        ("spor%3", []),
        ("tatt!", []),
        ("av spor", ["rail.possession.v1"]),
        ("tog buss", []),
        ("V1", ["acme.delayed.v1", "acme.secret.v1", "rail.arrived.v1", "rail.departed.v1", "rail.possession.v1"]),
    ],
)
async def test_words_are_found_in_names_and_descriptions(operator: Partner, text: str, names: list[str]) -> None:
    assert await found(operator, text=text) == names


@pytest.mark.usefixtures("catalogue")
async def test_criteria_hold_together_and_show_only_what_is_seen(operator: Partner, partners: Partners) -> None:
    assert await found(operator, status="DEPRECATED") == ["rail.departed.v1"]
    assert await found(operator, audience="OPEN", text="tog") == ["acme.delayed.v1", "rail.arrived.v1"]
    assert await found(operator, owner="acme") == ["acme.delayed.v1", "acme.secret.v1"]
    assert await found(operator, owner="nobody") == []
    assert await found(operator, owner="banenor", status="ACTIVE", namePrefix="rail.a") == ["rail.arrived.v1"]
    stranger = await partners.invite("umbrella")
    assert await found(stranger) == ["acme.delayed.v1", "rail.arrived.v1", "rail.possession.v1"]
    assert await found(stranger, text="tog") == ["acme.delayed.v1", "rail.arrived.v1"]
    assert await found(stranger, owner="acme", audience="TENANT") == []


@pytest.mark.usefixtures("catalogue")
async def test_what_is_found_comes_in_pages(operator: Partner) -> None:
    first = (await operator.ask(LIST, filter={"text": "tog"}, first=3))["eventTypes"]
    assert [node["name"] for node in first["nodes"]] == ["acme.delayed.v1", "acme.secret.v1", "rail.arrived.v1"]
    assert (first["pageInfo"]["hasNextPage"], first["pageInfo"]["hasPreviousPage"]) == (True, False)
    assert await found(operator, first=3, after=first["pageInfo"]["endCursor"], text="tog") == ["rail.departed.v1"]
    last = (await operator.ask(LIST, filter={"text": "tog ø"}, last=1))["eventTypes"]
    assert [node["name"] for node in last["nodes"]] == ["rail.departed.v1"]
    assert (last["pageInfo"]["hasNextPage"], last["pageInfo"]["hasPreviousPage"]) == (False, False)


async def test_a_rare_word_is_found_behind_many_types(operator: Partner, issuer: Issuer) -> None:
    await operator.create_type("a.first", description="Østbanen.")
    copy = (
        "INSERT INTO event_types (name, tenant_id, description, audience, compatibility, validation, status, "
        "partition_count, deduplicates, created_at_us) SELECT $1, tenant_id, $2, audience, compatibility, validation, "
        "status, partition_count, deduplicates, created_at_us FROM event_types WHERE name = 'a.first'"
    )
    for number in range(SEARCHED_AT_ONCE + 10):
        await execute(issuer.database, copy, (f"b.{number:04}", "Vestbanen."))
    await execute(issuer.database, copy, ("c.last", "ØSTBANEN"))
    assert await found(operator, text="østbanen") == ["a.first", "c.last"]
    assert await found(operator, text="østbanen", first=1) == ["a.first"]


@pytest.mark.parametrize(
    ("filter_", "message"),
    [
        ({"text": "a" * 201}, "A search has at most 200 characters, not 201."),
        ({"text": "1 2 3 4 5 6 7 8 9 10 11"}, "A search has at most 10 words, not 11."),
        ({"text": "a\0"}, "A search has no control characters"),
        ({"namePrefix": "a\0"}, "A search has no control characters"),
        ({"owner": "\0"}, "A search has no control characters"),
    ],
)
async def test_a_search_that_cannot_be_made_is_refused(
    operator: Partner, filter_: dict[str, object], message: str
) -> None:
    with pytest.raises(Refused) as refused:
        await operator.ask(LIST, filter=filter_)
    assert refused.value.code == "BAD_USER_INPUT"
    assert refused.value.message.startswith(message)


async def test_a_type_tells_who_of_the_callers_tenant_may_use_it(operator: Partner, partners: Partners) -> None:
    await operator.create_type(audience="GRANTED")
    reader = await partners.invite("acme", Policy(Action.CONSUME, "cloud.*"), principal="reader")
    await partners.invite("acme", Policy(Action.PRODUCE, TYPE), Policy(Action.CONSUME, TYPE), principal="bridge")
    await partners.invite("acme", Policy(Action.CONSUME, "other.*"), principal="outsider")
    await partners.invite("acme", Policy(Action.MANAGE_ACCESS, "*"), principal="administrator")
    await partners.invite("umbrella", Policy(Action.CONSUME, "*"), principal="foreigner")
    page = await users(reader)
    assert page["nodes"] == [
        {"principal": "reader", "actions": ["CONSUME"]},
        {"principal": "bridge", "actions": ["CONSUME", "PRODUCE"]},
    ]
    assert (await users(operator))["nodes"] == [{"principal": "tester", "actions": ["CONSUME", "PRODUCE"]}]


async def test_a_tenants_policies_and_the_audience_count_and_the_disabled_do_not(
    operator: Partner, partners: Partners, issuer: Issuer
) -> None:
    await operator.create_type(audience="OPEN")
    asker = await partners.invite("acme", principal="asker")
    await partners.invite("acme", principal="gone")
    await execute(issuer.database, "UPDATE principals SET status = 'DISABLED' WHERE name = 'gone'")
    assert (await users(asker))["nodes"] == [{"principal": "asker", "actions": ["CONSUME"]}]
    await execute(
        issuer.database,
        "INSERT INTO policies (tenant_id, action, event_type, created_at_us) "
        "SELECT id, 'PRODUCE', 'cloud.*', 1 FROM tenants WHERE name = 'acme'",
    )
    assert (await users(asker))["nodes"] == [{"principal": "asker", "actions": ["CONSUME", "PRODUCE"]}]


async def test_users_come_in_pages_over_those_who_may_not(operator: Partner, partners: Partners) -> None:
    await operator.create_type(audience="GRANTED")
    names = [f"user-{number}" for number in range(7)]
    for number, name in enumerate(names):
        last = await partners.invite("acme", *[Policy(Action.CONSUME, TYPE)] * (number % 2 == 0), principal=name)
    first = await users(last, first=2)
    assert [user["principal"] for user in first["nodes"]] == ["user-0", "user-2"]
    assert (first["pageInfo"]["hasNextPage"], first["pageInfo"]["hasPreviousPage"]) == (True, False)
    rest = await users(last, first=2, after=first["pageInfo"]["endCursor"])
    assert [user["principal"] for user in rest["nodes"]] == ["user-4", "user-6"]
    assert (rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (False, True)
    back = await users(last, last=2, before=rest["pageInfo"]["startCursor"])
    assert [user["principal"] for user in back["nodes"]] == ["user-0", "user-2"]
    with pytest.raises(Refused, match="BAD_USER_INPUT: The cursor is of another list"):
        await users(last, after="YWJj")
