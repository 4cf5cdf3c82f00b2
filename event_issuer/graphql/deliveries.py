"""Attempts, parked events and lag in the API."""

import strawberry

from event_issuer.db import tables
from event_issuer.db.attempts import Criteria
from event_issuer.domain import timings
from event_issuer.domain.errors import BadInput
from event_issuer.domain.offset_ranges import offsets_in
from event_issuer.domain.paging import encode_cursor, id_of, page_request, sliced
from event_issuer.graphql import connections
from event_issuer.graphql.connections import After, Edge, First, page_info
from event_issuer.graphql.context import Asked
from event_issuer.graphql.enums import AttemptKind, AttemptOutcome
from event_issuer.graphql.events import Event, EventConnection, event_at
from event_issuer.graphql.fields import field
from event_issuer.graphql.ids import encode_id, event_position
from event_issuer.graphql.scalars import DateTime, Long, datetime_or_none
from event_issuer.resolvers import deliveries


@strawberry.type(description="How long each part of an attempt took; null for what was not needed or not reached.")
class AttemptTimings:
    dns_ms: float | None = strawberry.field(description="Looking up the name; null on a kept connection.")
    connect_ms: float | None = strawberry.field(description="Connecting (TCP); null on a kept connection.")
    tls_ms: float | None = strawberry.field(description="The TLS handshake; null on a kept connection.")
    first_byte_ms: float | None = strawberry.field(description="From the request to the first byte of the answer.")
    total_ms: float = strawberry.field(description="All of it, until the outcome was known.")

    @classmethod
    def of(cls, row: tables.Attempt) -> "AttemptTimings":
        parts = timings.AttemptTimings.parse(row.timings)
        return cls(
            dns_ms=_ms(parts.dns_us),
            connect_ms=_ms(parts.connect_us),
            tls_ms=_ms(parts.tls_us),
            first_byte_ms=_ms(parts.first_byte_us),
            total_ms=row.duration_us / 1000,
        )


def _ms(us: int | None) -> float | None:
    return None if us is None else us / 1000


@strawberry.type(description="One HTTP request to the endpoint, and its outcome.")
class DeliveryAttempt(connections.Node):
    row: strawberry.Private[tables.Attempt]
    kind: AttemptKind = strawberry.field(description="Why it was sent.")
    number: int = strawberry.field(
        description="Which try of its event, or of its batch, it was, from 1. A part of a refused batch is no further "
        "try."
    )
    event_count: int = strawberry.field(description="How many events it carried.")
    started_at: DateTime = strawberry.field(description="When it was sent.")
    duration_ms: float = strawberry.field(description="Until its outcome was known.")
    timings: AttemptTimings | None = strawberry.field(description="Its parts.")
    outcome: AttemptOutcome = strawberry.field(description="What came of it.")
    http_status_code: int | None = strawberry.field(description="What the endpoint answered; null without an answer.")
    error: str | None = strawberry.field(description="What went wrong.")
    response_excerpt: str | None = strawberry.field(
        description="The beginning of an answer that was not 2xx, at most 16 KiB: text, with what looks like a "
        "credential replaced by `[redacted]`; what is no text, by its length and type."
    )
    trace_id: str = strawberry.field(description="The trace id in the request's `traceparent` header, and in our log.")

    @classmethod
    def of(cls, row: tables.Attempt) -> "DeliveryAttempt":
        return cls(
            row=row,
            id=strawberry.ID(encode_id("DeliveryAttempt", row.subscription_id, row.id)),
            kind=AttemptKind(row.kind),
            number=row.number,
            event_count=len(_offsets(row)) or 1,
            started_at=DateTime(row.started_at_us),
            duration_ms=row.duration_us / 1000,
            timings=AttemptTimings.of(row),
            outcome=AttemptOutcome(row.outcome),
            http_status_code=row.http_status,
            error=row.error,
            response_excerpt=row.response_excerpt,
            trace_id=row.trace_id,
        )

    @field(
        "The event it carried, of a batch the first; null once the log has dropped it, where it is not yours to "
        "consume, and for a test event, which is not in the log."
    )
    async def event(self, info: Asked) -> Event | None:
        if not _is_set(self.row.log_offset):
            return None
        return await event_at(info, self.row.partition_id, self.row.log_offset)

    @field("The events it carried, in log order: those that the log still has and that are yours to consume.")
    async def events(self, info: Asked, first: First = None, after: After = None) -> EventConnection | None:
        request = page_request(first, after, None, None)
        begin = id_of(request.after)
        offsets = [offset for offset in _offsets(self.row) if begin is None or offset > begin]
        page = sliced(offsets[: request.limit], request)
        found = [(offset, await event_at(info, self.row.partition_id, offset)) for offset in page.items]
        edges = [Edge(cursor=encode_cursor(str(offset)), node=event) for offset, event in found if event is not None]
        return EventConnection(edges=edges, page_info=page_info(edges, page.has_next, page.has_previous))


def _offsets(row: tables.Attempt) -> list[int]:
    ranges: str | None = row.log_offsets
    if ranges is not None:
        return offsets_in(ranges)
    return [row.log_offset] if _is_set(row.log_offset) else []


@strawberry.input(description="Which attempts to list: all of these together.")
class AttemptFilter:
    outcome: AttemptOutcome | None = strawberry.field(default=None, description="Only those that ended so.")
    kind: AttemptKind | None = strawberry.field(default=None, description="Only those that were sent for this.")
    since: DateTime | None = strawberry.field(default=None, description="Only those sent then or later.")
    until: DateTime | None = strawberry.field(default=None, description="Only those sent before then.")
    event: strawberry.ID | None = strawberry.field(default=None, description="Only those that carried this event.")

    def criteria(self, log_id: str) -> Criteria:
        """Raises BadInput."""
        position = None if self.event is None else event_position(self.event, log_id)
        if self.event is not None and position is None:
            raise BadInput(f"{self.event!r:.80} is no id of an event of this log.")
        return Criteria(
            outcome=self.outcome.value if self.outcome else None,
            kind=self.kind.value if self.kind else None,
            since=self.since,
            until=self.until,
            position=position,
        )


@strawberry.type(description="An event that failed: it waits for its next attempt, or is a dead letter.")
class ParkedEvent(connections.Node):
    row: strawberry.Private[tables.ParkedEvent]
    partitionkey: str | None = strawberry.field(description="The key that it blocks.")
    followers_waiting: bool = strawberry.field(description="Whether later events of its key wait for it.")
    attempts: int = strawberry.field(description="How often it was tried.")
    next_attempt_at: DateTime | None = strawberry.field(description="When it is tried next; null for a dead letter.")
    dead_lettered_at: DateTime | None = strawberry.field(description="When it became a dead letter.")
    last_outcome: AttemptOutcome | None = strawberry.field(description="What came of the last attempt.")
    last_error: str | None = strawberry.field(description="What went wrong with it.")

    @classmethod
    def of(cls, row: tables.ParkedEvent) -> "ParkedEvent":
        return cls(
            row=row,
            id=strawberry.ID(encode_id("ParkedEvent", row.subscription_id, row.id)),
            partitionkey=row.partitionkey,
            followers_waiting=bool(row.blocks_key) and _is_set(row.followers_from),
            attempts=row.attempts,
            next_attempt_at=datetime_or_none(row.next_attempt_at_us),
            dead_lettered_at=datetime_or_none(row.dead_lettered_at_us),
            last_outcome=AttemptOutcome(row.last_outcome) if row.last_outcome else None,
            last_error=row.last_error,
        )

    @field("The event; null once the log has dropped it, or where it is not yours to consume.")
    async def event(self, info: Asked) -> Event | None:
        return await event_at(info, self.row.partition_id, self.row.log_offset)


def _is_set(value: int | None) -> bool:
    return value is not None


@strawberry.type(description="How far a subscription is behind.")
class Lag:
    events: Long = strawberry.field(description="Events in the log that are not yet settled.")
    seconds: float = strawberry.field(description="The age of the oldest of them; 0 when there is none.")
    parked: Long = strawberry.field(description="Events that failed and wait.")
    dead_lettered: Long = strawberry.field(description="Events that failed for good.")
    filtered: Long = strawberry.field(
        description="Events that were not sent because they did not pass the filter or broke the pinned schema "
        "version, since the subscription was made."
    )
    last_filtered: str | None = strawberry.field(
        description="Which of them was the last, and the clause of the filter that held it back, or what it broke."
    )
    dropped_dead_letters: Long = strawberry.field(
        description="Dead letters that are no longer kept: they were too old, or too many."
    )
    expired: Long = strawberry.field(
        description="Events that failed and became dead letters because the log no longer has them."
    )

    @classmethod
    def of(cls, lag: deliveries.Lag) -> "Lag":
        return cls(
            events=Long(lag.events),
            seconds=lag.seconds,
            parked=Long(lag.parked),
            dead_lettered=Long(lag.dead_lettered),
            filtered=Long(lag.filtered),
            last_filtered=lag.last_filtered,
            dropped_dead_letters=Long(lag.dropped_dead_letters),
            expired=Long(lag.expired),
        )


@strawberry.type(description="Why a subscription failed, or could not begin.")
class SubscriptionError:
    error_message: str = strawberry.field(description="What was wrong and what would be right.")
    trace_id: str | None = strawberry.field(description="The trace id of the request that showed it.")
    http_status_code: int | None = strawberry.field(description="What the endpoint answered.")
    created_at: DateTime = strawberry.field(description="When it was noticed.")

    @classmethod
    def of(cls, row: tables.SubscriptionErrorRow) -> "SubscriptionError":
        return cls(
            error_message=row.message,
            trace_id=row.trace_id,
            http_status_code=row.http_status,
            created_at=DateTime(row.created_at_us),
        )
