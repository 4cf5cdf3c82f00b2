"""Replays through the API, with real endpoints: asked for, counted, delivered, cancelled; nobody else's business."""

import json
from typing import Any

import pytest
from standardwebhooks import Webhook

from event_issuer.app import Issuer
from event_issuer.domain.access import EVERYTHING, Action, Policy
from event_issuer.domain.replays import OPEN_MAX
from tests.api.partners import TYPE, Partner, Partners, Refused, event
from tests.api.test_explaining import revoke
from tests.api.webhooks import AGREES, TAKES, body, command, header, reached, read, settled
from tests.db.rows import select
from tests.egress.receiver import Receiver, Receivers, answer, hang

FIELDS = """id status dryRun filter matchedEvents deliveredEvents createdAt endedAt
            firstEvent { eventId } lastEvent { eventId }"""
REPLAY = f"mutation ($input: ReplayEventsInput!) {{ replayEvents(input: $input) {{ replay {{ {FIELDS} }} }} }}"
CANCEL = f"mutation ($id: ID!) {{ cancelReplay(id: $id) {{ replay {{ {FIELDS} }} }} }}"
NODE = f"query ($id: ID!) {{ node(id: $id) {{ ... on Replay {{ {FIELDS} }} }} }}"
LIST = """query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  replays(webhookSubscriptionId: $id, first: $first, after: $after, last: $last, before: $before) {
    nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
EVENTS = "query ($types: [String!]!) { events(eventTypes: $types) { edges { cursor node { recordedAt } } } }"
ATTEMPTS = """query ($id: ID!) { webhookSubscription(id: $id) { attempts(filter: {kind: REPLAY}) {
  nodes { kind number outcome event { eventId } } } } }"""
EXPLAIN = """query ($id: ID!, $source: String, $event: String) {
  explainDelivery(webhookSubscriptionId: $id, source: $source, cloudEventId: $event) {
    verdict attempts { kind outcome } parked { attempts } } }"""
NO = answer(b"HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n")
EARLIEST = {"at": "EARLIEST"}
ROWS = "SELECT (SELECT COUNT(*) FROM replays), (SELECT COUNT(*) FROM lanes), (SELECT COUNT(*) FROM audit_entries)"


async def replay(partner: Partner, id_: str, start: object = EARLIEST, **more: object) -> Any:
    asked = {"webhookSubscriptionId": id_, "from": start, **more}
    return (await partner.ask(REPLAY, input=asked))["replayEvents"]["replay"]


async def once(partner: Partner, id_: str, status: str) -> Any:
    """The replay once it has this status."""
    while (found := (await partner.ask(NODE, id=id_))["node"])["status"] != status:
        assert found["endedAt"] is None
    return found


def ids_at(receiver: Receiver) -> list[str | None]:
    return [header(request, "ce-id") for request in receiver.requests]


async def subscribed(operator: Partner, receiver: Receiver, *events: dict[str, object], **more: object) -> Any:
    """A subscription that has got these events."""
    await operator.create_type()
    made = await operator.subscribe(receiver.url, verification="NONE", **more)
    await reached(operator, made["webhookSubscription"]["id"], "RUNNING")
    await operator.produce(*events)
    await settled(operator, made["webhookSubscription"]["id"])
    return made


async def test_events_are_delivered_again_signed_and_marked(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    made = await subscribed(operator, receiver, event("1"), event("2"), event("3"))
    id_ = made["webhookSubscription"]["id"]
    asked = await replay(operator, id_, filter={"not": {"exact": {"id": "2"}}})
    assert asked == {
        "id": asked["id"],
        "status": "RUNNING",
        "dryRun": False,
        "filter": {"not": {"exact": {"id": "2"}}},
        "matchedEvents": None,
        "deliveredEvents": asked["deliveredEvents"],
        "createdAt": asked["createdAt"],
        "endedAt": None,
        "firstEvent": None,
        "lastEvent": None,
    }
    found = await once(operator, asked["id"], "COMPLETED")
    assert (found["matchedEvents"], found["deliveredEvents"]) == (2, 2)
    assert (found["firstEvent"], found["lastEvent"]) == ({"eventId": "1"}, {"eventId": "3"})
    assert sorted(map(str, ids_at(receiver)[3:])) == ["1", "3"]
    before = {header(one, "ce-id"): header(one, "webhook-id") for one in receiver.requests[:3]}
    for request in receiver.requests[3:]:
        assert header(request, "webhook-replay") == asked["id"]
        assert header(request, "webhook-id") == before[header(request, "ce-id")]
        signed = ("webhook-id", "webhook-timestamp", "webhook-signature")
        Webhook(made["signingSecret"]["secret"]).verify(
            body(request), {name: header(request, name) or "" for name in signed}
        )
    assert [header(one, "webhook-replay") for one in receiver.requests[:3]] == [None] * 3
    attempts = (await operator.ask(ATTEMPTS, id=id_))["webhookSubscription"]["attempts"]["nodes"]
    assert sorted(one["event"]["eventId"] for one in attempts) == ["1", "3"]
    assert {(one["kind"], one["number"], one["outcome"]) for one in attempts} == {("REPLAY", 1, "DELIVERED")}
    assert (await read(operator, id_))["lag"] == {"events": 0, "seconds": 0, "parked": 0, "deadLettered": 0}


async def test_a_dry_run_counts_what_a_replay_delivers(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    events = [event(str(n), partitionkey=f"k{n % 3}", data={"train": str(n % 5)}) for n in range(20)]
    made = await subscribed(operator, receiver, *events, filter={"data": {"/train": "1"}})
    id_ = made["webhookSubscription"]["id"]
    only = {"suffix": {"partitionkey": "1"}}
    dry = await replay(operator, id_, filter=only, dryRun=True)
    assert (dry["status"], dry["dryRun"]) == ("COUNTING", True)
    counted = await once(operator, dry["id"], "COUNTED")
    assert (counted["matchedEvents"], counted["deliveredEvents"]) == (2, 0)
    assert (counted["firstEvent"], counted["lastEvent"]) == ({"eventId": "1"}, {"eventId": "16"})
    assert len(receiver.requests) == 4
    wet = await once(operator, (await replay(operator, id_, filter=only))["id"], "COMPLETED")
    assert (wet["matchedEvents"], wet["deliveredEvents"], ids_at(receiver)[4:]) == (2, 2, ["1", "16"])


async def test_from_a_time_or_a_cursor_until_a_time(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    made = await subscribed(operator, receiver)
    id_ = made["webhookSubscription"]["id"]
    for number in range(4):  # each with a time of its own
        await operator.produce(event(str(number)))
    await settled(operator, id_)
    edges = (await operator.ask(EVENTS, types=[TYPE]))["events"]["edges"]
    times = [edge["node"]["recordedAt"] for edge in edges]
    chosen = [
        ({"time": times[2]}, {}, ["2", "3"]),
        ({"time": times[1]}, {"until": times[3]}, ["1", "2"]),
        ({"cursor": edges[0]["cursor"]}, {"until": times[2]}, ["1"]),
        (EARLIEST, {"until": times[0]}, []),
        ({"at": "LATEST"}, {}, []),
    ]
    for start, more, ids in chosen:
        before = len(receiver.requests)
        found = await once(operator, (await replay(operator, id_, start, **more))["id"], "COMPLETED")
        assert sorted(map(str, ids_at(receiver)[before:])) == ids
        assert found["matchedEvents"] == found["deliveredEvents"] == len(ids)


async def test_a_cancelled_replay_sends_nothing_more(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    receiver = await receivers(TAKES, TAKES, TAKES, hang())
    made = await subscribed(operator, receiver, *(event(str(n), partitionkey="k") for n in range(3)))
    asked = await replay(operator, made["webhookSubscription"]["id"])
    await receiver.asked(4)
    cancelled = (await operator.ask(CANCEL, id=asked["id"]))["cancelReplay"]["replay"]
    assert (cancelled["status"], cancelled["endedAt"] is None) == ("CANCELLED", False)
    with pytest.raises(Refused, match="CONFLICT: A replay that is CANCELLED has ended"):
        await operator.ask(CANCEL, id=asked["id"])
    while await select(issuer.database, "SELECT 1 FROM replays WHERE swept_at_us IS NULL"):
        pass
    assert await select(issuer.database, "SELECT 1 FROM lanes WHERE replay_id IS NOT NULL") == []
    assert ids_at(receiver) == ["0", "1", "2", "0"]


async def test_explanations_are_about_live_events_and_show_the_replay(operator: Partner, receivers: Receivers) -> None:
    """The first event is a dead letter and then replayed; the second is delivered, and a dead letter in the replay."""
    receiver = await receivers(NO, TAKES, TAKES, NO, TAKES)
    made = await subscribed(operator, receiver, delivery={"retry": {"delaysSeconds": []}})
    id_ = made["webhookSubscription"]["id"]
    for number in ("1", "2"):
        await operator.produce(event(number, partitionkey="k"))
        await settled(operator, id_)
    found = await once(operator, (await replay(operator, id_))["id"], "COMPLETED")
    assert (found["matchedEvents"], found["deliveredEvents"]) == (2, 1)
    verdicts = []
    for number in ("1", "2"):
        shown = (await operator.ask(EXPLAIN, id=id_, source="/banenor/tests", event=number))["explainDelivery"]
        parked = shown["parked"] and shown["parked"]["attempts"]
        verdicts.append((shown["verdict"], [(one["kind"], one["outcome"]) for one in shown["attempts"]], parked))
    assert verdicts == [
        ("DEAD_LETTERED", [("DELIVERY", "REFUSED"), ("REPLAY", "DELIVERED")], 1),
        ("DELIVERED", [("DELIVERY", "DELIVERED"), ("REPLAY", "REFUSED")], None),
    ]
    assert (await read(operator, id_))["lag"]["deadLettered"] == 2


async def test_a_stopped_subscription_s_replay_waits_for_its_start(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    made = await subscribed(operator, receiver, event("1"))
    id_ = made["webhookSubscription"]["id"]
    await command(operator, "stop", id_)
    await reached(operator, id_, "STOPPED")
    asked = await replay(operator, id_)
    while (found := (await operator.ask(NODE, id=asked["id"]))["node"])["matchedEvents"] is None:
        pass
    assert (found["status"], found["deliveredEvents"], len(receiver.requests)) == ("RUNNING", 0, 1)
    await command(operator, "start", id_)
    assert (await once(operator, asked["id"], "COMPLETED"))["deliveredEvents"] == 1


async def test_they_are_listed_in_pages_either_way(operator: Partner, receivers: Receivers) -> None:
    made = await subscribed(operator, await receivers(TAKES))
    id_ = made["webhookSubscription"]["id"]
    ids = []
    for _ in range(5):
        ids.append((await replay(operator, id_, dryRun=True))["id"])
        await once(operator, ids[-1], "COUNTED")
    page = (await operator.ask(LIST, id=id_, first=2))["replays"]
    assert [one["id"] for one in page["nodes"]] == ids[:2]
    assert (page["pageInfo"]["hasNextPage"], page["pageInfo"]["hasPreviousPage"]) == (True, False)
    page = (await operator.ask(LIST, id=id_, first=2, after=page["pageInfo"]["endCursor"]))["replays"]
    assert [one["id"] for one in page["nodes"]] == ids[2:4]
    page = (await operator.ask(LIST, id=id_, last=2))["replays"]
    assert [one["id"] for one in page["nodes"]] == ids[3:]


async def test_only_so_many_at_a_time(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    made = await subscribed(operator, await receivers(TAKES), event("1"))
    id_ = made["webhookSubscription"]["id"]
    await command(operator, "stop", id_)
    await reached(operator, id_, "STOPPED")
    open_ = [(await replay(operator, id_))["id"] for _ in range(OPEN_MAX)]
    before = await select(issuer.database, ROWS)
    with pytest.raises(Refused, match=f"LIMIT_EXCEEDED: A subscription may have {OPEN_MAX} replays at a time"):
        await replay(operator, id_, dryRun=True)
    assert await select(issuer.database, ROWS) == before
    await operator.ask(CANCEL, id=open_[0])
    await replay(operator, id_, dryRun=True)


async def test_what_is_wrong_is_refused(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    made = await subscribed(operator, await receivers(TAKES), event("1"))
    id_ = made["webhookSubscription"]["id"]
    unverified = await operator.subscribe((await receivers(hang())).url)
    before = await select(issuer.database, ROWS)
    time = {"time": "2026-01-01T00:00:00Z"}
    for start, more, refusal in (
        ({"cursor": "x"}, {}, "BAD_USER_INPUT: 'x' is no cursor of the log"),
        (time, {"until": "2025-12-31T00:00:00Z"}, r"BAD_USER_INPUT: until is later than from\.time, not 2025-12-31"),
        (EARLIEST, {"filter": {"sql": "id = "}}, "BAD_USER_INPUT"),
        (EARLIEST, {"filter": {"data": {"/nowhere": 1}}}, "BAD_USER_INPUT"),
    ):
        with pytest.raises(Refused, match=refusal):
            await replay(operator, id_, start, **more)
    with pytest.raises(Refused, match=r"CONFLICT: The endpoint has not agreed .* \(the subscription is INITIALIZING\)"):
        await replay(operator, unverified["webhookSubscription"]["id"])
    with pytest.raises(Refused, match="NOT_FOUND: 'UmVwbGF5Ong' is no id of a Replay"):
        await operator.ask(CANCEL, id="UmVwbGF5Ong")
    assert await select(issuer.database, ROWS) == before
    dry = await replay(operator, unverified["webhookSubscription"]["id"], dryRun=True)  # it sends nothing
    assert (await once(operator, dry["id"], "COUNTED"))["matchedEvents"] == 1


async def test_others_see_nothing_of_it(
    operator: Partner, partners: Partners, issuer: Issuer, receivers: Receivers
) -> None:
    receiver = await receivers(TAKES)
    id_ = (await subscribed(operator, receiver, event("1")))["webhookSubscription"]["id"]
    asked = await replay(operator, id_)
    await once(operator, asked["id"], "COMPLETED")
    stranger = await partners.invite("acme", Policy(Action.MANAGE_SUBSCRIPTIONS, EVERYTHING))
    reader = await partners.invite("banenor", Policy(Action.CONSUME, EVERYTHING), principal="reader")
    before = await select(issuer.database, ROWS)
    assert (await stranger.ask(NODE, id=asked["id"]))["node"] is None
    assert (await stranger.ask(LIST, id=id_))["replays"] is None
    with pytest.raises(Refused, match="NOT_FOUND: There is no such subscription"):
        await replay(stranger, id_)
    with pytest.raises(Refused, match="NOT_FOUND: There is no such replay"):
        await stranger.ask(CANCEL, id=asked["id"])
    for query, variables in ((NODE, {"id": asked["id"]}), (LIST, {"id": id_}), (CANCEL, {"id": asked["id"]})):
        with pytest.raises(Refused, match="FORBIDDEN"):
            await reader.ask(query, **variables)
    with pytest.raises(Refused, match="FORBIDDEN"):
        await replay(reader, id_)
    assert await select(issuer.database, ROWS) == before


async def test_who_may_not_consume_any_more_gets_none_and_sees_no_event(
    operator: Partner, partners: Partners, issuer: Issuer, receivers: Receivers
) -> None:
    await operator.create_type()
    await operator.produce(event("1"))
    granted = [Policy(action, EVERYTHING) for action in (Action.MANAGE_SUBSCRIPTIONS, Action.CONSUME)]
    consumer = await partners.invite("acme", *granted, principal="consumer")
    receiver = await receivers(AGREES, TAKES)
    id_ = (await consumer.subscribe(receiver.url))["webhookSubscription"]["id"]
    await reached(consumer, id_, "RUNNING")
    found = await once(consumer, (await replay(consumer, id_))["id"], "COMPLETED")
    assert found["firstEvent"] == {"eventId": "1"}
    await revoke(issuer, consumer, Action.CONSUME)
    before = await select(issuer.database, ROWS)
    shown = (await consumer.ask(NODE, id=found["id"]))["node"]
    assert (shown["matchedEvents"], shown["firstEvent"], shown["lastEvent"]) == (1, None, None)
    with pytest.raises(Refused, match="NOT_FOUND: There is no event type"):
        await replay(consumer, id_)
    assert await select(issuer.database, ROWS) == before


async def test_it_is_audited(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    made = await subscribed(operator, await receivers(TAKES), event("1"))
    id_ = made["webhookSubscription"]["id"]
    await command(operator, "stop", id_)
    asked = await replay(operator, id_, filter={"exact": {"id": "1"}}, until="2036-01-01T00:00:00Z")
    await operator.ask(CANCEL, id=asked["id"])
    rows = await select(
        issuer.database,
        "SELECT action, object_id, detail FROM audit_entries WHERE object_kind = 'replay' ORDER BY id",
    )
    detail = {
        "subscription": 1,
        "from": "EARLIEST",
        "dryRun": False,
        "until": "2036-01-01T00:00:00.000000Z",
        "filter": '{"exact":{"id":"1"}}',
    }
    assert [(action, id_, json.loads(text)) for action, id_, text in rows] == [
        ("create", 1, detail),
        ("cancel", 1, {"subscription": 1}),
    ]
