"""One attempt: prepare → send → judge. The outcome is a returned value; nothing is written here.

Knows nothing of order, parking or the log beyond the record, or the batch of records, that it sends.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from random import Random
from typing import Final

import structlog

from event_issuer.delivery.active import ActiveSubscription
from event_issuer.delivery.outcome import Outcome, OutcomeKind, judge
from event_issuer.delivery.rendering import StructuredForms, render
from event_issuer.delivery.signing import signature_lines
from event_issuer.delivery.tracing import SPAN_ID_BYTES, TRACE_ID_BYTES, Hop, hop_of, hop_of_batch
from event_issuer.domain import replays
from event_issuer.domain.deprecation import Deprecation
from event_issuer.domain.http_binding import batched
from event_issuer.domain.subscriptions import ContentMode
from event_issuer.domain.time import SECOND_US, Clock, Instant
from event_issuer.egress.messages import Outgoing, Timings
from event_issuer.egress.sender import Sender
from event_issuer.eventlog.protocol import LogRecord
from event_issuer.telemetry.traces import NO_TRACES, Span, SpanKind, SpanName, Traces

logger = structlog.get_logger(__name__)

BATCH_NAME_BYTES: Final = 12  # of 2^48 batches of one partition two are named alike by chance

INTERNAL: Final = Outcome(
    OutcomeKind.REFUSED, error="INTERNAL: the event could not be sent; the log has the trace id.", is_final=True
)


class AttemptKind(StrEnum):
    DELIVERY = "DELIVERY"
    PROBE = "PROBE"  # whether an endpoint that failed is back; the event spends no attempt on it
    TEST = "TEST"
    REPLAY = replays.ATTEMPT_KIND  # to deliver it again, though it may be a probe, too


@dataclass(slots=True)
class Attempt:
    """One HTTP request and its outcome; `number` counts from 1 over all tries of this event. `others` are the events of
    a batch behind its first, in log order.

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
    others: Sequence[LogRecord] = ()

    @property
    def records(self) -> Sequence[LogRecord]:
        return (self.record, *self.others)

    @property
    def event_count(self) -> int:
        return 1 + len(self.others)


class Courier:
    """Carries one record, or one batch, to one endpoint. `monotonic_s` measures durations, `clock` dates them.

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
        self._replay_line: bytes | None = None

    def replaying(self, header_line: bytes) -> "Courier":
        """The same for a replay, whose requests carry this line, too."""
        courier = copy(self)
        courier._replay_line = header_line
        return courier

    async def attempt(
        self, subscription: ActiveSubscription, record: LogRecord, number: int, others: Sequence[LogRecord] = ()
    ) -> Attempt:
        """`others` go along in the same request, which takes content mode BATCH."""
        kind = AttemptKind.PROBE if subscription.is_probing else AttemptKind.DELIVERY
        if self._replay_line is not None:
            kind = AttemptKind.REPLAY
        started_at, begun_s = self._clock(), self._monotonic_s()
        ids = self._random.randbytes(TRACE_ID_BYTES + SPAN_ID_BYTES).hex()
        if subscription.content_mode is ContentMode.BATCH:
            hop = hop_of_batch((record, *others), ids, self._traces)
        else:
            hop = hop_of(record, ids, self._traces)
        timings: Timings | None = None
        try:
            request = self._prepare(subscription, record, others, started_at, hop)
            answer = await self._sender.send(request)
            timings = answer.timings
            outcome = judge(answer, started_at, subscription.endpoint.secrets)
        except Exception:
            # Our own failure on one event is that event's outcome: it must not stall the lane.
            logger.exception("attempt failed inside", subscription=subscription.id, trace_id=hop.trace_id)
            outcome = INTERNAL
        duration_us = round((self._monotonic_s() - begun_s) * SECOND_US)
        attempt = Attempt(
            subscription.id, record, kind, number, started_at, duration_us, hop.trace_id, outcome, timings, others
        )
        if outcome.kind is not OutcomeKind.DELIVERED:
            _tell_failure(attempt)
        if hop.is_recorded:
            self._traces.record(_span(attempt, hop, subscription))
        return attempt

    def event_bytes(self, record: LogRecord) -> int:
        """What the event takes in a batch; 0 where it cannot be rendered, which its attempt will tell."""
        try:
            return len(self._forms.of(record, self._deprecations.get(record.partition_id)).body)
        except Exception:
            return 0

    def _prepare(
        self,
        subscription: ActiveSubscription,
        record: LogRecord,
        others: Sequence[LogRecord],
        now: Instant,
        hop: Hop,
    ) -> Outgoing:
        wire, endpoint = record.wire, subscription.endpoint
        deprecation = self._deprecations.get(record.partition_id)
        if subscription.content_mode is not ContentMode.BINARY:
            wire = self._forms.of(record, deprecation)
            if subscription.content_mode is ContentMode.BATCH:
                wire = batched([wire.body, *(self._forms.of(other, deprecation).body for other in others)])
        elif wire is None or record.deprecation is not deprecation:
            wire = render(record, deprecation)
        place = batch_name((record, *others)) if others else record.offset
        webhook_id = f"{self._message_prefix}{record.partition_id}_{place}".encode()
        signature = signature_lines(endpoint.signing_key, webhook_id, now // SECOND_US, wire.body)
        if self._replay_line is not None:
            signature += self._replay_line
        return Outgoing(
            target=endpoint.target,
            rules=endpoint.rules,
            head=endpoint.head + wire.head + signature + hop.header_lines(),
            body=wire.body,
            timeout_s=subscription.settings.timeout_s,
        )


def batch_name(records: Sequence[LogRecord]) -> str:
    """The same for the same events, whoever sends them and however often; different for different ones."""
    offsets = ",".join([str(record.offset) for record in records])
    return f"b{blake2b(offsets.encode(), digest_size=BATCH_NAME_BYTES).hexdigest()}"


def _tell_failure(attempt: Attempt) -> None:
    record, outcome = attempt.record, attempt.outcome
    logger.info(
        "attempt failed",
        trace_id=attempt.trace_id,
        subscription=attempt.subscription_id,
        event_type=record.event.type,
        partition=record.partition_id,
        offset=record.offset,
        events=attempt.event_count,
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
    if attempt.others:
        attributes["event_issuer.events"] = attempt.event_count
    if outcome.http_status is not None:
        attributes["http.response.status_code"] = outcome.http_status
    return Span(
        "attempt",
        SpanKind.CLIENT,
        SpanName(hop.trace_id, hop.span_id),
        hop.parent_id,
        attempt.started_at,
        attempt.duration_us,
        attributes,
        None if outcome.kind is OutcomeKind.DELIVERED else outcome.error or outcome.kind.value,
        tuple(SpanName(*record.origin) for record in attempt.records if record.origin is not None),
    )
