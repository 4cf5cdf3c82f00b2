"""Content modes through the API, with real endpoints: what arrives is a valid message, and signed."""

import json
from collections.abc import Mapping

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook

from tests.api.partners import TYPE, Partner, Refused, event
from tests.api.webhooks import TAKES, body, header, reached, settled, update
from tests.egress.receiver import Receivers

NONE = {"verification": "NONE"}
STRUCTURED = "application/cloudevents+json; charset=utf-8"
BATCHED = "application/cloudevents-batch+json; charset=utf-8"
SETTINGS = """query ($id: ID!) { webhookSubscription(id: $id) {
  contentMode ordering delivery { maxInFlight batch { maxEvents maxBytes maxWaitSeconds } } } }"""


def verified(request: bytes, made: Mapping[str, Mapping[str, str]]) -> object:
    """The body as JSON, once its signature is found to be right."""
    signed = {name: header(request, name) or "" for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    return Webhook(made["signingSecret"]["secret"]).verify(body(request), signed)


async def test_structured_events_are_read_by_the_official_sdk(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    await operator.create_type()
    made = await operator.subscribe(receiver.url, contentMode="STRUCTURED", **NONE)
    assert made["webhookSubscription"]["contentMode"] == "STRUCTURED"
    await operator.produce(event("1", partitionkey="ä"))
    await receiver.asked(1)
    (request,) = receiver.requests
    assert header(request, "content-type") == STRUCTURED
    assert header(request, "ce-id") is None
    assert verified(request, made) == event("1", partitionkey="ä")
    read = from_http_event(HTTPMessage(headers={"content-type": STRUCTURED}, body=body(request)))
    assert (read.get_id(), read.get_type(), read.get_extension("partitionkey")) == ("1", TYPE, "ä")
    assert read.get_data() == {"train": "4521"}


async def test_the_content_mode_changes_while_running(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    await operator.create_type()
    id_ = (await operator.subscribe(receiver.url, **NONE))["webhookSubscription"]["id"]
    await operator.produce(event("1"))
    await settled(operator, id_)
    await reached(operator, id_, "RUNNING")
    assert (await update(operator, id_, contentMode="STRUCTURED"))["contentMode"] == "STRUCTURED"
    await operator.produce(event("2"))
    await settled(operator, id_)
    assert [header(request, "ce-id") for request in receiver.requests] == ["1", None]
    assert json.loads(body(receiver.requests[1]))["id"] == "2"


async def test_a_batch_arrives_as_one_signed_request_and_each_event_is_read_by_the_official_sdk(
    operator: Partner, receivers: Receivers
) -> None:
    receiver = await receivers(TAKES)
    await operator.create_type()
    batch = {"maxEvents": 3, "maxWaitSeconds": 60}
    made = await operator.subscribe(receiver.url, contentMode="BATCH", delivery={"batch": batch}, **NONE)
    sent = [event(str(number), partitionkey="k") for number in range(6)]
    await operator.produce(*sent)
    await receiver.asked(2)
    found = await settled(operator, made["webhookSubscription"]["id"])
    assert [verified(request, made) for request in receiver.requests] == [sent[:3], sent[3:]]
    assert [header(request, "content-type") for request in receiver.requests] == [BATCHED] * 2
    assert len({header(request, "webhook-id") for request in receiver.requests}) == 2
    for member, original in zip(json.loads(body(receiver.requests[0])), sent[:3], strict=True):
        message = HTTPMessage(headers={"content-type": STRUCTURED}, body=json.dumps(member).encode())
        read_back = from_http_event(message)
        assert (read_back.get_id(), read_back.get_data()) == (original["id"], original["data"])
    assert [(one["number"], one["outcome"]) for one in found["attempts"]["nodes"]] == [(1, "DELIVERED")] * 2


async def test_an_event_without_company_goes_when_it_has_waited(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    await operator.create_type()
    batch = {"maxEvents": 500, "maxWaitSeconds": 0.2}
    await operator.subscribe(receiver.url, contentMode="BATCH", delivery={"batch": batch}, **NONE)
    for number in range(2):  # the second time the lane has long been at the head
        await operator.produce(event(str(number)))
        await receiver.asked(number + 1)
        assert [one["id"] for one in json.loads(body(receiver.requests[number]))] == [str(number)]


async def test_settings_of_batches_are_shown_while_there_are_batches(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    await operator.create_type()
    id_ = (await operator.subscribe(receiver.url, **NONE))["webhookSubscription"]["id"]

    async def shown() -> object:
        return (await operator.ask(SETTINGS, id=id_))["webhookSubscription"]["delivery"]["batch"]

    assert await shown() is None
    await update(operator, id_, contentMode="BATCH")
    assert await shown() == {"maxEvents": 100, "maxBytes": 262144, "maxWaitSeconds": 1.0}
    await update(operator, id_, delivery={"batch": {"maxEvents": 7, "maxWaitSeconds": 0.5}})
    await update(operator, id_, delivery={"batch": {"maxWaitSeconds": None}})
    assert await shown() == {"maxEvents": 7, "maxBytes": 262144, "maxWaitSeconds": 1.0}
    await update(operator, id_, delivery={"batch": None})
    assert await shown() == {"maxEvents": 100, "maxBytes": 262144, "maxWaitSeconds": 1.0}
    await update(operator, id_, contentMode="STRUCTURED", delivery={"batch": None})
    assert await shown() is None


WITHOUT_BATCH = "delivery.batch is for contentMode BATCH; here it is {}. Leave delivery.batch out."
STRICT = "Ordering STRICT sends one event after the other, contentMode BATCH many together; use PER_KEY or NONE."


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"delivery": {"batch": {"maxEvents": 5}}}, WITHOUT_BATCH.format("BINARY")),
        ({"contentMode": "STRUCTURED", "delivery": {"batch": {"maxBytes": 5000}}}, WITHOUT_BATCH.format("STRUCTURED")),
        ({"contentMode": "BATCH", "ordering": "STRICT"}, STRICT),
        ({"contentMode": "BATCH", "delivery": {"batch": {"maxEvents": 501}}}, "batch.maxEvents is 1 to 500, not 501."),
        (
            {"contentMode": "BATCH", "delivery": {"batch": {"maxBytes": 1023}}},
            "batch.maxBytes is 1024 to 1048576, not 1023.",
        ),
        (
            {"contentMode": "BATCH", "delivery": {"batch": {"maxWaitSeconds": 61}}},
            "batch.maxWaitSeconds is 0 to 60.0, not 61.0.",
        ),
    ],
)
async def test_what_does_not_go_together_is_refused(operator: Partner, spec: dict[str, object], message: str) -> None:
    await operator.create_type()
    with pytest.raises(Refused) as refused:
        await operator.subscribe("http://127.0.0.1:9/hook", **NONE, **spec)
    assert (refused.value.code, refused.value.message) == ("BAD_USER_INPUT", message)
    listed = await operator.ask("{ webhookSubscriptions { nodes { id } } }")
    assert listed["webhookSubscriptions"]["nodes"] == []


@pytest.mark.parametrize(
    ("begin", "change", "message"),
    [
        ({}, {"delivery": {"batch": {"maxEvents": 5}}}, WITHOUT_BATCH.format("BINARY")),
        ({"contentMode": "BATCH"}, {"ordering": "STRICT"}, STRICT),
        ({"ordering": "STRICT"}, {"contentMode": "BATCH"}, STRICT),
        (
            {"contentMode": "BATCH"},
            {"contentMode": "BINARY", "delivery": {"batch": {"maxEvents": 5}}},
            WITHOUT_BATCH.format("BINARY"),
        ),
    ],
)
async def test_a_change_to_what_does_not_go_together_is_refused(
    operator: Partner, begin: dict[str, object], change: dict[str, object], message: str
) -> None:
    await operator.create_type()
    id_ = (await operator.subscribe("http://127.0.0.1:9/hook", **begin))["webhookSubscription"]["id"]
    before = await operator.ask(SETTINGS, id=id_)
    with pytest.raises(Refused) as refused:
        await update(operator, id_, **change)
    assert (refused.value.code, refused.value.message) == ("BAD_USER_INPUT", message)
    assert await operator.ask(SETTINGS, id=id_) == before
