"""The one place where parts are joined: from settings to a running issuer, and to a server around it."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.requests import Request

from event_issuer.backbone import open_log
from event_issuer.contracts.judging import OutsideJudge
from event_issuer.db.changes import ChangeFeed, Topic
from event_issuer.db.database import PING, Database, open_database
from event_issuer.db.migrate import migrate
from event_issuer.db.tables import TABLES
from event_issuer.delivery.leases import Leaser
from event_issuer.delivery.pins import Pins
from event_issuer.delivery.sieve import Sieves
from event_issuer.domain.access import ANONYMOUS, Caller
from event_issuer.domain.errors import SettingsInvalid, Unauthenticated, Unavailable
from event_issuer.domain.explaining import Progress
from event_issuer.domain.subscriptions import DeliverySettings
from event_issuer.domain.time import Clock, system_clock
from event_issuer.egress.addresses import AddressRules
from event_issuer.eventlog.protocol import EventLog, Loop
from event_issuer.graphql.context import Context, Operations
from event_issuer.graphql.schema import build_schema
from event_issuer.parts import Contracts, Delivering, Registries, Sending
from event_issuer.resolvers.access import Access
from event_issuer.resolvers.catalogue import CatalogueDocument, CatalogueExport, DocumentFormat
from event_issuer.resolvers.deliveries import Deliveries
from event_issuer.resolvers.events import Events
from event_issuer.resolvers.explaining import AttemptHistory, Explaining
from event_issuer.resolvers.expunging import Expunging
from event_issuer.resolvers.parked import ParkedEvents
from event_issuer.resolvers.quarantine import Quarantine
from event_issuer.resolvers.replays import Replays
from event_issuer.resolvers.schemas import SchemaDocument
from event_issuer.resolvers.subscriptions import SubscriptionLimits, Subscriptions
from event_issuer.roles import LOOPS, Role
from event_issuer.security.authentication import Authenticator
from event_issuer.security.sealing import Sealer, parse_sealing_key
from event_issuer.settings import Settings
from event_issuer.telemetry.metrics import Metrics
from event_issuer.telemetry.opening import Telemetry, open_telemetry
from event_issuer.telemetry.requests import note_caller
from event_issuer.telemetry.traces import SpanSink
from event_issuer.web.catalogue import build_catalogue_routes
from event_issuer.web.producing import ProducingFace, build_producing_routes
from event_issuer.web.routes import build_app

KEY_HEADER: Final = "x-api-key"
RESTART_PAUSE_S: Final = 1.0  # before a loop that failed is run again


logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Issuer:
    """What a face needs of a running issuer. `leaser` is None where this process does not deliver."""

    operations: Operations
    catalogue: CatalogueExport
    access: Access
    authenticator: Authenticator
    database: Database
    metrics: Metrics
    log: EventLog
    leaser: Leaser | None

    def checks(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What must be well for this process to be ready."""
        checks = {"database": self.answers, "log": self.log.answers}
        return checks | ({"delivery": self.delivers} if self.leaser is not None else {})

    async def answers(self) -> None:
        """Raises Unavailable when the database does not answer."""
        await self.database.read(PING)

    async def delivers(self) -> None:
        """Raises Unavailable when this process cannot keep its leases."""
        if self.leaser is not None and not self.leaser.is_good():
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
    settings: Settings,
    public_url: str,
    *,
    role: Role = Role.SERVE,
    owner: str | None = None,
    clock: Clock = system_clock,
    random: Random | None = None,
    spans: SpanSink | None = None,
) -> AsyncIterator[Issuer]:
    """Everything but the listening socket, running until the context ends; then what is under way is settled.

    `owner` is the name under which this process holds leases, by default one of its own making. `spans` takes the
    traces instead of the collector that the settings name. Raises SettingsInvalid, Unavailable.
    """
    sealer = sealer_of(settings)
    async with AsyncExitStack() as stack:
        telemetry = await stack.enter_async_context(_telemetry(settings, clock, spans))
        database = await stack.enter_async_context(open_database_of(settings, clock))
        feed = ChangeFeed(database, clock)
        contracts = Contracts(settings, database, feed, public_url, clock)
        stack.push_async_callback(contracts.trial.close)
        judge = OutsideJudge(
            database,
            contracts.catalogue,
            clock,
            data_bytes_max=settings.data_bytes_max,
            metrics=telemetry.metrics,
        )
        log = await stack.enter_async_context(open_log(settings, database, clock, judge, telemetry.metrics))
        feed.listen(lambda topic, id_: log.reload(id_) if topic is Topic.VERDICT else None)
        rules = AddressRules(settings.allowed_networks, settings.http_allowed)
        registries = Registries(database, log, feed, contracts, sealer, rules, clock)
        stack.push_async_callback(registries.close)
        delivery = None
        if role.delivers:
            leaser = Leaser(database, owner or new_owner(), clock, lease_s=settings.lease_s)
            sieves = Sieves(Pins(database, contracts.versions))
            sending = Sending(settings, sealer, rules, public_url, random or Random(), telemetry)
            delivery = Delivering(database, log, feed, leaser, sieves, sending, clock)
            await delivery.deprecations.load()
        made = (settings, database, log, feed, contracts, registries, judge, sealer, rules, telemetry, clock)
        operations = _operations(*made, _explaining(settings, database, log, contracts, delivery, clock))
        loops: list[Loop] = [*log.loops(), ("changes", feed.run), *(delivery.loops() if delivery else ())]
        running = [asyncio.create_task(_keep_running(name, run)) for name, run in loops if role in LOOPS[name]]
        stack.push_async_callback(_stop, running)
        if delivery is not None:
            stack.push_async_callback(delivery.stop, settings.grace_s)
        yield Issuer(
            operations=operations,
            catalogue=CatalogueExport(database, public_url),
            access=Access(database, feed, clock),
            authenticator=Authenticator(database, feed, clock),
            database=database,
            leaser=delivery.leaser if delivery is not None else None,
            metrics=telemetry.metrics,
            log=log,
        )


def _operations(
    settings: Settings,
    database: Database,
    log: EventLog,
    feed: ChangeFeed,
    contracts: Contracts,
    registries: Registries,
    judge: OutsideJudge,
    sealer: Sealer,
    rules: AddressRules,
    telemetry: Telemetry,
    clock: Clock,
    explaining: Explaining,
) -> Operations:
    return Operations(
        event_types=contracts.event_types(log),
        schemas=contracts.schemas,
        registries=registries.registries,
        importing=registries.importing,
        publishing=registries.publishing,
        producing=contracts.producing(log, telemetry),
        events=Events(database, log, contracts.catalogue),
        subscriptions=Subscriptions(
            database, log, contracts.catalogue, feed, sealer, clock, _subscription_limits(settings, rules)
        ),
        deliveries=Deliveries(database, log, clock),
        parked=ParkedEvents(database, feed, clock),
        replays=Replays(database, log, contracts.catalogue, feed, clock),
        quarantine=Quarantine(database, log, contracts.catalogue, judge, feed, clock),
        explaining=explaining,
        expunging=Expunging(database, log, feed, clock),
        test_deliveries=contracts.test_deliveries,
        log_id=log.log_id,
        schema_urls=contracts.urls,
    )


def _explaining(
    settings: Settings,
    database: Database,
    log: EventLog,
    contracts: Contracts,
    delivery: Delivering | None,
    clock: Clock,
) -> Explaining:
    history = AttemptHistory(settings.attempts_retention_s, settings.attempts_max)
    progress_of = nothing_under_way if delivery is None else delivery.engine.progress_of
    return Explaining(database, log, contracts.catalogue, contracts.versions, clock, history, progress_of)


def nothing_under_way(subscription_id: int, partition_id: int, offset: int) -> Progress:
    """What a process that does not deliver has in memory."""
    return Progress.NONE


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


def sealer_of(settings: Settings) -> Sealer:
    """Raises SettingsInvalid."""
    if settings.sealing_key is None:
        raise SettingsInvalid(
            "EVENT_ISSUER_SEALING_KEY is not set; `event-issuer key seal` makes one. Keep it as safe as the database."
        )
    return Sealer(parse_sealing_key(settings.sealing_key.get_secret_value()))


def _telemetry(settings: Settings, clock: Clock, spans: SpanSink | None) -> AbstractAsyncContextManager[Telemetry]:
    return open_telemetry(settings.traces_ratio, settings.traces_endpoint, clock, spans)


def new_owner() -> str:
    """A name for one process, which no other has or will have."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"


def _subscription_limits(settings: Settings, rules: AddressRules) -> SubscriptionLimits:
    defaults = DeliverySettings(settings.max_in_flight, settings.timeout_s, settings.retry_delays_s)
    return SubscriptionLimits(settings.subscriptions_max, settings.verification_optional, rules, defaults)


def asgi_app(issuer: Issuer, settings: Settings) -> Starlette:
    """The faces around a running issuer."""

    async def caller_of(request: Request) -> Caller:
        key = request.headers.get(KEY_HEADER)
        if key is None:
            return ANONYMOUS
        caller = await issuer.authenticator.by_api_key(key)
        note_caller(caller.tenant_id, caller.principal_id)
        return caller

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
        checks=issuer.checks(),
        body_bytes_max=settings.body_bytes_max,
        metrics=issuer.metrics,
    )
