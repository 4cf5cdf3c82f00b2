"""One connection to one vetted address: writes a POST, reads its response, keeps its deadline.

No pool and no retry: at most one request is under way at a time. On the warm path a request costs one write
and one future; the timer is set anew only when it stands later than the deadline, which in a busy connection
is once per `timeout_s`.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from event_issuer.egress.addresses import AddressRules
from event_issuer.egress.messages import Failure, FailureKind, Opening, Outgoing, Response, Timings
from event_issuer.egress.reader import MalformedResponse, ResponseReader

Key = tuple[str, AddressRules]  # a connection serves one origin, as vetted by one set of rules
Reply = asyncio.Future[Response | Failure]

_NEVER: Final = float("inf")


class Connection(asyncio.Protocol):
    """Owned by whoever took it from the pool: it must be given back or aborted.

    `closed` is final. `reusable` says, after a reply, whether another request may follow.
    """

    def __init__(self, key: Key, clock: Callable[[], float]) -> None:
        self.key = key
        self.opened_at = clock()
        self.idle_since = 0.0
        self.closed = False
        self.reusable = False
        self.on_lost: Callable[[Connection], None] | None = None
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._reader = ResponseReader()
        self._transport: asyncio.Transport | None = None
        self._reply: Reply | None = None
        self._started_at = 0.0
        self._sent_at = 0.0
        self._opening: Opening | None = None
        self._first_byte_at: float | None = None
        self._deadline = _NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = _NEVER

    @property
    def answered(self) -> bool:
        """Whether any byte came back for the last request."""
        return self._first_byte_at is not None

    def post(self, request: Outgoing, started_at: float, sent_at: float, opening: Opening | None) -> Reply:
        """Send `request`, now (`sent_at`); the future holds a Response or a Failure and never an exception."""
        target, _, head, body, timeout_s = request
        self._reply = reply = self._loop.create_future()
        self._started_at = started_at
        self._sent_at = sent_at
        self._opening = opening
        self._first_byte_at = None
        self._reader.expect()
        self._set_deadline(started_at + timeout_s)
        if self._transport is None or self.closed:
            self._fail(FailureKind.RESET, "the connection was closed before a response came")
        else:
            length = b"Content-Length: %d\r\n\r\n" % len(body)
            self._transport.write(b"".join((target.opening, head, length, body)))
        return reply

    def rest(self, now: float, idle_timeout_s: float) -> None:
        """Wait for the next request, at most `idle_timeout_s`."""
        self.idle_since = now
        self._set_deadline(now + idle_timeout_s)

    def abort(self) -> None:
        """Close at once. TLS says no goodbye: a whole response needs none, and a dead peer never answers."""
        self.closed = True
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._reply is None:  # nobody asked: what follows could pass for the answer to the next request
            self.abort()
            return
        if self._first_byte_at is None:
            self._first_byte_at = self._clock()
        try:
            self._reader.feed(data)
        except MalformedResponse as fault:
            self._fail(FailureKind.PROTOCOL, str(fault))
            return
        if self._reader.complete:
            self._succeed()

    def eof_received(self) -> None:
        self.closed = True
        if self._reply is not None:
            self._reader.feed_eof()
            if self._reader.complete:
                self._succeed()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._reply is not None:
            where = "in the middle of the response" if self.answered else "before a response came"
            self._fail(FailureKind.RESET, f"the connection was closed {where}")
        if self.on_lost is not None:
            self.on_lost(self)

    # The two ends of a request.

    def _succeed(self) -> None:
        reader = self._reader
        # A response that overtakes its request leaves unsent bytes, which the next request must not follow.
        self.reusable = (
            reader.keep_alive
            and not self.closed
            and self._transport is not None
            and not self._transport.get_write_buffer_size()
        )
        self._settle(Response(reader.status, reader.headers, reader.body_excerpt, self._timings()))

    def _fail(self, kind: FailureKind, message: str) -> None:
        self.abort()
        self._settle(Failure(kind, message, self._timings()))

    def _settle(self, outcome: Response | Failure) -> None:
        reply, self._reply = self._reply, None
        if reply is not None and not reply.done():  # done: the caller was cancelled and is about to abort
            reply.set_result(outcome)

    def _timings(self) -> Timings:
        first_byte_at = self._first_byte_at
        first_byte_s = None if first_byte_at is None else first_byte_at - self._sent_at
        return Timings(self._opening, first_byte_s, self._clock() - self._started_at)

    # One timer per connection, not per request.

    def _set_deadline(self, deadline: float) -> None:
        self._deadline = deadline
        if deadline < self._timer_at:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._deadline
        self._timer = self._loop.call_later(max(0.0, self._deadline - self._clock()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at = _NEVER
        if self._clock() < self._deadline:  # meanwhile another request began, or the rest
            self._set_timer()
        elif self._reply is None:
            self.abort()
        else:
            timeout_s = self._deadline - self._started_at
            what = "the response was not complete" if self.answered else "there was no response"
            self._fail(FailureKind.TIMEOUT, f"{what} within {timeout_s:g} s")
