"""Events that are read many at a time are what reading them one by one makes of them, or are left to that."""

import json
import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from event_issuer.domain.errors import BadInput
from event_issuer.domain.events import ReadEvent
from event_issuer.domain.json_format import read_event
from event_issuer.domain.json_values import DEPTH_MAX
from event_issuer.domain.plain_events import PLAIN_MIN, SLICE_EVENTS, read_plain
from tests.acceptance.test_exact import odd_json, odd_time
from tests.domain.codec_rows import ROWS, STRUCTURED
from tests.domain.examples import MEMBERS, json_events, members

ODD_EVENTS = 5_000
SEPARATORS = [(",", ":"), (", ", ": "), (" ,\n", "\t: ")]


def text_of(data: bytes, **others: object) -> bytes:
    """An event with this text as its data."""
    return json.dumps(members(**others)).encode()[:-1] + b',"data":' + data + b"}"


def alone(text: bytes) -> ReadEvent | None:
    """What is plain about this event, among others that are."""
    neighbours = [Raw(text_of(b'{"n":%d}' % n)) for n in range(PLAIN_MIN)]
    first, found, *others = read_plain([neighbours[0], Raw(text), *neighbours[1:]])
    agrees([*neighbours], [first, *others])
    return found


def agrees(texts: Sequence[Raw], found: Sequence[ReadEvent | None]) -> int:
    """How many were plain; each of them is right, to the order of its attributes and the types of its numbers."""
    assert len(found) == len(texts)
    for text, plain in zip(texts, found, strict=True):
        if plain is not None:
            event, document = read_event(text)
            assert list(plain.event.attributes.items()) == list(event.attributes.items())
            assert plain.event.data == event.data
            assert repr(plain.document) == repr(document)
    return len(found) - found.count(None)


@given(st.lists(json_events(), max_size=9), st.sampled_from(SEPARATORS), st.booleans())
def test_events_are_read_as_one_by_one(
    values: list[dict[str, object]], separators: tuple[str, str], ascii_only: bool
) -> None:
    texts = [Raw(json.dumps(v, separators=separators, ensure_ascii=ascii_only).encode()) for v in values]
    agrees(texts, list(read_plain(texts)))


def test_odd_texts_are_read_as_one_by_one() -> None:
    source = random.Random(20_261_124)
    texts = []
    for _ in range(ODD_EVENTS):
        others = {"time": odd_time(source)} if source.random() < 0.5 else {}
        texts.append(Raw(text_of(odd_json(source).encode(), **others)))
    read = [plain for text in texts for plain in list(read_plain([text] * PLAIN_MIN))[:1]]
    assert agrees(texts, read) > 500
    together = agrees(texts, list(read_plain(texts)))
    assert together == 0  # one that is not plain leaves its whole slice to a closer look


def test_rows_of_the_checklist_are_read_as_one_by_one() -> None:
    for row in ROWS:
        if row.headers.get("content-type") == STRUCTURED:
            try:
                raw = msgspec.json.decode(row.body, type=Raw)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue  # no batch has such an item
            found = list(read_plain([raw] * PLAIN_MIN))
            try:
                expected = read_event(raw)
            except BadInput:
                assert found == [None] * PLAIN_MIN, row.says
            else:
                assert found in ([expected] * PLAIN_MIN, [None] * PLAIN_MIN), row.says


@pytest.mark.parametrize(
    "others",
    [
        {},
        {"subject": "a b", "partitionkey": "å", "ext1": "x"},
        {"time": "2026-11-24T09:17:42.1234567Z", "datacontenttype": "application/json"},
        {"time": "2026-02-28T23:59:59+05:30", "datacontenttype": "application/vnd.x+json; charset=UTF-8"},
        {"source": "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66"},
    ],
)
def test_what_nearly_all_events_are_is_plain(others: dict[str, object]) -> None:
    for indent in (None, 2):
        text = json.dumps(members(**others, data={"a": [1, "b c", None, 2.5]}), indent=indent, ensure_ascii=False)
        assert alone(text.encode()) == read_event(Raw(text.encode()))


@pytest.mark.parametrize(
    "others",
    [
        {"id": ""},
        {"id": 7},
        {"subject": None},
        {"subject": ""},
        {"specversion": "0.3"},
        {"source": "a b"},
        {"source": ""},
        {"type": ""},
        {"Ext": "x"},
        {"data_base64": "AA=="},
        {"ext": True},
        {"ext": ""},
        {"id": "a\u0085b"},
        {"id": "\u2028"},
        {"id": "i" * 2049},
        {"n" * 65: "x"},
        {f"n{n}": "x" for n in range(61)},
        {f"n{n}" + "n" * 60: "" for n in range(60)},
        {"time": "2026-02-29T00:00:00Z"},
        {"time": "2026-04-31T00:00:00Z"},
        {"time": "0000-01-01T00:00:00Z"},
        {"time": "2026-13-01T00:00:00Z"},
        {"time": "2026-12-31T24:00:00Z"},
        {"time": "2026-12-31T23:59:60Z"},
        {"time": "2026-12-31T23:59:00"},
        {"time": "2026-12-31 23:59:00Z"},
        {"time": "2026-12-3\u0661T23:59:00Z"},
        {"time": "2026-12-31T23:59:00Z\n"},
        {"datacontenttype": "text/plain"},
        {"datacontenttype": "application/json; charset=latin1"},
        {"datacontenttype": "json"},
        {"dataschema": "no-scheme"},
    ],
    ids=lambda others: json.dumps(others)[:40],
)
def test_what_takes_a_closer_look_is_left_to_it(others: dict[str, object]) -> None:
    text = json.dumps(members(**others, data={}), ensure_ascii=False).encode()
    assert list(read_plain([Raw(text)] * PLAIN_MIN)) == [None] * PLAIN_MIN


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(MEMBERS).encode(),  # no data
        text_of(b'{"a":1,"a":1}'),
        text_of(b'{"a":{"b":1,"\\u0062":1}}'),
        text_of(b"1e2"),
        text_of(b"1.0000000000000000001"),
        text_of(b"-0"),
        text_of(b"18446744073709551616"),
        text_of(b"1e400"),
        text_of(b'"\\u00e5"'),
        text_of(b'"\\/"'),
        text_of(b'"\\ud800"'),
        text_of(b"1")[:-1] + b',"data":1}',
        text_of(b"1")[:-1] + b',"id":"7f3a"}',
        b"[]",
        b"7",
        b"null",
    ],
)
def test_a_text_that_leaves_a_question_is_not_plain(text: bytes) -> None:
    assert list(read_plain([Raw(text)] * PLAIN_MIN)) == [None] * PLAIN_MIN


@pytest.mark.parametrize(
    ("opening", "innermost", "closing"),
    [(b"[", b"", b"]"), (b"[", b"0", b"]"), (b'{"a":', b"0", b"}"), (b'{"a":', b"{}", b"}"), (b'[{"a":', b"0", b"}]")],
)
def test_what_is_nested_to_the_last_level_is_plain_and_one_deeper_is_not(
    opening: bytes, innermost: bytes, closing: bytes
) -> None:
    levels = opening.count(b"[") + opening.count(b"{")
    count = (DEPTH_MAX - innermost.count(b"{")) // levels
    data = opening * count + innermost + closing * count
    text = text_of(data)
    assert alone(text) == read_event(Raw(text))
    deeper = Raw(text_of(b"[" + data + b"]"))
    assert list(read_plain([deeper] * PLAIN_MIN)) == [None] * PLAIN_MIN
    with pytest.raises(BadInput):
        read_event(deeper)


def test_one_that_is_not_plain_leaves_the_other_slices_alone() -> None:
    texts = [Raw(text_of(b'{"n":%d}' % n, id=str(n))) for n in range(3 * SLICE_EVENTS + 1)]
    texts[SLICE_EVENTS] = Raw(text_of(b"1e2"))
    assert agrees(texts, list(read_plain(texts))) == 2 * SLICE_EVENTS + 1


def test_values_that_are_no_text_are_not_plain() -> None:
    assert list(read_plain([members(data={})] * PLAIN_MIN)) == [None] * PLAIN_MIN
    assert list(read_plain([])) == []


def test_one_whose_attributes_are_not_plain_is_alone_in_that() -> None:
    kinds: list[dict[str, object]] = [{}, {"subject": "s"}, {"ext1": "x", "subject": "s"}, {"ext2": "x"}, {"ext3": "x"}]
    for count in (1, 2, len(kinds)):  # of kinds: as few as are looked at together, and more
        texts = [Raw(text_of(b"{}", **kinds[n % count])) for n in range(40)]
        odd: dict[int, dict[str, object]] = {
            7: {"id": "\u0085"},
            8: {"id": ""},
            9: {"id": "i" * 2_048},
            10: {"id": 7},
            12: {"source": "a b"},
        }
        for index, others in odd.items():
            texts[index] = Raw(json.dumps(members(**others, data={}), ensure_ascii=False).encode())
        found = list(read_plain(texts))
        assert [index for index, plain in enumerate(found) if plain is None] == list(odd)
        agrees([text for index, text in enumerate(texts) if index not in odd], [one for one in found if one])
