"""A webhook receiver, as a consumer would write one: it agrees to receive, verifies each signature, and remembers.

Sources: CloudEvents HTTP webhook 1.0.2 (the OPTIONS handshake) and HTTP binding 1.0.2; Standard Webhooks 1.0. It is a
stranger to the house and imports nothing of it.
"""

import asyncio
import base64
import hmac
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import unquote

import httptools

TOLERANCE_S: Final = 300  # Standard Webhooks' libraries refuse what is older, or further in the future
BODY_BYTES_MAX: Final = 1024 * 1024  # the demo's events have less than a kilobyte
REMEMBERED_MAX: Final = 10_000  # a demo may run for days
CHECKED_PATH: Final = "/hook"
UNCHECKED_PATH: Final = "/unchecked"  # for subscriptions that others make: their secrets are not ours to know
STRUCTURED: Final = "application/cloudevents+json"


@dataclass(frozen=True, slots=True)
class Received:
    """One POST. `attributes` and `data` are the CloudEvent's; `at_s` is the event loop's time of its arrival.

    `is_signed` is None where the signature was not checked.
    """

    attributes: Mapping[str, str]
    data: object
    is_signed: bool | None
    at_s: float

    def attribute(self, name: str) -> str:
        """The attribute's text; empty when it is absent."""
        return self.attributes.get(name, "")


@dataclass(slots=True)
class Receiver:
    """`secret` is set once the subscription is made, which is when it is shown. `agreed` is set by the handshake."""

    on_received: Callable[[Received], None]
    clock_s: Callable[[], float] = time.time
    secret: str = field(default="", repr=False)
    received: deque[Received] = field(default_factory=lambda: deque(maxlen=REMEMBERED_MAX), repr=False)
    agreed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    origin: str = ""

    @property
    def url(self) -> str:
        return self.origin + CHECKED_PATH

    @property
    def unchecked_url(self) -> str:
        return self.origin + UNCHECKED_PATH

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        """The status and the headers of the answer, which has no body. `headers` have lower-case names."""
        if path not in (CHECKED_PATH, UNCHECKED_PATH):
            return 404, {}
        if method == "OPTIONS":
            self.agreed.set()
            origin = headers.get("webhook-request-origin", "*")
            return 200, {"Allow": "POST, OPTIONS", "WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"}
        if method != "POST":
            return 405, {"Allow": "POST, OPTIONS"}
        try:
            attributes, data = read_event(headers, body)
        except ValueError:
            return 400, {}
        is_signed = verify(self.secret, headers, body, self.clock_s()) if path == CHECKED_PATH else None
        received = Received(attributes, data, is_signed, asyncio.get_running_loop().time())
        self.received.append(received)
        self.on_received(received)
        return (401 if is_signed is False else 204), {}


def verify(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> bool:
    """Standard Webhooks 1.0, "Verifying webhook authenticity": HMAC-SHA256 over `id.timestamp.body`, not too old."""
    try:
        webhook_id, timestamp, signatures = (headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        is_fresh = abs(now_s - int(timestamp)) <= TOLERANCE_S
    except (KeyError, ValueError):
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
    return bool(key) and is_fresh and any(hmac.compare_digest(expected, one.encode()) for one in signatures.split(" "))


def read_event(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], object]:
    """The attributes and the data of a CloudEvent in binary or structured mode. Raises ValueError."""
    if headers.get("content-type", "").startswith(STRUCTURED):
        members = json.loads(body)
        if not isinstance(members, dict):
            raise ValueError("A structured CloudEvent is a JSON object.")
        data = members.pop("data", None)
        return {name: str(value) for name, value in members.items()}, data
    attributes = {name[3:]: unquote(value) for name, value in headers.items() if name.startswith("ce-")}
    return attributes, json.loads(body)


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive; httptools calls the `on_` methods."""

    def __init__(self, receiver: Receiver, open_transports: set[asyncio.Transport]) -> None:
        self._receiver, self._open = receiver, open_transports
        self._parser = httptools.HttpRequestParser(self)
        self._headers: dict[str, str] = {}
        self._path, self._body = "", b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._transport.close()

    def on_message_begin(self) -> None:
        self._path, self._headers, self._body = "", {}, b""

    def on_url(self, part: bytes) -> None:
        self._path += part.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self._body += part
        if len(self._body) > BODY_BYTES_MAX:
            self._transport.abort()

    def on_message_complete(self) -> None:
        if self._transport.is_closing():
            return
        method = self._parser.get_method().decode("latin-1")
        status, headers = self._receiver.answer(method, self._path, self._headers, self._body)
        # RFC 9110 §8.6: an answer 204 has no Content-Length.
        lines = headers if status == 204 else {**headers, "Content-Length": "0"}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._transport.write(f"HTTP/1.1 {status} \r\n{head}\r\n".encode("latin-1"))


@asynccontextmanager
async def receiving(on_received: Callable[[Received], None]) -> AsyncIterator[Receiver]:
    """A receiver that listens on a free port of the loopback, until the end of the block."""
    receiver, transports = Receiver(on_received), set[asyncio.Transport]()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(receiver, transports), "127.0.0.1", 0)
    receiver.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        server.close()
        for transport in list(transports):
            transport.abort()
