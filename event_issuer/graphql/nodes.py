"""Any object by its global id. One row per kind; what a caller may not see is null."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from event_issuer.domain.paging import ID_DIGITS_MAX
from event_issuer.graphql import connections
from event_issuer.graphql.context import Asked
from event_issuer.graphql.deliveries import DeliveryAttempt, ParkedEvent
from event_issuer.graphql.event_types import EventType
from event_issuer.graphql.events import event_at
from event_issuer.graphql.ids import event_position, parse_id
from event_issuer.graphql.quarantine import QuarantinedEvent
from event_issuer.graphql.replays import Replay
from event_issuer.graphql.schemas import SchemaVersion
from event_issuer.graphql.subscriptions import WebhookSubscription
from event_issuer.graphql.test_deliveries import find_test_delivery

Found: TypeAlias = connections.Node | None


async def find_node(info: Asked, id_: str) -> Found:
    position = event_position(id_, info.context.do.log_id)
    if position is not None:
        return await event_at(info, *position)
    kind, keys = parse_id(id_)
    find = _FINDERS.get(kind)
    if find is None or not all(key.isascii() and key.isdigit() and len(key) <= ID_DIGITS_MAX for key in keys):
        return None
    return await find(info, [int(key) for key in keys])


async def _event_type(info: Asked, keys: list[int]) -> Found:
    row = await info.context.do.event_types.by_id(info.context.caller, keys[0])
    return None if row is None else EventType.of(row)


async def _schema_version(info: Asked, keys: list[int]) -> Found:
    found = await info.context.do.schemas.by_id(info.context.caller, keys[0])
    return None if found is None else SchemaVersion.of(*found, info.context.do.schema_urls)


async def _subscription(info: Asked, keys: list[int]) -> Found:
    row = await info.context.do.subscriptions.get(info.context.caller, keys[0])
    return None if row is None else WebhookSubscription.of(row)


async def _attempt(info: Asked, keys: list[int]) -> Found:
    row = await info.context.do.deliveries.attempt(info.context.caller, *keys[:2])
    return None if row is None else DeliveryAttempt.of(row)


async def _parked_event(info: Asked, keys: list[int]) -> Found:
    row = await info.context.do.deliveries.parked_event(info.context.caller, *keys[:2])
    return None if row is None else ParkedEvent.of(row)


async def _quarantined_event(info: Asked, keys: list[int]) -> Found:
    row = await info.context.do.quarantine.get(info.context.caller, keys[0])
    return None if row is None else QuarantinedEvent.of(row)


async def _replay(info: Asked, keys: list[int]) -> Found:
    row = await info.context.do.replays.get(info.context.caller, keys[0])
    return None if row is None else Replay.of(row)


async def _test_delivery(info: Asked, keys: list[int]) -> Found:
    return await find_test_delivery(info, *keys[:2])


_FINDERS: Final[dict[str, Callable[[Asked, list[int]], Awaitable[Found]]]] = {
    "EventType": _event_type,
    "SchemaVersion": _schema_version,
    "WebhookSubscription": _subscription,
    "DeliveryAttempt": _attempt,
    "ParkedEvent": _parked_event,
    "QuarantinedEvent": _quarantined_event,
    "Replay": _replay,
    "TestDelivery": _test_delivery,
}
