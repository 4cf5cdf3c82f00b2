"""A real receiver on loopback that misbehaves on order, and counts what reaches it."""

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, cast

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer(asyncio.Protocol):
    """One connection as the receiver sees it; an act gets it to answer a request."""

    def __init__(self, receiver: "Receiver") -> None:
        self.transport: asyncio.Transport
        self._receiver = receiver
        self._received = b""
        self._lost = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._acting: asyncio.Future[None]  # held, so that it is not collected half-way

    async def write(self, data: bytes) -> None:
        self.transport.write(data)
        await self._writable.wait()

    async def wait(self, seconds: float | None = None) -> None:
        """Until the other side has left, or for `seconds` at most."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._lost.wait(), seconds)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._receiver.connections += 1
        self._receiver.peers.add(self)
        self._receiver.all_left.clear()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._receiver.eager:
            self.transport.pause_reading()
            self._acting = asyncio.ensure_future(self._receiver.receive(self._received)(self))
            return
        head, blank, rest = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if blank and len(rest) >= (int(length[1]) if length else 0):
            act = self._receiver.receive(self._received)
            self._received = b""
            self._acting = asyncio.ensure_future(act(self))

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()
        self._writable.set()
        self._receiver.peers.discard(self)
        if not self._receiver.peers:
            self._receiver.all_left.set()


Act = Callable[[Peer], Awaitable[None]]


def answer(*parts: bytes) -> Act:
    """Write each part on its own, and keep the connection."""

    async def act(peer: Peer) -> None:
        for part in parts:
            await peer.write(part)
            if len(parts) > 1:
                await peer.wait(0.002)

    return act


def answer_and_close(*parts: bytes) -> Act:
    async def act(peer: Peer) -> None:
        await answer(*parts)(peer)
        peer.transport.close()

    return act


def hang(first: bytes = b"") -> Act:
    """Say `first` and then nothing, for ever."""

    async def act(peer: Peer) -> None:
        await peer.write(first)
        await peer.wait()

    return act


def drip(data: bytes) -> Act:
    """A byte every 5 ms."""

    async def act(peer: Peer) -> None:
        for byte in data:
            await peer.write(bytes([byte]))
            await peer.wait(0.005)

    return act


def reset(first: bytes = b"") -> Act:
    """Say `first` and then reset the connection (RST)."""

    async def act(peer: Peer) -> None:
        await peer.write(first)
        await peer.wait(0.002)
        never_linger = struct.pack("ii", 1, 0)
        peer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, never_linger)
        peer.transport.abort()

    return act


class Receiver:
    """Plays one act per request, in order over all connections; the last one for good.

    An `eager` one does not read its requests to their end. `connections` counts what was accepted, `requests`
    holds each request as it came, head and body.
    """

    def __init__(self, acts: tuple[Act, ...], eager: bool) -> None:
        self.eager = eager
        self.connections = 0
        self.peers: set[Peer] = set()
        self.requests: list[bytes] = []
        self.server_names: list[str | None] = []  # what TLS clients asked for
        self.all_left = asyncio.Event()
        self._acts = list(acts)
        self._news = asyncio.Event()
        self._server: asyncio.Server

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        if tls is not None:
            tls.sni_callback = lambda _tls, name, _context: self.server_names.append(name)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Peer(self), host, port, ssl=tls)

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def asked(self, count: int) -> None:
        """Returns when `count` requests have come in."""
        while len(self.requests) < count:
            self._news.clear()
            await self._news.wait()

    def receive(self, request: bytes) -> Act:
        self.requests.append(request)
        self._news.set()
        return self._acts.pop(0) if len(self._acts) > 1 else self._acts[0]

    async def hang_up(self) -> None:
        """Close every connection, and wait until they are gone."""
        for peer in self.peers:
            peer.transport.abort()
        if self.peers:
            await self.all_left.wait()

    async def stop(self) -> None:
        self._server.close()
        await self.hang_up()


class Receivers:
    """`await receivers(act, …)` starts one; all are stopped at the end."""

    def __init__(self) -> None:
        self._started: list[Receiver] = []

    async def __call__(
        self,
        *acts: Act,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        eager: bool = False,
    ) -> Receiver:
        receiver = Receiver(acts, eager)
        await receiver.start(host, port, tls)
        self._started.append(receiver)
        return receiver

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for receiver in self._started:
            await receiver.stop()
