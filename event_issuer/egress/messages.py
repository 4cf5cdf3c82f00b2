"""What goes out and what comes back: plain values that sender, control client and their callers share.

Tuples, because several are made per request and a frozen dataclass costs twice as much. No I/O here.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from event_issuer.egress.addresses import AddressRules
from event_issuer.egress.urls import Target


class FailureKind(StrEnum):
    """Why there is no response."""

    TIMEOUT = "TIMEOUT"  # the one total deadline passed
    DNS = "DNS"  # the name has no address
    FORBIDDEN_ADDRESS = "FORBIDDEN_ADDRESS"  # the operator's rules forbid it; nothing was sent
    CONNECT = "CONNECT"  # no address accepted a connection
    TLS = "TLS"  # the handshake failed, or the certificate is not to be trusted
    RESET = "RESET"  # the connection ended before the response did
    PROTOCOL = "PROTOCOL"  # what came back is not HTTP, or beyond its bounds


class Opening(NamedTuple):
    """Seconds that each step towards a new connection took; None for one that was not needed, or not reached."""

    dns_s: float | None = None
    connect_s: float | None = None
    tls_s: float | None = None


class Timings(NamedTuple):
    """`opening` is None on a kept connection. `first_byte_s` passed from the request to the first byte of the answer,
    `total_s` since `send` was called."""

    opening: Opening | None
    first_byte_s: float | None
    total_s: float


class Outgoing(NamedTuple):
    """One webhook POST. `head` holds encoded header lines, each ending in CRLF, made from validated values.

    The sender adds the request line, Host and Content-Length; `head` has none of these, nor Connection,
    Expect or Transfer-Encoding. `timeout_s` is the one total deadline, from the call to the last byte of the
    response.
    """

    target: Target
    rules: AddressRules
    head: bytes
    body: bytes
    timeout_s: float

    def __repr__(self) -> str:
        # The head carries credentials, the body the partner's data.
        return f"Outgoing({self.target.origin}, {len(self.body)} bytes, timeout_s={self.timeout_s})"


class Response(NamedTuple):
    """Any final HTTP status; `body_excerpt` is the start of the body."""

    status: int
    raw_headers: Sequence[tuple[bytes, bytes]]
    body_excerpt: bytes
    timings: Timings

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name, repeated ones joined by a comma. Made on demand: most are never read."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in self.raw_headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers


class Failure(NamedTuple):
    """No response; `message` tells a partner what happened, and holds no secret."""

    kind: FailureKind
    message: str
    timings: Timings
