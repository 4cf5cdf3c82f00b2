"""An issuer's own metrics and traces, opened together. OpenTelemetry is imported here, and only where traces are on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from event_issuer.domain.errors import SettingsInvalid
from event_issuer.domain.time import Clock
from event_issuer.telemetry.metrics import Metrics
from event_issuer.telemetry.traces import NO_TRACES, SpanSink, Traces


class Telemetry(NamedTuple):
    metrics: Metrics
    traces: Traces


@asynccontextmanager
async def open_telemetry(
    traces_ratio: float, traces_endpoint: str, clock: Clock, spans: SpanSink | None = None
) -> AsyncIterator[Telemetry]:
    """`spans` takes the traces instead of the collector at the endpoint. At the end what waits is sent.

    Raises SettingsInvalid where traces are on and the SDK is not installed.
    """
    if traces_ratio == 0:
        yield Telemetry(Metrics(), NO_TRACES)
        return
    sink = spans or _collector(traces_endpoint)
    try:
        yield Telemetry(Metrics(), Traces(traces_ratio, sink, clock))
    finally:
        await asyncio.to_thread(sink.close)  # it waits for the collector


def _collector(endpoint: str) -> SpanSink:
    try:
        from event_issuer.telemetry.otel import otlp_sink
    except ImportError:
        raise SettingsInvalid(
            "EVENT_ISSUER_TRACES_RATIO is above 0, and OpenTelemetry's SDK is not installed: install "
            "event-issuer[otel], or set it to 0."
        ) from None
    return otlp_sink(endpoint)
