"""The HTTP face behind a real uvicorn: bodies in pieces, too large, too slow or never finished, and WebSockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import httpx
import pytest
import uvloop
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from event_issuer.web.graphql_view import GraphQLView
from tests.web.faces import API_KEY, BODY_BYTES_MAX, Face, build_schema, served

NOTE = json.dumps({"query": "mutation { note }"}).encode()
HEAD = f"POST /graphql HTTP/1.1\r\nHost: issuer\r\nX-API-Key: {API_KEY}\r\nContent-Type: application/json\r\n".encode()
WAIT_S = 10


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def port(face: Face) -> AsyncIterator[int]:
    async with served(face.app()) as port:
        yield port


class Wire:
    """One connection, spoken to byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        async with asyncio.timeout(WAIT_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            return int(head.split(b" ")[1]), await self.reader.readexactly(int(length.split(b":")[1]))


@asynccontextmanager
async def wire_to(port: int) -> AsyncIterator[Wire]:
    wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield wire
    finally:
        wire.writer.close()
        await wire.writer.wait_closed()


def length(body_bytes: int) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % body_bytes


def said(body: bytes | bytearray) -> str:
    return str(json.loads(body)["errors"][0]["message"])


def chunk(part: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(part), part)


async def test_a_query_is_answered(port: int) -> None:
    async with httpx.AsyncClient(headers={"X-API-Key": API_KEY}, trust_env=False) as client:
        response = await client.post(f"http://127.0.0.1:{port}/graphql", json={"query": "{ hello }"})
    assert (response.status_code, response.json()) == (200, {"data": {"hello": "hei"}})


async def test_a_body_in_pieces_is_put_together(port: int, face: Face) -> None:
    async with wire_to(port) as wire:
        await wire.send(HEAD, length(len(NOTE)), NOTE[:10], NOTE[10:])
        assert await wire.answer() == (200, b'{"data":{"note":1}}')
        await wire.send(
            HEAD, b"Transfer-Encoding: chunked\r\n\r\n", *(chunk(NOTE[i : i + 1]) for i in range(len(NOTE)))
        )
        await wire.send(b"0\r\n\r\n")
        assert await wire.answer() == (200, b'{"data":{"note":2}}')
    assert face.notes == ["", ""]


async def test_an_announced_body_beyond_the_bound_is_refused_unread(port: int, face: Face) -> None:
    for announced in (BODY_BYTES_MAX + 1, 10**18):
        async with wire_to(port) as wire:
            await wire.send(HEAD, length(announced))
            status, body = await wire.answer()
            assert status == 413
            assert said(body) == f"The body is too large: at most {BODY_BYTES_MAX} bytes are allowed."
    assert face.notes == []


async def test_an_endless_body_is_refused_at_the_bound(port: int, face: Face) -> None:
    async with wire_to(port) as wire:
        await wire.send(HEAD, b"Transfer-Encoding: chunked\r\n\r\n", chunk(NOTE.ljust(BODY_BYTES_MAX)), chunk(b" "))
        status, body = await wire.answer()
        assert (status, json.loads(body)["errors"][0]["extensions"]["code"]) == (413, "BAD_USER_INPUT")
    assert face.notes == []


async def test_a_body_that_drips_is_refused_in_time(face: Face) -> None:
    view = GraphQLView(build_schema(), face.context_of, body_bytes_max=BODY_BYTES_MAX, body_timeout_s=0.05)
    async with served(view) as port, wire_to(port) as wire:
        await wire.send(HEAD, length(len(NOTE)), NOTE[:10])
        status, body = await wire.answer()
        assert status == 408
        assert said(body) == "The body did not arrive within 0.05 seconds."
        assert await wire.reader.read() == b""  # the connection is closed
    assert face.notes == []


async def test_a_client_that_leaves_half_way_leaves_no_trace(port: int, face: Face) -> None:
    with capture_logs() as logs:
        async with wire_to(port) as wire:
            await wire.send(HEAD, length(len(NOTE)), NOTE[:10])
            await asyncio.wait_for(face.asked.wait(), WAIT_S)
        async with wire_to(port) as other:  # answered after the server has seen the first one leave
            await other.send(HEAD, length(len(NOTE)), NOTE)
            assert await other.answer() == (200, b'{"data":{"note":1}}')
    assert [(entry["event"], entry["log_level"], entry["status"]) for entry in logs] == [
        ("request", "info", 400),  # nobody was left to read it
        ("request", "debug", 200),
    ]
    assert face.notes == [""]


async def test_a_refused_request_leaves_the_connection_usable(port: int) -> None:
    async with wire_to(port) as wire:
        await wire.send(HEAD.replace(b"X-API-Key", b"X-Other"), length(len(NOTE)), NOTE)
        assert (await wire.answer())[0] == 401
        await wire.send(HEAD, length(len(NOTE)), NOTE)
        assert (await wire.answer())[0] == 200


async def test_websockets_are_not_spoken(port: int) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None)
    assert refusal.value.response.status_code == 404
    assert said(refusal.value.response.body).startswith("WebSockets are not spoken here")
