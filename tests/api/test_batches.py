"""Batches through the API, with real endpoints: their attempts, and what is told of each event that was in one."""

from collections.abc import Sequence

import pytest

from event_issuer.app import Issuer
from tests.api.explanations import explain, explained
from tests.api.partners import Partner, event
from tests.api.webhooks import TAKES, read, settled
from tests.db.rows import execute, select
from tests.egress.receiver import Receivers, answer

FAILS = answer(b"HTTP/1.1 500 No\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno")
REFUSES = answer(b"HTTP/1.1 422 No\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nno: 2")
LATER = {"retry": {"delaysSeconds": [3600]}, "batch": {"maxEvents": 3, "maxWaitSeconds": 0}}
ATTEMPTS = """query ($id: ID!, $filter: AttemptFilter, $first: Int, $after: String) { webhookSubscription(id: $id) {
  attempts(filter: $filter) { nodes { outcome eventCount event { eventId }
    events(first: $first, after: $after) { nodes { eventId } pageInfo { hasNextPage endCursor } } } } } }"""
EXPUNGE = """mutation ($id: ID!) {
  expungeEvent(input: {id: $id, reason: "A name was in it."}) { excerptsRemoved } }"""


@pytest.fixture(autouse=True)
async def event_type(operator: Partner) -> None:
    await operator.create_type()


async def subscribed(operator: Partner, url: str, delivery: object = LATER, **more: object) -> str:
    made = await operator.subscribe(url, contentMode="BATCH", delivery=delivery, verification="NONE", **more)
    return str(made["webhookSubscription"]["id"])


async def produced(operator: Partner, *ids: str, **more: object) -> list[str]:
    """Their global ids."""
    events = [event(id_, **more) for id_ in ids]
    return [one["event"]["id"] for one in (await operator.produce(*events))["results"]]


async def attempts(operator: Partner, id_: str, **variables: object) -> Sequence[dict[str, object]]:
    found = await operator.ask(ATTEMPTS, id=id_, **variables)
    nodes: Sequence[dict[str, object]] = found["webhookSubscription"]["attempts"]["nodes"]
    return nodes


async def test_an_attempt_tells_the_events_it_carried_a_page_at_a_time(operator: Partner, receivers: Receivers) -> None:
    id_ = await subscribed(operator, (await receivers(TAKES)).url)
    await produced(operator, "1", "2", "3")
    await settled(operator, id_)
    (one,) = await attempts(operator, id_, first=2)
    after = one["events"]["pageInfo"]["endCursor"]  # type: ignore[index]
    assert one == {
        "outcome": "DELIVERED",
        "eventCount": 3,
        "event": {"eventId": "1"},
        "events": {
            "nodes": [{"eventId": "1"}, {"eventId": "2"}],
            "pageInfo": {"hasNextPage": True, "endCursor": after},
        },
    }
    (one,) = await attempts(operator, id_, first=2, after=after)
    assert one["events"]["nodes"] == [{"eventId": "3"}]  # type: ignore[index]
    assert one["events"]["pageInfo"]["hasNextPage"] is False  # type: ignore[index]


async def test_attempts_at_a_batch_are_found_by_each_of_its_events(operator: Partner, receivers: Receivers) -> None:
    id_ = await subscribed(operator, (await receivers(TAKES)).url)
    ids = await produced(operator, "1", "2", "3", "4")
    await settled(operator, id_)
    counts = [[one["eventCount"] for one in await attempts(operator, id_, filter={"event": one})] for one in ids]
    assert counts == [[3], [3], [3], [1]]


async def test_each_event_of_a_batch_is_explained(operator: Partner, receivers: Receivers) -> None:
    id_ = await subscribed(operator, (await receivers(FAILS)).url)
    await produced(operator, "1", "2", "3", partitionkey="a")
    await produced(operator, "4", partitionkey="a")
    for event_id in ("1", "2", "3"):
        found = await explained(operator, id_, event_id, "PARKED")
        assert found["reason"] == (
            "It is parked after one failed attempt, with 2 others of its batch. The endpoint answered 500."
        )
        assert [(one["number"], one["outcome"]) for one in found["attempts"]] == [(1, "RETRY")]
        assert found["parked"]["event"] == {"eventId": event_id}
        assert (found["recorded"], found["waitsFor"]) == (True, "its next attempt")
    behind = await explained(operator, id_, "4", "BEHIND_KEY")
    assert behind["waitsFor"] == "the next attempt at the event at offset 0"


async def test_a_refused_batch_shows_who_was_guilty(operator: Partner, receivers: Receivers) -> None:
    """The answers: no to both, yes to the first alone, no to the second alone."""
    delivery = {"retry": {"refusedAttemptsMax": 1}, "batch": {"maxEvents": 2, "maxWaitSeconds": 0}}
    id_ = await subscribed(operator, (await receivers(REFUSES, TAKES, REFUSES)).url, delivery)
    await produced(operator, "1", "2")
    await settled(operator, id_)
    innocent, guilty = await explain(operator, id_, "1"), await explain(operator, id_, "2")
    assert (innocent["verdict"], guilty["verdict"]) == ("DELIVERED", "DEAD_LETTERED")
    assert [one["outcome"] for one in innocent["attempts"]] == ["REFUSED", "DELIVERED"]
    assert [one["outcome"] for one in guilty["attempts"]] == ["REFUSED", "REFUSED"]
    assert [one["eventCount"] for one in await attempts(operator, id_)] == [2, 1, 1]
    lag = (await read(operator, id_))["lag"]
    assert (lag["parked"], lag["deadLettered"]) == (0, 1)


async def test_expunging_takes_what_was_answered_to_the_batch(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    id_ = await subscribed(operator, (await receivers(FAILS)).url)
    ids = await produced(operator, "1", "2", "3")
    await explained(operator, id_, "2", "PARKED")
    await execute(issuer.database, "UPDATE subscriptions SET status = 'STOPPED'")
    assert await select(issuer.database, "SELECT response_excerpt FROM attempts") == [("no",)]
    removed = await operator.ask(EXPUNGE, id=ids[1])
    assert removed["expungeEvent"]["excerptsRemoved"] == 1
    assert await select(issuer.database, "SELECT response_excerpt FROM attempts") == [(None,)]
