"""Lanes without an engine: the test says when they step, settle, crash and begin again."""

import asyncio
import random

from event_issuer.db.leases import release
from event_issuer.db.tables import Subscription
from event_issuer.delivery.active import ActiveSubscription
from event_issuer.delivery.attempt import Courier
from event_issuer.delivery.exposure import Exposure
from event_issuer.delivery.lane import Lane
from event_issuer.delivery.leases import Lease, Leaser
from event_issuer.delivery.opening import lane_class, stored_lanes
from event_issuer.delivery.position_losses import PositionLosses
from event_issuer.delivery.settle import Settler
from event_issuer.delivery.sieve import Sieve
from event_issuer.egress.sender import Sender
from event_issuer.eventlog.protocol import EventLog
from event_issuer.telemetry.metrics import Metrics
from tests.delivery.failing import FailingDatabase
from tests.delivery.world import LOG_ID, World

EXPOSURE_MAX = 100
LEASE_S = 1e7  # the rig renews nothing


class Rig:
    """One process's lanes, of the subscriptions it was told to open."""

    def __init__(self, world: World, sender: Sender, owner: str = "rig", *, exposure_max: int = EXPOSURE_MAX) -> None:
        self.world = world
        self.log: EventLog = world.log
        self.database = FailingDatabase(world.database)
        self.leaser = Leaser(world.database, owner, world.clock, lease_s=LEASE_S)
        self.exposure = Exposure(exposure_max)
        self.lost: list[frozenset[Lease]] = []
        self.faults: list[BaseException] = []
        self.metrics = Metrics()
        self.overtaken: list[Lane] = []
        self.losses = PositionLosses(self.database, world.log, owner, world.clock)
        self.settler = Settler(
            self.database, owner, self.leaser.epochs, self.exposure, world.clock, self.lost.append, self.metrics
        )
        self.courier = Courier(sender, LOG_ID, world.clock, world.clock.monotonic_s, random.Random(owner), {})
        self.sieves: dict[int, Sieve] = {}
        self.lanes: list[Lane] = []
        self.subscriptions: list[ActiveSubscription] = []

    async def open(self, *subscription_ids: int) -> list[Lane]:
        """All lanes of all the rig's subscriptions, in the order of their partitions."""
        served = await self.leaser.step()
        for subscription_id in subscription_ids:
            row = await Subscription.objects().where(Subscription.id == subscription_id).first()
            assert row is not None
            subscription = self.world.activate(row)
            self.subscriptions.append(subscription)
            stored = await stored_lanes(self.world.database, subscription_id, served, subscription.now())
            if await self.losses.settle(subscription_id, subscription.settings.on_position_lost, stored.lanes):
                stored = await stored_lanes(self.world.database, subscription_id, served, subscription.now())
            for lane in sorted(stored.lanes, key=lambda lane: lane.lease):
                self.lanes.append(
                    lane_class(subscription)(
                        lane.id,
                        subscription,
                        lane.lease,
                        lane.cursor,
                        lane.parked,
                        lane.filtered,
                        expired=lane.expired,
                        sieve=self.sieves.get(lane.lease[0]),
                        log=self.log,
                        courier=self.courier,
                        settler=self.settler,
                        exposure=self.exposure,
                        may_send=self.leaser.is_good,
                        on_fault=lambda lane, fault: self.faults.append(fault),
                        on_overtaken=self.overtaken.append,
                        clock=self.world.clock,
                        random=random.Random(4),
                    )
                )
        return self.lanes

    async def carry(self) -> int:
        """Steps until nothing more can start and nothing is under way; the number of attempts that steps started."""
        total, started = 0, 1
        while started:
            started = 0
            for lane in self.lanes:
                started += await lane.step()
            for lane in self.lanes:
                await lane.drain()
            total += started
        return total

    async def settle_down(self) -> None:
        """Carries on until nothing is left to do at this time, and everything is written."""
        await self.carry()
        await self.settler.flush()
        while await self.carry():  # what waited for exposure
            await self.settler.flush()

    async def crash(self) -> int:
        """The process dies: what it had not written is gone, and its leases are free. How much was exposed."""
        exposed = self.exposure.count
        for lane in self.lanes:
            lane.lose()
        for lane in self.lanes:
            await lane.drain()
        await self.world.database.run(release(self.leaser.owner, self.world.clock()))
        return exposed


async def until_idle(tasks: int = 20) -> None:
    """Lets every task that can go on do so, a few turns of the loop long."""
    for _ in range(tasks):
        await asyncio.sleep(0)
