"""The data of CloudEvents (JSON event format 1.0.2 §3.1): null, JSON, text, bytes, and what agrees with no type."""

import json

import pytest
from hypothesis import given

from event_issuer.domain.errors import BadInput, Violation
from event_issuer.domain.events import is_json
from event_issuer.domain.json_format import event_from_json, json_format
from tests.domain.examples import event, json_events, members


def data_violation(**others: object) -> Violation:
    with pytest.raises(BadInput) as raised:
        event_from_json(members(**others))
    (found,) = raised.value.violations
    assert (found.path, found.rule) == ("/data", "data")
    return found


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "application/json",
        "APPLICATION/JSON",
        "text/json",
        "application/json;charset=utf-8",
        "application/json ; charset=UTF-8",
        "application/cloudevents+json",
        "image/svg+JSON",
        "a/b+c+json",
    ],
)
def test_media_types_of_json(media_type: str | None) -> None:
    assert is_json(media_type)
    read, document = event_from_json(members(datacontenttype=media_type, data={"a": [1, None]}))
    assert (read.data, document, read.has_json_data) == (b'{"a":[1,null]}', {"a": [1, None]}, True)


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/jsonl", "application/json-seq", "a/json+xml", "json/a", 'a/b;c="d/json"']
)
def test_media_types_of_other_data(media_type: str) -> None:
    assert not is_json(media_type)
    read, document = event_from_json(members(datacontenttype=media_type, data='{"a":1}'))
    assert (read.data, document, read.has_json_data) == (b'{"a":1}', None, False)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, b"null"),
        ("I'm just a string", b'"I\'m just a string"'),
        ('{"a": 1}', b'"{\\"a\\": 1}"'),
        (False, b"false"),
        ([], b"[]"),
        (12345678901234567890123, b"12345678901234567890123"),
    ],
)
def test_any_json_value_is_data(value: object, written: bytes) -> None:
    assert event_from_json(members(data=value)) == (event(data=value), value)
    assert event(data=value).data == written


def test_null_data_is_a_document_and_absent_data_is_none() -> None:
    assert event(data=None).data == b"null"
    assert event().data is None
    assert event(datacontenttype="text/plain", data=None).data is None
    assert event(datacontenttype="text/plain", data="").data == b""


def test_a_null_data_base64_is_none() -> None:
    assert event(data_base64=None).data is None
    assert event(data={"a": 1}, data_base64=None).data == b'{"a":1}'


@pytest.mark.parametrize("value", [{"a": 1}, ["x"], 1, 1.5, True])
def test_data_of_another_type_is_a_string(value: object) -> None:
    found = data_violation(datacontenttype="text/plain", data=value)
    assert found.message.startswith('data of type "text/plain" is a string or data_base64, not a')


def test_bytes_come_in_base64() -> None:
    read, document = event_from_json(members(datacontenttype="image/png", data_base64="AP/+ew=="))
    assert (read.data, document, read.text) == (b"\x00\xff\xfe{", None, None)


def test_json_may_come_in_base64_and_stays_as_it_is() -> None:
    read, document = event_from_json(
        members(data_base64="eyAiYSI6IDEwLjAwLCAiYiI6IDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzfQ==")
    )
    assert read.data == b'{ "a": 10.00, "b": 12345678901234567890123}'
    assert document == {"a": 10.0, "b": 12345678901234567890123}
    assert json_format(read).endswith(b'"data":{ "a": 10.00, "b": 12345678901234567890123}}')


@pytest.mark.parametrize("encoded", ["AP/+ew=", "AP_-ew==", "AP/+ew==\n", "a", "å", 1, [], {}, True])
def test_what_is_no_base64_is_refused(encoded: object) -> None:
    found = data_violation(datacontenttype="image/png", data_base64=encoded)
    assert found.message == "data_base64 is a string in base64 (RFC 4648 §4)."


@pytest.mark.parametrize("data", ["", 0, False, {"a": 1}])
def test_data_comes_one_way(data: object) -> None:
    assert data_violation(data=data, data_base64="e30=").message == "An event has data or data_base64, not both."


@pytest.mark.parametrize(
    ("encoded", "problem"),
    [
        ("", "data is not JSON: Input is a zero-length, empty document: line 1 column 1 (char 0)."),
        ("//8=", "data is not JSON: str is not valid UTF-8: surrogates not allowed: line 1 column 1 (char 0)."),
        ("TmFO", "data is not JSON: unexpected character, expected a JSON value: line 1 column 1 (char 0)."),
    ],
)
def test_bytes_of_a_json_type_are_json(encoded: str, problem: str) -> None:
    assert data_violation(data_base64=encoded).message == problem


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (float("nan"), "data is not JSON: nan is no number there."),
        ([float("inf")], "data is not JSON: inf is no number there."),
        ({"a": "\ud800"}, "data is not JSON: str is not valid UTF-8: surrogates not allowed."),
        (json.loads("[" * 65 + "]" * 65), "data is nested more than 64 levels deep."),
    ],
)
def test_a_value_that_others_cannot_read_is_refused(value: object, problem: str) -> None:
    assert data_violation(data=value).message == problem


def test_text_with_an_unpaired_surrogate_is_refused() -> None:
    found = data_violation(datacontenttype="text/plain", data="a\udc00")
    assert found.message == "data has an unpaired surrogate."


@pytest.mark.parametrize("media_type", ["text/plain; charset=iso-8859-1", 'application/json;CHARSET="utf-16"'])
def test_what_is_not_written_in_utf_8_goes_as_bytes(media_type: str) -> None:
    found = data_violation(datacontenttype=media_type, data="blå")
    shown = json.dumps(media_type)
    assert found.message == f"data is written in UTF-8; what {shown} asks for goes as data_base64."


@pytest.mark.parametrize(
    ("charset", "data", "is_taken"),
    [("UTF-8", "blå", True), ('"utf8"', "blå", True), ("US-ASCII", "bla", True), ("us-ascii", "blå", False)],
)
def test_text_agrees_with_its_charset(charset: str, data: str, is_taken: bool) -> None:
    media_type = f"text/plain; charset={charset}"
    if not is_taken:
        data_violation(datacontenttype=media_type, data=data)
        return
    read = event(datacontenttype=media_type, data=data)
    assert (read.data, read.text) == (data.encode(), data)


def test_bytes_in_another_charset_are_no_text_even_if_they_look_like_it() -> None:
    latin = event(datacontenttype="text/plain; charset=iso-8859-1", data_base64="w6U=")  # Ã¥, or å in UTF-8
    assert (latin.data, latin.text) == (b"\xc3\xa5", None)
    assert json.loads(json_format(latin))["data_base64"] == "w6U="


def test_a_faulty_attribute_hides_its_data() -> None:
    """Without a trustworthy datacontenttype nobody knows what the data should be."""
    with pytest.raises(BadInput) as raised:
        event_from_json(members(datacontenttype="?", data=float("nan")))
    assert [found.path for found in raised.value.violations] == ["/datacontenttype"]


@given(json_events())
def test_an_event_survives_the_json_format(value: dict[str, object]) -> None:
    read, document = event_from_json(value)
    again, document_again = event_from_json(json.loads(json_format(read)))
    assert again == read
    assert document_again == document
    if "data" in value and read.has_json_data:
        assert document == value["data"]
