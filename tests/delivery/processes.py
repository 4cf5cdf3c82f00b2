"""One process's delivery service, as app.py joins it, around a sender of the test's choice."""

import asyncio
import random

from event_issuer.contracts.versions import Versions
from event_issuer.db.work import Row
from event_issuer.delivery.attempt import Courier
from event_issuer.delivery.engine import Engine
from event_issuer.delivery.leases import Leaser
from event_issuer.delivery.pins import Pins
from event_issuer.delivery.replays import ReplayKeeper
from event_issuer.delivery.sieve import Sieves
from event_issuer.domain.dataschemas import SchemaUrls
from event_issuer.egress.sender import Sender
from tests.delivery.failing import FailingDatabase
from tests.delivery.rig import until_idle
from tests.delivery.world import ORIGIN, World

LEASE_S = 15.0


class Process:
    """Its lanes run by themselves; the engine steps when the test says so."""

    def __init__(self, world: World, sender: Sender, owner: str = "one", *, lease_s: float = LEASE_S) -> None:
        self.world = world
        self.database = FailingDatabase(world.database)
        self.leaser = Leaser(self.database, owner, world.clock, lease_s=lease_s)
        courier = Courier(sender, world.log.log_id, world.clock, world.clock.monotonic_s, random.Random(owner), {})
        sieves = Sieves(Pins(self.database, Versions(world.feed, SchemaUrls(ORIGIN))))
        self.keeper = ReplayKeeper(self.database, world.log, world.log.log_id, sieves, world.feed, world.clock)
        self.engine = Engine(
            self.database,
            world.log,
            world.feed,
            self.leaser,
            courier,
            world.activate,
            sieves,
            world.clock,
            random.Random(4),
            exposure_max=100,
        )

    async def step(self) -> None:
        """Hears of changes, renews leases, and opens and closes until all is done."""
        await self.world.feed.step()
        await self.engine.step()
        await self.engine.caught_up()

    async def keep(self) -> None:
        """What is to be done about replays, until there is nothing."""
        while await self.keeper.step():
            pass

    async def closing(self, subscription_id: int) -> None:
        """Hears of changes, and returns when no request of this subscription starts any more."""
        await self.world.feed.step()
        await self.engine.step()
        subscription = self.engine._open[subscription_id].subscription
        while subscription.is_open:  # noqa: ASYNC110 - the engine says nothing when it begins to close
            await asyncio.sleep(0)

    async def crash(self) -> None:
        """What it had not written is gone; its leases stay until they run out."""
        for opened in self.engine._open.values():
            opened.subscription.shut()
            for run, lane in zip(opened.runs, opened.lanes, strict=True):
                run.cancel()
                lane.lose()
        for reopening in list(self.engine._reopening.values()):
            reopening.cancel()
        await until_idle()

    def wake(self) -> None:
        """What the lanes' timers do; the test's clock does not move them."""
        for opened in self.engine._open.values():
            for lane in opened.lanes:
                lane.wake()

    async def written(self, sql: str, wanted: list[Row]) -> None:
        """Settles until the rows are as wanted; a test that waits in vain ends with pytest's time limit."""
        while await self.world.rows(sql) != wanted:
            await self.engine.settler.step()
