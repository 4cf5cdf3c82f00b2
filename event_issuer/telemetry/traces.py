"""Traces: which requests, appends and attempts are recorded as spans, and where those go.

A span is told once, when what it covers is over. Who records decides first by the trace id, so that what is not sampled
costs a comparison. Knows no SDK: a sink takes the spans.
"""

import secrets
from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple, Protocol

import structlog

from event_issuer.domain.time import Clock, Instant, system_clock
from event_issuer.domain.trace_context import TraceContext
from event_issuer.telemetry.requests import current_trace

logger = structlog.get_logger(__name__)

Attributes = Mapping[str, str | int | bool]

SPAN_ID_BYTES: Final = 8
_RANDOM_BITS: Final = 64  # OpenTelemetry's TraceIdRatioBased decides by the low 8 bytes, and so do we


class SpanKind(Enum):
    INTERNAL = "internal"
    PRODUCER = "producer"
    CLIENT = "client"


class SpanName(NamedTuple):
    """The ids by which another span can point to one."""

    trace_id: str
    span_id: str


class Span(NamedTuple):
    """`error` says in a word why it failed. `links` are spans of other traces that led to this one."""

    title: str
    kind: SpanKind
    name: SpanName
    parent_id: str | None
    started_at: Instant
    duration_us: int
    attributes: Attributes
    error: str | None = None
    links: tuple[SpanName, ...] = ()


class SpanSink(Protocol):
    def take(self, span: Span) -> None:
        """Keeps it for sending; drops it when too many wait. Does not block."""
        ...

    def close(self) -> None:
        """Sends what waits. Blocks for a bounded time."""
        ...


class Traces:
    """`ratio` of all traces are recorded; without a sink none is."""

    def __init__(self, ratio: float = 0.0, sink: SpanSink | None = None, clock: Clock = system_clock) -> None:
        self._bound = round(ratio * 2**_RANDOM_BITS) if sink is not None else 0
        self._sink, self._clock = sink, clock
        self.is_on = self._bound > 0

    def samples(self, trace_id: str) -> bool:
        """The same answer for the same trace id, here and in every program that samples by OpenTelemetry's ratio."""
        return self._bound > 0 and int(trace_id[-16:], 16) < self._bound

    def record(self, span: Span) -> None:
        if self._sink is None:
            return
        try:
            self._sink.take(span)
        except Exception:  # a span that is lost must not take what it tells of along
            logger.exception("a span was not recorded", span=span.title)

    def begin(self, title: str, kind: SpanKind) -> "OpenSpan | None":
        """A span within the request that is being answered; None where its trace is not recorded."""
        if not self._bound:
            return None
        trace = current_trace()
        return OpenSpan(self, self._clock, title, kind, trace) if self.samples(trace.trace_id) else None


class OpenSpan:
    """A span that is not over."""

    def __init__(self, traces: Traces, clock: Clock, title: str, kind: SpanKind, trace: TraceContext) -> None:
        self._traces, self._clock, self._title, self._kind = traces, clock, title, kind
        self._parent_id = trace.parent_id
        self._started_at = clock()
        self.name = SpanName(trace.trace_id, secrets.token_hex(SPAN_ID_BYTES))

    def child(self, title: str) -> "OpenSpan":
        return OpenSpan(
            self._traces, self._clock, title, SpanKind.INTERNAL, TraceContext(self.name.trace_id, self.name.span_id)
        )

    def end(self, attributes: Attributes, error: str | None = None) -> None:
        duration_us = max(0, self._clock() - self._started_at)
        self._traces.record(
            Span(self._title, self._kind, self.name, self._parent_id, self._started_at, duration_us, attributes, error)
        )


NO_TRACES: Final = Traces()
