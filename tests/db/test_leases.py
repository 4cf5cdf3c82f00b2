"""Leases: one owner per partition, a new epoch for each, and nobody who waits for ever."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from event_issuer.db.database import Database, open_database
from event_issuer.db.leases import claim_and_renew, release
from event_issuer.db.settling import LeaseLost, Settlement, settle
from event_issuer.domain.time import SECOND_US, Instant
from tests.db.rows import NOW, add_partitions, execute, select

LEASE_US = 15 * SECOND_US


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[Database]:
    """Another process's."""
    database = await open_database(database_url)
    yield database
    await database.close()


async def claim(database: Database, owner: str, now: Instant = NOW) -> dict[int, int]:
    return await database.run(claim_and_renew(database.dialect, owner, now, now + LEASE_US))


async def rows(database: Database) -> list[tuple[object, ...]]:
    return [
        tuple(row)
        for row in await select(database, "SELECT partition_id, owner, epoch, expires_at_us FROM leases ORDER BY 1")
    ]


async def test_what_nobody_holds_is_claimed(database: Database) -> None:
    one, two = await add_partitions(database, 2)
    assert await claim(database, "a") == {one: 1, two: 1}
    (three,) = await add_partitions(database, 1)
    assert await claim(database, "a", NOW + 1) == {one: 1, two: 1, three: 1}
    assert await rows(database) == [(id_, "a", 1, NOW + 1 + LEASE_US) for id_ in (one, two, three)]


async def test_what_another_holds_is_left_to_it_until_it_expires(database: Database, other: Database) -> None:
    one, two = await add_partitions(database, 2)
    await claim(database, "a")
    expires_at = NOW + LEASE_US
    assert await claim(other, "b", expires_at) == {}
    assert await rows(database) == [(id_, "a", 1, expires_at) for id_ in (one, two)]
    assert await claim(other, "b", expires_at + 1) == {one: 2, two: 2}
    assert await claim(database, "a", expires_at + 2) == {}
    assert await rows(database) == [(id_, "b", 2, expires_at + 1 + LEASE_US) for id_ in (one, two)]


async def test_a_lease_that_expired_unnoticed_is_renewed_without_a_new_epoch(database: Database) -> None:
    (one,) = await add_partitions(database, 1)
    await claim(database, "a")
    assert await claim(database, "a", NOW + 2 * LEASE_US) == {one: 1}


async def test_what_is_released_can_be_claimed_at_once(database: Database, other: Database) -> None:
    (one,) = await add_partitions(database, 1)
    await claim(database, "a")
    await other.run(release("b"))  # takes nothing from others
    assert await claim(other, "b") == {}
    await database.run(release("a"))
    assert await claim(other, "b") == {one: 2}
    with pytest.raises(LeaseLost) as lost:
        await database.run(settle(database.dialect, "a", Settlement({one: 1}), NOW))
    assert lost.value.partition_ids == {one}


async def test_two_that_claim_at_once_share_no_partition(database: Database, other: Database) -> None:
    partition_ids = await add_partitions(database, 20)
    for turn in range(10):
        now = NOW + turn * 2 * LEASE_US
        first, second = await asyncio.gather(claim(database, "a", now), claim(other, "b", now))
        assert not first.keys() & second.keys()
        assert first.keys() | second.keys() == set(partition_ids)


async def test_renewing_and_settling_never_wait_for_each_other(database: Database, other: Database) -> None:
    """A deadlock would be refused as Unavailable: both take the leases in the same order."""
    partition_ids = await add_partitions(database, 30)
    await claim(database, "a")
    await execute(database, "DELETE FROM leases")
    for partition_id in reversed(partition_ids):  # so that the order on the disk is another one
        await execute(database, "INSERT INTO leases VALUES ($1, '', 0, 0)", (partition_id,))
    held = await claim(database, "a")
    backwards = dict(reversed(held.items()))

    async def settle_often(on: Database, epochs: dict[int, int]) -> None:
        for _ in range(30):
            await on.run(settle(on.dialect, "a", Settlement(epochs), NOW))

    async def renew_often() -> None:
        for _ in range(30):
            assert len(await claim(other, "a")) == len(partition_ids)

    await asyncio.gather(settle_often(database, held), settle_often(database, backwards), renew_often())
