"""A small issuer for delivery's tests: a store, a log with events, subscriptions, and a clock of the test's own."""

import asyncio
import json
import random
from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from event_issuer.db import subscriptions as subscription_sql
from event_issuer.db.access import ensure_principal, ensure_tenant
from event_issuer.db.changes import ChangeFeed, Topic, announce
from event_issuer.db.database import Database
from event_issuer.db.event_types import NewEventType, insert
from event_issuer.db.lanes import move
from event_issuer.db.replays import NewReplay, Stretch
from event_issuer.db.replays import insert as insert_replay
from event_issuer.db.subscriptions import LaneStart, NewSubscription
from event_issuer.db.tables import Subscription
from event_issuer.db.work import Row, Statement, Work, batches, insertion
from event_issuer.delivery.active import ActiveSubscription, activate
from event_issuer.delivery.caps import Caps
from event_issuer.domain.credentials import Credentials
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.records import new_record
from event_issuer.domain.subscriptions import Command, ContentMode, DeliverySettings, Ordering, Status, Verification
from event_issuer.domain.time import SECOND_US, Instant
from event_issuer.egress.addresses import AddressRules
from event_issuer.eventlog.embedded import EmbeddedLog, open_embedded_log
from event_issuer.security.sealing import CREDENTIALS, SIGNING_SECRET, Sealer

STARTED_AT: Instant = 1_760_000_000_000_000
LOG_ID = "0123456789abcdef"
ORIGIN = "issuer.example.com"
SIGNING_KEY = b"0123456789abcdef0123456789abcdef"
SETTINGS = DeliverySettings(max_in_flight=8, timeout_s=5.0, retry_delays_s=(5.0, 300.0))
LOOPBACK = AddressRules(allowed_networks=(ip_network("127.0.0.0/8"),), http_allowed=True)


PARKED = {
    "lane_id": "bigint",
    "subscription_id": "bigint",
    "partition_id": "bigint",
    "log_offset": "bigint",
    "blocks_key": "boolean",
    "attempts": "integer",
    "parked_at_us": "bigint",
    "next_attempt_at_us": "bigint",
}


class Clock:
    """Stands still unless the test moves it."""

    def __init__(self) -> None:
        self.now: Instant = STARTED_AT

    def __call__(self) -> Instant:
        return self.now

    def monotonic_s(self) -> float:
        return self.now / SECOND_US

    def advance(self, seconds: float) -> None:
        self.now += round(seconds * SECOND_US)


class World:
    def __init__(self, database: Database, log: EmbeddedLog, clock: Clock) -> None:
        self.database, self.log, self.clock = database, log, clock
        self.feed = ChangeFeed(database, clock)
        self.sealer = Sealer(bytes(32))
        self.random = random.Random(1)
        self.caps = Caps(1_000, 1_000)
        self._names = 0
        self._ids = 0

    async def partitions(self, count: int = 1) -> list[int]:
        """The ids of a new event type's partitions."""
        self._names += 1
        name = f"test.happened-{self._names}.v1"
        tenant_id = await self.database.run(ensure_tenant("acme", 0, self.clock.now))
        new = NewEventType(name, tenant_id, "", "OPEN", "NONE", "NONE", count, False, "{}", None)
        event_type_id = await self.database.run(insert(new, self.clock.now))
        wanted = Statement("SELECT id FROM partitions WHERE event_type_id = $1 ORDER BY number", (event_type_id,))
        return [row[0] for row in await self.database.read(wanted)]

    async def subscribe(
        self,
        partition_ids: Sequence[int],
        url: str = "http://127.0.0.1:9/hook",
        *,
        settings: DeliverySettings = SETTINGS,
        content_mode: ContentMode = ContentMode.BINARY,
        ordering: Ordering = Ordering.PER_KEY,
        status: Status = Status.STARTING,
        verification: Verification = Verification.OPTIONS_HANDSHAKE,
        credentials: Credentials | None = None,
        filter_: object = None,
        event_type_ids: Sequence[int] = (),
    ) -> int:
        """A subscription that begins at the first event of each partition. With `event_type_ids` it gets those that
        are added to them, too."""
        now = self.clock.now
        tenant_id = await self.database.run(ensure_tenant("acme", 0, now))
        new = NewSubscription(
            tenant_id=tenant_id,
            principal_id=await self.database.run(ensure_principal(tenant_id, "robot", 0, now)),
            application_id="tests",
            url=url,
            content_mode=content_mode.value,
            ordering=ordering.value,
            delivery=settings.to_json(),
            verification=verification.value,
            api_key_header=None,
            authentication_kind=None,
            sealed_credentials=self._sealed(credentials),
            sealed_signing_secret=self.sealer.seal(SIGNING_KEY, purpose=SIGNING_SECRET),
            filter=None if filter_ is None else json.dumps(filter_),
        )
        starts = [LaneStart(id_, 0) for id_ in partition_ids]
        id_ = await self.database.run(
            subscription_sql.insert(self.database.dialect, new, event_type_ids, starts, 1_000, self.clock.now)
        )
        if status is not Status.INITIALIZING:
            await self.alter(id_, status=status.value, verify_at_us=None)
        return id_

    def _sealed(self, credentials: Credentials | None) -> bytes | None:
        return None if credentials is None else self.sealer.seal(credentials.encode(), purpose=CREDENTIALS)

    async def alter(self, subscription_id: int, **columns: object) -> None:
        """What its owner may do: sets columns and announces the change."""

        def altering() -> Work[None]:
            for name, value in columns.items():
                yield Statement(f"UPDATE subscriptions SET {name} = $2 WHERE id = $1", (subscription_id, value))
            yield from announce(Topic.SUBSCRIPTION, subscription_id, self.clock.now)

        await self.database.run(altering())
        await self.feed.step()

    async def stop(self, subscription_id: int) -> None:
        """As its owner does, when nothing is under way."""
        for command in (Command.STOP, Command.DRAINED):
            assert await self.database.run(move(subscription_id, command, self.clock.now))

    async def start(self, subscription_id: int) -> None:
        assert await self.database.run(move(subscription_id, Command.START, self.clock.now))

    async def produce(self, partition_id: int, *keys: str | None) -> list[str]:
        """One event for each key, in one append; their ids."""
        ids = []
        records = []
        for key in keys:
            self._ids += 1
            ids.append(f"e{self._ids}")
            attributes = {"specversion": "1.0", "id": ids[-1], "source": "/tests", "type": "test.happened.v1"}
            if key is not None:
                attributes["partitionkey"] = key
            event = CloudEvent(attributes, b'{"n": %d}' % self._ids)
            records.append(new_record(partition_id, event, None, None))
        appending = asyncio.ensure_future(self.log.append(records))
        while not appending.done():
            await self.log.step()
            await asyncio.sleep(0)
        return ids

    async def park(self, lane_id: int, subscription_id: int, partition_id: int, offsets: Iterable[int]) -> None:
        """Events that failed once and are due in a year."""
        year_us = 365 * 24 * 3600 * SECOND_US

        due_at = self.clock.now + year_us
        lane = (lane_id, subscription_id, partition_id)
        rows = [(*lane, offset, False, 1, self.clock.now, due_at) for offset in offsets]

        def parking() -> Work[None]:
            for part in batches(PARKED, rows):
                yield insertion(self.database.dialect, "parked_events", PARKED, part)

        await self.database.run(parking())

    async def replay(
        self, subscription_id: int, *stretches: Stretch, filter_: object = None, is_dry_run: bool = False
    ) -> int:
        """As its owner asks for it."""
        rows = await self.rows("SELECT tenant_id, principal_id FROM subscriptions WHERE id = $1", subscription_id)
        ((tenant_id, principal_id),) = rows
        text = None if filter_ is None else json.dumps(filter_)
        asked = (subscription_id, is_dry_run, text, LOG_ID, stretches)
        new = NewReplay(tenant_id, principal_id, *asked, {})
        replay_id = await self.database.run(insert_replay(self.database.dialect, new, self.clock.now))
        assert replay_id is not None
        return replay_id

    async def park_head(self, lane_id: int, subscription_id: int, partition_id: int, key: str) -> None:
        """An event before the first, which failed once, blocks its key and is due in a year."""
        await self.park(lane_id, subscription_id, partition_id, [-1])

        def blocking() -> Work[None]:
            yield Statement("UPDATE parked_events SET blocks_key = TRUE, partitionkey = $1", (key,))

        await self.database.run(blocking())

    async def restarted(self) -> "World":
        """The same database and time, with a log that has nothing in memory."""
        world = await open_world(self.database, self.clock)
        world._names, world._ids = self._names, self._ids
        return world

    def activate(self, row: Subscription) -> ActiveSubscription:
        return activate(row, self.sealer, LOOPBACK, ORIGIN, self.clock, random.Random(5), self.caps)

    async def rows(self, sql: str, *args: object) -> list[Row]:
        return [tuple(row) for row in await self.database.read(Statement(sql, args))]


def activated(row: Subscription) -> ActiveSubscription:
    return activate(row, Sealer(bytes(32)), LOOPBACK, ORIGIN, Clock(), random.Random(5), Caps(100, 100))


async def open_world(database: Database, clock: Clock | None = None) -> World:
    clock = clock or Clock()
    return World(database, await open_embedded_log(database, clock, LOG_ID, cache_bytes_max=1 << 26), clock)
