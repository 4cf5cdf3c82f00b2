"""Spans for OpenTelemetry: the SDK's batch processor, and OTLP over HTTP to a collector.

Imported only where traces are on: the SDK is the optional extra `otel`. Spans are told when they are over, so they are
built whole; the SDK's tracer, which costs several times as much, is not used. Knows nothing of what is traced.
"""

from importlib.metadata import version
from threading import Thread
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags
from opentelemetry.trace import SpanKind as OtelKind

from event_issuer.telemetry.traces import Span, SpanKind, SpanName

SERVICE: Final = "event-issuer"
WAITING_MAX: Final = 8_192  # spans in memory, about 2 KiB each; more are dropped while the collector is away
EXPORT_TIMEOUT_S: Final = 5.0  # of one request to the collector with its repetitions
CLOSE_MAX_S: Final = 3.0  # at the end; what is not sent by then is lost, as traces may be

_KINDS: Final = {
    SpanKind.INTERNAL: OtelKind.INTERNAL,
    SpanKind.PRODUCER: OtelKind.PRODUCER,
    SpanKind.CLIENT: OtelKind.CLIENT,
}
_NS_PER_US: Final = 1_000


class OtelSink:
    """Gives every span to `processor`, as the SDK's tracer would at its end."""

    def __init__(self, processor: SpanProcessor, *, close_max_s: float = CLOSE_MAX_S) -> None:
        self._processor, self._close_max_s = processor, close_max_s
        self._resource = Resource.create({"service.name": SERVICE, "service.version": version(SERVICE)})
        self._scope = InstrumentationScope("event_issuer", version(SERVICE))

    def take(self, span: Span) -> None:
        context = _context(span.name)
        started_ns = span.started_at * _NS_PER_US
        self._processor.on_end(
            ReadableSpan(
                name=span.title,
                context=context,
                parent=None if span.parent_id is None else _context(SpanName(span.name.trace_id, span.parent_id)),
                resource=self._resource,
                attributes=span.attributes,
                links=[Link(_context(link)) for link in span.links],
                kind=_KINDS[span.kind],
                status=Status(StatusCode.UNSET) if span.error is None else Status(StatusCode.ERROR, span.error),
                start_time=started_ns,
                end_time=started_ns + span.duration_us * _NS_PER_US,
                instrumentation_scope=self._scope,
            )
        )

    def close(self) -> None:
        """The SDK's own way waits for 30 s where the collector is away; the thread that goes on then ends with the
        process."""
        closing = Thread(target=self._processor.shutdown, name="traces-closing", daemon=True)
        closing.start()
        closing.join(self._close_max_s)


def otlp_sink(endpoint: str) -> OtelSink:
    """Sends to `endpoint`, OTLP over HTTP. Headers and certificates come from OpenTelemetry's own variables
    (`OTEL_EXPORTER_OTLP_HEADERS`, …)."""
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S)
    return OtelSink(BatchSpanProcessor(exporter, max_queue_size=WAITING_MAX))


def _context(name: SpanName) -> SpanContext:
    return SpanContext(
        int(name.trace_id, 16), int(name.span_id, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )
