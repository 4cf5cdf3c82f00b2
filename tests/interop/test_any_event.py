"""The Python SDK reads what we write, whatever stands in the event, in binary and in structured mode."""

from datetime import datetime

import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event, from_structured_event
from hypothesis import given

from event_issuer.domain.events import CloudEvent
from event_issuer.domain.http_binding import Wire, outgoing, structured
from event_issuer.domain.json_format import event_from_json
from tests.domain.examples import event, json_events
from tests.interop.messages import message_of_wire

TIME = "2026-03-01T12:34:56.123456+01:00"  # the SDK invents a time where an event has none


def message(wire: Wire) -> HTTPMessage:
    sent = message_of_wire(wire)
    return HTTPMessage(dict(sent.headers), sent.body)


def expected_data(sent: CloudEvent, document: object) -> object:
    """What the SDK makes of data: JSON parsed, else text where it can."""
    if sent.data is None or sent.has_json_data:
        return document
    try:
        return sent.data.decode()
    except UnicodeDecodeError:
        return sent.data


def assert_same(received: BaseCloudEvent, sent: CloudEvent, document: object, *, explicit_type: bool) -> None:
    attributes: dict[str, object] = dict(sent.attributes)
    attributes["time"] = datetime.fromisoformat(sent.attributes["time"])
    if explicit_type:
        attributes.setdefault("datacontenttype", "application/json")
    assert received.get_attributes() == attributes
    assert received.get_data() == expected_data(sent, document)


@given(json_events())
def test_the_sdk_reads_what_goes_out(value: dict[str, object]) -> None:
    sent, document = event_from_json(value | {"time": TIME})
    wire = outgoing(sent)
    is_binary = wire.head.startswith(b"ce-")
    assert_same(from_http_event(message(wire)), sent, document, explicit_type=is_binary)


@given(json_events())
def test_the_sdk_reads_structured_mode(value: dict[str, object]) -> None:
    sent, document = event_from_json(value | {"time": TIME})
    assert_same(from_structured_event(message(structured(sent))), sent, document, explicit_type=False)


@pytest.mark.parametrize("text", ["Euro € \U0001f600", '100 % "ja"', "Å bu", "%41", "a+b", " x ", "\u00a0\u2028"])
def test_the_sdk_decodes_what_headers_cannot_hold(text: str) -> None:
    received = from_http_event(message(outgoing(event(time=TIME, id=text, subject=text, ext=text, data={"æ": text}))))
    assert (received.get_id(), received.get_subject(), received.get_extension("ext")) == (text, text, text)
    assert received.get_data() == {"æ": text}


def test_the_sdk_gets_the_inner_event_of_an_event() -> None:
    inner = {"specversion": "1.0", "id": "inner", "source": "/x", "type": "y"}
    sent = event(time=TIME, datacontenttype="application/cloudevents+json", data=inner)
    received = from_http_event(message(outgoing(sent)))
    assert received.get_id() == sent.id
    assert received.get_data() == inner
