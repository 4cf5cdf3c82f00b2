"""Subscriptions pinned to a schema version, through the API: what they get, and which pins are refused."""

from typing import Any

import pytest

from event_issuer.app import Issuer
from tests.api.partners import TYPE, Partner, Refused, event
from tests.api.test_schemas import WIDER, register
from tests.api.webhooks import AGREES, TAKES, header, reached, settled
from tests.db.rows import select
from tests.egress.receiver import Receivers

READ = """query ($id: ID!) { webhookSubscription(id: $id) {
  eventTypes status delivery { schemaVersion maxInFlight } lag { events filtered lastFiltered } } }"""
UPDATE = """mutation ($input: UpdateWebhookSubscriptionInput!) { updateWebhookSubscription(input: $input) {
  webhookSubscription { delivery { schemaVersion } } } }"""
DELIVERY = "SELECT delivery, settings_version FROM subscriptions"
URL = "http://127.0.0.1:9/hook"
PLATFORM = {"train": "1", "platform": 3}  # what the first version refuses


async def read(partner: Partner, id_: str) -> Any:
    return (await partner.ask(READ, id=id_))["webhookSubscription"]


async def pin(partner: Partner, id_: str, version: int | None, **more: object) -> Any:
    given = {"id": id_, "delivery": {"schemaVersion": version}, **more}
    answer = await partner.ask(UPDATE, input=given)
    return answer["updateWebhookSubscription"]["webhookSubscription"]["delivery"]


@pytest.fixture(autouse=True)
async def two_versions(operator: Partner) -> None:
    """The second one takes more."""
    await operator.create_type(compatibility="NONE")
    await operator.create_type("a.single")
    await register(operator, WIDER)


async def test_a_pinned_subscription_gets_what_keeps_its_version(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(AGREES, TAKES)
    made = await operator.subscribe(receiver.url, delivery={"schemaVersion": 1})
    id_ = made["webhookSubscription"]["id"]
    await reached(operator, id_, "RUNNING")
    first = {"dataschema": f"https://events.example.com/v1/schemas/{TYPE}/1"}
    sent = [event("1", data=PLATFORM), event("2"), event("3", data=PLATFORM), event("4", **first)]
    assert (await operator.produce(*sent))["persisted"] == 4
    await settled(operator, id_)
    assert sorted(str(header(request, "ce-id")) for request in receiver.requests[1:]) == ["2", "4"]
    assert await read(operator, id_) == {
        "eventTypes": [TYPE],
        "status": "RUNNING",
        "delivery": {"schemaVersion": 1, "maxInFlight": 16},
        "lag": {"events": 0, "filtered": 2, "lastFiltered": "The event at offset 2 breaks schema version 1."},
    }
    assert await pin(operator, id_, None) == {"schemaVersion": None}
    await reached(operator, id_, "RUNNING")  # its lanes are opened again, without the pin
    await operator.produce(event("5", data=PLATFORM))
    await receiver.asked(4)
    assert header(receiver.requests[-1], "ce-id") == "5"
    assert (await read(operator, id_))["lag"]["filtered"] == 2


async def test_a_pin_stays_as_it_is_when_other_things_change(operator: Partner) -> None:
    id_ = (await operator.subscribe(URL, delivery={"schemaVersion": 2}))["webhookSubscription"]["id"]
    await operator.ask(UPDATE, input={"id": id_, "delivery": {"maxInFlight": 3}})
    assert (await read(operator, id_))["delivery"] == {"schemaVersion": 2, "maxInFlight": 3}
    await operator.ask(UPDATE, input={"id": id_, "delivery": None})
    assert (await read(operator, id_))["delivery"] == {"schemaVersion": None, "maxInFlight": 16}


@pytest.mark.parametrize(
    ("types", "version", "message"),
    [
        ([TYPE], 3, f"The event type {TYPE} has no schema version 3."),
        ([TYPE, "a.single"], 2, "The event type a.single has no schema version 2."),
        ([TYPE], 0, "Schema versions are numbered from 1, so that there is no 0."),
    ],
)
async def test_a_version_that_is_not_there_cannot_be_pinned(
    operator: Partner, issuer: Issuer, types: list[str], version: int, message: str
) -> None:
    with pytest.raises(Refused) as refused:
        await operator.subscribe(URL, *types, delivery={"schemaVersion": version})
    assert (refused.value.code, refused.value.message) == ("BAD_USER_INPUT", message)
    assert await select(issuer.database, DELIVERY) == []
    id_ = (await operator.subscribe(URL, *types))["webhookSubscription"]["id"]
    before = await select(issuer.database, DELIVERY)
    with pytest.raises(Refused) as refused:
        await pin(operator, id_, version)
    assert (refused.value.code, refused.value.message) == ("BAD_USER_INPUT", message)
    assert await select(issuer.database, DELIVERY) == before


async def test_a_type_without_the_pinned_version_cannot_be_added(operator: Partner, issuer: Issuer) -> None:
    id_ = (await operator.subscribe(URL, delivery={"schemaVersion": 2}))["webhookSubscription"]["id"]
    before = await select(issuer.database, DELIVERY)
    with pytest.raises(Refused, match=r"BAD_USER_INPUT: The event type a\.single has no schema version 2\."):
        await operator.ask(UPDATE, input={"id": id_, "eventTypes": [TYPE, "a.single"]})
    assert await select(issuer.database, DELIVERY) == before
    assert (await read(operator, id_))["eventTypes"] == [TYPE]
    assert await pin(operator, id_, 1, eventTypes=[TYPE, "a.single"]) == {"schemaVersion": 1}
