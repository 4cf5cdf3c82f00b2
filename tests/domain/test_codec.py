"""The codec's checklist, row by row, and what it says of events that go out again."""

import pytest

from event_issuer.domain.errors import BadInput
from event_issuer.domain.events import CloudEvent, ReadEvent
from event_issuer.domain.http_binding import Mode, binary, incoming, mode_of, structured
from event_issuer.domain.json_format import event_from_text
from tests.domain.codec_rows import REQUIRED, ROWS, Event, Refusal, Row

ROWS_MIN = 60


def raw(row: Row) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), text if isinstance(text, bytes) else text.encode()) for name, text in row.headers.items()]


def read(row: Row) -> ReadEvent:
    content_type = row.headers.get("content-type")
    assert not isinstance(content_type, bytes)
    mode = mode_of(content_type)
    assert mode in (Mode.BINARY, Mode.STRUCTURED)
    return event_from_text(row.body) if mode is Mode.STRUCTURED else incoming(raw(row), row.body)


def test_the_checklist_is_long_enough() -> None:
    assert len({(row.section, row.says) for row in ROWS}) == len(ROWS) >= ROWS_MIN


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section}: {row.says}")
def test_row(row: Row) -> None:
    if isinstance(row.expected, Refusal):
        with pytest.raises(BadInput) as raised:
            read(row)
        violations = raised.value.violations
        assert (violations[0].path if violations else "") == row.expected.path
        assert row.expected.words in (violations[0].message if violations else raised.value.detail)
        return
    event, _ = read(row)
    assert event.attributes == {**REQUIRED, **row.expected.attributes}
    assert event.data == row.expected.data


@pytest.mark.parametrize("row", [row for row in ROWS if isinstance(row.expected, Event)], ids=lambda row: row.says)
def test_what_goes_out_comes_in_again(row: Row) -> None:
    event, document = read(row)
    again, document_again = event_from_text(structured(event).body)
    assert (again.attributes, document_again) == (event.attributes, document)
    # The white space around a JSON document is no part of it.
    assert again.data == (event.data.strip() if event.data and event.has_json_data else event.data)
    if event.data:
        head, body = binary(event, event.data)
        headers = [tuple(line.split(b": ", 1)) for line in head.splitlines()]
        arrived, _ = incoming([(name, value) for name, value in headers], body)
        typed = {"datacontenttype": "application/json", **event.attributes}
        assert arrived == CloudEvent(arrived.attributes, event.data)
        assert arrived.attributes == typed


@pytest.mark.parametrize(
    ("content_type", "mode"),
    [
        (None, Mode.BINARY),
        ("", Mode.BINARY),
        ("application/json", Mode.BINARY),
        ("text/cloudevents", Mode.BINARY),
        ("application/cloudevents+json", Mode.STRUCTURED),
        ("application/cloudevents+json; charset=utf-8", Mode.STRUCTURED),
        ('APPLICATION/CloudEvents+JSON ; Charset="UTF-8"', Mode.STRUCTURED),
        ("application/cloudevents", Mode.STRUCTURED),
        ("application/cloudevents-batch", Mode.BATCH),
        ("application/cloudevents-batch+json", Mode.BATCH),
        ("application/cloudevents+json; charset=latin1", None),
        ("application/cloudevents+avro", None),
        ("application/cloudevents+protobuf", None),
        ("application/cloudevents-batch+xml", None),
        ("application/cloudeventsx", None),
    ],
)
def test_the_content_type_tells_the_mode(content_type: str | None, mode: Mode | None) -> None:
    assert mode_of(content_type) is mode


def test_every_violation_of_a_message_is_told() -> None:
    headers = [
        (b"ce-specversion", b"1.0"),
        (b"ce-id", b"%FF"),
        (b"ce-type", b"a.b"),
        (b"ce-type", b"a.c"),
        (b"ce-time", b"now"),
        (b"host", b"x"),
    ]
    with pytest.raises(BadInput) as raised:
        incoming(headers, b"{")
    assert sorted(found.path for found in raised.value.violations) == ["/id", "/source", "/time", "/type"]
