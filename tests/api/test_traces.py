"""One trace from the producer's request to the webhook: spans, header, attempts and log lines have the same id."""

from collections.abc import AsyncIterator

import httpx
import pytest
from structlog.testing import capture_logs

from event_issuer.app import Issuer, asgi_app, open_issuer
from event_issuer.settings import Settings
from event_issuer.telemetry.traces import Span, SpanKind
from tests.api.conftest import PUBLIC_URL
from tests.api.partners import TYPE, Partner, event
from tests.api.webhooks import AGREES, TAKES, header, settled
from tests.egress.receiver import Receivers, answer

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"
REFUSES = answer(b"HTTP/1.1 500 No\r\nContent-Length: 14\r\n\r\nyour k3y-s3cret")


class Kept:
    def __init__(self) -> None:
        self.spans: list[Span] = []

    def take(self, span: Span) -> None:
        self.spans.append(span)

    def close(self) -> None: ...

    def of(self, title: str) -> list[Span]:
        return [span for span in self.spans if span.title == title]


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
async def issuer(settings: Settings, kept: Kept) -> AsyncIterator[Issuer]:
    sampled = settings.model_copy(update={"traces_ratio": 1.0})
    async with open_issuer(sampled, PUBLIC_URL, spans=kept) as issuer:
        yield issuer


async def produce(http: httpx.AsyncClient, key: str, *events: object, traceparent: str = TRACEPARENT) -> None:
    headers = {"X-API-Key": key, "traceparent": traceparent}
    response = await http.post("/v1/banenor/produce/batch", json=events, headers=headers)
    assert response.status_code == 200


async def test_a_trace_leads_from_the_producer_to_the_webhook(
    operator: Partner, http: httpx.AsyncClient, receivers: Receivers, kept: Kept
) -> None:
    receiver = await receivers(AGREES, TAKES)
    await operator.create_type()
    id_ = (await operator.subscribe(receiver.url))["webhookSubscription"]["id"]
    await produce(http, operator.key, event("1", traceparent=TRACEPARENT, tracestate="a=1"), event("x", type="no.v1"))
    await receiver.asked(2)
    found = await settled(operator, id_)
    (produced,), (appended,), (attempted,) = kept.of("produce"), kept.of("append"), kept.of("attempt")
    assert {span.name.trace_id for span in kept.spans} == {TRACE_ID}
    assert (produced.kind, produced.parent_id) == (SpanKind.PRODUCER, PARENT_ID)
    counts = {"messaging.batch.message_count": 2, "event_issuer.persisted": 1, "event_issuer.rejected": 1}
    assert produced.attributes == counts
    assert (appended.parent_id, appended.attributes) == (produced.name.span_id, {"messaging.batch.message_count": 1})
    assert (attempted.parent_id, attempted.links) == (PARENT_ID, (produced.name,))
    delivery = receiver.requests[1]
    assert header(delivery, "traceparent") == f"00-{TRACE_ID}-{attempted.name.span_id}-01"
    assert header(delivery, "tracestate") == "a=1"
    assert header(delivery, "ce-traceparent") == TRACEPARENT
    assert [attempt["traceId"] for attempt in found["attempts"]["nodes"]] == [TRACE_ID]


async def test_a_batch_is_one_span_and_an_event_without_a_trace_is_linked(
    operator: Partner, http: httpx.AsyncClient, receivers: Receivers, kept: Kept
) -> None:
    receiver = await receivers(AGREES, TAKES)
    await operator.create_type()
    id_ = (await operator.subscribe(receiver.url))["webhookSubscription"]["id"]
    await produce(http, operator.key, *(event(str(number)) for number in range(20)))
    await settled(operator, id_)
    (produced,) = kept.of("produce")
    assert produced.attributes == {"messaging.batch.message_count": 20, "event_issuer.persisted": 20}
    assert len(kept.of("append")) == 1
    attempts = kept.of("attempt")
    assert len({span.name.trace_id for span in attempts}) == 20
    assert {(span.parent_id, span.links) for span in attempts} == {(None, (produced.name,))}


async def test_attempts_lines_and_errors_have_the_one_trace_id_and_no_secret(
    operator: Partner, http: httpx.AsyncClient, receivers: Receivers, kept: Kept
) -> None:
    receiver = await receivers(AGREES, REFUSES)
    await operator.create_type()
    made = await operator.subscribe(receiver.url + "?t=s3cret", apiKey={"header": "X-Key", "key": "k3y-s3cret"})
    id_ = made["webhookSubscription"]["id"]
    with capture_logs() as logs:
        await produce(http, operator.key, event("1", traceparent=TRACEPARENT))
        (attempt,) = (await settled(operator, id_))["attempts"]["nodes"]
    assert (attempt["outcome"], attempt["traceId"]) == ("RETRY", TRACE_ID)
    lines = [entry for entry in logs if entry.get("trace_id") == TRACE_ID]
    assert [entry["event"] for entry in lines] == ["request", "attempt failed"]
    assert (lines[0]["route"], lines[0]["tenant"] > 0, lines[0]["principal"] > 0) == (
        "/v1/{tenant}/produce/batch",
        True,
        True,
    )
    (span,) = kept.of("attempt")
    assert (span.error, span.attributes["http.response.status_code"]) == ("The endpoint answered 500.", 500)
    told = repr(kept.spans) + repr(logs)
    for secret in ("s3cret", made["signingSecret"]["secret"], operator.key):
        assert secret not in told
    assert TYPE in told


async def test_what_is_not_sampled_leaves_no_span(
    settings: Settings, kept: Kept, operator: Partner, receivers: Receivers
) -> None:
    kept.spans.clear()
    sampled = settings.model_copy(update={"traces_ratio": 1e-15})
    async with open_issuer(sampled, PUBLIC_URL, spans=kept) as issuer:
        transport = httpx.ASGITransport(asgi_app(issuer, sampled))
        async with httpx.AsyncClient(transport=transport, base_url="http://issuer") as http:
            await operator.create_type()
            await produce(http, operator.key, event("1"), event("2"))
    assert kept.spans == []
