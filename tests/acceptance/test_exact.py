"""What a producer wrote is what a receiver reads, byte for byte: over HTTP in and out, through a real server.

In every content mode: data in the body, in a JSON document, and in an array of such documents.
"""

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import httptools
import httpx
import msgspec
import pytest
from msgspec import Raw

from tests.acceptance.server import Server
from tests.api.partners import Partner

PAYLOADS = 1_000
MODES = ("BINARY", "STRUCTURED", "BATCH")
TYPE = "acceptance.odd.v1"
STRINGS = [
    "",
    "å",
    "\\u00e5",
    "\\ud83d\\ude86",
    "\U0001f686",
    '\\"',
    "\\/",
    "/",
    "\\n",
    "a b",
    "</script>",
    "\u2028",
    "0",
]
NUMBERS = ["0", "-0", "1e2", "1E+2", "1.0", "1.50", "0.1e-7", "12345678901234567890123", "-9007199254740993", "1e-400"]
NUMBERS += ["12345678901234567890.123", "0.12345678901234567", "100", "1e308"]
SPACES = ["", "", "", " ", "\n", "\t", "\r\n"]
OTHER_TYPES = [
    "text/plain; charset=utf-8",
    "text/xml",
    "application/octet-stream",
    "image/png",
    "application/x-protobuf",
]


def odd_json(source: random.Random, depth: int = 0) -> str:
    """A JSON text that hardly any program would print so."""
    space = partial(source.choice, SPACES)
    kinds = ["text", "number", "word"] if depth else []
    kind = source.choice([*kinds, "array", "object"] if depth < 4 else kinds)
    match kind:
        case "text":
            return f'"{source.choice(STRINGS)}"'
        case "number":
            return source.choice(NUMBERS)
        case "word":
            return source.choice(["true", "false", "null"])
        case "array":
            items = [odd_json(source, depth + 1) for _ in range(source.randrange(1, 5))]
            return f"[{space()}" + f"{space()},{space()}".join(items) + f"{space()}]"
    names = source.sample(["b", "a", "å", "\\u0063", "", "z z", "1"], source.randrange(1, 5))
    members = [f'"{name}"{space()}:{space()}{odd_json(source, depth + 1)}' for name in names]
    return f"{{{space()}" + f"{space()},{space()}".join(members) + f"{space()}}}"


def odd_payload(source: random.Random) -> tuple[str, bytes]:
    """A content type and data."""
    if source.random() < 0.7:
        return source.choice(["application/json", "Application/Vnd.Odd+JSON; v=1"]), odd_json(source).encode()
    content_type = source.choice(OTHER_TYPES)
    if content_type.startswith("text/"):
        return content_type, "".join(source.choices(["a", "å", "\n", "\x00", "<", "\U0001f686"], k=12)).encode()
    return content_type, source.randbytes(source.randrange(1, 60))


def odd_time(source: random.Random) -> str:
    fraction = source.choice(["", ".1", ".1234567", ".000000000", ".120"])
    return f"2026-11-24T10:00:0{source.randrange(10)}{fraction}{source.choice(['Z', 'z', '+01:00', '-00:00'])}"


@dataclass
class Arrivals:
    """What came: id → time, content type, data."""

    events: dict[str, tuple[str, str, bytes]] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, headers: dict[bytes, bytes], body: bytes) -> None:
        content_type = headers[b"content-type"].decode()
        if content_type.startswith("application/cloudevents-batch+json"):
            for event in msgspec.json.decode(body, type=list[dict[str, Raw]]):
                self._note(event)
        elif content_type.startswith("application/cloudevents+json"):
            self._note(msgspec.json.decode(body, type=dict[str, Raw]))
        else:
            self.events[headers[b"ce-id"].decode()] = (headers[b"ce-time"].decode(), content_type, body)
        self.arrived.set()

    def _note(self, event: dict[str, Raw]) -> None:
        """From the JSON event format; JSON data as they are written there."""
        id_, time, content_type = (json.loads(bytes(event[name])) for name in ("id", "time", "datacontenttype"))
        if "data_base64" in event:
            data = base64.b64decode(json.loads(bytes(event["data_base64"])))
        else:
            written = bytes(event["data"])
            data = written if "json" in content_type.lower() else json.loads(written).encode()
        self.events[id_] = (time, content_type, data)


class Peer(asyncio.Protocol):
    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._parser = httptools.HttpRequestParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._body = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._headers, self._body = {}, b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._parser.get_method() == b"POST":
            self._arrivals.take(self._headers, self._body)
        self._transport.write(b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
async def endpoints() -> AsyncIterator[dict[str, tuple[Arrivals, str]]]:
    """By content mode: what comes, and the URL where it comes."""
    endpoints = {}
    async with AsyncExitStack() as open_servers:
        for mode in MODES:
            arrivals = Arrivals()
            server = await asyncio.get_running_loop().create_server(partial(Peer, arrivals), "127.0.0.1", 0)
            await open_servers.enter_async_context(server)
            endpoints[mode] = (arrivals, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook")
        yield endpoints


async def test_a_thousand_odd_payloads_arrive_as_they_were_sent(
    database_url: str, tmp_path: Path, endpoints: dict[str, tuple[Arrivals, str]]
) -> None:
    source = random.Random(2026)
    sent = {str(number): (odd_time(source), *odd_payload(source)) for number in range(PAYLOADS)}
    server = Server(database_url, tmp_path / "server.log")
    key = await server.run("key", "create", "--tenant", "acme", "--principal", "tester", "--operator")
    try:
        await server.start()
        async with httpx.AsyncClient(base_url=server.url, timeout=30, headers={"X-API-Key": key}) as http:
            partner = Partner(http, key, "tester")
            await partner.create_type(TYPE, schema={"type": ["object", "array", "string", "number", "boolean", "null"]})
            for mode, (_, url) in endpoints.items():
                await partner.subscribe(url, TYPE, contentMode=mode)
            for id_, (time, content_type, data) in sent.items():
                attributes = {"specversion": "1.0", "id": id_, "source": "/odd", "type": TYPE, "time": time}
                headers = {f"ce-{name}": value for name, value in attributes.items()} | {"content-type": content_type}
                response = await http.post("/v1/acme/produce", content=data, headers=headers)
                assert response.status_code == 200, (data, response.text)
            for received, _ in endpoints.values():
                while len(received.events) < PAYLOADS:
                    received.arrived.clear()
                    await received.arrived.wait()
        assert await server.stop() == 0
    finally:
        await server.close()
    assert {mode: received.events == sent for mode, (received, _) in endpoints.items()} == dict.fromkeys(MODES, True)
    print(f"\n{PAYLOADS} payloads, {len({data for _, _, data in sent.values()})} of them distinct, bytes equal")
