"""The webhook sender: POSTs over HTTP/1.1, on connections that are kept, to addresses that were vetted.

Its own client rather than a library's, because sending POSTs is what the product exists for: the warm path
takes an idle connection, writes once and awaits one future. It follows no redirect, keeps no cookie, reads no
proxy from the environment and judges no status: that is delivery's business.
"""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from event_issuer.egress.addresses import Address, literal_address
from event_issuer.egress.connection import Connection, Key
from event_issuer.egress.messages import Failure, FailureKind, Opening, Outgoing, Response, Timings
from event_issuer.egress.pool import Pool, PoolLimits
from event_issuer.egress.resolver import Forbidden, Resolver, Unresolved, vetted_addresses
from event_issuer.egress.urls import Target


class Sender(Protocol):
    """What delivery needs of a sender. Every expected outcome is returned; only cancellation propagates."""

    async def send(self, request: Outgoing) -> Response | Failure: ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class _Steps:
    """What `Opening` will say, as it becomes known: an opening that fails has come only so far."""

    dns_s: float | None = None
    connect_s: float | None = None
    tls_s: float | None = None

    def opening(self) -> Opening:
        return Opening(self.dns_s, self.connect_s, self.tls_s)


class WebhookSender:
    """One per event loop. `tls` is for private authorities; the default is the system's trust."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        limits: PoolLimits | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._clock = clock
        self._tls = tls or ssl.create_default_context()
        self.pool = Pool(limits or PoolLimits(), clock)

    async def send(self, request: Outgoing) -> Response | Failure:
        """One POST and its outcome, within `request.timeout_s`. Cancelling it closes its connection."""
        started_at = self._clock()
        key = (request.target.origin, request.rules)
        connection = self.pool.take(key)
        if connection is not None:
            outcome = await self._exchange(connection, request, started_at, started_at, None)
            if not _is_stale(connection, outcome):
                return outcome
        return await self._send_on_new(key, request, started_at)

    async def close(self) -> None:
        """Close every connection. Requests still under way fail: drain or cancel them first."""
        await self.pool.close()

    async def _exchange(
        self, connection: Connection, request: Outgoing, started_at: float, sent_at: float, opening: Opening | None
    ) -> Response | Failure:
        try:
            outcome = await connection.post(request, started_at, sent_at, opening)
        except asyncio.CancelledError:
            connection.abort()
            raise
        self.pool.give_back(connection)
        return outcome

    async def _send_on_new(self, key: Key, request: Outgoing, started_at: float) -> Response | Failure:
        deadline = started_at + request.timeout_s
        steps = _Steps()
        try:
            async with asyncio.timeout(deadline - self._clock()):
                connection = await self._open(key, request, deadline, steps)
        except TimeoutError:
            connection = _failure(FailureKind.TIMEOUT, f"there was no connection within {request.timeout_s:g} s")
        opened_at = self._clock()
        if isinstance(connection, Failure):
            return connection._replace(timings=Timings(steps.opening(), None, opened_at - started_at))
        return await self._exchange(connection, request, started_at, opened_at, steps.opening())

    async def _open(self, key: Key, request: Outgoing, deadline: float, steps: _Steps) -> Connection | Failure:
        target = request.target
        if self.pool.is_closed:
            return _failure(FailureKind.RESET, "the sender is closed")
        if target.scheme != "https" and not request.rules.http_allowed:
            return _failure(FailureKind.FORBIDDEN_ADDRESS, f"{target.origin} is not https")
        asked_at = self._clock()
        addresses = await vetted_addresses(self._resolver, target.host, request.rules)
        if literal_address(target.host) is None:
            steps.dns_s = self._clock() - asked_at
        if isinstance(addresses, Unresolved):
            return _failure(FailureKind.DNS, f"{target.host} was not found: {addresses.reason}")
        if isinstance(addresses, Forbidden):
            return _failure(FailureKind.FORBIDDEN_ADDRESS, f"{target.host} may not be contacted: {addresses.reason}")
        await self.pool.reserve_slot()
        try:
            connection = await self._connect_to_any(addresses, key, target, deadline, steps)
        except BaseException:
            self.pool.free_slot()
            raise
        if isinstance(connection, Failure):
            self.pool.free_slot()
        else:
            self.pool.adopt(connection)
        return connection

    async def _connect_to_any(
        self, addresses: tuple[Address, ...], key: Key, target: Target, deadline: float, steps: _Steps
    ) -> Connection | Failure:
        """Try each in turn. An address that stays silent may use up only its share of the time left."""
        for left in range(len(addresses), 1, -1):
            share_s = (deadline - self._clock()) / left
            try:
                async with asyncio.timeout(share_s):
                    return await self._connect(addresses[-left], key, target, steps)
            except OSError:
                continue
        try:
            return await self._connect(addresses[-1], key, target, steps)
        except OSError as error:
            return _connect_failure(target, error)

    async def _connect(self, address: Address, key: Key, target: Target, steps: _Steps) -> Connection:
        """`steps` are those of the address that was tried last."""
        loop = asyncio.get_running_loop()
        begun_at = self._clock()
        steps.connect_s = steps.tls_s = None

        def new() -> Connection:
            return Connection(key, self._clock)

        if target.scheme != "https":
            _, connection = await loop.create_connection(new, str(address), target.port)
            steps.connect_s = self._clock() - begun_at
            return connection
        # In two steps, each with its time: the loop's one call does not tell when the handshake begins.
        plain = await _connected(address, target.port)
        connected_at = self._clock()
        steps.connect_s = connected_at - begun_at
        try:
            _, connection = await loop.create_connection(new, ssl=self._tls, server_hostname=target.host, sock=plain)
        except BaseException:
            plain.close()
            raise
        steps.tls_s = self._clock() - connected_at
        return connection


async def _connected(address: Address, port: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    plain = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, (str(address), port))
    except BaseException:
        plain.close()
        raise
    return plain


def _is_stale(connection: Connection, outcome: Response | Failure) -> bool:
    """A kept connection that ended without a byte: most likely closed before the request reached it."""
    return isinstance(outcome, Failure) and outcome.kind is FailureKind.RESET and not connection.answered


def _failure(kind: FailureKind, message: str) -> Failure:
    return Failure(kind, message, Timings(None, None, 0.0))


def _connect_failure(target: Target, error: OSError) -> Failure:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _failure(FailureKind.TLS, f"the certificate of {target.origin} is not trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return _failure(FailureKind.TLS, f"the TLS handshake with {target.origin} failed: {error.reason}")
    if target.scheme == "https" and isinstance(error, ConnectionResetError | ConnectionAbortedError):
        return _failure(FailureKind.TLS, f"{target.origin} ended the TLS handshake")
    # The error's own text names the address, which is the operator's to know.
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return _failure(FailureKind.CONNECT, f"there is no connection to {target.origin}: {reason}")
