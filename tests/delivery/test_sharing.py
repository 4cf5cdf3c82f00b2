"""Sharing partitions: what several processes send and write when one joins, one leaves, or one dies."""

import random
from collections import Counter
from dataclasses import replace

from tests.delivery.processes import LEASE_S, Process
from tests.delivery.rig import until_idle
from tests.delivery.senders import ScriptedSender
from tests.delivery.world import SETTINGS, World

SEEDS = {"sqlite": range(12), "postgresql": range(100, 104)}
STEPS = 40
DIES_IN_S = LEASE_S + 2  # so that its leases are free
OWNERS = "SELECT owner, COUNT(*) FROM leases GROUP BY owner ORDER BY owner"


def in_flight_max(process: Process, subscription_id: int) -> int:
    return process.engine._open[subscription_id].subscription.settings.max_in_flight


async def test_a_process_that_joins_gets_its_share_when_what_is_under_way_is_written(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    ids = await world.partitions(4)
    for partition_id in ids:
        await world.produce(partition_id, "a", "a")
    subscription_id = await world.subscribe(ids)
    sender.hold()
    await process.step()
    await sender.asked(4)
    world.clock.advance(1)
    other_sender = ScriptedSender(world.clock)
    other = Process(world, other_sender, "two")
    await other.step()

    await process.engine.step()  # sees the other one, and closes what it has too much
    await until_idle()
    assert len(process.leaser.leaving()) == 2
    await other.step()
    assert (other.leaser.held(), sender.in_flight) == ({}, 4)

    sender.release()
    await process.engine.caught_up()
    await process.step()
    await other.step()
    await other_sender.asked(2)
    await sender.asked(6)
    assert await world.rows(OWNERS) == [("one", 2), ("two", 2)]
    assert Counter(sender.event_ids + other_sender.event_ids) == Counter(f"e{number}" for number in range(1, 9))
    assert (in_flight_max(process, subscription_id), in_flight_max(other, subscription_id)) == (4, 4)

    await other.engine.stop(1.0)
    await process.step()
    assert await world.rows(OWNERS) == [("one", 4)]
    assert in_flight_max(process, subscription_id) == SETTINGS.max_in_flight
    assert await world.rows("SELECT COUNT(*), COUNT(DISTINCT partition_id * 10 + log_offset) FROM attempts") == [(8, 8)]


async def test_requests_on_a_partition_that_leaves_end_at_the_lapse_too(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    ids = await world.partitions(2)
    for partition_id in ids:
        await world.produce(partition_id, "a")
    await world.subscribe(ids)
    sender.hold()
    await process.step()
    await sender.asked(2)
    world.clock.advance(1)
    other = Process(world, ScriptedSender(world.clock), "two")
    await other.step()
    await process.engine.step()
    assert (len(process.leaser.leaving()), sender.in_flight) == (1, 2)
    process.database.refuse = 2
    world.clock.advance(LEASE_S)
    await process.engine.renew()
    await until_idle()
    assert (sender.in_flight, process.engine.exposure.count) == (0, 0)
    await other.engine.stop(1.0)


async def test_what_cannot_be_given_back_now_is_given_back_later(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    await world.partitions(2)
    await process.step()
    world.clock.advance(1)
    other = Process(world, sender, "two")
    await other.step()
    await process.step()
    process.database.refuse = 1
    await process.step()
    assert await world.rows(OWNERS) == [("one", 2)]
    await process.step()
    await other.step()
    assert await world.rows(OWNERS) == [("one", 1), ("two", 1)]
    await other.engine.stop(1.0)


class Fleet:
    """Random comings, goings and deaths of processes over one log; `exposed` adds up what each end may repeat."""

    def __init__(self, world: World, sender: ScriptedSender, seed: int) -> None:
        self.world, self.sender, self.chance = world, sender, random.Random(seed)
        self.seed = seed
        self.started = self.exposed = 0
        self.living: list[Process] = []
        self.keys: dict[str, str] = {}
        self.partition_ids: list[int] = []

    async def begin(self) -> None:
        self.partition_ids = await self.world.partitions(5)
        await self.world.subscribe(self.partition_ids, settings=replace(SETTINGS, max_in_flight=4))
        await self.join()

    async def act(self) -> None:
        rare = [self.join, self.join, self.leave, self.die, self.stall, self.stall, self.wait, self.gate, self.gate]
        await self.chance.choice([self.produce] * 4 + [self.step] * 8 + rare)()

    async def produce(self) -> None:
        partition_id = self.chance.choice(self.partition_ids)
        keys = [f"{partition_id}-{self.chance.randrange(2)}" for _ in range(self.chance.randrange(1, 5))]
        self.keys |= zip(await self.world.produce(partition_id, *keys), keys, strict=True)

    async def step(self) -> None:
        if self.living:
            await self._step(self.chance.choice(self.living))

    async def _step(self, process: Process) -> None:
        """Waits for no request: while the endpoint hangs nothing would end."""
        if not process.leaser.is_good():  # it was not stepped for too long
            self.exposed += process.engine.exposure.count
        await self.world.feed.step()
        await process.engine.step()
        await until_idle(self.chance.randrange(1, 60))
        assert len({id_ for one in self.living for id_ in one.leaser.epochs()}) == sum(
            len(one.leaser.epochs()) for one in self.living
        ), self.seed

    async def join(self) -> None:
        if len(self.living) < 4:
            self.started += 1
            self.living.append(Process(self.world, self.sender, f"{self.seed}-{self.started}"))
            await self._step(self.living[-1])

    async def leave(self) -> None:
        if self.living:
            leaving = self.living.pop(self.chance.randrange(len(self.living)))
            self.exposed += leaving.engine.exposure.count
            await leaving.engine.stop(0.0)

    async def die(self) -> None:
        if self.living:
            dead = self.living.pop(self.chance.randrange(len(self.living)))
            self.exposed += dead.engine.exposure.count
            for opened in dead.engine._open.values():
                for lane in opened.lanes:
                    lane.lose()
            await until_idle()
            await self._outlive()

    async def stall(self) -> None:
        """It does nothing for longer than its lease, as if it had been stopped, and then goes on as if nothing was:
        what it writes late is refused where another has taken over."""
        if self.living:
            stalled = self.living.pop(self.chance.randrange(len(self.living)))
            await self._outlive()
            self.exposed += stalled.engine.exposure.count
            await stalled.engine.settler.step()
            self.living.append(stalled)
            await self._step(stalled)

    async def _outlive(self) -> None:
        """Long enough for a lease to run out, while the living renew theirs."""
        for _ in range(3):
            self.world.clock.advance(DIES_IN_S / 3)
            for process in self.living:
                await self._step(process)

    async def wait(self) -> None:
        self.world.clock.advance(self.chance.choice([0.1, 2.0]))

    async def gate(self) -> None:
        """The endpoint hangs from now on, or goes on."""
        if self.chance.random() < 0.5:
            self.sender.hold()
        else:
            self.sender.release()

    async def end(self) -> None:
        self.sender.release()
        if not self.living:
            await self.join()
        for _ in range(3):
            for process in self.living:
                await process.step()
        while not self.keys.keys() <= set(self.sender.event_ids):
            await until_idle()


async def test_comings_goings_and_deaths_lose_nothing_and_keep_the_order(world: World, store: str) -> None:
    for seed in SEEDS[store]:
        sender = ScriptedSender(world.clock)
        fleet = Fleet(world, sender, seed)
        await fleet.begin()
        for _ in range(STEPS):
            await fleet.act()
        await fleet.end()
        _check(fleet)
        held = [len(process.leaser.held()) for process in fleet.living]
        assert max(held) - min(held) <= 1, seed
        for process in fleet.living:
            await process.engine.stop(1.0)
        unsettled = "SELECT COUNT(*) FROM lanes JOIN log_heads ON log_heads.partition_id = lanes.partition_id "
        unsettled += "WHERE lanes.next_offset <> log_heads.next_offset"
        assert await world.rows(unsettled) == [(0,)], seed


def _check(fleet: Fleet) -> None:
    first = list(dict.fromkeys(fleet.sender.event_ids))
    assert set(first) == fleet.keys.keys(), fleet.seed
    for key in set(fleet.keys.values()):
        wanted = [event_id for event_id, its in fleet.keys.items() if its == key]
        assert [event_id for event_id in first if fleet.keys[event_id] == key] == wanted, fleet.seed
    repeated = len(fleet.sender.event_ids) - len(first)
    assert repeated <= fleet.exposed, fleet.seed
