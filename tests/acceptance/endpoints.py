"""Many webhook endpoints in this process: they agree, take everything, and remember what came in which order."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self, cast

import httptools

AGREED = b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nContent-Length: 0\r\n\r\n"
TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
FAILED = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Endpoint:
    """`taken` has the numbers of the events that came, in order, as pairs of partition key and number, and `taken_at`
    when they came. `answer()` gives what a delivery is answered with; None lets it hang. `failed` counts those that
    were answered something else, `last_at` is when the last event came, by the event loop's clock."""

    failed: int = 0
    last_at: float = 0.0
    taken: list[tuple[str, int]] = field(default_factory=list)
    taken_at: list[float] = field(default_factory=list)
    requests: int = 0
    answer: Callable[[], bytes | None] = lambda: TAKEN
    url: str = ""

    def missing(self, wanted: set[tuple[str, int]]) -> set[tuple[str, int]]:
        return wanted - set(self.taken)

    @property
    def duplicates(self) -> int:
        return len(self.taken) - len(set(self.taken))

    def out_of_order(self) -> list[tuple[str, int]]:
        """First deliveries that came after a later one of their key."""
        seen: set[tuple[str, int]] = set()
        latest: dict[str, int] = {}
        wrong = []
        for key, number in self.taken:
            if (key, number) not in seen and number < latest.get(key, -1):
                wrong.append((key, number))
            seen.add((key, number))
            latest[key] = max(number, latest.get(key, -1))
        return wrong


class _Peer(asyncio.Protocol):
    def __init__(self, endpoint: Endpoint, arrived: asyncio.Event) -> None:
        self._endpoint, self._arrived = endpoint, arrived
        self._parser = httptools.HttpRequestParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_message_complete(self) -> None:
        if self._parser.get_method() == b"OPTIONS":
            self._transport.write(AGREED)
            return
        endpoint, answer = self._endpoint, self._endpoint.answer()
        endpoint.requests += 1
        endpoint.last_at = asyncio.get_running_loop().time()
        if answer is TAKEN:
            event = self._headers[b"ce-type"] + b"/" + self._headers[b"ce-partitionkey"]
            endpoint.taken.append((event.decode(), int(self._headers[b"ce-id"])))
            endpoint.taken_at.append(time.monotonic())
            self._arrived.set()
        elif answer is not None:
            endpoint.failed += 1
        if answer is not None:
            self._transport.write(answer)


class Endpoints:
    """`count` of them, each on a port of its own. `arrived` is set by every event."""

    def __init__(self, count: int) -> None:
        self.all = [Endpoint() for _ in range(count)]
        self.arrived = asyncio.Event()
        self._servers: list[asyncio.Server] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for endpoint in self.all:
            server = await loop.create_server(partial(_Peer, endpoint, self.arrived), "127.0.0.1", 0)
            endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
            self._servers.append(server)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()

    @property
    def taken_count(self) -> int:
        return sum(len(endpoint.taken) for endpoint in self.all)

    async def taken(self, count: int) -> None:
        """Returns when `count` deliveries have come in, over all endpoints."""
        while self.taken_count < count:
            self.arrived.clear()
            await self.arrived.wait()

    async def complete(self, wanted: list[set[tuple[str, int]]]) -> None:
        """Returns when each endpoint has each of its events."""
        for endpoint, its in zip(self.all, wanted, strict=True):
            while endpoint.missing(its):
                self.arrived.clear()
                await self.arrived.wait()
