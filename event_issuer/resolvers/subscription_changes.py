"""What a change of a subscription comes to: the columns to set, and the state that follows.

Pure but for sealing: it is called in the transaction that has locked the subscription. A field that is `Unset` stays
as it is; None unsets it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum
from ipaddress import ip_network
from typing import Final, TypeAlias, TypedDict, TypeVar

from event_issuer.db.subscriptions import CurrentSubscription, Decision
from event_issuer.domain.credentials import ApiKeyHeader, BasicCredentials, Credentials
from event_issuer.domain.errors import BadInput
from event_issuer.domain.json_values import json_bytes
from event_issuer.domain.position_loss import OnPositionLost
from event_issuer.domain.subscriptions import (
    Command,
    ContentMode,
    DeliverySettings,
    OnDeadLetter,
    Ordering,
    Status,
    refuse_mismatch,
    transition,
)
from event_issuer.domain.time import Instant
from event_issuer.egress.addresses import AddressRules
from event_issuer.egress.urls import parse_target
from event_issuer.security.sealing import CREDENTIALS, Sealer

APPLICATION_ID_LENGTH_MAX: Final = 255
_ANY_ADDRESS: Final = AddressRules((ip_network("0.0.0.0/0"), ip_network("::/0")), http_allowed=True)


class Unset(Enum):
    UNSET = "UNSET"


UNSET: Final = Unset.UNSET
Value = TypeVar("Value")
Maybe: TypeAlias = Value | Unset | None


@dataclass(frozen=True, slots=True)
class DeliveryChange:
    """Parts of the delivery settings, by the same names; None takes the server's default."""

    max_in_flight: Maybe[int] = UNSET
    timeout_s: Maybe[float] = UNSET
    retry_delays_s: Maybe[tuple[float, ...]] = UNSET
    schema_version: Maybe[int] = UNSET
    retry_age_max_s: Maybe[float] = UNSET
    refused_attempts_max: Maybe[int] = UNSET
    requests_per_second: Maybe[float] = UNSET
    on_dead_letter: Maybe[OnDeadLetter] = UNSET
    on_position_lost: Maybe[OnPositionLost] = UNSET
    batch_events_max: Maybe[int] = UNSET
    batch_bytes_max: Maybe[int] = UNSET
    batch_wait_max_s: Maybe[float] = UNSET

    @property
    def names_batch(self) -> bool:
        """Whether it asks for anything of batches; a default is no wish."""
        wishes = (self.batch_events_max, self.batch_bytes_max, self.batch_wait_max_s)
        return any(wish is not UNSET and wish is not None for wish in wishes)

    def applied(self, to: DeliverySettings, defaults: DeliverySettings) -> DeliverySettings:
        """Raises BadInput for a value out of its bounds."""
        wishes = {field.name: getattr(self, field.name) for field in fields(self)}
        chosen = {name: getattr(defaults, name) if wish is None else wish for name, wish in wishes.items()}
        return replace(to, **{name: value for name, value in chosen.items() if value is not UNSET})


@dataclass(frozen=True, slots=True)
class SubscriptionChange:
    """`delivery`: None takes all defaults; `filter`: JSON, None takes every event. The rest cannot be unset, so
    None leaves it as it is."""

    application_id: str | None = None
    event_types: Sequence[str] | None = None
    url: str | None = None
    content_mode: ContentMode | None = None
    ordering: Ordering | None = None
    api_key: Maybe[ApiKeyHeader] = UNSET
    basic: Maybe[BasicCredentials] = UNSET
    delivery: Maybe[DeliveryChange] = UNSET
    filter: Maybe[object] = UNSET

    @property
    def touches_delivery(self) -> bool:
        """Whether lanes must take notice."""
        parts = (self.api_key, self.basic, self.delivery, self.filter)
        others = (self.content_mode, self.ordering, self.event_types)
        return any(part is not UNSET for part in parts) or any(part is not None for part in others)


def decide_change(
    change: SubscriptionChange, rules: AddressRules, defaults: DeliverySettings, sealer: Sealer, now: Instant
) -> Decision:
    """Raises BadInput now for what is wrong whatever the subscription; the decision raises BadInput and Conflict."""
    if change.application_id is not None:
        check_application_id(change.application_id)
    if change.url is not None:
        parse_target(change.url, rules)

    def decide(current: CurrentSubscription) -> Mapping[str, object]:
        columns: dict[str, object] = {}
        refuse_mismatch(
            change.content_mode or ContentMode(current.content_mode),
            change.ordering or Ordering(current.ordering),
            names_batch=isinstance(change.delivery, DeliveryChange) and change.delivery.names_batch,
        )
        if change.application_id is not None:
            columns["application_id"] = change.application_id
        if change.content_mode is not None:
            columns["content_mode"] = change.content_mode.value
        if change.ordering is not None:
            columns["ordering"] = change.ordering.value
        if change.delivery is not UNSET:
            columns["delivery"] = _delivery(change.delivery, current, defaults)
        if change.filter is not UNSET:
            columns["filter"] = None if change.filter is None else json_bytes(change.filter).decode()
        moves = change.url is not None and change.url != current.url
        if moves:
            _refuse_taken_along(change, current, rules)
        columns |= _credentials(change, current, sealer)
        columns |= _state(change, current, moves, now)
        return columns

    return decide


def _state(change: SubscriptionChange, current: CurrentSubscription, moves: bool, now: Instant) -> dict[str, object]:
    if moves:
        status = transition(current.status, Command.UPDATE_URL)
        waits = status is Status.INITIALIZING
        return {
            "status": status.value,
            "url": change.url,
            "settings_version": current.settings_version + 1,
            "verified_at_us": None,
            "verification_attempts": 0,
            "verify_at_us": now if waits else None,
        }
    if change.touches_delivery:
        status = transition(current.status, Command.UPDATE)
        return {"status": status.value, "settings_version": current.settings_version + 1}
    return {}


def _delivery(change: DeliveryChange | None, current: CurrentSubscription, defaults: DeliverySettings) -> str:
    if change is None:
        return defaults.to_json()
    return change.applied(DeliverySettings.from_json(current.delivery), defaults).to_json()


def _refuse_taken_along(change: SubscriptionChange, current: CurrentSubscription, rules: AddressRules) -> None:
    """Stored credentials are not sent to another origin than they were given for."""
    if change.url is None or parse_target(change.url, rules).origin == _origin(current.url):
        return
    kept = []
    if current.api_key_header is not None and change.api_key is UNSET:
        kept.append("apiKey")
    if current.authentication_kind is not None and change.basic is UNSET:
        kept.append("authentication")
    if kept:
        raise BadInput(f"The new URL is of another origin: give {' and '.join(kept)} again with it, or null.")


def _origin(url: str) -> str:
    """Of a stored URL, whatever the rules are by now."""
    return parse_target(url, _ANY_ADDRESS).origin


def _credentials(change: SubscriptionChange, current: CurrentSubscription, sealer: Sealer) -> Mapping[str, object]:
    if change.api_key is UNSET and change.basic is UNSET:
        return {}
    stored = Credentials()
    if current.sealed_credentials is not None:
        stored = Credentials.decode(sealer.unseal(current.sealed_credentials, purpose=CREDENTIALS))
    if change.api_key is not UNSET:
        stored = replace(stored, api_key=change.api_key)
    if change.basic is not UNSET:
        stored = replace(stored, basic=change.basic)
    return credential_columns(stored, sealer)


class CredentialColumns(TypedDict):
    """Which credentials there are; only the sealed column holds them."""

    api_key_header: str | None
    authentication_kind: str | None
    sealed_credentials: bytes | None


def credential_columns(credentials: Credentials, sealer: Sealer) -> CredentialColumns:
    return {
        "api_key_header": credentials.api_key.header if credentials.api_key else None,
        "authentication_kind": "basic" if credentials.basic else None,
        "sealed_credentials": sealer.seal(credentials.encode(), purpose=CREDENTIALS) if credentials else None,
    }


def check_application_id(application_id: str) -> None:
    if not 0 < len(application_id) <= APPLICATION_ID_LENGTH_MAX:
        raise BadInput(f"applicationId has 1 to {APPLICATION_ID_LENGTH_MAX} characters, not {len(application_id)}.")
