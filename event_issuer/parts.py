"""The larger parts of an issuer, each joined from smaller ones. `app.py` joins these.

Knows what a part is made of, and not which of them a process has.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from event_issuer.contracts.catalogue import Catalogue
from event_issuer.contracts.trial import SchemaTrial
from event_issuer.contracts.versions import Versions
from event_issuer.db.changes import ChangeFeed
from event_issuer.db.database import Database
from event_issuer.db.tables import Subscription
from event_issuer.delivery.active import ActiveSubscription, activate
from event_issuer.delivery.attempt import Courier
from event_issuer.delivery.caps import Caps
from event_issuer.delivery.deprecations import Deprecations
from event_issuer.delivery.engine import Engine
from event_issuer.delivery.handshake import Handshaker
from event_issuer.delivery.leases import Leaser
from event_issuer.delivery.replays import ReplayKeeper
from event_issuer.delivery.sieve import Sieves
from event_issuer.delivery.standing import GAUGES, standing
from event_issuer.delivery.test_deliveries import TestDeliverer
from event_issuer.delivery.upkeep import HistoryBounds, Upkeep
from event_issuer.domain.dataschemas import SchemaUrls
from event_issuer.domain.time import Clock
from event_issuer.egress.addresses import AddressRules
from event_issuer.egress.control import ControlClient
from event_issuer.egress.pool import PoolLimits
from event_issuer.egress.resolver import CachingResolver, SystemResolver
from event_issuer.egress.sender import WebhookSender
from event_issuer.eventlog.compaction import Compaction
from event_issuer.eventlog.heads import HeadWatch
from event_issuer.eventlog.protocol import EventLog, Loop
from event_issuer.eventlog.retention import Retention, RetentionBounds
from event_issuer.resolvers.event_types import EventTypeLimits, EventTypes
from event_issuer.resolvers.importing import Importing
from event_issuer.resolvers.produce import Producing
from event_issuer.resolvers.publishing import Publishing
from event_issuer.resolvers.schema_registries import SchemaRegistries
from event_issuer.resolvers.schemas import Schemas
from event_issuer.resolvers.test_deliveries import TestDeliveries
from event_issuer.roles import HOUSEKEEPING
from event_issuer.security.sealing import Sealer
from event_issuer.settings import Settings
from event_issuer.telemetry.opening import Telemetry

TURN_LOOK_S: Final = 1.0  # how often a process looks whether housekeeping is its turn


class Contracts:
    """Event types with their schemas, and what judges by them."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        feed: ChangeFeed,
        public_url: str,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self.trial = SchemaTrial(timeout_s=settings.schema_trial_timeout_s)
        self.catalogue = Catalogue(database, feed)
        self.urls = SchemaUrls(public_url)
        self.versions = Versions(feed, self.urls)
        self.limits = EventTypeLimits(settings.event_types_max, settings.partitions_max, settings.data_bytes_max)
        self._database, self._feed, self._clock = database, feed, clock
        self.schemas = Schemas(database, self.trial, self.trial, feed, clock)
        self.test_deliveries = TestDeliveries(
            database, self.catalogue, self.versions, self.trial, self.urls, feed, clock
        )

    def event_types(self, log: EventLog) -> EventTypes:
        parts = (self._database, log, self.catalogue, self.versions, self.trial, self._feed, self._clock)
        return EventTypes(*parts, self.limits)

    def producing(self, log: EventLog, telemetry: Telemetry) -> Producing:
        events_max, data_bytes_max = self._settings.batch_events_max, self._settings.data_bytes_max
        parts = (log, self.catalogue, self.versions, telemetry.metrics, telemetry.traces)
        return Producing(*parts, events_max=events_max, data_bytes_max=data_bytes_max)


class Registries:
    """The exchange with schema registries of others. Close it in the end."""

    def __init__(
        self,
        database: Database,
        log: EventLog,
        feed: ChangeFeed,
        contracts: Contracts,
        sealer: Sealer,
        rules: AddressRules,
        clock: Clock,
    ) -> None:
        self._control = ControlClient(rules, CachingResolver(SystemResolver()))
        self.registries = SchemaRegistries(database, self._control, sealer, rules, clock)
        trial, limits = contracts.trial, contracts.limits
        self.importing = Importing(database, log, self.registries, trial, trial, feed, clock, limits)
        self.publishing = Publishing(database, self.registries, clock)

    async def close(self) -> None:
        await self._control.close()


@dataclass(frozen=True, slots=True)
class Sending:
    """What decides how requests leave the house."""

    settings: Settings
    sealer: Sealer
    rules: AddressRules
    public_url: str
    random: Random
    telemetry: Telemetry

    @property
    def origin(self) -> str:
        """The name under which endpoints know us."""
        return urlsplit(self.public_url).hostname or self.public_url

    def activation(self, clock: Clock) -> Callable[[Subscription], ActiveSubscription]:
        caps = Caps(self.settings.host_requests_max, self.settings.tenant_requests_max)

        def activated(row: Subscription) -> ActiveSubscription:
            return activate(row, self.sealer, self.rules, self.origin, clock, self.random, caps)

        return activated


class Delivering:
    """The delivery service's parts, and what leaves the house."""

    def __init__(
        self,
        database: Database,
        log: EventLog,
        feed: ChangeFeed,
        leaser: Leaser,
        sieves: Sieves,
        sending: Sending,
        clock: Clock,
    ) -> None:
        settings, random, telemetry = sending.settings, sending.random, sending.telemetry
        resolver = CachingResolver(SystemResolver())
        self._sender = WebhookSender(resolver, limits=PoolLimits(open_max=settings.connections_max))
        self._control = ControlClient(sending.rules, resolver)
        self.deprecations = Deprecations(database, feed)
        self.leaser = leaser
        activated = sending.activation(clock)
        known = self.deprecations.by_partition
        courier = Courier(self._sender, log.log_id, clock, monotonic, random, known, telemetry.traces)
        self.engine = Engine(
            database,
            log,
            feed,
            leaser,
            courier,
            activated,
            sieves,
            clock,
            random,
            exposure_max=settings.unsettled_max,
            metrics=telemetry.metrics,
        )
        telemetry.metrics.watch(
            GAUGES, lambda: standing(self.engine.lanes(), len(leaser.held()), self.engine.exposure, log.known_head)
        )
        self._handshaker = Handshaker(database, feed, self._control, sending.origin, clock, random)
        self._test_deliverer = TestDeliverer(database, feed, leaser.held, courier, activated, known, clock, random)
        self._replays = ReplayKeeper(database, log, log.log_id, sieves, feed, clock)
        self._upkeep = Upkeep(database, clock, _history_bounds(settings))
        self.engine.settler.on_dead_letters = self._upkeep.hear
        self._heads = HeadWatch(log, lambda: list(leaser.epochs()))
        self._retention = Retention(database, log, clock, _retention_bounds(settings))
        self._compaction = None if log.keeps_itself else Compaction(database, log, clock)

    def loops(self) -> list[Loop]:
        loops: list[Loop] = [
            ("heads", self._heads.run),
            ("deprecations", self.deprecations.run),
            ("engine", self.engine.run),
            ("handshakes", self._handshaker.run),
            ("test events", self._test_deliverer.run),
            ("replays", self._replays.run),
            ("upkeep", self._upkeep.run),
            ("retention", self._retention.run),
        ]
        if self._compaction is not None:
            loops.append(("compaction", self._compaction.run))
        return [(name, partial(_in_turn, self.leaser, run) if name in HOUSEKEEPING else run) for name, run in loops]

    async def stop(self, grace_s: float) -> None:
        await self._handshaker.stop()
        await self._test_deliverer.stop()
        await self.engine.stop(grace_s)
        await self._sender.close()
        await self._control.close()


async def _in_turn(leaser: Leaser, run: Callable[[], Awaitable[None]]) -> None:
    """Housekeeping is done by one process at a time: the others would read and lock the same rows."""
    while not leaser.is_first():  # noqa: ASYNC110 - nothing announces a turn, and there is no hurry
        await asyncio.sleep(TURN_LOOK_S)
    keeping = asyncio.ensure_future(run())
    try:
        while leaser.is_first() and not keeping.done():
            await asyncio.wait([keeping], timeout=TURN_LOOK_S)
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
    if not keeping.cancelled():
        keeping.result()


def _retention_bounds(settings: Settings) -> RetentionBounds:
    return RetentionBounds(
        events_s=settings.retention_s,
        events_bytes=settings.retention_bytes,
        identities_s=settings.dedupe_window_s,
        identities_max=settings.dedupe_entries_max,
    )


def _history_bounds(settings: Settings) -> HistoryBounds:
    return HistoryBounds(
        attempts_s=settings.attempts_retention_s,
        attempts_max=settings.attempts_max,
        dead_letters_s=settings.dead_letters_retention_s,
        dead_letters_max=settings.dead_letters_max,
    )
