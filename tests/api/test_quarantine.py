"""Events that reach the log from outside the API: judged when they are first read, once, on both stores."""

from typing import Any

import pytest

from event_issuer.app import Issuer
from event_issuer.db.changes import Topic, announce
from event_issuer.db.verdicts import _written, violations_in
from event_issuer.db.work import Statement, Work
from event_issuer.domain.access import EVERYTHING, Action, Policy
from event_issuer.domain.errors import Violation
from event_issuer.domain.time import system_clock
from tests.api.outsiders import write_outside
from tests.api.partners import TYPE, Partner, Partners, Refused, event
from tests.api.webhooks import TAKES, command, header, read, settled
from tests.egress.receiver import Receiver, Receivers

NONE = {"verification": "NONE"}
QUARANTINED = """query ($type: String!, $first: Int, $after: String) {
  quarantinedEvents(eventType: $type, first: $first, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { id standing schemaVersion violations { path rule message } event { eventId } } } }"""
LOG = "query ($types: [String!]!) { events(eventTypes: $types) { nodes { eventId } } }"


def outside(id_: str, **more: object) -> dict[str, object]:
    return {"specversion": "1.0", "id": id_, "source": "/elsewhere", "type": TYPE, "data": {"train": "4521"}, **more}


BAD = {"train": 4521}


async def quarantined(partner: Partner) -> list[Any]:
    nodes: list[Any] = (await partner.ask(QUARANTINED, type=TYPE))["quarantinedEvents"]["nodes"]
    return nodes


async def decide(partner: Partner, what: str, **selection: object) -> Any:
    field = f"{what}QuarantinedEvents"
    query = f"""mutation ($input: QuarantineSelectionInput!) {{ {field}(input: $input) {{
      count stillBroken {{ id event {{ eventId }} }} }} }}"""
    return (await partner.ask(query, input={"eventType": TYPE, "selection": selection}))[field]


async def readable(partner: Partner) -> list[str]:
    return [node["eventId"] for node in (await partner.ask(LOG, types=[TYPE]))["events"]["nodes"]]


def arrived(receiver: Receiver) -> list[str | None]:
    return [header(request, "ce-id") for request in receiver.requests]


async def subscribed(operator: Partner, receivers: Receivers, **more: object) -> tuple[str, Receiver]:
    receiver = await receivers(TAKES)
    made = await operator.subscribe(receiver.url, **NONE, **more)
    return made["webhookSubscription"]["id"], receiver


async def loosen(issuer: Issuer) -> None:
    """The fix: the contract takes what it did not."""

    def loosening() -> Work[None]:
        rows = yield Statement("SELECT id FROM event_types WHERE name = $1", (TYPE,))
        yield Statement("UPDATE schema_versions SET definition = '{}' WHERE event_type_id = $1", (rows[0][0],))
        yield from announce(Topic.EVENT_TYPE, rows[0][0], system_clock())

    await issuer.database.run(loosening())


@pytest.mark.parametrize(
    ("mode", "standing", "delivered"),
    [
        ("ENFORCED", "DEAD_LETTERED", ["1", "4"]),
        ("QUARANTINE", "HELD", ["1", "4"]),
        ("OFF", None, ["1", "2", "3", "4"]),
    ],
)
async def test_an_event_that_breaks_its_contract_is_treated_as_its_type_says(
    operator: Partner, issuer: Issuer, receivers: Receivers, mode: str, standing: str | None, delivered: list[str]
) -> None:
    await operator.create_type(validation=mode)
    id_, receiver = await subscribed(operator, receivers)
    bad = [outside("2", data=BAD), outside("3", data={"train": "1", "speed": 1})]
    await write_outside(issuer, TYPE, outside("1"), *bad, outside("4"))
    await receiver.asked(len(delivered))
    await settled(operator, id_)
    assert arrived(receiver) == delivered
    assert await readable(operator) == delivered
    found = await quarantined(operator)
    assert [(one["event"]["eventId"], one["standing"], one["schemaVersion"]) for one in found] == (
        [("2", standing, 1), ("3", standing, 1)] if standing else []
    )
    if standing:
        assert [(one["path"], one["rule"]) for one in found[0]["violations"]] == [("/train", "type")]


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"type": "another.type.v1"}, "/type"),
        ({"time": "yesterday"}, "/time"),
        ({"datacontenttype": "text/plain"}, "/datacontenttype"),
    ],
)
async def test_what_is_no_event_of_its_type_is_judged_too(
    operator: Partner, issuer: Issuer, wrong: dict[str, object], path: str
) -> None:
    await operator.create_type(validation="QUARANTINE")
    await write_outside(issuer, TYPE, outside("1", **wrong), outside("2"))
    assert await readable(operator) == ["2"]
    assert (await quarantined(operator))[0]["violations"][0]["path"] == path


async def test_a_tombstone_from_outside_is_no_breach(operator: Partner, issuer: Issuer) -> None:
    await operator.create_type()
    tombstone = outside("1", partitionkey="61")
    del tombstone["data"]
    keyless = outside("2")
    del keyless["data"]
    await write_outside(issuer, TYPE, tombstone, keyless)
    assert await readable(operator) == ["1"]


async def test_a_verdict_holds_whatever_the_contract_becomes(operator: Partner, issuer: Issuer) -> None:
    await operator.create_type()
    await write_outside(issuer, TYPE, outside("1", data=BAD), outside("2"))
    assert await readable(operator) == ["2"]
    await loosen(issuer)
    while (await operator.produce(event("3", data={"anything": True})))["persisted"] == 0:
        await readable(operator)  # until the catalogue has heard of the new contract
    await write_outside(issuer, TYPE, outside("4", data=BAD))
    while (found := await readable(operator)) != ["2", "3", "4"]:
        assert found in (["2"], ["2", "3"])
    assert [one["event"]["eventId"] for one in await quarantined(operator)] == ["1"]


async def test_a_released_event_goes_to_each_lane_once(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    await operator.create_type(validation="QUARANTINE")
    id_, receiver = await subscribed(operator, receivers)
    stopped_id, stopped = await subscribed(operator, receivers)
    await command(operator, "stop", stopped_id)
    await write_outside(issuer, TYPE, outside("1", data=BAD, partitionkey="a"), outside("2", partitionkey="a"))
    await receiver.asked(1)
    await settled(operator, id_)
    late_id, late = await subscribed(operator, receivers)  # begins behind both

    assert await decide(operator, "release", all=True) == {
        "count": 0,
        "stillBroken": [{"id": (await quarantined(operator))[0]["id"], "event": {"eventId": "1"}}],
    }
    assert [one["standing"] for one in await quarantined(operator)] == ["HELD"]
    await loosen(issuer)
    while (await decide(operator, "release", all=True))["count"] == 0:
        pass  # until the catalogue has heard of the new contract
    assert [one["standing"] for one in await quarantined(operator)] == ["RELEASED"]
    await receiver.asked(2)
    assert arrived(receiver) == ["2", "1"]

    await command(operator, "start", stopped_id)
    await stopped.asked(2)
    assert sorted(str(one) for one in arrived(stopped)) == ["1", "2"]
    _, new = await subscribed(operator, receivers, startFrom={"at": "EARLIEST"})
    await new.asked(2)
    assert arrived(new) == ["1", "2"]
    while (await readable(operator)) != ["1", "2"]:
        pass
    await settled(operator, late_id)
    for one in (id_, stopped_id):
        assert (await read(operator, one))["lag"] == {"events": 0, "seconds": 0, "parked": 0, "deadLettered": 0}
    assert late.requests == []
    assert [len(one.requests) for one in (receiver, stopped, new)] == [2, 2, 2]


async def test_a_discarded_event_is_never_delivered(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    await operator.create_type(validation="QUARANTINE")
    await write_outside(issuer, TYPE, outside("1", data=BAD), outside("2", data=BAD), outside("3"))
    assert await readable(operator) == ["3"]
    first, second = await quarantined(operator)
    assert await decide(operator, "discard", ids=[first["id"]]) == {"count": 1, "stillBroken": []}
    assert await decide(operator, "discard", ids=[first["id"]]) == {"count": 0, "stillBroken": []}
    await loosen(issuer)
    while (await decide(operator, "release", all=True))["count"] == 0:
        pass
    assert [one["standing"] for one in await quarantined(operator)] == ["DISCARDED", "RELEASED"]
    _, receiver = await subscribed(operator, receivers, startFrom={"at": "EARLIEST"})
    await receiver.asked(2)
    assert arrived(receiver) == ["2", "3"]
    node = "query ($id: ID!) { node(id: $id) { ... on QuarantinedEvent { standing } } }"
    assert (await operator.ask(node, id=second["id"]))["node"] == {"standing": "RELEASED"}


async def test_dead_letters_are_not_released(operator: Partner, issuer: Issuer) -> None:
    await operator.create_type()
    await write_outside(issuer, TYPE, outside("1", data=BAD))
    assert await readable(operator) == []
    (one,) = await quarantined(operator)
    await loosen(issuer)
    for what in ("release", "discard"):
        assert (await decide(operator, what, ids=[one["id"]]))["count"] == 0
    assert [one["standing"] for one in await quarantined(operator)] == ["DEAD_LETTERED"]


async def test_only_the_owner_who_manages_the_type_decides(
    operator: Partner, issuer: Issuer, partners: Partners
) -> None:
    await operator.create_type(validation="QUARANTINE", audience="OPEN")
    await write_outside(issuer, TYPE, outside("1", data=BAD))
    assert await readable(operator) == []
    (held,) = await quarantined(operator)
    stranger = await partners.invite("vy", *(Policy(action, EVERYTHING) for action in Action))
    reader = await partners.invite("banenor", Policy(Action.CONSUME, EVERYTHING), principal="reader")
    node = "query ($id: ID!) { node(id: $id) { id } }"
    for partner, code in ((stranger, "NOT_FOUND"), (reader, "FORBIDDEN")):
        for what in ("release", "discard"):
            with pytest.raises(Refused, match=code):
                await decide(partner, what, all=True)
        with pytest.raises(Refused, match=code):
            await quarantined(partner)
        assert (await partner.ask(node, id=held["id"]))["node"] is None
    wrongs: tuple[dict[str, object], ...] = (
        {"ids": []},
        {"all": False},
        {"ids": [held["id"]] * 1001},
        {"ids": [held["id"]], "all": True},
    )
    for wrong in wrongs:
        with pytest.raises(Refused, match="BAD_USER_INPUT"):
            await decide(operator, "release", **wrong)
    assert [one["standing"] for one in await quarantined(operator)] == ["HELD"]


async def test_they_are_listed_in_pages(operator: Partner, issuer: Issuer) -> None:
    await operator.create_type(validation="QUARANTINE")
    await write_outside(issuer, TYPE, *(outside(str(number), data=BAD) for number in range(5)))
    assert await readable(operator) == []
    seen, after, has_next = [], None, True
    while has_next:
        page = (await operator.ask(QUARANTINED, type=TYPE, first=2, after=after))["quarantinedEvents"]
        seen += [node["event"]["eventId"] for node in page["nodes"]]
        after, has_next = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert seen == ["0", "1", "2", "3", "4"]


def test_a_violation_is_what_it_was_when_it_is_read_again() -> None:
    found = [Violation("/å", "type", '"\u2028" is no \\ number')]
    assert violations_in(_written(found)) == found
