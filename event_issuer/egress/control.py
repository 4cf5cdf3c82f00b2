"""The control client: handshakes, tokens and key sets, over httpx, to addresses that were vetted and pinned.

Rare requests, so it keeps no connection between two of them: each one looks the name up and vets it anew. It
knows neither redirects, proxies and netrc from the environment, cookies nor compressed bodies.
"""

import asyncio
import http.cookiejar
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Final, NamedTuple

import httpcore
import httpx

from event_issuer.domain.errors import BadInput
from event_issuer.egress.addresses import AddressRules
from event_issuer.egress.messages import Failure, FailureKind, Timings
from event_issuer.egress.resolver import Forbidden, Resolver, Unresolved, vetted_addresses
from event_issuer.egress.urls import Target, parse_target

# Control requests at a time; more wait within their deadlines. httpx slows down with many open connections.
CONNECTIONS_MAX: Final = 50
# A token or a key set is a few kilobytes.
BODY_BYTES_MAX: Final = 256 * 1024


class ControlResponse(NamedTuple):
    """A whole response; `headers` have lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes


class ControlClient:
    """`rules` hold for every request. `tls` is for private authorities; the default is the system's trust."""

    def __init__(self, rules: AddressRules, resolver: Resolver, *, tls: ssl.SSLContext | None = None) -> None:
        self._rules = rules
        self._client = httpx.AsyncClient(
            transport=_PinningTransport(rules, resolver, tls or ssl.create_default_context()),
            headers={"user-agent": "event-issuer", "accept-encoding": "identity"},
            cookies=http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
            timeout=None,  # noqa: S113 - `request` holds one total deadline
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        timeout_s: float,
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> ControlResponse | Failure:
        """One request and its whole response, within `timeout_s` in all. Any status is a response."""
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        try:
            target = parse_target(url, self._rules)
            async with asyncio.timeout(timeout_s):
                return await self._request(method, target, headers or {}, content, body_bytes_max)
        except BadInput as refusal:
            kind, message = FailureKind.FORBIDDEN_ADDRESS, refusal.detail
        except TimeoutError:
            kind, message = FailureKind.TIMEOUT, f"the exchange was not complete within {timeout_s:g} s"
        except _Refused as refusal:
            kind, message = refusal.kind, str(refusal)
        except httpcore.ConnectError as error:
            kind, message = _connect_failure(error, target)
        except httpcore.NetworkError:
            kind, message = FailureKind.RESET, "the connection was closed before the response was complete"
        except httpcore.ProtocolError as error:
            kind, message = FailureKind.PROTOCOL, f"the response is not HTTP/1.1: {error}"
        return Failure(kind, message, Timings(None, None, loop.time() - started_at))

    async def close(self) -> None:
        await self._client.aclose()

    async def _request(
        self, method: str, target: Target, headers: Mapping[str, str], content: bytes, body_bytes_max: int
    ) -> ControlResponse:
        url = httpx.URL(scheme=target.scheme, host=target.host, port=target.port, raw_path=target.path.encode())
        async with self._client.stream(method, url, headers=headers, content=content) as response:
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise _Refused(FailureKind.PROTOCOL, "the body is compressed, which was not asked for")
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > body_bytes_max:
                    raise _Refused(FailureKind.PROTOCOL, f"the body is longer than {body_bytes_max} bytes")
        return ControlResponse(response.status_code, dict(response.headers), body)


class _Refused(Exception):
    """Ends a request from inside httpx and httpcore."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _PinningBackend(httpcore.AsyncNetworkBackend):
    """Connects to what was vetted. httpcore still takes the TLS server name from the URL."""

    def __init__(self, rules: AddressRules, resolver: Resolver) -> None:
        self._rules = rules
        self._resolver = resolver
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await vetted_addresses(self._resolver, host, self._rules)
        if isinstance(addresses, Unresolved):
            raise _Refused(FailureKind.DNS, f"{host} was not found: {addresses.reason}")
        if isinstance(addresses, Forbidden):
            raise _Refused(FailureKind.FORBIDDEN_ADDRESS, f"{host} may not be contacted: {addresses.reason}")
        for address in addresses[:-1]:
            try:
                return await self._network.connect_tcp(str(address), port, timeout)
            except httpcore.ConnectError:
                continue
        return await self._network.connect_tcp(str(addresses[-1]), port, timeout)


class _PinningTransport(httpx.AsyncBaseTransport):
    """What httpx's own transport does, which takes no network backend. Raises httpcore's errors."""

    def __init__(self, rules: AddressRules, resolver: Resolver, tls: ssl.SSLContext) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=CONNECTIONS_MAX,
            max_keepalive_connections=0,
            network_backend=_PinningBackend(rules, resolver),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        response = await self._pool.handle_async_request(
            httpcore.Request(request.method, url, headers=request.headers.raw, content=request.stream)
        )
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response))

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._response.aiter_stream()

    async def aclose(self) -> None:
        await self._response.aclose()


def _connect_failure(error: httpcore.ConnectError, target: Target) -> tuple[FailureKind, str]:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return FailureKind.TLS, f"the certificate of {target.origin} is not trusted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return FailureKind.TLS, f"the TLS handshake with {target.origin} failed: {cause.reason}"
    return FailureKind.CONNECT, f"there is no connection to {target.origin}"
