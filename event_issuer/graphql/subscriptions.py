"""Webhook subscriptions in the API."""

from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import strawberry

from event_issuer.db import tables
from event_issuer.db.attempts import ALL
from event_issuer.domain import subscriptions as words
from event_issuer.domain.credentials import ApiKeyHeader, BasicCredentials, Credentials
from event_issuer.domain.paging import page_request
from event_issuer.domain.subscriptions import DeliverySettings, Verification
from event_issuer.eventlog.reading import StartFrom, StartPoint
from event_issuer.graphql import connections
from event_issuer.graphql.connections import After, Before, Connection, First, Last, connection
from event_issuer.graphql.context import Asked
from event_issuer.graphql.deliveries import AttemptFilter, DeliveryAttempt, Lag, ParkedEvent, SubscriptionError
from event_issuer.graphql.delivery_settings import DeliverySettingsInput, DeliverySettingsType
from event_issuer.graphql.enums import ContentMode, Ordering, VerificationMethod, WebhookSubscriptionStatus
from event_issuer.graphql.events import StartFromInput
from event_issuer.graphql.fields import field
from event_issuer.graphql.filters import EventFilterInput
from event_issuer.graphql.ids import encode_id
from event_issuer.graphql.scalars import JSON, URL, DateTime, json_or_none
from event_issuer.resolvers.subscription_changes import UNSET, DeliveryChange, Maybe, SubscriptionChange, Value
from event_issuer.resolvers.subscriptions import ERRORS_MAX, CreatedSubscription, SubscriptionSpec

Translated = TypeVar("Translated")

ERRORS_SHOWN: Final = 10  # the last ones tell what is wrong now


@strawberry.type(description="How we prove to the endpoint who we are. Never a secret.")
class WebhookAuthentication:
    kind: str = strawberry.field(description="`basic`.")


@strawberry.type(description="A consumer's standing order: events of these types go to this endpoint.")
class WebhookSubscription(connections.Node):
    row: strawberry.Private[tables.Subscription]
    application_id: str = strawberry.field(description="The consumer's own name for what receives.")
    url: URL = strawberry.field(description="The endpoint.")
    status: WebhookSubscriptionStatus = strawberry.field(description="Its state.")
    filter: JSON | None = strawberry.field(description="Which events it takes, as it was given; null for all.")
    content_mode: ContentMode = strawberry.field(description="The HTTP form of a delivery.")
    ordering: Ordering = strawberry.field(description="The order of first deliveries.")
    delivery: DeliverySettingsType = strawberry.field(description="How its events are sent.")
    authentication: WebhookAuthentication | None = strawberry.field(
        description="How we prove who we are; never a secret."
    )
    api_key_header: str | None = strawberry.field(description="The header that carries the API key; never the key.")
    created_at: DateTime = strawberry.field(description="When it was made.")
    updated_at: DateTime = strawberry.field(description="When it last changed.")

    @classmethod
    def of(cls, row: tables.Subscription) -> "WebhookSubscription":
        kind = row.authentication_kind
        return cls(
            row=row,
            id=strawberry.ID(encode_id("WebhookSubscription", row.id)),
            application_id=row.application_id,
            url=URL(row.url),
            status=WebhookSubscriptionStatus(row.status),
            filter=json_or_none(row.filter),
            content_mode=ContentMode(row.content_mode),
            ordering=Ordering(row.ordering),
            delivery=DeliverySettingsType.of(
                DeliverySettings.from_json(row.delivery), words.ContentMode(row.content_mode)
            ),
            authentication=WebhookAuthentication(kind=kind) if kind else None,
            api_key_header=row.api_key_header,
            created_at=DateTime(row.created_at_us),
            updated_at=DateTime(row.updated_at_us),
        )

    @field("The names of its event types, in order.")
    async def event_types(self, info: Asked) -> list[str]:
        found = await info.context.do.subscriptions.event_types(info.context.caller, [self.row])
        return found.get(self.row.id, [])

    @field("How far it is behind.")
    async def lag(self, info: Asked) -> Lag | None:
        return Lag.of(await info.context.do.deliveries.lag(info.context.caller, self.row.id))

    @field("What went wrong with it as a whole, the newest first.")
    async def errors(
        self,
        info: Asked,
        first: Annotated[
            int | None, strawberry.argument(description=f"How many: {ERRORS_SHOWN} unless said, at most {ERRORS_MAX}.")
        ] = None,
    ) -> list[SubscriptionError]:
        count = ERRORS_SHOWN if first is None else first
        found = await info.context.do.subscriptions.errors(info.context.caller, self.row.id, count)
        return [SubscriptionError.of(row) for row in found]

    @field("Its requests, the oldest first.")
    async def attempts(
        self,
        info: Asked,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[AttemptFilter | None, strawberry.argument(description="Only some of them.")] = None,
    ) -> Connection[DeliveryAttempt] | None:
        criteria = filter.criteria(info.context.do.log_id) if filter else ALL
        request = page_request(first, after, last, before)
        found = await info.context.do.deliveries.attempts(info.context.caller, self.row.id, request, criteria)
        return connection(found, lambda row: row.id, DeliveryAttempt.of)

    @field("Its events that failed, the oldest first, dead letters among them.")
    async def parked_events(
        self, info: Asked, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[ParkedEvent] | None:
        request = page_request(first, after, last, before)
        found = await info.context.do.deliveries.parked_events(info.context.caller, self.row.id, request)
        return connection(found, lambda row: row.id, ParkedEvent.of)


@strawberry.input(description="An API key that goes with every request.")
class WebhookApiKeyInput:
    header: str = strawberry.field(description="The name of the header, such as X-API-Key.")
    key: str = strawberry.field(description="The key; it is never shown again.")

    def credential(self) -> ApiKeyHeader:
        return ApiKeyHeader(self.header, self.key)


@strawberry.input(description="HTTP Basic (RFC 7617).")
class BasicAuthenticationInput:
    username: str = strawberry.field(description="Without a colon.")
    password: str = strawberry.field(description="It is never shown again.")


@strawberry.input(one_of=True, description="How we prove to the endpoint who we are.")
class WebhookAuthenticationInput:
    basic: BasicAuthenticationInput | None = strawberry.field(
        default=strawberry.UNSET, description="A name and a password with every request."
    )

    def credential(self) -> BasicCredentials | None:
        return BasicCredentials(self.basic.username, self.basic.password) if self.basic else None


@strawberry.input(description="A new subscription.")
class CreateWebhookSubscriptionInput:
    application_id: str = strawberry.field(description="Your own name for what receives.")
    event_types: list[str] = strawberry.field(description="The names of the event types.")
    url: URL = strawberry.field(description="The endpoint: https, unless the operator allows http.")
    api_key: WebhookApiKeyInput | None = strawberry.field(default=None, description="An API key for the endpoint.")
    authentication: WebhookAuthenticationInput | None = strawberry.field(
        default=None, description="Beside an API key, or instead of one."
    )
    filter: EventFilterInput | None = strawberry.field(default=None, description="Which events; all unless said.")
    content_mode: ContentMode | None = strawberry.field(default=None, description="BINARY unless said.")
    ordering: Ordering | None = strawberry.field(default=None, description="PER_KEY unless said.")
    delivery: DeliverySettingsInput | None = strawberry.field(default=None, description="How its events are sent.")
    start_from: StartFromInput | None = strawberry.field(default=None, description="LATEST unless said.")
    verification: VerificationMethod | None = strawberry.field(default=None, description="AUTOMATIC unless said.")

    def spec(self, defaults: DeliverySettings) -> SubscriptionSpec:
        """Raises BadInput."""
        method = self.verification or VerificationMethod.AUTOMATIC
        by_handshake = method is VerificationMethod.AUTOMATIC
        delivery = self.delivery.change() if self.delivery else DeliveryChange()
        return SubscriptionSpec(
            application_id=self.application_id,
            event_types=self.event_types,
            url=self.url,
            settings=delivery.applied(defaults, defaults),
            credentials=Credentials(
                self.api_key.credential() if self.api_key else None,
                self.authentication.credential() if self.authentication else None,
            ),
            ordering=words.Ordering((self.ordering or Ordering.PER_KEY).value),
            content_mode=words.ContentMode((self.content_mode or ContentMode.BINARY).value),
            verification=Verification.OPTIONS_HANDSHAKE if by_handshake else Verification(method.value),
            start_from=self.start_from.start() if self.start_from else StartFrom(at=StartPoint.LATEST),
            filter=self.filter.document() if self.filter else None,
            names_batch=delivery.names_batch,
        )


@strawberry.input(description="What is to change: absent stays as it is, null unsets.")
class UpdateWebhookSubscriptionInput:
    id: strawberry.ID = strawberry.field(description="The subscription.")
    application_id: str | None = strawberry.field(default=None, description="Your own name for what receives.")
    event_types: list[str] | None = strawberry.field(
        default=None, description="All its event types from now on; a new one begins at its present head."
    )
    url: URL | None = strawberry.field(
        default=None, description="The endpoint. It must agree first; another origin needs the credentials again."
    )
    api_key: WebhookApiKeyInput | None = strawberry.field(default=strawberry.UNSET, description="Null removes it.")
    authentication: WebhookAuthenticationInput | None = strawberry.field(
        default=strawberry.UNSET, description="Null removes it."
    )
    filter: EventFilterInput | None = strawberry.field(
        default=strawberry.UNSET, description="Which events from now on, those that wait for a retry too; null for all."
    )
    content_mode: ContentMode | None = strawberry.field(
        default=None, description="The HTTP form of every delivery from now on, those that wait for a retry too."
    )
    ordering: Ordering | None = strawberry.field(default=None, description="The order of first deliveries.")
    delivery: DeliverySettingsInput | None = strawberry.field(
        default=strawberry.UNSET, description="How its events are sent; null takes the server's defaults."
    )

    def change(self) -> SubscriptionChange:
        """Raises BadInput."""
        return SubscriptionChange(
            application_id=self.application_id,
            event_types=self.event_types,
            url=self.url,
            content_mode=words.ContentMode(self.content_mode.value) if self.content_mode else None,
            ordering=words.Ordering(self.ordering.value) if self.ordering else None,
            api_key=_translated(self.api_key, WebhookApiKeyInput.credential),
            basic=_translated(self.authentication, WebhookAuthenticationInput.credential),
            delivery=_translated(self.delivery, DeliverySettingsInput.change),
            filter=_translated(self.filter, EventFilterInput.document),
        )


def _translated(given: Value | None, translate: Callable[[Value], Translated | None]) -> Maybe[Translated]:
    if given is strawberry.UNSET:
        return UNSET
    return None if given is None else translate(given)


@strawberry.input(description="Which subscriptions to list.")
class WebhookSubscriptionFilter:
    status: WebhookSubscriptionStatus | None = strawberry.field(default=None, description="Only those in this state.")


@strawberry.type(description="The secret that signs deliveries (Standard Webhooks). Shown once.")
class SigningSecret:
    secret: str | None = strawberry.field(description="`whsec_` and base64: verify `webhook-signature` with it.")
    valid_from: DateTime = strawberry.field(description="From when it signs.")


@strawberry.type(description="A subscription that was made.")
class CreateWebhookSubscriptionPayload:
    webhook_subscription: WebhookSubscription = strawberry.field(description="As it is now.")
    signing_secret: SigningSecret = strawberry.field(description="Keep it: it is not shown again.")

    @classmethod
    def of(cls, created: CreatedSubscription) -> "CreateWebhookSubscriptionPayload":
        secret = SigningSecret(secret=created.signing_secret, valid_from=DateTime(created.valid_from))
        return cls(webhook_subscription=WebhookSubscription.of(created.row), signing_secret=secret)


@strawberry.type(description="A subscription that was changed.")
class WebhookSubscriptionPayload:
    webhook_subscription: WebhookSubscription = strawberry.field(description="As it is now.")


@strawberry.type(description="Subscriptions that were deleted.")
class DeleteWebhookSubscriptionsPayload:
    deleted_ids: list[strawberry.ID] = strawberry.field(description="Their ids.")

    @classmethod
    def of(cls, ids: list[int]) -> "DeleteWebhookSubscriptionsPayload":
        return cls(deleted_ids=[strawberry.ID(encode_id("WebhookSubscription", id_)) for id_ in ids])
