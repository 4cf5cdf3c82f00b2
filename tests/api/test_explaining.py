"""Explanations through the API, with real endpoints: what became of an event, and what it waits for."""

from typing import Any

import pytest

from event_issuer.app import Issuer
from event_issuer.db.changes import Topic, announce
from event_issuer.db.work import Statement, Work
from event_issuer.domain.access import EVERYTHING, Action, Caller, Policy
from event_issuer.domain.explaining import DeliveryVerdict
from event_issuer.domain.time import SECOND_US, Instant, system_clock
from event_issuer.resolvers.explaining import AttemptHistory
from tests.api.explanations import A_MONTH, EXPLAIN, elsewhere, explain, explained, verdict
from tests.api.outsiders import write_outside
from tests.api.partners import TYPE, Partner, Partners, Refused, event
from tests.api.test_schemas import WIDER, register
from tests.api.webhooks import TAKES, command, header, reached, read, settled, update
from tests.db.rows import execute, select
from tests.egress.receiver import Receivers, answer, hang

NONE = {"verification": "NONE"}
FAILS = answer(b"HTTP/1.1 500 No\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno")
ONCE: dict[str, object] = {"retry": {"delaysSeconds": []}}
LATER = {"retry": {"delaysSeconds": [3600]}}


@pytest.fixture(autouse=True)
async def event_type(operator: Partner) -> None:
    await operator.create_type()


async def subscribed(operator: Partner, url: str, *types: str, **more: object) -> str:
    id_: str = (await operator.subscribe(url, *types, **NONE, **more))["webhookSubscription"]["id"]
    return id_


async def produced(operator: Partner, *events: object) -> list[str]:
    """Their global ids."""
    return [one["event"]["id"] for one in (await operator.produce(*events))["results"]]


async def test_a_delivered_event_tells_its_attempt_and_where_it_is(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    id_ = await subscribed(operator, receiver.url)
    ids = await produced(operator, event("1"))
    await settled(operator, id_)
    ids += await produced(operator, event("2"))
    await settled(operator, id_)
    first, second = await explain(operator, id_, "1"), await explain(operator, id_, "2")
    opened, kept = (one["attempts"][0].pop("timings") for one in (first, second))
    assert second == {
        "verdict": "DELIVERED",
        "recorded": True,
        "reason": "Attempt 1 delivered it.",
        "waitsFor": None,
        "waitsUntil": None,
        "event": {"eventId": "2"},
        "lane": {
            "partition": 0,
            "eventOffset": 1,
            "startOffset": 0,
            "nextOffset": 2,
            "headOffset": 2,
            "settled": True,
            "unsettledBefore": 0,
        },
        "attempts": [
            {"kind": "DELIVERY", "number": 1, "outcome": "DELIVERED", "error": None, "event": {"eventId": "2"}}
        ],
        "parked": None,
    }
    assert (opened["dnsMs"], opened["tlsMs"]) == (None, None)
    assert 0 < opened["connectMs"] + opened["firstByteMs"] <= opened["totalMs"]
    assert (kept["dnsMs"], kept["connectMs"], kept["tlsMs"]) == (None, None, None)
    assert 0 < kept["firstByteMs"] <= kept["totalMs"]
    by_id = (await operator.ask(EXPLAIN, id=id_, eventId=ids[1]))["explainDelivery"]
    assert by_id["attempts"][0].pop("timings") == kept
    assert by_id == second


async def test_a_parked_event_and_its_followers_say_what_they_wait_for(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(FAILS)
    id_ = await subscribed(operator, receiver.url, delivery=LATER)
    await operator.produce(event("1", partitionkey="a"), event("2", partitionkey="a"))
    parked = await explained(operator, id_, "1", "PARKED")
    assert parked["reason"] == "It is parked after one failed attempt. The endpoint answered 500."
    assert (parked["waitsFor"], parked["recorded"]) == ("its next attempt", True)
    assert parked["waitsUntil"] == parked["parked"]["nextAttemptAt"]
    assert parked["parked"]["event"] == {"eventId": "1"}
    behind = await explained(operator, id_, "2", "BEHIND_KEY")
    assert behind["waitsFor"] == "the next attempt at the event at offset 0"
    assert (behind["waitsUntil"], behind["attempts"], behind["parked"]) == (parked["waitsUntil"], [], None)
    assert behind["lane"]["settled"] is True  # it was passed over

    assert await command(operator, "stop", id_) in ("STOPPING", "STOPPED")
    for event_id, verdict_ in (("1", "PARKED"), ("2", "BEHIND_KEY")):
        found = await explain(operator, id_, event_id)
        assert (found["verdict"], found["waitsFor"], found["waitsUntil"]) == (
            *(verdict_, "the subscription to be started"),
            None,
        )


async def test_a_dead_letter_stays_one_after_it_was_removed(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    receiver = await receivers(FAILS)
    id_ = await subscribed(operator, receiver.url, delivery=ONCE)
    await operator.produce(event("1"))
    dead = await explained(operator, id_, "1", "DEAD_LETTERED")
    assert dead["reason"] == "It failed for good and is a dead letter. The endpoint answered 500."
    assert (dead["recorded"], dead["waitsFor"], dead["parked"]["attempts"]) == (True, None, 1)
    await execute(issuer.database, "DELETE FROM parked_events")
    gone = await explain(operator, id_, "1")
    assert (gone["verdict"], gone["recorded"], gone["parked"]) == ("DEAD_LETTERED", False, None)
    assert len(gone["attempts"]) == 1


async def test_the_process_that_sends_knows_what_is_under_way(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    receiver = await receivers(hang())
    id_ = await subscribed(operator, receiver.url)
    await operator.produce(event("1", partitionkey="a"), event("2", partitionkey="a"))
    await receiver.asked(1)
    first, second = await explain(operator, id_, "1"), await explain(operator, id_, "2")
    assert (first["verdict"], first["waitsFor"]) == ("IN_FLIGHT", "the endpoint's answer")
    assert (second["verdict"], second["waitsFor"]) == ("PENDING", "its turn in its lane")
    assert (second["lane"]["unsettledBefore"], second["lane"]["settled"]) == (1, False)
    other = await elsewhere(issuer)
    found = await other.by_names(await caller_of(issuer, operator), 1, "/banenor/tests", "1")
    assert found is not None
    assert found.explanation.verdict is DeliveryVerdict.PENDING


async def test_what_holds_up_the_whole_subscription_is_told(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(answer(b"HTTP/1.1 429 Busy\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n"))
    id_ = await subscribed(operator, receiver.url)
    await operator.produce(event("1"))
    while (found := await explain(operator, id_, "1"))["waitsUntil"] is None:
        pass
    assert (found["verdict"], found["waitsFor"]) == ("PENDING", "the end of a pause that the endpoint asked for")
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["RETRY"]


async def test_the_clause_that_held_an_event_back_is_named(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    id_ = await subscribed(operator, receiver.url, filter={"any": [{"exact": {"subject": "a"}}]})
    await operator.produce(event("1", subject="b"))
    found = await explained(operator, id_, "1", "FILTERED_OUT")
    assert "it does not pass the filter at /any: none of its 1 filters takes the event." in found["reason"]


async def caller_of(issuer: Issuer, partner: Partner) -> Caller:
    return await issuer.authenticator.by_api_key(partner.key)


async def test_a_retry_under_way_is_seen_too(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(FAILS, hang())
    id_ = await subscribed(operator, receiver.url, delivery={"retry": {"delaysSeconds": [0]}})
    await operator.produce(event("1"))
    await receiver.asked(2)
    while (found := await explain(operator, id_, "1"))["parked"] is None:
        assert found["verdict"] == "IN_FLIGHT"
    assert (found["verdict"], found["parked"]["attempts"]) == ("IN_FLIGHT", 1)


async def test_a_stopped_subscription_is_the_reason(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    id_ = await subscribed(operator, receiver.url)
    await reached(operator, id_, "RUNNING")
    await command(operator, "stop", id_)
    await reached(operator, id_, "STOPPED")
    await operator.produce(event("1"))
    found = await explain(operator, id_, "1")
    assert (found["verdict"], found["recorded"]) == ("NOT_RUNNING", True)
    assert found["reason"] == "It has not been sent: the subscription is STOPPED."
    assert found["waitsFor"] == "the subscription to be started"
    assert receiver.requests == []


async def test_a_pin_says_what_it_does_not_take(operator: Partner, receivers: Receivers) -> None:
    await operator.create_type("b.wide", compatibility="NONE")
    await operator.ask(
        "mutation ($i: UpdateEventTypeInput!) { updateEventType(input: $i) { eventType { id } } }",
        i={"eventType": TYPE, "compatibility": "NONE"},
    )
    await register(operator, WIDER)
    receiver = await receivers(TAKES)
    id_ = await subscribed(operator, receiver.url, delivery={"schemaVersion": 1})
    await reached(operator, id_, "RUNNING")
    await operator.produce(event("1", data={"train": "1", "platform": 3}), event("2"))
    await receiver.asked(1)
    found = await explained(operator, id_, "1", "FILTERED_OUT")
    assert found["reason"].startswith(
        "The subscription does not take it: it breaks schema version 1, which is pinned: "
    )
    assert "platform" in found["reason"]
    assert (found["recorded"], found["attempts"]) == (True, [])
    await update(operator, id_, delivery={"schemaVersion": None})  # what was settled under the pin stays so
    await reached(operator, id_, "RUNNING")
    found = await explain(operator, id_, "1")
    assert (found["verdict"], found["recorded"], found["lane"]["settled"]) == ("FILTERED_OUT", True, True)
    assert found["reason"].startswith("It was settled without an attempt")
    assert header(receiver.requests[0], "ce-id") == "2"


async def test_what_the_subscription_never_asked_for(operator: Partner, receivers: Receivers) -> None:
    await operator.create_type("b.other")
    receiver = await receivers(TAKES)
    await operator.produce(event("1"))
    id_ = await subscribed(operator, receiver.url)
    await operator.produce(event("2", type="b.other"))
    before = await explain(operator, id_, "1")
    assert (before["verdict"], before["recorded"], before["waitsFor"]) == ("BEFORE_START", True, None)
    assert before["reason"] == "It is at offset 0; the subscription begins at 1 in this partition."
    other = await explain(operator, id_, "2")
    assert (other["verdict"], other["lane"], other["event"]) == ("NOT_SUBSCRIBED", None, {"eventId": "2"})
    assert other["reason"] == "The subscription does not name the event type b.other."


async def test_an_event_in_quarantine_waits_for_a_decision(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    await operator.create_type("b.held", validation="QUARANTINE")
    receiver = await receivers(TAKES)
    id_ = await subscribed(operator, receiver.url, "b.held")
    await write_outside(issuer, "b.held", {**event("1", type="b.held"), "data": {"train": 1}})
    found = await explained(operator, id_, "1", "QUARANTINED")  # found by looking back: nobody sent it in
    assert (found["verdict"], found["reason"]) == ("QUARANTINED", "It breaks its contract and is held in quarantine.")
    assert found["waitsFor"] == "whoever manages its event type to release or discard it"
    assert found["event"] is None


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"source": "/a"},
        {"cloudEventId": "1"},
        {"eventId": "x", "source": "/a"},
        {"eventId": "x", "source": "/a", "cloudEventId": "1"},
        {"source": "", "cloudEventId": "1"},
        {"source": "a" * 3_000, "cloudEventId": "1"},
    ],
)
async def test_an_event_is_named_in_one_of_two_ways(
    operator: Partner, receivers: Receivers, names: dict[str, str]
) -> None:
    id_ = await subscribed(operator, (await receivers(TAKES)).url)
    with pytest.raises(Refused) as refused:
        await operator.ask(EXPLAIN, id=id_, **names)
    assert refused.value.code == "BAD_USER_INPUT"


async def test_what_is_not_there_is_unknown(operator: Partner, receivers: Receivers) -> None:
    id_ = await subscribed(operator, (await receivers(TAKES)).url)
    (event_id,) = await produced(operator, event("1"))
    await settled(operator, id_)
    found = await explain(operator, id_, "7")
    assert (found["verdict"], found["recorded"], found["lane"], found["event"]) == ("UNKNOWN", False, None, None)
    assert found["reason"].startswith("No event of this source and id was found")
    assert "the newest 5,000 events" in found["reason"]
    for other in ("nonsense", id_):
        found = (await operator.ask(EXPLAIN, id=id_, eventId=other))["explainDelivery"]
        assert (found["verdict"], found["reason"]) == ("UNKNOWN", "The id is that of no event of this log.")
    assert (await operator.ask(EXPLAIN, id="nonsense", eventId=event_id))["explainDelivery"] is None


async def test_only_its_owner_asks(operator: Partner, partners: Partners, receivers: Receivers) -> None:
    id_ = await subscribed(operator, (await receivers(TAKES)).url)
    (event_id,) = await produced(operator, event("1"))
    stranger = await partners.invite("acme", Policy(Action.MANAGE_SUBSCRIPTIONS, EVERYTHING))
    assert (await stranger.ask(EXPLAIN, id=id_, eventId=event_id))["explainDelivery"] is None
    reader = await partners.invite("banenor", Policy(Action.CONSUME, EVERYTHING), principal="reader")
    with pytest.raises(Refused) as refused:
        await reader.ask(EXPLAIN, id=id_, eventId=event_id)
    assert refused.value.code == "FORBIDDEN"


async def revoke(issuer: Issuer, partner: Partner, action: Action) -> None:
    """Takes the grant away, and returns once the server has heard of it."""

    def revoking() -> Work[None]:
        rows = yield Statement(
            "DELETE FROM policies WHERE action = $1 AND principal_id IN "
            "(SELECT id FROM principals WHERE name = $2) RETURNING principal_id",
            (action.value, partner.principal),
        )
        yield from announce(Topic.ACCESS, rows[0][0], system_clock())

    await issuer.database.run(revoking())
    query = "query { viewer { canConsume } webhookSubscriptions(first: 1) { nodes { id } } }"  # that reads and so waits
    while (await partner.ask(query))["viewer"]["canConsume"]:
        pass


async def test_a_revoked_grant_hides_the_event_everywhere(
    operator: Partner, partners: Partners, issuer: Issuer, receivers: Receivers
) -> None:
    granted = [Policy(action, EVERYTHING) for action in (Action.MANAGE_SUBSCRIPTIONS, Action.CONSUME)]
    consumer = await partners.invite("acme", *granted, principal="consumer")
    receiver = await receivers(FAILS)
    id_ = await subscribed(consumer, receiver.url, delivery=LATER)
    (event_id,) = await produced(operator, event("1"))
    await explained(consumer, id_, "1", "PARKED")
    shown = await read(consumer, id_)
    assert shown["attempts"]["nodes"][0]["event"] == {"eventId": "1"}
    assert shown["parkedEvents"]["nodes"][0]["event"] == {"eventId": "1"}

    await revoke(issuer, consumer, Action.CONSUME)
    hidden = await read(consumer, id_)
    assert hidden["attempts"]["nodes"] == [{**shown["attempts"]["nodes"][0], "event": None}]
    assert hidden["parkedEvents"]["nodes"] == [{**shown["parkedEvents"]["nodes"][0], "event": None}]
    found = (await consumer.ask(EXPLAIN, id=id_, eventId=event_id))["explainDelivery"]
    assert (found["verdict"], found["event"], found["parked"]["event"]) == ("NOT_ALLOWED", None, None)
    assert found["reason"] == f"You need a policy for CONSUME on {TYPE} to hear more."
    assert [one["event"] for one in found["attempts"]] == [None]
    assert await verdict(consumer, id_, "1") == "UNKNOWN"  # types that may not be consumed are not searched


async def test_what_was_pruned_is_not_claimed(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    receiver = await receivers(FAILS, TAKES)
    id_ = await subscribed(operator, receiver.url, delivery={"retry": {"delaysSeconds": [0]}})
    await operator.produce(event("1"), event("2"))
    await receiver.asked(3)
    for event_id in ("1", "2"):
        await explained(operator, id_, event_id, "DELIVERED")
    await execute(issuer.database, "DELETE FROM attempts WHERE number = 1 AND outcome = 'RETRY'")
    ((retried,),) = await select(issuer.database, "SELECT log_offset FROM attempts WHERE number = 2")
    caller = await caller_of(issuer, operator)

    async def asked(offset: int, clock: Any, history: AttemptHistory) -> tuple[str, bool]:
        other = await elsewhere(issuer, clock, history)
        found = await other.by_position(caller, 1, (1, offset))
        assert found is not None
        return found.explanation.verdict.value, found.explanation.is_recorded

    def in_a_year() -> Instant:
        return system_clock() + 365 * 24 * 3600 * SECOND_US

    assert await asked(retried, system_clock, A_MONTH) == ("DELIVERED", True)
    assert await asked(retried, in_a_year, A_MONTH) == ("DELIVERED", False)  # the first attempt may be gone, and is
    assert await asked(retried, system_clock, AttemptHistory(30 * 24 * 3600, 2)) == ("DELIVERED", False)
    assert await asked(1 - retried, in_a_year, A_MONTH) == ("DELIVERED", True)  # its first attempt is there
    await execute(issuer.database, "DELETE FROM attempts")
    assert await asked(retried, system_clock, A_MONTH) == ("FILTERED_OUT", True)  # so it would be, had none been made
    assert await asked(retried, in_a_year, A_MONTH) == ("UNKNOWN", False)
    await execute(issuer.database, "DELETE FROM log_records")
    assert await asked(retried, system_clock, A_MONTH) == ("UNKNOWN", False)


async def test_beyond_the_register_an_event_is_looked_for_in_the_log(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    receiver = await receivers(TAKES)
    id_ = await subscribed(operator, receiver.url)
    await operator.produce(event("1"), event("1", source="/elsewhere"))
    await settled(operator, id_)
    await execute(issuer.database, "DELETE FROM dedupe_entries")
    for source, offset in (("/banenor/tests", 0), ("/elsewhere", 1)):
        found = await explain(operator, id_, "1", source)
        assert (found["verdict"], found["lane"]["eventOffset"]) == ("DELIVERED", offset)


@pytest.mark.parametrize("here", [True, False])
async def test_an_event_that_moves_on_is_never_seen_nowhere(
    operator: Partner, issuer: Issuer, receivers: Receivers, here: bool
) -> None:
    """Asked again and again while events of a few keys fail, wait for each other and are delivered in the end."""
    receiver = await receivers(*[FAILS, TAKES, FAILS] * 10, TAKES)
    id_ = await subscribed(operator, receiver.url, delivery={"retry": {"delaysSeconds": [0.02] * 20}})
    await reached(operator, id_, "RUNNING")
    caller = await caller_of(issuer, operator)
    asked = issuer.operations.explaining if here else await elsewhere(issuer)
    count = 30
    await operator.produce(*(event(str(number), partitionkey=str(number % 4)) for number in range(count)))
    seen: set[tuple[str, bool]] = set()
    delivered = 0
    while delivered < count:
        delivered = 0
        for offset in range(count):
            found = await asked.by_position(caller, 1, (1, offset))
            assert found is not None
            seen.add((found.explanation.verdict.value, found.explanation.is_recorded))
            delivered += found.explanation.verdict is DeliveryVerdict.DELIVERED
    moving = {("PENDING", True), ("PARKED", True), ("BEHIND_KEY", True), ("DELIVERED", True)}
    assert seen <= moving | ({("IN_FLIGHT", True)} if here else set())
    assert (await read(operator, id_))["lag"]["events"] == 0
