"""The Kafka binding: its checklist row by row, what our own records are, and what is found out again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_issuer.domain.events import CloudEvent
from event_issuer.domain.http_binding import incoming
from event_issuer.domain.json_format import event_from_json
from event_issuer.domain.kafka_binding import (
    INSTANT_MAX,
    KafkaRecord,
    PlainRule,
    ReadRecord,
    from_kafka,
    partition_of,
    to_kafka,
)
from event_issuer.domain.murmur2 import murmur2
from event_issuer.domain.unreadable import Unreadable, UnreadableReason
from tests.domain.examples import ATTRIBUTES, event, json_events, json_values, texts
from tests.domain.kafka_others_rows import OTHERS_ROWS
from tests.domain.kafka_rows import (
    BINARY_ROWS,
    HEADERS,
    PLAIN,
    REQUIRED,
    RULE,
    STRUCTURED_ROWS,
    TIME,
    Bad,
    Event,
    Plain,
    Row,
    lying,
)

ROWS = BINARY_ROWS + STRUCTURED_ROWS + OTHERS_ROWS
ROWS_MIN = 90
STRUCTURED_HEADER = ("content-type", b"application/cloudevents+json; charset=utf-8")


def test_the_checklist_is_long_enough() -> None:
    assert len({(row.section, row.says) for row in ROWS}) == len(ROWS) >= ROWS_MIN


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section}: {row.says}")
def test_row(row: Row) -> None:
    found = from_kafka(row.record, row.rule)
    match row.expected:
        case None:
            assert found is None
        case Bad(reason, path, words):
            assert isinstance(found, Unreadable)
            assert (found.reason, found.violations[0].path) == (reason, path)
            assert words in found.violations[0].message
        case Plain(data, more):
            attributes = {name: text for name, text in {**PLAIN, **more}.items() if text is not None}
            assert found == ReadRecord(CloudEvent(attributes, data), None)
        case Event(attributes, data, schema_version):
            assert found == ReadRecord(CloudEvent({**REQUIRED, **attributes}, data), schema_version)


def test_every_reason_but_our_own_fault_and_size_is_in_the_checklist() -> None:
    reasons = {row.expected.reason for row in ROWS if isinstance(row.expected, Bad)}
    assert set(UnreadableReason) - reasons == {UnreadableReason.INTERNAL, UnreadableReason.TOO_LARGE}


def test_all_that_is_wrong_is_told() -> None:
    headers = {**HEADERS, "ce_time": "now", "ce_specversion": "2"}
    del headers["ce_id"]
    record = lying(b"{}", *((name, text.encode()) for name, text in headers.items()), ("ce_time", b"\xff"))
    found = from_kafka(record, None)
    assert isinstance(found, Unreadable)
    assert [(one.path, one.rule) for one in found.violations] == [
        ("/time", "HEADER_TWICE"),
        ("/time", "HEADER_NOT_UTF8"),
        ("/specversion", "attribute"),
        ("/id", "required"),
    ]


def test_binary_mode_is_exact() -> None:
    sent = event(time="2026-03-01T12:34:56.1234567+01:00", partitionkey="å", datacontenttype="text/plain", data="å")
    assert to_kafka(sent, 3) == (
        "å".encode(),
        "å".encode(),
        [
            ("ce_specversion", b"1.0"),
            ("ce_id", b"7f3a"),
            ("ce_source", b"/banenor/tios"),
            ("ce_type", b"cloud.open.operational.train-arrived.v1"),
            ("ce_time", b"2026-03-01T12:34:56.1234567+01:00"),
            ("ce_partitionkey", "å".encode()),
            ("content-type", b"text/plain"),
            ("ei_schemaversion", b"3"),
        ],
    )


def test_without_data_key_type_and_version_there_are_none() -> None:
    assert to_kafka(event(), None) == (None, None, [(f"ce_{name}", text.encode()) for name, text in ATTRIBUTES.items()])


def test_structured_mode_is_exact() -> None:
    key, value, headers = to_kafka(event(partitionkey="k", data={"a": 1}), 3, structured=True)
    assert (key, headers) == (b"k", [STRUCTURED_HEADER, ("ei_schemaversion", b"3")])
    assert value == json.dumps(ATTRIBUTES | {"partitionkey": "k", "data": {"a": 1}}, separators=(",", ":")).encode()


def test_data_that_is_itself_a_cloudevent_goes_structured() -> None:
    sent = event(datacontenttype="application/CloudEvents+json", data={"id": "inner"})
    assert to_kafka(sent, 3) == to_kafka(sent, 3, structured=True)


@pytest.mark.parametrize("written", [b'{"a":1}', b'{"a":1,"a":2}', b"x" * 20])
def test_our_own_data_are_not_judged_again(written: bytes) -> None:
    sent = CloudEvent(dict(ATTRIBUTES), written)
    assert read_back(sent, 3, bytes_max=10) == ReadRecord(sent, 3)


def read_back(sent: CloudEvent, version: int | None, *, structured: bool = False, bytes_max: int = 1000) -> object:
    key, value, headers = to_kafka(sent, version, structured=structured)
    return from_kafka(KafkaRecord("trains", 2, 7, TIME, key, value, headers), None, data_bytes_max=bytes_max)


def test_an_event_that_is_ours_in_part_is_unreadable_all_the_same() -> None:
    found = from_kafka(lying(b"{}", ("ce_id", b"1"), ("ei_schemaversion", b"3")), RULE)
    assert isinstance(found, Unreadable)
    assert found.reason is UnreadableReason.ATTRIBUTE_MISSING


@pytest.mark.parametrize("structured", [False, True])
def test_data_of_others_is_bounded(structured: bool) -> None:
    sent = event(data="x" * 98)  # and two quotes
    assert read_back(sent, None, structured=structured, bytes_max=100) == ReadRecord(sent, None)
    found = read_back(sent, None, structured=structured, bytes_max=99)
    assert isinstance(found, Unreadable)
    assert found.reason is UnreadableReason.TOO_LARGE
    assert found.violations[0].message == "The data has 100 bytes; data of at most 99 are taken."


def test_a_value_is_not_parsed_when_it_can_only_be_too_large() -> None:
    record = lying(b"{" + b" " * 70_000, STRUCTURED_HEADER)
    found = from_kafka(record, None, data_bytes_max=100)
    assert isinstance(found, Unreadable)
    assert found.violations[0].message == "The record's value has 70001 bytes; data of at most 100 are taken."
    plain = from_kafka(lying(b" " * 101), RULE, data_bytes_max=100)
    assert isinstance(plain, Unreadable)
    assert plain.reason is UnreadableReason.TOO_LARGE


@pytest.mark.parametrize("instant", [-1000, INSTANT_MAX + 1, 2**63])
def test_a_time_that_cannot_be_told_is_left_out(instant: int) -> None:
    found = from_kafka(KafkaRecord("trains", 2, 7, instant, None, b"{}", []), PlainRule("a.b", "//kafka/trains"))
    assert found == ReadRecord(CloudEvent({name: text for name, text in PLAIN.items() if name != "time"}, b"{}"), None)


# What comes back is what went in.


@st.composite
def http_events(draw: st.DrawFn) -> CloudEvent:
    """As a producer of HTTP's binary mode may write them: JSON data in any layout, and types that say odd charsets."""
    type_ = draw(st.sampled_from(["application/json", "a/b+json; charset=iso-8859-1", "text/plain", "image/png"]))
    if type_.startswith(("text", "image")):
        body = draw(st.binary(min_size=1, max_size=30))
    else:
        body = json.dumps(draw(json_values), indent=draw(st.sampled_from([None, 1]))).encode()
    headers = [*((f"ce-{name}".encode(), text.encode()) for name, text in ATTRIBUTES.items())]
    return incoming([*headers, (b"content-type", type_.encode())], body).event


@given(json_events().map(event_from_json).map(lambda read: read.event) | http_events(), st.booleans())
def test_what_is_written_is_read(sent: CloudEvent, structured: bool) -> None:
    assert read_back(sent, 3, structured=structured) == ReadRecord(sent, 3)
    assert read_back(sent, None, structured=structured) == ReadRecord(sent, None)


def test_white_space_around_json_is_no_part_of_it() -> None:
    sent = CloudEvent(dict(ATTRIBUTES), b' {"a": 1}\n')
    assert read_back(sent, 3) == ReadRecord(sent, 3)
    assert read_back(sent, 3, structured=True) == ReadRecord(CloudEvent(dict(ATTRIBUTES), b'{"a": 1}'), 3)


NAMES = st.sampled_from(["ce_id", "ce_type", "ce_time", "ce_", "ce_data", "content-type", "ei_schemaversion", "x"])
VALUES = (
    st.none() | st.binary(max_size=12) | texts.map(str.encode) | st.sampled_from([b"1.0", b"application/cloudevents"])
)


@given(
    st.lists(st.tuples(NAMES | st.text(max_size=5).map("ce_{}".format), VALUES), max_size=8),
    st.none() | st.binary(max_size=20) | json_values.map(lambda value: json.dumps(value).encode()),
    st.none() | st.binary(max_size=8),
    st.booleans(),
    st.booleans(),
)
def test_whatever_lies_there_has_an_outcome(
    headers: list[tuple[str, bytes | None]], value: bytes | None, key: bytes | None, whole: bool, has_rule: bool
) -> None:
    required = [(name, text.encode()) for name, text in HEADERS.items()] if whole else []
    found = from_kafka(lying(value, *required, *headers, key=key), RULE if has_rule else None)
    if isinstance(found, ReadRecord):  # what is read can be written
        assert read_back(found.event, found.schema_version) == found
    elif found is not None:
        assert found.violations


# Which partition


@pytest.mark.parametrize(
    ("key", "hashed"),
    [  # from the Java client's own tests (UtilsTest.testMurmur2)
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_keys_are_hashed_as_the_java_client_does(key: str, hashed: int) -> None:
    assert murmur2(key.encode()) == hashed % 2**32
    assert partition_of(key.encode(), 7) == hashed % 2**31 % 7


@given(st.binary(max_size=64), st.integers(1, 1024))
def test_a_key_has_one_partition_of_those_that_there_are(key: bytes, count: int) -> None:
    assert 0 <= partition_of(key, count) < count


def test_two_reads_of_one_event_share_nothing() -> None:
    one, other = read_back(event(data=1), 3), read_back(event(data=1), 3)
    assert isinstance(one, ReadRecord)
    assert isinstance(other, ReadRecord)
    one.event.attributes["id"] = "changed"
    assert other.event.id == "7f3a"
