"""Traces of attempts: an event's own is continued, hop by hop; what is recorded is sampled and holds no secret."""

import json
import random

import pytest
from structlog.testing import capture_logs

from event_issuer.delivery.attempt import Attempt, Courier
from event_issuer.delivery.outcome import OutcomeKind
from event_issuer.domain.credentials import ApiKeyHeader, BasicCredentials, Credentials
from event_issuer.domain.subscriptions import ContentMode
from event_issuer.domain.time import SECOND_US
from event_issuer.egress.messages import Failure, Response
from event_issuer.telemetry.traces import NO_TRACES, Span, SpanKind, SpanName, Traces
from tests.delivery.senders import answer
from tests.delivery.test_attempt import Recorder, headers_of, record, subscription
from tests.delivery.world import SIGNING_KEY, STARTED_AT, Clock, activated

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
LOW_TRACE_ID = "4bf92f3577b34da60000000000000001"  # sampled at every ratio above 0
PARENT = f"00-{TRACE_ID}-{PARENT_ID}-00"


class Kept:
    """Keeps the spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def take(self, span: Span) -> None:
        self.spans.append(span)

    def close(self) -> None: ...


class Refusing(Recorder):
    async def send(self, request: object) -> Response | Failure:
        await super().send(request)  # type: ignore[arg-type]
        return answer(500, b"your password was hunter2")


async def attempt(
    sender: Recorder, clock: Clock, traces: Traces = NO_TRACES, *, seed: int = 1, **attributes: str
) -> Attempt:
    courier = Courier(sender, "0123456789abcdef", clock, clock.monotonic_s, random.Random(seed), {}, traces)
    return await courier.attempt(activated(subscription()), record(b"{}", **attributes), 1)


async def test_the_events_own_trace_is_continued() -> None:
    clock = Clock()
    sender = Recorder(clock)
    done = await attempt(sender, clock, traceparent=PARENT, tracestate="congo=t61rcWkgMzE")
    headers = headers_of(sender.request)
    version, trace_id, span_id, flags = headers["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", TRACE_ID, "00")
    assert span_id != PARENT_ID
    assert len(span_id) == 16
    assert headers["tracestate"] == "congo=t61rcWkgMzE"
    assert done.trace_id == TRACE_ID
    assert (headers["ce-traceparent"], headers["ce-tracestate"]) == (PARENT, "congo=t61rcWkgMzE")  # as they came


async def test_each_attempt_is_a_hop_of_its_own() -> None:
    clock = Clock()
    sender = Recorder(clock)
    courier = Courier(sender, "0123456789abcdef", clock, clock.monotonic_s, random.Random(1), {})
    event, seen = record(b"{}", traceparent=PARENT), set()
    for number in range(3):
        await courier.attempt(activated(subscription()), event, number + 1)
        seen.add(headers_of(sender.request)["traceparent"])
    assert len(seen) == 3
    assert {one[:36] for one in seen} == {f"00-{TRACE_ID}-"}


@pytest.mark.parametrize("text", ["garbage", PARENT.upper(), f"ff{PARENT[2:]}", f"00-{'0' * 32}-{PARENT_ID}-01"])
async def test_a_trace_that_is_none_is_ignored(text: str) -> None:
    clock = Clock()
    sender = Recorder(clock)
    done = await attempt(sender, clock, traceparent=text, tracestate="a=1")
    headers = headers_of(sender.request)
    assert headers["traceparent"].split("-")[1] == done.trace_id
    assert done.trace_id not in text
    assert "tracestate" not in headers
    assert headers["ce-traceparent"] == text


async def test_a_state_cannot_forge_a_header() -> None:
    clock = Clock()
    sender = Recorder(clock)
    await attempt(sender, clock, traceparent=PARENT, tracestate="a=1\u2028x")
    assert "tracestate" not in headers_of(sender.request)


async def test_an_attempt_that_is_sampled_is_a_span() -> None:
    clock, kept = Clock(), Kept()
    sender = Recorder(clock)
    done = await attempt(sender, clock, Traces(1.0, kept), traceparent=PARENT)
    _, trace_id, span_id, flags = headers_of(sender.request)["traceparent"].split("-")
    assert flags == "01"  # who comes next learns that it is recorded
    assert kept.spans == [
        Span(
            "attempt",
            SpanKind.CLIENT,
            SpanName(trace_id, span_id),
            PARENT_ID,
            STARTED_AT,
            SECOND_US // 2,
            {
                "cloudevents.event_id": "42",
                "cloudevents.event_source": "/trains",
                "cloudevents.event_type": "train.arrived.v1",
                "event_issuer.subscription": 7,
                "event_issuer.partition": 3,
                "event_issuer.offset": 12,
                "event_issuer.attempt": 1,
                "event_issuer.outcome": "DELIVERED",
                "server.address": "127.0.0.1",
                "server.port": 9,
                "http.response.status_code": 200,
            },
        )
    ]
    assert done.trace_id == trace_id == TRACE_ID


async def test_the_ratio_decides_by_the_trace_id() -> None:
    clock, kept = Clock(), Kept()
    sender, traces = Recorder(clock), Traces(0.01, kept)
    await attempt(sender, clock, traces, traceparent=PARENT)  # its id is beyond one percent
    assert headers_of(sender.request)["traceparent"].endswith("-00")
    await attempt(sender, clock, traces, traceparent=PARENT.replace(TRACE_ID, LOW_TRACE_ID))
    assert headers_of(sender.request)["traceparent"].endswith("-01")
    assert [span.name.trace_id for span in kept.spans] == [LOW_TRACE_ID]


async def test_about_the_ratio_of_fresh_traces_is_recorded_and_says_so() -> None:
    clock, kept = Clock(), Kept()
    sender, traces = Recorder(clock), Traces(0.1, kept)
    flags = []
    for seed in range(1_000):
        await attempt(sender, clock, traces, seed=seed)
        flags.append(headers_of(sender.request)["traceparent"][-2:])
    assert flags.count("01") == len(kept.spans) == 92  # of these seeds
    assert flags.count("00") == 908


async def test_an_event_whose_production_is_recorded_is_linked_to_it() -> None:
    clock, kept = Clock(), Kept()
    courier = Courier(
        Recorder(clock), "0123456789abcdef", clock, clock.monotonic_s, random.Random(1), {}, Traces(1e-12, kept)
    )
    event = record(b"{}")
    event.origin = (TRACE_ID, PARENT_ID)
    done = await courier.attempt(activated(subscription()), event, 1)
    (span,) = kept.spans
    assert span.links == (SpanName(TRACE_ID, PARENT_ID),)
    assert (span.name.trace_id, span.parent_id) == (done.trace_id, None)
    assert done.trace_id != TRACE_ID


async def test_a_batch_has_a_trace_of_its_own_and_is_linked_to_the_production_of_its_events() -> None:
    """Its events' own traces stay in the events."""
    clock, kept = Clock(), Kept()
    sender = Recorder(clock)
    carrier = Courier(sender, "0123456789abcdef", clock, clock.monotonic_s, random.Random(1), {}, Traces(1e-12, kept))
    events = [record(b"{}", traceparent=f"00-{TRACE_ID}-{PARENT_ID}-01"), record(b"{}"), record(b"{}")]
    events[1].origin = (TRACE_ID, PARENT_ID)
    row = subscription(content_mode=ContentMode.BATCH)
    done = await carrier.attempt(activated(row), events[0], 1, events[1:])
    (span,) = kept.spans
    assert done.trace_id != TRACE_ID
    assert headers_of(sender.request)["traceparent"] == f"00-{done.trace_id}-{span.name.span_id}-01"
    assert (span.name.trace_id, span.parent_id) == (done.trace_id, None)
    assert span.links == (SpanName(TRACE_ID, PARENT_ID),)
    assert span.attributes["event_issuer.events"] == 3
    assert [member.get("traceparent") for member in json.loads(sender.request.body)] == [
        f"00-{TRACE_ID}-{PARENT_ID}-01",
        None,
        None,
    ]


class Unable(Kept):
    def take(self, span: Span) -> None:
        raise ValueError("a fault of the sink")


async def test_a_span_that_is_lost_costs_no_delivery() -> None:
    clock = Clock()
    with capture_logs() as logs:
        done = await attempt(Recorder(clock), clock, Traces(1.0, Unable()))
    assert done.outcome.kind is OutcomeKind.DELIVERED
    assert [(entry["event"], entry["span"]) for entry in logs] == [("a span was not recorded", "attempt")]


async def test_a_span_holds_no_secret() -> None:
    clock, kept = Clock(), Kept()
    sender = Refusing(clock)
    row = subscription(Credentials(ApiKeyHeader("X-Key", "k3y-s3cret"), BasicCredentials("user", "hunter2")))
    row.url = "http://127.0.0.1:9/hook/s3cret-path?token=s3cret-query"
    traces = Traces(1.0, kept)
    courier = Courier(sender, "0123456789abcdef", clock, clock.monotonic_s, random.Random(1), {}, traces)
    await courier.attempt(activated(row), record(b'{"data":"of the partner"}'), 1)
    told = repr(kept.spans)
    assert "The endpoint answered 500." in told
    for secret in ("s3cret", "hunter2", "k3y", SIGNING_KEY.decode(), "of the partner"):
        assert secret not in told
