"""Every HTTP request observed: its trace, one line of the log, one count. Pure ASGI, outermost; knows no route.

A line has the route's template, not the path: paths, queries, headers, bodies and GraphQL variables are never told.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from event_issuer.domain.time import SECOND_US
from event_issuer.domain.trace_context import TRACEPARENT, TRACESTATE, TraceContext, read_trace
from event_issuer.telemetry.metrics import Metrics
from event_issuer.telemetry.requests import RequestFacts, current_request, fresh_trace

UNMATCHED: Final = "unmatched"  # no route is at this path
NO_STATUS: Final = "none"  # the client left before there was an answer
METHOD_LENGTH_MAX: Final = 20

logger = structlog.get_logger(__name__)


class Observed:
    """Goes around everything else, so that it sees the status that is sent."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics
        self._logger = logger.bind()  # once: the proxy looks up its configuration at each line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun_s, status = perf_counter(), 0

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        facts = RequestFacts(trace_of(scope["headers"]))
        token = current_request.set(facts)
        try:
            await self._app(scope, receive, observed_send)
        finally:
            current_request.reset(token)
            self._tell(scope, facts, status, round((perf_counter() - begun_s) * SECOND_US))

    def _tell(self, scope: Scope, facts: RequestFacts, status: int, duration_us: int) -> None:
        route = getattr(scope.get("route"), "path", UNMATCHED)
        self._metrics.request(scope["method"], route, str(status) if status else NO_STATUS, duration_us)
        if status >= 500:
            tell = self._logger.warning
        elif status >= 400 or facts.error_codes:
            tell = self._logger.info
        else:
            tell = self._logger.debug
        tell(
            "request",
            method=scope["method"][:METHOD_LENGTH_MAX],
            route=route,
            operation_type=facts.operation_type,
            operation=facts.operation,
            status=status or None,
            error_codes=facts.error_codes,
            duration_ms=duration_us / 1000,
            trace_id=facts.trace.trace_id,
            tenant=facts.tenant_id,
            principal=facts.principal_id,
        )


def trace_of(headers: Sequence[tuple[bytes, bytes]]) -> TraceContext:
    """The request's own trace if it names one, and only one; else a fresh one. Several `tracestate` headers are one
    list (W3C Trace Context §3.3.1)."""
    parents = [value for name, value in headers if name == _TRACEPARENT]
    if len(parents) != 1:
        return fresh_trace()
    state = b",".join(value for name, value in headers if name == _TRACESTATE)
    return read_trace(parents[0].decode("latin-1"), state.decode("latin-1")) or fresh_trace()


_TRACEPARENT: Final = TRACEPARENT.encode()
_TRACESTATE: Final = TRACESTATE.encode()
