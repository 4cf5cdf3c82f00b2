"""Responses read from bytes: the same however they are cut, and bounded."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_issuer.egress.reader import (
    EXCERPT_BYTES_MAX,
    HEAD_BYTES_MAX,
    HEADERS_MAX,
    RESPONSE_BYTES_MAX,
    MalformedResponse,
    ResponseReader,
)

COUNTED = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2;why=not\r\nhe\r\n3\r\nllo\r\n0\r\nX-Trailer: t\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + COUNTED
EMPTY = b"HTTP/1.1 204 No Content\r\nX-Empty:\r\n\r\n"
CLOSING = b"HTTP/1.1 500 Oops\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"
OLD = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"

READ = [
    (COUNTED, 200, [(b"X-A", b"1"), (b"Content-Length", b"5")], b"hello", True),
    (CHUNKED, 202, [(b"Transfer-Encoding", b"chunked")], b"hello", True),
    (INTERIM, 200, [(b"X-A", b"1"), (b"Content-Length", b"5")], b"hello", True),
    (EMPTY, 204, [(b"X-Empty", b"")], b"", True),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, [(b"Content-Length", b"9")], b"", True),
    (CLOSING, 500, [(b"Connection", b"close"), (b"Content-Length", b"2")], b"no", False),
    (OLD, 200, [(b"Content-Length", b"2")], b"ok", False),
]


def fed(data: bytes, *cuts: int) -> ResponseReader:
    reader = ResponseReader()
    for start, end in pairwise([0, *sorted(cuts), len(data)]):
        if not reader.complete:
            reader.feed(data[start:end])
    return reader


@pytest.mark.parametrize(("data", "status", "headers", "body", "keep_alive"), READ)
def test_a_response_is_read(
    data: bytes, status: int, headers: list[tuple[bytes, bytes]], body: bytes, keep_alive: bool
) -> None:
    reader = fed(data)

    assert reader.complete
    assert reader.status == status
    assert reader.headers == headers
    assert reader.body_excerpt == body
    assert reader.keep_alive is keep_alive


@given(st.sampled_from(READ), st.lists(st.integers(0, 40), max_size=12))
def test_however_the_bytes_are_cut_the_response_is_the_same(
    case: tuple[bytes, int, list[tuple[bytes, bytes]], bytes, bool], cuts: list[int]
) -> None:
    data, status, headers, body, keep_alive = case
    reader = fed(data, *(min(cut, len(data)) for cut in cuts))

    assert reader.complete
    assert (reader.status, reader.headers, reader.body_excerpt) == (status, headers, body)
    assert reader.keep_alive is keep_alive


def test_one_connection_carries_many_responses() -> None:
    reader = ResponseReader()
    read = []
    for data in (COUNTED, CHUNKED, EMPTY, INTERIM):
        reader.expect()
        reader.feed(data)
        read.append((reader.complete, reader.status, reader.body_excerpt, len(reader.headers)))

    assert read == [
        (True, 200, b"hello", 2),
        (True, 202, b"hello", 1),
        (True, 204, b"", 1),
        (True, 200, b"hello", 2),
    ]


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    reader = fed(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
    complete = [reader.complete]

    reader.feed_eof()

    assert [*complete, reader.complete] == [False, True]
    assert reader.body_excerpt == b"until the end"
    assert not reader.keep_alive


@pytest.mark.parametrize("data", [COUNTED[:-1], CHUNKED[:-2], COUNTED[:30], b""])
def test_a_truncated_response_stays_incomplete_at_the_end(data: bytes) -> None:
    reader = fed(data)

    reader.feed_eof()

    assert not reader.complete


@pytest.mark.parametrize("surplus", [b"!", b"HTTP/1.1 200 OK\r\n", COUNTED, b"\x00" * 100])
def test_data_after_the_response_ends_the_connection_and_not_the_response(surplus: bytes) -> None:
    reader = fed(COUNTED + surplus)

    assert reader.complete
    assert (reader.status, reader.headers, reader.body_excerpt) == (200, READ[0][2], b"hello")
    assert not reader.keep_alive


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is not HTTP/1.1: Expected HTTP/"),
        (b"\x16\x03\x01\x02\x00", "is not HTTP/1.1"),
        (b"GET / HTTP/1.1\r\n\r\n", "is not HTTP/1.1"),
        (b"HTTP/3.7 200 OK\r\n\r\n", "Invalid HTTP version"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "Invalid status code"),
        (b"HTTP/1.1 000 OK\r\n\r\n", "has the status 0,"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "has the status 99,"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "has the status 101,"),
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "is not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Invalid character in Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "Duplicate Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "can't be present"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "Invalid character in chunk size"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "is not HTTP/1.1"),
    ],
)
def test_what_is_no_response_is_refused(data: bytes, fault: str) -> None:
    with pytest.raises(MalformedResponse) as refusal:
        fed(data)

    assert fault in str(refusal.value)


def head(lines: int, width: int) -> bytes:
    """A head whose `lines` headers count `width` bytes each."""
    line = b"X: " + b"a" * (width - 5) + b"\r\n"
    return b"HTTP/1.1 200 OK\r\n" + line * lines + b"\r\n"


def test_a_head_at_its_bounds_is_read() -> None:
    assert len(fed(head(HEADERS_MAX, 8)).headers) == HEADERS_MAX
    assert len(fed(head(128, HEAD_BYTES_MAX // 128 - 8) + b"body" * HEAD_BYTES_MAX).headers) == 128


@pytest.mark.parametrize(
    "data",
    [
        head(HEADERS_MAX + 1, 8),
        head(128, HEAD_BYTES_MAX // 128 + 8),
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * HEAD_BYTES_MAX,
        b"HTTP/1.1 " + b"200 " * HEAD_BYTES_MAX,
        b"HTTP/1.1 102 Processing\r\n\r\n" * 3000,
    ],
    ids=["too many headers", "too long together", "one endless header", "an endless reason", "endless 1xx"],
)
def test_a_head_beyond_its_bounds_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedResponse, match="more than 256 headers or 65536 bytes"):
        fed(data)
    with pytest.raises(MalformedResponse, match="more than 256 headers or 65536 bytes"):
        fed(data, *range(0, len(data), 1000))


def test_only_the_start_of_a_long_body_is_kept_and_the_rest_drained() -> None:
    length = EXCERPT_BYTES_MAX + 1000
    reader = fed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b"a" * length)

    assert reader.complete
    assert reader.body_excerpt == b"a" * EXCERPT_BYTES_MAX
    assert reader.keep_alive


def test_a_body_without_end_completes_the_response_at_the_bound() -> None:
    reader = ResponseReader()
    reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
    fed_bytes = 0
    while not reader.complete:
        reader.feed(b"a" * 1024)
        fed_bytes += 1024

    assert fed_bytes == RESPONSE_BYTES_MAX
    assert reader.body_excerpt == b"a" * EXCERPT_BYTES_MAX
    assert not reader.keep_alive


def test_endless_chunk_extensions_count_as_body() -> None:
    reader = fed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=")
    while not reader.complete:
        reader.feed(b"a" * 1024)

    assert reader.body_excerpt == b""
    assert not reader.keep_alive
