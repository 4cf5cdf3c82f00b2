"""A subscription's delivery settings in the API, out and in. Knows no defaults and no bounds: the domain has them."""

from typing import TypeVar

import strawberry

from event_issuer.domain import subscriptions
from event_issuer.domain.position_loss import OnPositionLost
from event_issuer.domain.subscriptions import DeliverySettings
from event_issuer.graphql.enums import OnDeadLetter, OnPositionLostEnum
from event_issuer.graphql.fields import maybe
from event_issuer.resolvers.subscription_changes import UNSET, DeliveryChange, Maybe

Value = TypeVar("Value")


@strawberry.type(description="When a failed event is tried again.")
class RetrySettings:
    delays_seconds: list[float] = strawberry.field(
        description="The longest pause before each further attempt, of which a random part is waited; after the last "
        "one the event is a dead letter."
    )
    max_age_seconds: float = strawberry.field(
        description="An event that first failed so long ago is a dead letter, whatever attempts are left. Time "
        "in which the subscription is stopped or its endpoint is down does not count."
    )
    refused_attempts_max: int = strawberry.field(
        description="After so many attempts an event that the endpoint refuses (400, 413, 415, 422) is a dead letter."
    )


@strawberry.type(description="How much goes into one request of content mode BATCH.")
class BatchSettings:
    max_events: int = strawberry.field(description="Events of one batch, at most.")
    max_bytes: int = strawberry.field(
        description="The body of one batch, at most; one event that is larger goes alone."
    )
    max_wait_seconds: float = strawberry.field(
        description="How long an event waits for others, from when it came into the log. A full batch goes at once."
    )


@strawberry.type(name="DeliverySettings", description="How a subscription's events are sent.")
class DeliverySettingsType:  # `DeliverySettings` is the domain's
    max_in_flight: int = strawberry.field(description="Requests to the endpoint at a time, at most.")
    requests_per_second: float | None = strawberry.field(description="Requests to the endpoint in a second; null: any.")
    timeout_seconds: float = strawberry.field(description="For one request with its whole response.")
    retry: RetrySettings = strawberry.field(description="When a failed event is tried again.")
    on_dead_letter: OnDeadLetter = strawberry.field(description="What becomes of the key that a dead letter blocked.")
    on_position_lost: OnPositionLostEnum = strawberry.field(
        description="Where it goes on when the log no longer has what it stands at."
    )
    schema_version: int | None = strawberry.field(
        description="Only events that keep this schema version of their type are sent; null for all."
    )
    batch: BatchSettings | None = strawberry.field(description="Null where the content mode is not BATCH.")

    @classmethod
    def of(cls, settings: DeliverySettings, content_mode: subscriptions.ContentMode) -> "DeliverySettingsType":
        retry = RetrySettings(
            delays_seconds=list(settings.retry_delays_s),
            max_age_seconds=settings.retry_age_max_s,
            refused_attempts_max=settings.refused_attempts_max,
        )
        return cls(
            max_in_flight=settings.max_in_flight,
            requests_per_second=settings.requests_per_second,
            timeout_seconds=settings.timeout_s,
            retry=retry,
            on_dead_letter=OnDeadLetter(settings.on_dead_letter.value),
            on_position_lost=OnPositionLostEnum(settings.on_position_lost.value),
            schema_version=settings.schema_version,
            batch=_batch(settings) if content_mode is subscriptions.ContentMode.BATCH else None,
        )


def _batch(settings: DeliverySettings) -> BatchSettings:
    return BatchSettings(
        max_events=settings.batch_events_max,
        max_bytes=settings.batch_bytes_max,
        max_wait_seconds=settings.batch_wait_max_s,
    )


@strawberry.input(
    description="When a failed event is tried again. Absent stays as it is, null is the server's default."
)
class RetrySettingsInput:
    delays_seconds: list[float] | None = strawberry.field(
        default=strawberry.UNSET, description="The longest pause before each further attempt."
    )
    max_age_seconds: float | None = strawberry.field(
        default=strawberry.UNSET, description="How long an event is tried after it first failed."
    )
    refused_attempts_max: int | None = strawberry.field(
        default=strawberry.UNSET, description="How often an event is tried that the endpoint refuses."
    )


@strawberry.input(
    description="How much goes into one request of content mode BATCH. Absent stays as it is, null is the default."
)
class BatchSettingsInput:
    max_events: int | None = strawberry.field(
        default=strawberry.UNSET,
        description=f"Events of one batch: 1 to {subscriptions.BATCH_EVENTS_MAX}, 100 unless said.",
    )
    max_bytes: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="The body of one batch, unless a single event is larger: "
        f"{subscriptions.BATCH_BYTES_MIN} to {subscriptions.BATCH_BYTES_MAX}, 262144 unless said.",
    )
    max_wait_seconds: float | None = strawberry.field(
        default=strawberry.UNSET,
        description="How long an event waits for others: "
        f"0 to {subscriptions.BATCH_WAIT_MAX_S:g}, 1 unless said. A full batch goes at once.",
    )


@strawberry.input(description="All optional: absent stays as it is, null is the server's default.")
class DeliverySettingsInput:
    max_in_flight: int | None = strawberry.field(default=strawberry.UNSET, description="Requests at a time.")
    requests_per_second: float | None = strawberry.field(
        default=strawberry.UNSET, description="Requests in a second; null for any number."
    )
    timeout_seconds: float | None = strawberry.field(default=strawberry.UNSET, description="For one request.")
    retry: RetrySettingsInput | None = strawberry.field(default=strawberry.UNSET, description="When to try again.")
    on_dead_letter: OnDeadLetter | None = strawberry.field(
        default=strawberry.UNSET, description="What becomes of the key that a dead letter blocked."
    )
    on_position_lost: OnPositionLostEnum | None = strawberry.field(
        default=strawberry.UNSET,
        description="Where to go on when the log no longer has what the subscription stands at: retention was faster, "
        "or the log was restored or made anew. EARLIEST unless said.",
    )
    schema_version: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="Send only events that keep this schema version, which each of the event types has; null for all.",
    )
    batch: BatchSettingsInput | None = strawberry.field(
        default=strawberry.UNSET, description="With contentMode BATCH only, and refused with any other."
    )

    def change(self) -> DeliveryChange:
        return DeliveryChange(
            max_in_flight=maybe(self.max_in_flight),
            timeout_s=maybe(self.timeout_seconds),
            retry_delays_s=self._delays_s(),
            schema_version=maybe(self.schema_version),
            retry_age_max_s=_part(self.retry, "max_age_seconds"),
            refused_attempts_max=_part(self.retry, "refused_attempts_max"),
            requests_per_second=maybe(self.requests_per_second),
            on_dead_letter=self._on_dead_letter(),
            on_position_lost=self._on_position_lost(),
            batch_events_max=_part(self.batch, "max_events"),
            batch_bytes_max=_part(self.batch, "max_bytes"),
            batch_wait_max_s=_part(self.batch, "max_wait_seconds"),
        )

    def _delays_s(self) -> Maybe[tuple[float, ...]]:
        wish: Maybe[list[float]] = _part(self.retry, "delays_seconds")
        return tuple(wish) if isinstance(wish, list) else wish

    def _on_dead_letter(self) -> Maybe[subscriptions.OnDeadLetter]:
        wish = maybe(self.on_dead_letter)
        return subscriptions.OnDeadLetter(wish.value) if isinstance(wish, OnDeadLetter) else wish

    def _on_position_lost(self) -> Maybe[OnPositionLost]:
        wish = maybe(self.on_position_lost)
        return OnPositionLost(wish.value) if isinstance(wish, OnPositionLostEnum) else wish


def _part(given: RetrySettingsInput | BatchSettingsInput | None, name: str) -> Maybe[Value]:
    """A field of `retry` or `batch`; where that is null the default of each is asked for."""
    if given is None:
        return None
    return UNSET if given is strawberry.UNSET else maybe(getattr(given, name))
