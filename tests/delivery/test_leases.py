"""Leases: one process at a time delivers from a partition, it knows until when, and all have their fair share."""

import asyncio

import pytest

from event_issuer.delivery.leases import TAKEOVER_MARGIN_S, Leaser
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
    (three,) = await world.partitions()
    world.clock.advance(0.000001)
    assert await second.step() == {three: 1}
    assert await first.step() == {one: 1, two: 1}
    expires_at = world.clock.now + 10_000_000
    assert await world.rows(LEASES) == [
        (one, "first", 1, expires_at),
        (two, "first", 1, expires_at),
        (three, "second", 1, expires_at),
    ]


async def test_a_lease_that_expired_is_claimed_with_a_new_epoch(world: World) -> None:
    """Not at once: the clock of another machine may be ahead."""
    (partition_id,) = await world.partitions()
    first, second = leaser(world, "first"), leaser(world, "second")
    await first.step()
    world.clock.advance(LEASE_S + TAKEOVER_MARGIN_S)
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


async def test_what_leaves_is_renewed_until_it_is_given_back(world: World) -> None:
    ids = await world.partitions(4)
    first, second = leaser(world, "first"), leaser(world, "second")
    await first.step()
    world.clock.advance(1)
    await second.step()
    kept = await first.step()
    leaving = first.leaving()
    assert (kept.keys() | leaving.keys(), len(leaving)) == (set(ids), 2)
    assert first.epochs() == dict.fromkeys(ids, 1)
    world.clock.advance(LEASE_S - 1)
    assert await first.step() == kept
    world.clock.advance(2)  # the first ones have expired by now, if they had not been renewed
    assert await second.step() == {}
    assert await first.step() == kept
    await first.give_back(list(leaving))
    assert (first.epochs(), first.leaving()) == (kept, {})
    assert await second.step() == dict.fromkeys(leaving, 2)
    assert await first.step() == kept


async def test_nothing_leaves_for_a_process_that_has_gone(world: World) -> None:
    ids = await world.partitions(4)
    first, second = leaser(world, "first"), leaser(world, "second")
    await first.step()
    world.clock.advance(1)
    await second.step()
    await first.step()
    await second.release()
    assert await first.step() == dict.fromkeys(ids, 1)
    assert first.leaving() == {}


async def test_one_that_retires_claims_nothing_and_keeps_what_it_has(world: World) -> None:
    (one,) = await world.partitions()
    first, second = leaser(world, "first"), leaser(world, "second")
    await first.step()
    first.retire()
    (two,) = await world.partitions()
    world.clock.advance(1)
    assert await first.step() == {one: 1}
    assert await second.step() == {two: 1}  # its share is both, the first one is not yet free
    assert await world.rows("SELECT owner FROM processes") == [("second",)]
    await first.release()
    assert await second.step() == {one: 2, two: 1}


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
