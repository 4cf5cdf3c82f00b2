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
from event_issuer.delivery.signing import signature_lines
from event_issuer.domain.deprecation import Deprecation
from event_issuer.domain.http_binding import Wire, outgoing
from event_issuer.domain.time import SECOND_US, Clock, Instant
from event_issuer.egress.messages import Outgoing, Timings
from event_issuer.egress.sender import Sender
from event_issuer.eventlog.protocol import LogRecord

logger = structlog.get_logger(__name__)

INTERNAL: Final = Outcome(
    OutcomeKind.REFUSED, error="INTERNAL: the event could not be sent; the log has the trace id.", is_final=True
)


# W3C Trace Context, level 1, §3.2.2; an id of zeros alone, which it forbids, does not come about in our time.
TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8


class AttemptKind(StrEnum):
    DELIVERY = "DELIVERY"
    PROBE = "PROBE"  # whether an endpoint that failed is back; the event spends no attempt on it
    TEST = "TEST"


@dataclass(slots=True)
class Attempt:
    """One HTTP request and its outcome; `number` counts from 1 over all tries of this event."""

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
    """

    def __init__(
        self,
        sender: Sender,
        log_id: str,
        clock: Clock,
        monotonic_s: Callable[[], float],
        random: Random,
        deprecations: Mapping[int, Deprecation],
    ) -> None:
        self._sender = sender
        self._message_prefix = f"msg_{log_id[:8]}_"
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._random = random
        self._deprecations = deprecations

    async def attempt(self, subscription: ActiveSubscription, record: LogRecord, number: int) -> Attempt:
        kind = AttemptKind.PROBE if subscription.is_probing else AttemptKind.DELIVERY
        started_at, begun_s = self._clock(), self._monotonic_s()
        ids = self._random.randbytes(TRACE_ID_BYTES + SPAN_ID_BYTES).hex()
        trace_id = ids[: 2 * TRACE_ID_BYTES]
        timings: Timings | None = None
        try:
            request = self._prepare(subscription, record, started_at, ids)
            answer = await self._sender.send(request)
            timings = answer.timings
            outcome = judge(answer, started_at, subscription.endpoint.secrets)
        except Exception:
            # Our own failure on one event is that event's outcome: it must not stall the lane.
            logger.exception("attempt failed inside", subscription=subscription.id, trace_id=trace_id)
            outcome = INTERNAL
        duration_us = round((self._monotonic_s() - begun_s) * SECOND_US)
        return Attempt(subscription.id, record, kind, number, started_at, duration_us, trace_id, outcome, timings)

    def _prepare(self, subscription: ActiveSubscription, record: LogRecord, now: Instant, ids: str) -> Outgoing:
        wire, endpoint = record.wire, subscription.endpoint
        deprecation = self._deprecations.get(record.partition_id)
        if wire is None or record.deprecation is not deprecation:
            wire = _render(record, deprecation)
        webhook_id = f"{self._message_prefix}{record.partition_id}_{record.offset}".encode()
        signature = signature_lines(endpoint.signing_key, webhook_id, now // SECOND_US, wire.body)
        trace = f"traceparent: 00-{ids[: 2 * TRACE_ID_BYTES]}-{ids[2 * TRACE_ID_BYTES :]}-01\r\n".encode()
        return Outgoing(
            target=endpoint.target,
            rules=endpoint.rules,
            head=endpoint.head + wire.head + signature + trace,
            body=wire.body,
            timeout_s=subscription.settings.timeout_s,
        )


def _render(record: LogRecord, deprecation: Deprecation | None) -> Wire:
    """Kept on the record, for the other lanes that send it."""
    wire = outgoing(record.event if deprecation is None else deprecation.told_by(record.event))
    record.wire, record.deprecation = wire, deprecation
    return wire
