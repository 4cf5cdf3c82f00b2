"""Content modes through the API, with real endpoints: what arrives is a valid message, and signed."""

import json
from collections.abc import Mapping

from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook

from tests.api.partners import TYPE, Partner, event
from tests.api.webhooks import TAKES, body, header, reached, settled, update
from tests.egress.receiver import Receivers

NONE = {"verification": "NONE"}
STRUCTURED = "application/cloudevents+json; charset=utf-8"


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
