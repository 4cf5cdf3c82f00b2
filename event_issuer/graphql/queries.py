"""The root fields that read. One field is one call of an operation; root fields are nullable, so that one refusal
never wipes out another field's answer."""

from typing import Annotated

import strawberry

from event_issuer.db.event_types import ALL
from event_issuer.domain.paging import page_request
from event_issuer.domain.subscriptions import Status
from event_issuer.graphql import connections
from event_issuer.graphql.access import Viewer
from event_issuer.graphql.connections import After, Before, Connection, First, Last, connection
from event_issuer.graphql.context import Asked
from event_issuer.graphql.event_types import EventType, EventTypeFilter, EventValidation, Name
from event_issuer.graphql.events import Event, EventConnection, StartFromInput, event_at
from event_issuer.graphql.explaining import CloudEventId, DeliveryExplanation, EventId, Source, explained
from event_issuer.graphql.fields import field
from event_issuer.graphql.filters import EventFilterInput
from event_issuer.graphql.ids import event_position, number_in, numbers_in
from event_issuer.graphql.nodes import find_node
from event_issuer.graphql.quarantine import QuarantinedEvent
from event_issuer.graphql.replays import Replay, replays_of
from event_issuer.graphql.scalars import JSON, CloudEvent
from event_issuer.graphql.schema_registries import (
    RegistryVersion,
    SchemaRegistry,
    find_registry,
    registered_versions,
)
from event_issuer.graphql.schemas import CompatibilityReport
from event_issuer.graphql.subscriptions import WebhookSubscription, WebhookSubscriptionFilter
from event_issuer.graphql.test_deliveries import TestDelivery, find_test_delivery

Id = Annotated[strawberry.ID, strawberry.argument(description="A global id.")]


@strawberry.type(description="What can be asked.")
class Query:
    @field("Any object by its global id; null if it is not there, or not yours to see.")
    async def node(self, info: Asked, id: Id) -> connections.Node | None:
        return await find_node(info, id)

    @field("Who you are, and what you may do.")
    def viewer(self, info: Asked) -> Viewer | None:
        return Viewer.of(info.context.caller)

    @field("The event types that you may see, by name.")
    async def event_types(
        self,
        info: Asked,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[EventTypeFilter | None, strawberry.argument(description="Only some of them.")] = None,
    ) -> Connection[EventType] | None:
        criteria = filter.criteria() if filter else ALL
        request = page_request(first, after, last, before)
        found = await info.context.do.event_types.page(info.context.caller, request, criteria)
        return connection(found, lambda row: row.name, EventType.of)

    @field("An event type by its name; null if it is not there, or not yours to see.")
    async def event_type(self, info: Asked, name: Name) -> EventType | None:
        row = await info.context.do.event_types.get(info.context.caller, name)
        return None if row is None else EventType.of(row)

    @field("May this schema become the next version? Changes nothing. Null for a type that is not yours to see.")
    async def check_compatibility(
        self,
        info: Asked,
        event_type: Annotated[str, strawberry.argument(description="The event type's name.")],
        schema: Annotated[JSON, strawberry.argument(description="A JSON Schema.")],
    ) -> CompatibilityReport | None:
        report = await info.context.do.schemas.check(info.context.caller, event_type, schema)
        return None if report is None else CompatibilityReport.of(report)

    @field("Your tenant's schema registry, for who may manage event types; null if it has named none.")
    async def schema_registry(self, info: Asked) -> SchemaRegistry | None:
        return await find_registry(info)

    @field(
        "What your tenant's schema registry has of an event type, as far as it was imported or published; null if the "
        "type is not yours to see."
    )
    async def registry_versions(
        self,
        info: Asked,
        event_type: Annotated[str, strawberry.argument(description="The event type's name.")],
    ) -> list[RegistryVersion] | None:
        return await registered_versions(info, event_type)

    @field("Would this event be accepted? Changes nothing.")
    async def validate_event(
        self, info: Asked, event: Annotated[CloudEvent, strawberry.argument(description="In the JSON event format.")]
    ) -> EventValidation | None:
        return EventValidation.of(await info.context.do.event_types.validate_event(info.context.caller, event))

    @field("Your tenant's subscriptions, the oldest first.")
    async def webhook_subscriptions(
        self,
        info: Asked,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[WebhookSubscriptionFilter | None, strawberry.argument(description="Only some.")] = None,
    ) -> Connection[WebhookSubscription] | None:
        status = Status(filter.status.value) if filter and filter.status else None
        request = page_request(first, after, last, before)
        found = await info.context.do.subscriptions.page(info.context.caller, status, request)
        return connection(found, lambda row: row.id, WebhookSubscription.of)

    @field("A subscription; null if it is not there, or another tenant's.")
    async def webhook_subscription(self, info: Asked, id: Id) -> WebhookSubscription | None:
        number = number_in(id, "WebhookSubscription")
        row = None if number is None else await info.context.do.subscriptions.get(info.context.caller, number)
        return None if row is None else WebhookSubscription.of(row)

    @field("A test event that was asked for; null if it is not there (any more), or another tenant's.")
    async def test_delivery(self, info: Asked, id: Id) -> TestDelivery | None:
        keys = numbers_in(id, "TestDelivery", 2)
        return None if keys is None else await find_test_delivery(info, *keys)

    @field("The replays of a subscription, the oldest first; null if it is not there, or another tenant's.")
    async def replays(
        self,
        info: Asked,
        webhook_subscription_id: Annotated[strawberry.ID, strawberry.argument(description="The subscription.")],
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Replay] | None:
        return await replays_of(info, webhook_subscription_id, page_request(first, after, last, before))

    @field("The log, from the oldest event on unless it says otherwise; read on with `after`.")
    async def events(
        self,
        info: Asked,
        event_types: Annotated[list[str], strawberry.argument(description="The names of the event types.")],
        first: First = None,
        after: Annotated[str | None, strawberry.argument(description="A cursor of an earlier answer.")] = None,
        from_: Annotated[
            StartFromInput | None, strawberry.argument(name="from", description="Where to begin, instead of `after`.")
        ] = None,
        filter: Annotated[
            EventFilterInput | None,
            strawberry.argument(
                description="Only some. Where few are taken a page ends early; read on while there is more."
            ),
        ] = None,
    ) -> EventConnection | None:
        start, wanted = from_.start() if from_ else None, filter.document() if filter else None
        found = await info.context.do.events.page(info.context.caller, event_types, first, after, start, wanted)
        return EventConnection.of(found, info.context.do.log_id)

    @field(
        "Why did, or didn't, this event reach this subscription? By the log's id, or by the producer's source and id. "
        "Null if the subscription is not there, or another tenant's."
    )
    async def explain_delivery(
        self,
        info: Asked,
        webhook_subscription_id: Annotated[strawberry.ID, strawberry.argument(description="The subscription.")],
        event_id: EventId = None,
        source: Source = None,
        cloud_event_id: CloudEventId = None,
    ) -> DeliveryExplanation | None:
        return await explained(info, webhook_subscription_id, event_id, source, cloud_event_id)

    @field("Events of a type of yours that came from outside the API and break their contract, as they were judged.")
    async def quarantined_events(
        self,
        info: Asked,
        event_type: Annotated[str, strawberry.argument(description="The event type's name.")],
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[QuarantinedEvent] | None:
        request = page_request(first, after, last, before)
        found = await info.context.do.quarantine.page(info.context.caller, event_type, request)
        return connection(found, lambda row: row.id, QuarantinedEvent.of)

    @field("An event by its global id; null if it is not there (any more), or not yours to consume.")
    async def event(self, info: Asked, id: Id) -> Event | None:
        position = event_position(id, info.context.do.log_id)
        return None if position is None else await event_at(info, *position)
