"""The root fields that change something. One field is one call of an operation."""

from typing import Annotated

import strawberry

from event_issuer.domain.subscriptions import Status
from event_issuer.graphql.context import Asked
from event_issuer.graphql.enums import WebhookSubscriptionStatus
from event_issuer.graphql.event_types import CreateEventTypeInput, EventType, EventTypePayload, UpdateEventTypeInput
from event_issuer.graphql.events import (
    CloudEventInput,
    ProducedEvent,
    ProduceEventsPayload,
    ProduceTombstoneInput,
    produced,
)
from event_issuer.graphql.expunging import ExpungeEventPayload, ToExpunge, expunge
from event_issuer.graphql.fields import mutation
from event_issuer.graphql.ids import existing_number
from event_issuer.graphql.parked import ParkedEventsPayload, ParkedSelected
from event_issuer.graphql.quarantine import QuarantinePayload, Selected
from event_issuer.graphql.replays import ReplayId, ReplayPayload, ToReplay, cancel_replay, replay_events
from event_issuer.graphql.scalars import CloudEvent
from event_issuer.graphql.schema_registries import (
    ImportEventTypesPayload,
    PublishEventTypePayload,
    RemoveSchemaRegistryPayload,
    SetSchemaRegistryPayload,
    ToImport,
    ToPublish,
    ToSet,
    import_types,
    publish_type,
    set_registry,
)
from event_issuer.graphql.schemas import RegisterSchemaInput, RegisterSchemaPayload
from event_issuer.graphql.subscriptions import (
    CreateWebhookSubscriptionInput,
    CreateWebhookSubscriptionPayload,
    DeleteWebhookSubscriptionsPayload,
    UpdateWebhookSubscriptionInput,
    WebhookSubscription,
    WebhookSubscriptionPayload,
)
from event_issuer.graphql.test_deliveries import TestDelivery, TestDeliveryPayload

SubscriptionId = Annotated[strawberry.ID, strawberry.argument(description="The subscription.")]


@strawberry.type(description="What can be done.")
class Mutation:
    @mutation("Sends in one event. The answer comes when it is durable, or says why it is not.")
    async def produce_event(
        self, info: Asked, event: Annotated[CloudEventInput, strawberry.argument(description="The event.")]
    ) -> ProducedEvent | None:
        return ProducedEvent.of((await produced(info, [event.document()]))[0])

    @mutation("Sends in many. One result per event, in order; a bad one does not stop the good ones.")
    async def produce_events(
        self,
        info: Asked,
        events: Annotated[list[CloudEvent], strawberry.argument(description="CloudEvents in the JSON event format.")],
    ) -> ProduceEventsPayload | None:
        return ProduceEventsPayload.of(await produced(info, events))

    @mutation("Says that a key is gone: a record without data, which no contract judges. Goes out in structured mode.")
    async def produce_tombstone(
        self, info: Asked, input: Annotated[ProduceTombstoneInput, strawberry.argument(description="The key.")]
    ) -> ProducedEvent | None:
        producing = info.context.do.producing
        return ProducedEvent.of(await producing.produce_tombstone(info.context.caller, input.document()))

    @mutation("Makes an event type with its first schema, which is tried before it is taken.")
    async def create_event_type(
        self, info: Asked, input: Annotated[CreateEventTypeInput, strawberry.argument(description="The type.")]
    ) -> EventTypePayload | None:
        row = await info.context.do.event_types.create(info.context.caller, input.spec())
        return EventTypePayload(event_type=EventType.of(row))

    @mutation("Changes your event type; what changes for deliveries takes effect within a second.")
    async def update_event_type(
        self, info: Asked, input: Annotated[UpdateEventTypeInput, strawberry.argument(description="The change.")]
    ) -> EventTypePayload | None:
        row = await info.context.do.event_types.update(info.context.caller, input.event_type, input.change())
        return EventTypePayload(event_type=EventType.of(row))

    @mutation(
        "Makes a schema the next version of your event type, after a trial and a comparison with the earlier ones. "
        "Refused with SCHEMA_INCOMPATIBLE, its `problems` in the error's extensions, where the mode is not kept."
    )
    async def register_schema(
        self, info: Asked, input: Annotated[RegisterSchemaInput, strawberry.argument(description="The schema.")]
    ) -> RegisterSchemaPayload | None:
        wanted = (input.event_type, input.schema, input.example)
        registered = await info.context.do.schemas.register(info.context.caller, *wanted)
        return RegisterSchemaPayload.of(registered, info.context.do.schema_urls)

    @mutation(
        "Names your tenant's schema registry, in the place of a former one. For who may manage all its event types."
    )
    async def set_schema_registry(self, info: Asked, input: ToSet) -> SetSchemaRegistryPayload | None:
        return await set_registry(info, input)

    @mutation("Takes your tenant's schema registry away, with its credentials. Event types that came from it stay.")
    async def remove_schema_registry(self, info: Asked) -> RemoveSchemaRegistryPayload | None:
        return RemoveSchemaRegistryPayload(removed=await info.context.do.registries.remove(info.context.caller))

    @mutation(
        "Makes subjects of your tenant's schema registry event types, with their versions in order, or brings those "
        "that are new. JSON Schema only; each subject whole, or not at all."
    )
    async def import_event_types(self, info: Asked, input: ToImport) -> ImportEventTypesPayload | None:
        return await import_types(info, input)

    @mutation(
        "Registers the schema versions of your event type to your tenant's schema registry, in order. What is there "
        "already stays as it is, so that it may be asked for again."
    )
    async def publish_event_type(self, info: Asked, input: ToPublish) -> PublishEventTypePayload | None:
        return await publish_type(info, input)

    @mutation("Lets held events go to their lanes, if the contract that holds now takes them.")
    async def release_quarantined_events(self, info: Asked, input: Selected) -> QuarantinePayload | None:
        return QuarantinePayload.of(await info.context.do.quarantine.release(info.context.caller, input.selected()))

    @mutation("Gives held events up: they are never delivered.")
    async def discard_quarantined_events(self, info: Asked, input: Selected) -> QuarantinePayload | None:
        return QuarantinePayload.of(await info.context.do.quarantine.discard(info.context.caller, input.selected()))

    @mutation("Takes one event's data out of the log for good. For the operator: who may manage all access.")
    async def expunge_event(self, info: Asked, input: ToExpunge) -> ExpungeEventPayload | None:
        return await expunge(info, input)

    @mutation("Makes a subscription. Its endpoint is asked whether it wants to receive before the first event.")
    async def create_webhook_subscription(
        self,
        info: Asked,
        input: Annotated[CreateWebhookSubscriptionInput, strawberry.argument(description="The subscription.")],
    ) -> CreateWebhookSubscriptionPayload | None:
        subscriptions = info.context.do.subscriptions
        spec = input.spec(subscriptions.limits.defaults)
        return CreateWebhookSubscriptionPayload.of(await subscriptions.create(info.context.caller, spec))

    @mutation("Changes a subscription. What is under way finishes first.")
    async def update_webhook_subscription(
        self,
        info: Asked,
        input: Annotated[UpdateWebhookSubscriptionInput, strawberry.argument(description="The change.")],
    ) -> WebhookSubscriptionPayload | None:
        number = existing_number(input.id, "WebhookSubscription")
        row = await info.context.do.subscriptions.update(info.context.caller, number, input.change())
        return WebhookSubscriptionPayload(webhook_subscription=WebhookSubscription.of(row))

    @mutation("Goes on where it was stopped; one that failed is verified first.")
    async def start_webhook_subscription(self, info: Asked, id: SubscriptionId) -> WebhookSubscriptionPayload | None:
        number = existing_number(id, "WebhookSubscription")
        row = await info.context.do.subscriptions.start(info.context.caller, number)
        return WebhookSubscriptionPayload(webhook_subscription=WebhookSubscription.of(row))

    @mutation("No request starts within a second of this; where it stands is kept.")
    async def stop_webhook_subscription(self, info: Asked, id: SubscriptionId) -> WebhookSubscriptionPayload | None:
        number = existing_number(id, "WebhookSubscription")
        row = await info.context.do.subscriptions.stop(info.context.caller, number)
        return WebhookSubscriptionPayload(webhook_subscription=WebhookSubscription.of(row))

    @mutation("Asks the endpoint again whether it wants to receive, and starts when it agrees.")
    async def verify_webhook_subscription(self, info: Asked, id: SubscriptionId) -> WebhookSubscriptionPayload | None:
        number = existing_number(id, "WebhookSubscription")
        row = await info.context.do.subscriptions.verify(info.context.caller, number)
        return WebhookSubscriptionPayload(webhook_subscription=WebhookSubscription.of(row))

    @mutation(
        "Sends one marked event, made from the schema's example, through the real path, also while the subscription is "
        "stopped; CONFLICT where the endpoint has not agreed to receive. It is not in the log and is not tried again."
    )
    async def send_test_event(
        self,
        info: Asked,
        id: SubscriptionId,
        event_type: Annotated[
            str | None, strawberry.argument(description="One of the subscription's event types: the first unless said.")
        ] = None,
    ) -> TestDeliveryPayload | None:
        number = existing_number(id, "WebhookSubscription")
        row = await info.context.do.test_deliveries.send(info.context.caller, number, event_type)
        return TestDeliveryPayload(test_delivery=TestDelivery.of(row))

    @mutation(
        "Has events delivered again, beside the live ones: with the ids that they had, and `webhook-replay`. A dry run "
        "counts them. CONFLICT where the endpoint has not agreed to receive."
    )
    async def replay_events(self, info: Asked, input: ToReplay) -> ReplayPayload | None:
        return await replay_events(info, input)

    @mutation("Ends a replay: no request of it starts within a second of this. CONFLICT where it has ended.")
    async def cancel_replay(self, info: Asked, id: ReplayId) -> ReplayPayload | None:
        return await cancel_replay(info, id)

    @mutation("Deletes a subscription, with where it stood and what it attempted.")
    async def delete_webhook_subscription(
        self, info: Asked, id: SubscriptionId
    ) -> DeleteWebhookSubscriptionsPayload | None:
        number = existing_number(id, "WebhookSubscription")
        deleted = await info.context.do.subscriptions.delete(info.context.caller, number)
        return DeleteWebhookSubscriptionsPayload.of([deleted])

    @mutation("Deletes up to 1,000 subscriptions in one state; call it again for more.")
    async def delete_webhook_subscriptions(
        self,
        info: Asked,
        status: Annotated[WebhookSubscriptionStatus, strawberry.argument(description="The state.")],
    ) -> DeleteWebhookSubscriptionsPayload | None:
        deleted = await info.context.do.subscriptions.delete_in(info.context.caller, Status(status.value))
        return DeleteWebhookSubscriptionsPayload.of(deleted)

    @mutation("Has parked events tried again now; a dead letter gets a new budget. A head stays before its followers.")
    async def retry_parked_events(self, info: Asked, input: ParkedSelected) -> ParkedEventsPayload | None:
        return ParkedEventsPayload(count=await info.context.do.parked.retry(info.context.caller, input.chosen()))

    @mutation("Gives parked events up: they are never delivered. A key that one of them blocked goes on.")
    async def discard_parked_events(self, info: Asked, input: ParkedSelected) -> ParkedEventsPayload | None:
        return ParkedEventsPayload(count=await info.context.do.parked.discard(info.context.caller, input.chosen()))
