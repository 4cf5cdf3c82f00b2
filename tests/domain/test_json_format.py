"""Events as text in the JSON event format: read as their parsed values are, but for what text alone can show."""

import json

import pytest
from hypothesis import given
from msgspec import Raw

from event_issuer.domain.errors import BadInput
from event_issuer.domain.json_format import event_from_json, event_from_text, json_format, read_event
from tests.domain.examples import MEMBERS, json_events, members


def refused(text: bytes) -> BadInput:
    with pytest.raises(BadInput) as raised:
        event_from_text(text)
    return raised.value


@given(json_events())
def test_text_is_read_as_its_values_are(value: dict[str, object]) -> None:
    for text in (json.dumps(value), json.dumps(value, indent=2), json.dumps(value, separators=(",", ":"))):
        read, document = read_event(Raw(text.encode()))
        expected, expected_document = event_from_json(value)
        assert read.attributes == expected.attributes
        assert document == expected_document
        assert (read.data is None) == (expected.data is None)


@given(json_events())
def test_an_event_survives_its_text(value: dict[str, object]) -> None:
    text = json_format(event_from_json(value)[0])
    assert json_format(event_from_text(text)[0]) == text


@pytest.mark.parametrize("data", [b'{ "a" : 1e2 }', b"[1.50, 12345678901234567890123]", b'"\\u00e5"', b"null", b"0"])
def test_json_data_stays_the_bytes_that_were_written(data: bytes) -> None:
    head = json.dumps(MEMBERS).encode()[:-1]
    assert event_from_text(head + b', "data": ' + data + b" }")[0].data == data


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (b"[]", "A CloudEvent is a JSON object, not an array."),
        (b"7", "A CloudEvent is a JSON object, not a number."),
        (b"{", "The CloudEvent is no JSON: "),
        (b'{"id": NaN}', "The CloudEvent is no JSON: "),
        (b'{"id": "\xff"}', "The CloudEvent is no JSON: "),
        (b'{"id": "\\ud800"}', "The CloudEvent is no JSON: "),
        (b'{"id": "a"} {}', "The CloudEvent is no JSON: "),
        (b'{"id": ' + b"[" * 100_000, "The CloudEvent is no JSON: "),
        (b'{"id": "1", "id": "2"}', "The CloudEvent is not well formed: ambiguous: an object has the name 'id' twice."),
    ],
)
def test_what_is_no_event_is_refused(text: bytes, detail: str) -> None:
    assert refused(text).detail.startswith(detail)


@pytest.mark.parametrize(
    ("others", "path", "message"),
    [
        ({"extension": 1.5}, "/extension", "The attribute extension is a string, a boolean or a 32-bit integer, not "),
        ({"extension": [1]}, "/extension", "The attribute extension is a string, a boolean or a 32-bit integer, not "),
        ({"data": 1, "data_base64": "AA=="}, "/data", "An event has data or data_base64, not both."),
        (
            {"data": [1], "datacontenttype": "text/plain"},
            "/data",
            'data of type "text/plain" is a string or data_base64',
        ),
    ],
)
def test_what_is_wrong_with_an_event_is_said(others: dict[str, object], path: str, message: str) -> None:
    (violation,) = refused(json.dumps(members(**others)).encode()).violations
    assert violation.path == path
    assert violation.message.startswith(message)


def test_text_that_is_not_utf_8_is_refused() -> None:
    text = json.dumps(members(data="?", datacontenttype="text/plain")).encode().replace(b"?", b"\xff")
    (violation,) = refused(text).violations
    assert violation.message == "data is no JSON, which has to be UTF-8."


@pytest.mark.parametrize(("content_type", "data"), [(None, b"null"), ("text/plain", None)])
def test_null_is_a_document_and_no_text(content_type: str | None, data: bytes | None) -> None:
    text = json.dumps(members(data=None, datacontenttype=content_type)).encode()
    assert event_from_text(text)[0].data == data


def test_data_beside_a_null_is_taken() -> None:
    assert event_from_text(json.dumps(members(data=None, data_base64="MQ==")).encode())[0].data == b"1"
    assert event_from_text(json.dumps(members(data=1, data_base64=None)).encode())[0].data == b"1"
