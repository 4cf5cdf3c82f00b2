"""One attempt: prepare → send → judge. The outcome is a returned value; nothing is written here.

Knows nothing of order, parking or the log beyond the one record it sends.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

import structlog

from event_issuer.delivery.active import ActiveSubscription
from event_issuer.delivery.outcome import Outcome, OutcomeKind, judge
from event_issuer.delivery.rendering import StructuredForms, render
from event_issuer.delivery.signing import signature_lines
from event_issuer.delivery.tracing import SPAN_ID_BYTES, TRACE_ID_BYTES, Hop, hop_of
from event_issuer.domain.deprecation import Deprecation
from event_issuer.domain.subscriptions import ContentMode
from event_issuer.domain.time import SECOND_US, Clock, Instant
from event_issuer.egress.messages import Outgoing, Timings
from event_issuer.egress.sender import Sender
from event_issuer.eventlog.protocol import LogRecord
from event_issuer.telemetry.traces import NO_TRACES, Span, SpanKind, SpanName, Traces

logger = structlog.get_logger(__name__)

INTERNAL: Final = Outcome(
    OutcomeKind.REFUSED, error="INTERNAL: the event could not be sent; the log has the trace id.", is_final=True
)


class AttemptKind(StrEnum):
    DELIVERY = "DELIVERY"
    PROBE = "PROBE"  # whether an endpoint that failed is back; the event spends no attempt on it
    TEST = "TEST"


@dataclass(slots=True)
class Attempt:
    """One HTTP request and its outcome; `number` counts from 1 over all tries of this event.

    The trace is the event's own where it names one: `trace_id` may be that of many attempts.
    """

    subscription_id: int
    record: LogRecord
    kind: AttemptKind
    number: int
    started_at: Instant
    duration_us: int
    trace_id: str
    outcome: Outcome
    timings: Timings | None = None  # None where no request was made


class Courier:
    """Carries one record to one endpoint. `monotonic_s` measures durations, `clock` dates them.

    `deprecations`, by partition, is what the events there say of their type, as it is at the moment of an attempt.
    What is told of an attempt is never what was sent or came back: an endpoint may repeat our credentials.
    """

    def __init__(
        self,
        sender: Sender,
        log_id: str,
        clock: Clock,
        monotonic_s: Callable[[], float],
        random: Random,
        deprecations: Mapping[int, Deprecation],
        traces: Traces = NO_TRACES,
    ) -> None:
        self._sender = sender
        self._message_prefix = f"msg_{log_id[:8]}_"
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._random = random
        self._deprecations = deprecations
        self._traces = traces
        self._forms = StructuredForms()

    async def attempt(self, subscription: ActiveSubscription, record: LogRecord, number: int) -> Attempt:
        kind = AttemptKind.PROBE if subscription.is_probing else AttemptKind.DELIVERY
        started_at, begun_s = self._clock(), self._monotonic_s()
        hop = hop_of(record, self._random.randbytes(TRACE_ID_BYTES + SPAN_ID_BYTES).hex(), self._traces)
        timings: Timings | None = None
        try:
            request = self._prepare(subscription, record, started_at, hop)
            answer = await self._sender.send(request)
            timings = answer.timings
            outcome = judge(answer, started_at, subscription.endpoint.secrets)
        except Exception:
            # Our own failure on one event is that event's outcome: it must not stall the lane.
            logger.exception("attempt failed inside", subscription=subscription.id, trace_id=hop.trace_id)
            outcome = INTERNAL
        duration_us = round((self._monotonic_s() - begun_s) * SECOND_US)
        attempt = Attempt(
            subscription.id, record, kind, number, started_at, duration_us, hop.trace_id, outcome, timings
        )
        if outcome.kind is not OutcomeKind.DELIVERED:
            _tell_failure(attempt)
        if hop.is_recorded:
            self._traces.record(_span(attempt, hop, subscription))
        return attempt

    def _prepare(self, subscription: ActiveSubscription, record: LogRecord, now: Instant, hop: Hop) -> Outgoing:
        wire, endpoint = record.wire, subscription.endpoint
        deprecation = self._deprecations.get(record.partition_id)
        if subscription.content_mode is not ContentMode.BINARY:
            wire = self._forms.of(record, deprecation)
        elif wire is None or record.deprecation is not deprecation:
            wire = render(record, deprecation)
        webhook_id = f"{self._message_prefix}{record.partition_id}_{record.offset}".encode()
        signature = signature_lines(endpoint.signing_key, webhook_id, now // SECOND_US, wire.body)
        return Outgoing(
            target=endpoint.target,
            rules=endpoint.rules,
            head=endpoint.head + wire.head + signature + hop.header_lines(),
            body=wire.body,
            timeout_s=subscription.settings.timeout_s,
        )


def _tell_failure(attempt: Attempt) -> None:
    record, outcome = attempt.record, attempt.outcome
    logger.info(
        "attempt failed",
        trace_id=attempt.trace_id,
        subscription=attempt.subscription_id,
        event_type=record.event.type,
        partition=record.partition_id,
        offset=record.offset,
        number=attempt.number,
        outcome=outcome.kind.value,
        http_status=outcome.http_status,
        error=outcome.error,
        duration_ms=attempt.duration_us / 1000,
    )


def _span(attempt: Attempt, hop: Hop, subscription: ActiveSubscription) -> Span:
    """Names as in OpenTelemetry's semantic conventions where they have one (CloudEvents, HTTP, server)."""
    event, outcome = attempt.record.event, attempt.outcome
    attributes: dict[str, str | int | bool] = {
        "cloudevents.event_id": event.id,
        "cloudevents.event_source": event.source,
        "cloudevents.event_type": event.type,
        "event_issuer.subscription": attempt.subscription_id,
        "event_issuer.partition": attempt.record.partition_id,
        "event_issuer.offset": attempt.record.offset,
        "event_issuer.attempt": attempt.number,
        "event_issuer.outcome": outcome.kind.value,
        "server.address": subscription.endpoint.target.host,
        "server.port": subscription.endpoint.target.port,
    }
    if outcome.http_status is not None:
        attributes["http.response.status_code"] = outcome.http_status
    origin = attempt.record.origin
    return Span(
        "attempt",
        SpanKind.CLIENT,
        SpanName(hop.trace_id, hop.span_id),
        hop.parent_id,
        attempt.started_at,
        attempt.duration_us,
        attributes,
        None if outcome.kind is OutcomeKind.DELIVERED else outcome.error or outcome.kind.value,
        () if origin is None else (SpanName(*origin),),
    )
