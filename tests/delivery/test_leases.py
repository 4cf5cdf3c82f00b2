"""Leases: one process at a time delivers from a partition, and it knows until when."""

import asyncio

import pytest

from event_issuer.delivery.leases import Leaser
from event_issuer.domain.errors import Unavailable
from tests.delivery.failing import FailingDatabase
from tests.delivery.world import World

LEASE_S = 10.0
LEASES = "SELECT partition_id, owner, epoch, expires_at_us FROM leases ORDER BY partition_id"


def leaser(world: World, owner: str) -> Leaser:
    return Leaser(world.database, owner, world.clock, lease_s=LEASE_S)


async def test_a_process_claims_what_nobody_holds(world: World) -> None:
    one, two = await world.partitions(2)
    first, second = leaser(world, "first"), leaser(world, "second")
    assert await first.step() == {one: 1, two: 1}
    assert await second.step() == {}
    (three,) = await world.partitions()
    assert await second.step() == {three: 1}
    expires_at = world.clock.now + 10_000_000
    assert await world.rows(LEASES) == [
        (one, "first", 1, expires_at),
        (two, "first", 1, expires_at),
        (three, "second", 1, expires_at),
    ]


async def test_a_lease_that_expired_is_claimed_with_a_new_epoch(world: World) -> None:
    (partition_id,) = await world.partitions()
    first, second = leaser(world, "first"), leaser(world, "second")
    await first.step()
    world.clock.advance(LEASE_S)
    assert await second.step() == {}
    world.clock.advance(0.000001)
    assert await second.step() == {partition_id: 2}
    assert await first.step() == {}


async def test_renewing_keeps_the_epoch(world: World) -> None:
    (partition_id,) = await world.partitions()
    first = leaser(world, "first")
    for _ in range(5):
        assert await first.step() == {partition_id: 1}
        world.clock.advance(first.renew_every_s)
    assert await leaser(world, "second").step() == {}


async def test_a_lease_lapses_before_it_expires(world: World) -> None:
    (partition_id,) = await world.partitions()
    first = leaser(world, "first")
    assert (first.is_good(), first.held()) == (False, {})
    await first.step()
    assert first.next_step_s() == LEASE_S / 4
    world.clock.advance(LEASE_S - 0.6)
    assert (first.is_good(), first.held()) == (True, {partition_id: 1})
    assert first.next_step_s() == pytest.approx(0.1)
    world.clock.advance(0.1)
    assert (first.is_good(), first.held()) == (False, {})
    assert first.epochs() == {partition_id: 1}
    assert first.next_step_s() == LEASE_S / 4


async def test_a_renewal_that_fails_changes_nothing_until_the_lease_lapses(world: World) -> None:
    (partition_id,) = await world.partitions()
    database = FailingDatabase(world.database)
    first = Leaser(database, "first", world.clock, lease_s=LEASE_S)
    await first.step()
    database.refuse = 2
    world.clock.advance(5)
    assert await first.step() == {partition_id: 1}
    world.clock.advance(5)
    assert await first.step() == {}
    assert await first.step() == {partition_id: 1}


async def test_a_renewal_that_does_not_answer_is_given_up_in_time(world: World) -> None:
    (partition_id,) = await world.partitions()
    database = FailingDatabase(world.database)
    first = Leaser(database, "first", world.clock, lease_s=0.6)
    await first.step()
    world.clock.advance(0.099)
    database.gate.clear()
    assert await first.step() == {partition_id: 1}  # after a millisecond, when the lease is about to lapse


async def test_released_leases_are_free_at_once(world: World) -> None:
    (partition_id,) = await world.partitions()
    first, second = leaser(world, "first"), leaser(world, "second")
    await first.step()
    await first.release()
    assert (first.held(), first.epochs()) == ({}, {})
    assert await first.step() == {}  # released for good
    assert await second.step() == {partition_id: 2}


async def test_a_renewal_that_is_under_way_does_not_undo_a_release(world: World) -> None:
    await world.partitions()
    database = FailingDatabase(world.database)
    first = Leaser(database, "first", world.clock, lease_s=LEASE_S)
    database.gate.clear()
    renewing = asyncio.create_task(first.step())
    await database.arrived.wait()
    releasing = asyncio.create_task(first.release())
    database.gate.set()
    await releasing
    await renewing
    assert await world.rows("SELECT owner, expires_at_us FROM leases") == [("", 0)]


async def test_a_release_that_fails_says_so(world: World) -> None:
    database = FailingDatabase(world.database)
    database.refuse = 1
    with pytest.raises(Unavailable):
        await Leaser(database, "first", world.clock, lease_s=LEASE_S).release()
