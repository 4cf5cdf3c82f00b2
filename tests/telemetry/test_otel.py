"""Traces to OpenTelemetry: what a span becomes, the way to a collector, nothing imported while they are off."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind as OtelKind
from opentelemetry.trace import StatusCode

from event_issuer.security.sealing import new_sealing_key
from event_issuer.telemetry.otel import OtelSink, otlp_sink
from event_issuer.telemetry.traces import Span, SpanKind, SpanName
from tests.egress.receiver import Receivers, answer

NAME, OTHER = SpanName("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"), SpanName("a" * 32, "b" * 16)
SPAN = Span("attempt", SpanKind.CLIENT, NAME, "c" * 16, 1_760_000_000_000_000, 1_500, {"n": 1}, "failed", (OTHER,))
WAIT_S = 10


def finished(exporter: InMemorySpanExporter) -> ReadableSpan:
    (span,) = exporter.get_finished_spans()
    return span


def test_a_span_is_told_with_its_ids_and_times() -> None:
    exporter = InMemorySpanExporter()
    OtelSink(SimpleSpanProcessor(exporter)).take(SPAN)
    span = finished(exporter)
    assert span.context is not None
    assert span.parent is not None
    assert (span.name, span.kind, dict(span.attributes or {})) == ("attempt", OtelKind.CLIENT, {"n": 1})
    assert (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}") == NAME
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (NAME.trace_id, "c" * 16)
    assert (span.start_time, span.end_time) == (1_760_000_000_000_000_000, 1_760_000_000_001_500_000)
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "failed")
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [OTHER.trace_id]
    assert span.resource.attributes["service.name"] == "event-issuer"


def test_a_root_that_went_well_has_no_parent_and_no_error() -> None:
    exporter = InMemorySpanExporter()
    OtelSink(SimpleSpanProcessor(exporter)).take(SPAN._replace(parent_id=None, error=None, links=()))
    span = finished(exporter)
    assert (span.parent, span.status.status_code, list(span.links)) == (None, StatusCode.UNSET, [])


async def test_spans_go_to_a_collector_by_otlp() -> None:
    async with Receivers() as receivers:
        collector = await receivers(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
        sink = otlp_sink(f"http://127.0.0.1:{collector.port}/v1/traces")
        sink.take(SPAN)
        await asyncio.wait_for(asyncio.to_thread(sink.close), WAIT_S)
        (request,) = collector.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/traces HTTP/1.1\r\n")
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    (scope,) = resource.scope_spans
    (span,) = scope.spans
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()) == (*NAME, "c" * 16)
    assert scope.scope.name == "event_issuer"


def test_a_collector_that_hangs_holds_up_the_end_for_a_bounded_time() -> None:
    hanging, asked = threading.Event(), threading.Event()

    class Hanging(SpanProcessor):
        def shutdown(self) -> None:
            asked.set()
            hanging.wait()

    OtelSink(Hanging(), close_max_s=0.01).close()
    assert asked.is_set()
    hanging.set()


OPENED = """
import asyncio, sys
{before}
from event_issuer.app import open_issuer
from event_issuer.cli import commands
from event_issuer.domain.errors import SettingsInvalid
from event_issuer.settings import load_settings

async def main():
    async with open_issuer(load_settings(), "http://issuer.example.com"):
        print("opentelemetry" in sys.modules)

try:
    asyncio.run(main())
except SettingsInvalid as refusal:
    print(refusal.detail)
"""


@pytest.mark.parametrize(
    ("before", "ratio", "said"),
    [
        ("", "0", "False"),
        ("", "0.5", "True"),
        ("sys.modules['opentelemetry.sdk'] = None", "0", "False"),
        (
            "sys.modules['opentelemetry.sdk'] = None",
            "0.5",
            "EVENT_ISSUER_TRACES_RATIO is above 0, and OpenTelemetry's SDK is not installed: install "
            "event-issuer[otel], or set it to 0.",
        ),
    ],
)
def test_the_sdk_is_imported_only_where_traces_are_on(tmp_path: Path, before: str, ratio: str, said: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EVENT_ISSUER_")}
    environment |= {"EVENT_ISSUER_SEALING_KEY": new_sealing_key(), "EVENT_ISSUER_TRACES_RATIO": ratio}
    command = [sys.executable, "-c", OPENED.format(before=before)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.returncode) == (said, 0), done.stderr
