"""An owner retries and discards what failed: through the API, with real endpoints."""

from typing import Any

import pytest

from event_issuer.db.work import Statement
from event_issuer.domain.access import Action, Policy
from tests.api.partners import Partner, Partners, Refused, event
from tests.api.webhooks import TAKES, command, header, reached, read, settled
from tests.egress.receiver import Receiver, Receivers, answer

OOPS = answer(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
NO = answer(b"HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n")
IN_A_DAY = {"retry": {"delaysSeconds": [86_400.0]}}
NEVER: dict[str, Any] = {"retry": {"delaysSeconds": []}}


async def decide(partner: Partner, what: str, id_: str, **selection: object) -> int:
    query = f"mutation ($input: ParkedSelectionInput!) {{ {what}ParkedEvents(input: $input) {{ count }} }}"
    answered = await partner.ask(query, input={"webhookSubscriptionId": id_, "selection": selection})
    count: int = answered[f"{what}ParkedEvents"]["count"]
    return count


async def subscribed(operator: Partner, receiver: Receiver, **delivery: object) -> str:
    await operator.create_type()
    made = await operator.subscribe(receiver.url, verification="NONE", delivery=delivery)
    id_: str = made["webhookSubscription"]["id"]
    return id_


async def parked_of(operator: Partner, id_: str) -> list[Any]:
    nodes: list[Any] = (await read(operator, id_))["parkedEvents"]["nodes"]
    return nodes


def ids_at(receiver: Receiver) -> list[str | None]:
    return [header(request, "ce-id") for request in receiver.requests]


async def test_a_head_is_retried_before_its_followers(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(OOPS, TAKES)
    id_ = await subscribed(operator, receiver, **IN_A_DAY)
    await operator.produce(event("1", partitionkey="k"), event("2", partitionkey="k"), event("3", partitionkey="k"))
    await settled(operator, id_)
    assert ids_at(receiver) == ["1"]
    (head,) = await parked_of(operator, id_)
    assert await decide(operator, "retry", id_, ids=[head["id"]]) == 1
    await receiver.asked(4)
    assert ids_at(receiver) == ["1", "1", "2", "3"]


async def test_discarding_a_head_lets_its_key_go_on(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(OOPS, TAKES)
    id_ = await subscribed(operator, receiver, **IN_A_DAY)
    await operator.produce(event("1", partitionkey="k"), event("2", partitionkey="k"))
    await settled(operator, id_)
    assert await decide(operator, "discard", id_, all=True) == 1
    await receiver.asked(2)
    assert ids_at(receiver) == ["1", "2"]
    while await parked_of(operator, id_):
        pass


async def test_dead_letters_are_retried_with_a_new_budget(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(NO, NO, TAKES)
    id_ = await subscribed(operator, receiver, **NEVER)
    await operator.produce(event("1"), event("2", partitionkey="k"))
    while (await read(operator, id_))["lag"]["deadLettered"] < 2:
        pass
    assert await decide(operator, "retry", id_, deadLettered=True) == 2
    await receiver.asked(4)
    assert sorted(map(str, ids_at(receiver)[2:])) == ["1", "2"]
    while await parked_of(operator, id_):
        pass
    assert [node["number"] for node in (await read(operator, id_))["attempts"]["nodes"]] == [1, 1, 1, 1]


async def test_discarding_dead_letters_leaves_those_that_wait(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(NO)
    id_ = await subscribed(operator, receiver, retry={"delaysSeconds": [86_400.0], "refusedAttemptsMax": 1})
    await operator.produce(event("1"))
    while (await read(operator, id_))["lag"]["deadLettered"] < 1:
        pass
    assert await decide(operator, "discard", id_, deadLettered=True) == 1
    assert await decide(operator, "discard", id_, deadLettered=True) == 0
    assert await parked_of(operator, id_) == []


async def test_a_key_that_a_dead_letter_holds_is_the_owner_s_to_release(
    operator: Partner, receivers: Receivers
) -> None:
    receiver = await receivers(NO, NO, TAKES)
    id_ = await subscribed(operator, receiver, onDeadLetter="HOLD_KEY", **NEVER)
    await operator.produce(event("1", partitionkey="k"), event("2", partitionkey="k"), event("3", partitionkey="k"))
    await settled(operator, id_)
    (held,) = await parked_of(operator, id_)
    assert (held["followersWaiting"], held["deadLetteredAt"] is None) == (True, False)
    assert await decide(operator, "retry", id_, ids=[held["id"]]) == 1
    await receiver.asked(2)
    while (await read(operator, id_))["lag"]["deadLettered"] < 1:
        pass
    assert await decide(operator, "discard", id_, deadLettered=True) == 1
    await receiver.asked(4)
    assert ids_at(receiver) == ["1", "1", "2", "3"]


async def test_a_stopped_subscription_does_it_when_it_starts(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(OOPS, TAKES)
    id_ = await subscribed(operator, receiver, **IN_A_DAY)
    await operator.produce(event("1"))
    await settled(operator, id_)
    await command(operator, "stop", id_)
    await reached(operator, id_, "STOPPED")
    assert await decide(operator, "retry", id_, all=True) == 1
    assert len(receiver.requests) == 1
    await command(operator, "start", id_)
    await receiver.asked(2)
    assert ids_at(receiver) == ["1", "1"]


@pytest.mark.parametrize(
    ("selection", "refusal"),
    [
        ({"all": False}, "BAD_USER_INPUT: Name the events, or select deadLettered: true or all: true."),
        ({"ids": ["UGFya2VkRXZlbnQ6eDp5"]}, "NOT_FOUND: 'UGFya2VkRXZlbnQ6eDp5' is no id of a ParkedEvent."),
        ({"ids": ["UGFya2VkRXZlbnQ6MTox"] * 1001}, "BAD_USER_INPUT: Select at most 1000 events at a time, not 1001."),
    ],
)
async def test_a_bad_selection_is_refused(
    operator: Partner, receivers: Receivers, selection: dict[str, Any], refusal: str
) -> None:
    receiver = await receivers(OOPS)
    id_ = await subscribed(operator, receiver, **IN_A_DAY)
    await operator.produce(event("1"))
    before = (await settled(operator, id_))["parkedEvents"]
    for what in ("retry", "discard"):
        with pytest.raises(Refused) as refused:
            await decide(operator, what, id_, **selection)
        assert str(refused.value) == refusal
    assert (await read(operator, id_))["parkedEvents"] == before


async def test_a_foreign_subscription_s_events_are_out_of_reach(
    partners: Partners, operator: Partner, receivers: Receivers
) -> None:
    receiver = await receivers(OOPS)
    id_ = await subscribed(operator, receiver, **IN_A_DAY)
    await operator.produce(event("1"))
    before = (await settled(operator, id_))["parkedEvents"]
    other = await partners.invite("acme", Policy(Action.MANAGE_SUBSCRIPTIONS, "*"))
    reader = await partners.invite("acme", Policy(Action.CONSUME, "*"), principal="reader")
    for what in ("retry", "discard"):
        with pytest.raises(Refused, match="NOT_FOUND: There is no such subscription"):
            await decide(other, what, id_, all=True)
        with pytest.raises(Refused, match="FORBIDDEN"):
            await decide(reader, what, id_, all=True)
    assert (await read(operator, id_))["parkedEvents"] == before


async def test_it_is_audited(partners: Partners, operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(OOPS)
    id_ = await subscribed(operator, receiver, **IN_A_DAY)
    await operator.produce(event("1"))
    await settled(operator, id_)
    await decide(operator, "discard", id_, all=True)
    rows = await partners.issuer.database.read(
        Statement("SELECT action, detail FROM audit_entries ORDER BY id DESC LIMIT 1")
    )
    assert [tuple(row) for row in rows] == [("discard parked events", '{"count": 1}')]
