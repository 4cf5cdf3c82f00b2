"""Events as HTTP messages (HTTP binding 1.0.2): exact header lines and bodies."""

import json
import re
from urllib.parse import unquote

import pytest
from hypothesis import given

from event_issuer.domain.events import CloudEvent
from event_issuer.domain.http_binding import Wire, binary, outgoing, structured
from event_issuer.domain.json_format import event_from_json, json_format
from tests.domain.examples import ATTRIBUTES, event, json_events

STRUCTURED = b"content-type: application/cloudevents+json; charset=utf-8\r\n"
HEAD = (
    b"ce-specversion: 1.0\r\nce-id: 7f3a\r\nce-source: /banenor/tios\r\n"
    b"ce-type: cloud.open.operational.train-arrived.v1\r\n"
)


def test_json_data_is_the_body_and_its_type_is_made_explicit() -> None:
    sent = event(time="2026-03-01T12:34:56.1234567+01:00", partitionkey="4711", data={"a": [1, None]})
    assert outgoing(sent) == Wire(
        HEAD + b"ce-time: 2026-03-01T12:34:56.1234567+01:00\r\nce-partitionkey: 4711\r\n"
        b"content-type: application/json\r\n",
        b'{"a":[1,null]}',
    )


def test_text_goes_under_its_own_type() -> None:
    sent = event(datacontenttype="text/xml; charset=utf-8", data="<tog>å</tog>")
    assert outgoing(sent) == Wire(HEAD + b"content-type: text/xml; charset=utf-8\r\n", "<tog>å</tog>".encode())


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("Euro € \U0001f600", "Euro%20%E2%82%AC%20%F0%9F%98%80"),  # the example of §3.1.3.2
        ('"quoted" 100%', "%22quoted%22%20100%25"),
        (" ", "%20"),
        ("", ""),
        ("!#$&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~", "!#$&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~"),
        ("\u00a0", "%C2%A0"),
        ("%41", "%2541"),
    ],
)
def test_header_values_are_percent_encoded(value: str, encoded: str) -> None:
    head = outgoing(event(ext=value, data=1)).head
    assert head == HEAD + f"ce-ext: {encoded}\r\n".encode() + b"content-type: application/json\r\n"
    assert unquote(encoded) == value


@pytest.mark.parametrize(
    ("others", "body"),
    [
        ({}, {}),
        ({"datacontenttype": "text/plain", "data": ""}, {"datacontenttype": "text/plain", "data": ""}),
        (
            {"datacontenttype": "image/png", "data_base64": "AP/+ew=="},
            {"datacontenttype": "image/png", "data_base64": "AP/+ew=="},
        ),
        (
            {"datacontenttype": "application/CloudEvents+json", "data": {"id": "inner"}},
            {"datacontenttype": "application/CloudEvents+json", "data": {"id": "inner"}},
        ),
        (
            {"datacontenttype": "application/cloudevents-batch+json; charset=utf-8", "data": []},
            {"datacontenttype": "application/cloudevents-batch+json; charset=utf-8", "data": []},
        ),
    ],
)
def test_what_binary_mode_cannot_carry_goes_structured(others: dict[str, object], body: dict[str, object]) -> None:
    sent = outgoing(event(**others))
    assert sent == structured(event(**others))
    assert sent.head == STRUCTURED
    assert json.loads(sent.body) == ATTRIBUTES | body


def test_falsy_json_data_goes_binary() -> None:
    for value, body in [(None, b"null"), (False, b"false"), (0, b"0"), ("", b'""')]:
        assert outgoing(event(data=value)).body == body


def test_the_json_format_is_exact() -> None:
    sent = event(severity=3, ext='Blå "100 %"', data={"b": 1e2, "a": 2})
    assert json_format(sent) == (
        b'{"specversion":"1.0","id":"7f3a","source":"/banenor/tios","type":"cloud.open.operational.train-arrived.v1",'
        b'"severity":"3","ext":"Bl\xc3\xa5 \\"100 %\\"","data":{"b":100.0,"a":2}}'
    )


def test_json_data_is_embedded_as_the_bytes_it_came_in() -> None:
    raw = b'{ "price": 10.00, "big": 12345678901234567890.123 }'
    assert json_format(CloudEvent(dict(ATTRIBUTES), raw)).endswith(b',"data":' + raw + b"}")


HEADER = re.compile(rb"((?:ce-)?[a-z0-9-]+): ([!-~](?:[ -~]*[!-~])?)?\r\n")


@given(json_events())
def test_every_header_is_safe_and_decodes_to_its_attribute(value: dict[str, object]) -> None:
    sent, _ = event_from_json(value)
    head, body = binary(sent, b"{}")
    lines = HEADER.findall(head)
    assert b"".join(b"%b: %b\r\n" % line for line in lines) == head
    decoded = {name.decode(): unquote(text.decode()) for name, text in lines}
    assert decoded.pop("content-type") == sent.attributes.get("datacontenttype", "application/json")
    expected = {f"ce-{name}": text for name, text in sent.attributes.items() if name != "datacontenttype"}
    assert (decoded, body) == (expected, b"{}")
