"""What every field can reach: the caller of this request, and the operations. Made per request by app.py."""

from dataclasses import dataclass
from typing import TypeAlias

from strawberry.types import Info

from event_issuer.domain.access import Caller
from event_issuer.domain.dataschemas import SchemaUrls
from event_issuer.resolvers.deliveries import Deliveries
from event_issuer.resolvers.event_types import EventTypes
from event_issuer.resolvers.events import Events
from event_issuer.resolvers.explaining import Explaining
from event_issuer.resolvers.expunging import Expunging
from event_issuer.resolvers.importing import Importing
from event_issuer.resolvers.parked import ParkedEvents
from event_issuer.resolvers.produce import Producing
from event_issuer.resolvers.publishing import Publishing
from event_issuer.resolvers.quarantine import Quarantine
from event_issuer.resolvers.replays import Replays
from event_issuer.resolvers.schema_registries import SchemaRegistries
from event_issuer.resolvers.schemas import Schemas
from event_issuer.resolvers.subscriptions import Subscriptions
from event_issuer.resolvers.test_deliveries import TestDeliveries


@dataclass(frozen=True, slots=True)
class Operations:
    event_types: EventTypes
    schemas: Schemas
    registries: SchemaRegistries
    importing: Importing
    publishing: Publishing
    producing: Producing
    events: Events
    subscriptions: Subscriptions
    deliveries: Deliveries
    parked: ParkedEvents
    replays: Replays
    quarantine: Quarantine
    explaining: Explaining
    test_deliveries: TestDeliveries
    expunging: Expunging
    log_id: str
    schema_urls: SchemaUrls


@dataclass(frozen=True, slots=True)
class Context:
    caller: Caller
    do: Operations


Asked: TypeAlias = Info[Context, None]
