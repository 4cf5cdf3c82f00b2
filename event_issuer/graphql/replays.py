"""Replays in the API: asking for one, cancelling it, and how far it is."""

from enum import Enum
from typing import Annotated

import strawberry

from event_issuer.db import tables
from event_issuer.domain import replays as words
from event_issuer.domain.paging import PageRequest
from event_issuer.graphql import connections
from event_issuer.graphql.connections import Connection, connection
from event_issuer.graphql.context import Asked
from event_issuer.graphql.events import Event, StartFromInput, event_at
from event_issuer.graphql.fields import field, value
from event_issuer.graphql.filters import EventFilterInput
from event_issuer.graphql.ids import existing_number, number_in
from event_issuer.graphql.scalars import JSON, DateTime, Long, datetime_or_none, json_or_none
from event_issuer.resolvers.replays import ReplaySpec

_Status = words.ReplayStatus


@strawberry.enum(description="How far a replay is.")
class ReplayStatus(Enum):
    COUNTING = value(_Status.COUNTING.value, "A dry run: its events are being counted.")
    COUNTED = value(_Status.COUNTED.value, "A dry run that has ended: `matchedEvents` says how many there are.")
    RUNNING = value(_Status.RUNNING.value, "Its events are being delivered, or wait while the subscription is stopped.")
    COMPLETED = value(_Status.COMPLETED.value, "Each of its events is delivered, or a dead letter.")
    CANCELLED = value(_Status.CANCELLED.value, "It was cancelled.")
    FAILED = value(_Status.FAILED.value, "It could not go on; the subscription's `errors` say why.")


@strawberry.type(description="Events that are delivered again, from one place in the log up to another.")
class Replay(connections.Node):
    row: strawberry.Private[tables.Replay]
    status: ReplayStatus = strawberry.field(description="How far it is.")
    dry_run: bool = strawberry.field(description="Whether its events are only counted.")
    filter: JSON | None = strawberry.field(
        description="Which events of those that the subscription takes, as it was given; null for all."
    )
    matched_events: Long | None = strawberry.field(
        description="How many events it has to deliver; null until they are counted."
    )
    created_at: DateTime = strawberry.field(description="When it was asked for.")
    ended_at: DateTime | None = strawberry.field(description="When it ended; null while it has not.")

    @classmethod
    def of(cls, row: tables.Replay) -> "Replay":
        is_counted = datetime_or_none(row.counted_at_us) is not None
        return cls(
            row=row,
            id=strawberry.ID(words.global_id(row.id)),
            status=ReplayStatus(row.status),
            dry_run=bool(row.is_dry_run),
            filter=json_or_none(row.filter),
            matched_events=Long(row.matched_count) if is_counted else None,
            created_at=DateTime(row.created_at_us),
            ended_at=datetime_or_none(row.ended_at_us),
        )

    @field("How many events the endpoint has taken; each is counted once.")
    async def delivered_events(self, info: Asked) -> Long:
        return Long(await info.context.do.replays.delivered(info.context.caller, self.row))

    @field("The first of its events; null until they are counted, without one, or where it is not yours to consume.")
    async def first_event(self, info: Asked) -> Event | None:
        return await self._event(info, self.row.first_partition_id, self.row.first_offset)

    @field("The last of its events; null in the same cases.")
    async def last_event(self, info: Asked) -> Event | None:
        return await self._event(info, self.row.last_partition_id, self.row.last_offset)

    async def _event(self, info: Asked, partition_id: int | None, offset: int | None) -> Event | None:
        if self.matched_events is None or self.row.log_id != info.context.do.log_id:
            return None
        return await event_at(info, partition_id, offset)


@strawberry.input(description="What is to be delivered again.")
class ReplayEventsInput:
    webhook_subscription_id: strawberry.ID = strawberry.field(description="To which subscription.")
    from_: StartFromInput = strawberry.field(name="from", description="From where in the log.")
    until: DateTime | None = strawberry.field(
        default=None,
        description="Only events recorded before this time; all up to the heads of this moment unless said.",
    )
    filter: EventFilterInput | None = strawberry.field(
        default=None, description="Only some of the events that the subscription takes."
    )
    dry_run: bool | None = strawberry.field(default=None, description="True: only counts them, and sends nothing.")

    def spec(self) -> ReplaySpec:
        """Raises NotFound."""
        return ReplaySpec(
            existing_number(self.webhook_subscription_id, "WebhookSubscription"),
            self.from_.start(),
            self.until,
            self.filter.document() if self.filter else None,
            bool(self.dry_run),
        )


@strawberry.type(description="A replay that was asked for or cancelled.")
class ReplayPayload:
    replay: Replay = strawberry.field(description="As it is now.")


ToReplay = Annotated[ReplayEventsInput, strawberry.argument(description="The replay.")]
ReplayId = Annotated[strawberry.ID, strawberry.argument(description="The replay.")]


async def replay_events(info: Asked, input: ReplayEventsInput) -> ReplayPayload:
    return ReplayPayload(replay=Replay.of(await info.context.do.replays.create(info.context.caller, input.spec())))


async def cancel_replay(info: Asked, id_: str) -> ReplayPayload:
    number = existing_number(id_, "Replay")
    return ReplayPayload(replay=Replay.of(await info.context.do.replays.cancel(info.context.caller, number)))


async def replays_of(info: Asked, subscription_id: str, request: PageRequest) -> Connection[Replay] | None:
    number = number_in(subscription_id, "WebhookSubscription")
    found = None if number is None else await info.context.do.replays.page(info.context.caller, number, request)
    return None if found is None else connection(found, lambda row: row.id, Replay.of)
