"""The one place where parts are joined: from settings to a running issuer, and to a server around it."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random
from time import monotonic
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import structlog
from starlette.applications import Starlette
from starlette.requests import Request

from event_issuer.contracts.catalogue import Catalogue
from event_issuer.contracts.judging import OutsideJudge
from event_issuer.contracts.trial import SchemaTrial
from event_issuer.contracts.versions import Versions
from event_issuer.db.changes import ChangeFeed, Topic
from event_issuer.db.database import PING, Database, open_database
from event_issuer.db.migrate import migrate
from event_issuer.db.tables import TABLES, Subscription
from event_issuer.delivery.active import ActiveSubscription, activate
from event_issuer.delivery.attempt import Courier
from event_issuer.delivery.deprecations import Deprecations
from event_issuer.delivery.engine import Engine
from event_issuer.delivery.handshake import Handshaker
from event_issuer.delivery.leases import Leaser
from event_issuer.delivery.pins import Pins
from event_issuer.delivery.upkeep import HistoryBounds, Upkeep
from event_issuer.domain.access import ANONYMOUS, Caller
from event_issuer.domain.dataschemas import SchemaUrls
from event_issuer.domain.errors import SettingsInvalid, Unauthenticated, Unavailable
from event_issuer.domain.subscriptions import DeliverySettings
from event_issuer.domain.time import Clock, system_clock
from event_issuer.egress.addresses import AddressRules
from event_issuer.egress.control import ControlClient
from event_issuer.egress.pool import PoolLimits
from event_issuer.egress.resolver import CachingResolver, SystemResolver
from event_issuer.egress.sender import WebhookSender
from event_issuer.eventlog.compaction import Compaction
from event_issuer.eventlog.embedded import EmbeddedLog, open_embedded_log
from event_issuer.eventlog.heads import HeadWatch
from event_issuer.eventlog.retention import Retention, RetentionBounds
from event_issuer.graphql.context import Context, Operations
from event_issuer.graphql.schema import build_schema
from event_issuer.resolvers.access import Access
from event_issuer.resolvers.catalogue import CatalogueDocument, CatalogueExport, DocumentFormat
from event_issuer.resolvers.deliveries import Deliveries
from event_issuer.resolvers.event_types import EventTypeLimits, EventTypes
from event_issuer.resolvers.events import Events
from event_issuer.resolvers.expunging import Expunging
from event_issuer.resolvers.produce import Producing
from event_issuer.resolvers.quarantine import Quarantine
from event_issuer.resolvers.schemas import SchemaDocument, Schemas
from event_issuer.resolvers.subscriptions import SubscriptionLimits, Subscriptions
from event_issuer.security.authentication import Authenticator
from event_issuer.security.sealing import Sealer, parse_sealing_key
from event_issuer.settings import Settings
from event_issuer.web.catalogue import build_catalogue_routes
from event_issuer.web.producing import ProducingFace, build_producing_routes
from event_issuer.web.routes import build_app

KEY_HEADER: Final = "x-api-key"
RESTART_PAUSE_S: Final = 1.0  # before a loop that failed is run again

Loop: TypeAlias = tuple[str, Callable[[], Awaitable[None]]]  # its name in the log, and what runs for ever

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Issuer:
    """What a face needs of a running issuer."""

    operations: Operations
    catalogue: CatalogueExport
    access: Access
    authenticator: Authenticator
    database: Database
    leaser: Leaser

    async def answers(self) -> None:
        """Raises Unavailable when the database does not answer."""
        await self.database.read(PING)

    async def delivers(self) -> None:
        """Raises Unavailable when this process cannot keep its leases."""
        if not self.leaser.is_good():
            raise Unavailable("The leases of this process have run out.")


@asynccontextmanager
async def open_database_of(settings: Settings, clock: Clock = system_clock) -> AsyncIterator[Database]:
    """The database, brought to the tables of this program. Raises SettingsInvalid, Unavailable."""
    database = await open_database(settings.database_url, tables=TABLES, pool_size=settings.database_connections_max)
    try:
        await migrate(database, clock())
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def open_access(settings: Settings, clock: Clock = system_clock) -> AsyncIterator[Access]:
    """Keys and policies alone, for the console; a server that runs hears of each change by itself."""
    async with open_database_of(settings, clock) as database:
        yield Access(database, ChangeFeed(database, clock), clock)


@asynccontextmanager
async def open_issuer(
    settings: Settings, public_url: str, *, clock: Clock = system_clock, random: Random | None = None
) -> AsyncIterator[Issuer]:
    """Everything but the listening socket, running until the context ends; then what is under way is settled.

    Raises SettingsInvalid, Unavailable.
    """
    sealer = _sealer(settings)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database_of(settings, clock))
        feed = ChangeFeed(database, clock)
        contracts = _Contracts(settings, database, feed, public_url, clock)
        stack.push_async_callback(contracts.trial.close)
        catalogue = contracts.catalogue
        judge = OutsideJudge(database, catalogue, clock, data_bytes_max=settings.data_bytes_max)
        log = await _open_log(settings, database, feed, judge, clock)
        rules = AddressRules(settings.allowed_networks, settings.http_allowed)
        delivery = _Delivery(
            settings, database, log, feed, sealer, rules, contracts.versions, public_url, clock, random or Random()
        )
        await delivery.deprecations.load()
        operations = Operations(
            event_types=contracts.event_types,
            schemas=contracts.schemas,
            producing=contracts.producing(log),
            events=Events(database, log, catalogue),
            subscriptions=Subscriptions(
                database, log, catalogue, feed, sealer, clock, _subscription_limits(settings, rules)
            ),
            deliveries=Deliveries(database, clock),
            quarantine=Quarantine(database, log, catalogue, judge, feed, clock),
            expunging=Expunging(database, log, log.reload, feed, clock),
            log_id=log.log_id,
            schema_urls=contracts.urls,
        )
        loops: list[Loop] = [
            ("log", log.run),
            ("changes", feed.run),
            ("heads", HeadWatch(log, lambda: list(delivery.leaser.epochs())).run),
            ("retention", Retention(database, log, clock, _retention_bounds(settings)).run),
            ("compaction", Compaction(database, log, clock).run),
            *delivery.loops(),
        ]
        running = [asyncio.create_task(_keep_running(name, run)) for name, run in loops]
        stack.push_async_callback(_stop, running)
        stack.push_async_callback(delivery.stop, settings.grace_s)
        yield Issuer(
            operations=operations,
            catalogue=CatalogueExport(database, public_url),
            access=Access(database, feed, clock),
            authenticator=Authenticator(database, feed, clock),
            database=database,
            leaser=delivery.leaser,
        )


async def _open_log(
    settings: Settings, database: Database, feed: ChangeFeed, judge: OutsideJudge, clock: Clock
) -> EmbeddedLog:
    log = await open_embedded_log(
        database, clock, os.urandom(8).hex(), cache_bytes_max=settings.page_cache_bytes_max, judge=judge.verdicts
    )
    feed.listen(lambda topic, id_: log.reload(id_) if topic is Topic.VERDICT else None)
    return log


class _Contracts:
    """The schema registry's parts, and what judges by them."""

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
        limits = EventTypeLimits(settings.event_types_max, settings.partitions_max, settings.data_bytes_max)
        self.event_types = EventTypes(database, self.catalogue, self.versions, self.trial, feed, clock, limits)
        self.schemas = Schemas(database, self.trial, self.trial, feed, clock)

    def producing(self, log: EmbeddedLog) -> Producing:
        events_max, data_bytes_max = self._settings.batch_events_max, self._settings.data_bytes_max
        return Producing(log, self.catalogue, self.versions, events_max=events_max, data_bytes_max=data_bytes_max)


class _Delivery:
    """The delivery service's parts, and what leaves the house."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        log: EmbeddedLog,
        feed: ChangeFeed,
        sealer: Sealer,
        rules: AddressRules,
        versions: Versions,
        public_url: str,
        clock: Clock,
        random: Random,
    ) -> None:
        resolver = CachingResolver(SystemResolver())
        origin = urlsplit(public_url).hostname or public_url
        self._sender = WebhookSender(resolver, limits=PoolLimits(open_max=settings.connections_max))
        self._control = ControlClient(rules, resolver)
        self.deprecations = Deprecations(database, feed)
        self.leaser = Leaser(database, _owner(), clock, lease_s=settings.lease_s)

        def activated(row: Subscription) -> ActiveSubscription:
            return activate(row, sealer, rules, origin)

        self.engine = Engine(
            database,
            log,
            feed,
            self.leaser,
            Courier(self._sender, log.log_id, clock, monotonic, random, self.deprecations.by_partition),
            activated,
            Pins(database, versions),
            clock,
            random,
            exposure_max=settings.unsettled_max,
        )
        self._handshaker = Handshaker(database, feed, self._control, origin, clock, random)
        self._upkeep = Upkeep(database, clock, _history_bounds(settings))
        self.engine.settler.on_dead_letters = self._upkeep.hear

    def loops(self) -> list[Loop]:
        return [
            ("deprecations", self.deprecations.run),
            ("engine", self.engine.run),
            ("handshakes", self._handshaker.run),
            ("upkeep", self._upkeep.run),
        ]

    async def stop(self, grace_s: float) -> None:
        await self._handshaker.stop()
        await self.engine.stop(grace_s)
        await self._sender.close()
        await self._control.close()


async def _keep_running(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """A loop that ends is a fault of ours: it is run again after a pause, and the fault is in the log."""
    while True:
        try:
            await run()
        except Exception:
            logger.exception("loop failed", loop=name)
        await asyncio.sleep(RESTART_PAUSE_S)


async def _stop(running: list["asyncio.Task[None]"]) -> None:
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _sealer(settings: Settings) -> Sealer:
    if settings.sealing_key is None:
        raise SettingsInvalid(
            "EVENT_ISSUER_SEALING_KEY is not set; `event-issuer key seal` makes one. Keep it as safe as the database."
        )
    return Sealer(parse_sealing_key(settings.sealing_key.get_secret_value()))


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"


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


def _subscription_limits(settings: Settings, rules: AddressRules) -> SubscriptionLimits:
    defaults = DeliverySettings(settings.max_in_flight, settings.timeout_s, settings.retry_delays_s)
    return SubscriptionLimits(settings.subscriptions_max, settings.verification_optional, rules, defaults)


def asgi_app(issuer: Issuer, settings: Settings) -> Starlette:
    """The faces around a running issuer."""

    async def caller_of(request: Request) -> Caller:
        key = request.headers.get(KEY_HEADER)
        return ANONYMOUS if key is None else await issuer.authenticator.by_api_key(key)

    async def context_of(request: Request) -> Context:
        caller = await caller_of(request)
        if caller is ANONYMOUS:
            raise Unauthenticated("Send your API key in the header X-API-Key.")
        return Context(caller, issuer.operations)

    async def document_of(request: Request, event_type: str, version: int) -> SchemaDocument:
        return await issuer.operations.schemas.document(await caller_of(request), event_type, version)

    async def catalogue_of(request: Request, format_: DocumentFormat, name_prefix: str) -> CatalogueDocument:
        return await issuer.catalogue.document(await caller_of(request), format_, name_prefix)

    producing = ProducingFace(issuer.operations.producing, caller_of, settings.body_bytes_max)
    return build_app(
        build_schema(),
        context_of,
        document_of=document_of,
        more=[*build_producing_routes(producing), *build_catalogue_routes(catalogue_of)],
        checks={"database": issuer.answers, "delivery": issuer.delivers},
        body_bytes_max=settings.body_bytes_max,
    )
