"""The receiver counts and answers whole requests only, however they arrive."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.counters import DONE, HANDSHAKES, SAMPLED, Counters
from bench.cpu import cpu_by_role
from bench.receiver import AGREED, OK, Endpoint
from bench.traffic import post

REQUEST = b"POST /hook HTTP/1.1\r\nHost: a\r\n" + post(1)

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def counters(tmp_path: Path) -> Counters:
    return Counters(tmp_path / "counters")


@pytest.fixture
async def peer(counters: Counters) -> AsyncIterator[Peer]:
    server = await asyncio.get_running_loop().create_server(lambda: Endpoint(counters, True), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    yield reader, writer
    writer.close()
    await writer.wait_closed()
    server.close()


async def test_each_request_is_counted_timed_and_answered(peer: Peer, counters: Counters) -> None:
    reader, writer = peer
    for _ in range(3):
        writer.write(REQUEST)
        assert await reader.readexactly(len(OK)) == OK
    assert (counters.words[DONE], counters.words[SAMPLED]) == (3, 3)
    assert all(latency > 0 for latency in counters.samples(0, 3))


@pytest.mark.parametrize("cut", [10, REQUEST.index(b"\r\n\r\n") + 2, len(REQUEST) - 1])
async def test_a_request_in_pieces_is_one_request(peer: Peer, counters: Counters, cut: int) -> None:
    reader, writer = peer
    writer.write(REQUEST[:cut])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.02)
    assert counters.words[DONE] == 0
    writer.write(REQUEST[cut:])
    assert await reader.readexactly(len(OK)) == OK
    assert counters.words[DONE] == 1


async def test_a_handshake_is_agreed_to_and_is_no_delivery(peer: Peer, counters: Counters) -> None:
    reader, writer = peer
    writer.write(b"OPTIONS /hook HTTP/1.1\r\nHost: a\r\nWebHook-Request-Origin: b\r\n\r\n")
    assert await reader.readexactly(len(AGREED)) == AGREED
    assert (counters.words[DONE], counters.words[HANDSHAKES]) == (0, 1)


def test_counters_are_seen_by_whoever_opens_the_file(counters: Counters) -> None:
    other = Counters(counters.path)
    counters.words[DONE] += 5
    counters.sample(123)
    assert (other.words[DONE], other.samples(0, 1)) == (5, [123])


def test_cpu_time_of_a_process_only_grows_and_one_that_has_gone_has_none() -> None:
    before = cpu_by_role({"tests": os.getpid()})["tests"]
    sum(range(100_000))
    assert cpu_by_role({"tests": os.getpid()})["tests"] > before > 0
    assert cpu_by_role({"gone": 2**22 + 1}) == {"gone": 0}
