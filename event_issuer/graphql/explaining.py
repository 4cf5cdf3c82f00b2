"""Explanations in the API: why an event did, or did not, reach a subscription."""

from typing import Annotated, Final

import strawberry

from event_issuer.domain.errors import BadInput
from event_issuer.graphql.context import Asked
from event_issuer.graphql.deliveries import DeliveryAttempt, ParkedEvent
from event_issuer.graphql.enums import DeliveryVerdict
from event_issuer.graphql.events import Event, event_at
from event_issuer.graphql.fields import field
from event_issuer.graphql.ids import event_position, number_in
from event_issuer.graphql.scalars import DateTime, Long, datetime_or_none
from event_issuer.resolvers import explaining

EventId = Annotated[strawberry.ID | None, strawberry.argument(description="The event's global id, from the log.")]
Source = Annotated[str | None, strawberry.argument(description="Without eventId: the CloudEvent's source.")]
CloudEventId = Annotated[str | None, strawberry.argument(description="Without eventId: the CloudEvent's id.")]

_WHICH: Final = "Name the event by eventId, or by source and cloudEventId."


@strawberry.type(description="Where an event is in its partition, and where the subscription's lane there stands.")
class LanePosition:
    partition: int = strawberry.field(description="The partition's number within its event type.")
    event_offset: Long = strawberry.field(description="The event's place.")
    start_offset: Long = strawberry.field(description="Where the subscription began.")
    next_offset: Long = strawberry.field(description="The lowest place that is not settled.")
    head_offset: Long = strawberry.field(description="The place of the next event that comes into the log.")
    settled: bool = strawberry.field(description="Whether the event is settled: delivered, parked, or filtered out.")
    unsettled_before: Long = strawberry.field(description="How many places before the event's are not settled.")

    @classmethod
    def of(cls, found: explaining.LanePosition) -> "LanePosition":
        return cls(
            partition=found.partition,
            event_offset=Long(found.event_offset),
            start_offset=Long(found.start_offset),
            next_offset=Long(found.next_offset),
            head_offset=Long(found.head_offset),
            settled=found.is_settled,
            unsettled_before=Long(found.unsettled_before),
        )


@strawberry.type(description="What is known of one event and one subscription.")
class DeliveryExplanation:
    explained: strawberry.Private[explaining.Explained]
    verdict: DeliveryVerdict = strawberry.field(description="What became of it.")
    recorded: bool = strawberry.field(
        description="Whether all that happened to it is on record; false where history has been pruned, or there is "
        "none."
    )
    reason: str = strawberry.field(description="The verdict in a sentence or two.")
    waits_for: str | None = strawberry.field(description="What it waits for, if it waits.")
    waits_until: DateTime | None = strawberry.field(description="Until when, where that is known.")
    lane: LanePosition | None = strawberry.field(description="Where it and its lane stand; null without a lane.")
    attempts: list[DeliveryAttempt] = strawberry.field(
        description="The attempts at it that are on record, the oldest first; at most the last 100."
    )
    parked: ParkedEvent | None = strawberry.field(description="It, if it is parked or a dead letter.")

    @classmethod
    def of(cls, explained: explaining.Explained) -> "DeliveryExplanation":
        found, waits = explained.explanation, explained.explanation.waits
        return cls(
            explained=explained,
            verdict=DeliveryVerdict(found.verdict.value),
            recorded=found.is_recorded,
            reason=found.reason,
            waits_for=None if waits is None else waits.what,
            waits_until=None if waits is None else datetime_or_none(waits.until),
            lane=None if explained.lane is None else LanePosition.of(explained.lane),
            attempts=[DeliveryAttempt.of(row) for row in explained.attempts],
            parked=None if explained.parked is None else ParkedEvent.of(explained.parked),
        )

    @field("The event; null where it is not in the log, or not yours to consume.")
    async def event(self, info: Asked) -> Event | None:
        return None if self.explained.position is None else await event_at(info, *self.explained.position)


async def explained(
    info: Asked, subscription_id: str, event_id: str | None, source: str | None, cloud_event_id: str | None
) -> DeliveryExplanation | None:
    """Raises BadInput unless the event is named in one of the two ways."""
    by_names = source is not None or cloud_event_id is not None
    if (event_id is None) != by_names or (source is None) != (cloud_event_id is None):
        raise BadInput(_WHICH)
    number = number_in(subscription_id, "WebhookSubscription")
    if number is None:
        return None
    ask = info.context.do.explaining
    if source is not None and cloud_event_id is not None:
        found = await ask.by_names(info.context.caller, number, source, cloud_event_id)
    else:
        position = event_position(event_id or "", info.context.do.log_id)
        found = await ask.by_position(info.context.caller, number, position)
    return None if found is None else DeliveryExplanation.of(found)
