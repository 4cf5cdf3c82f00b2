"""Leases: one owner per partition, a new epoch for each, shared fairly, and nobody who waits for ever."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from event_issuer.db.database import Database, open_database
from event_issuer.db.leases import Held, claim_and_renew, give_back, release, retire
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


async def step(database: Database, owner: str, now: Instant = NOW, leaving: Sequence[int] = ()) -> Held:
    return await database.run(claim_and_renew(database.dialect, owner, leaving, now, now + LEASE_US, now))


async def claim(database: Database, owner: str, now: Instant = NOW) -> dict[int, int]:
    return (await step(database, owner, now)).epochs


async def processes(database: Database) -> list[tuple[object, ...]]:
    found = await select(database, "SELECT owner, started_at_us, expires_at_us FROM processes ORDER BY 1")
    return [tuple(row) for row in found]


async def announcements(database: Database) -> int:
    return len(await select(database, "SELECT id FROM changes WHERE topic = 'process'"))


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
    await other.run(release("b", NOW))  # takes nothing from others
    assert await claim(other, "b") == {}
    await database.run(release("a", NOW))
    assert [row[0] for row in await processes(database)] == ["b"]
    assert await claim(other, "b") == {one: 2}
    with pytest.raises(LeaseLost) as lost:
        await database.run(settle(database.dialect, "a", Settlement({one: 1}), NOW))
    assert lost.value.partition_ids == {one}


async def test_a_process_that_joins_gets_its_half_when_the_other_has_given_it_back(
    database: Database, other: Database
) -> None:
    ids = await add_partitions(database, 5)
    assert await step(database, "a") == Held(dict.fromkeys(ids, 1), is_first=True)
    assert await step(other, "b", NOW + 1) == Held({})
    shared = await step(database, "a", NOW + 2)
    assert (shared.epochs, len(shared.leaving)) == (dict.fromkeys(ids, 1), 2)
    assert {id_ % 2 for id_ in shared.leaving} == {1}  # those that the second of two takes first
    assert await claim(other, "b", NOW + 3) == {}
    await database.run(give_back(database.dialect, "a", shared.leaving, NOW + 4))
    assert await claim(other, "b", NOW + 5) == dict.fromkeys(shared.leaving, 2)
    assert await step(database, "a", NOW + 6) == Held(
        {id_: 1 for id_ in ids if id_ not in shared.leaving}, is_first=True
    )


async def test_who_joins_retires_or_gives_back_says_so(database: Database) -> None:
    ids = await add_partitions(database, 2)
    await claim(database, "a")
    await claim(database, "a", NOW + 1)
    assert (await announcements(database), await processes(database)) == (1, [("a", NOW, NOW + 1 + LEASE_US)])
    await database.run(give_back(database.dialect, "a", ids[:1], NOW + 2))
    await database.run(give_back(database.dialect, "b", ids[1:], NOW + 2))  # not its own: frees nothing
    assert [row[1] for row in await rows(database)] == ["", "a"]
    await database.run(retire("a"))
    assert (await announcements(database), await processes(database)) == (3, [])
    await database.run(release("a", NOW + 3))
    assert (await announcements(database), [row[1] for row in await rows(database)]) == (4, ["", ""])


async def test_a_process_that_stopped_renewing_no_longer_counts(database: Database, other: Database) -> None:
    ids = await add_partitions(database, 4)
    await claim(database, "a")
    held = await step(other, "b", NOW + LEASE_US)  # to the microsecond, it lives
    assert (held.epochs, [row[0] for row in await processes(database)]) == ({}, ["a", "b"])
    assert await claim(other, "b", NOW + LEASE_US + 1) == dict.fromkeys(ids, 2)
    assert [row[0] for row in await processes(database)] == ["b"]


async def test_two_that_claim_at_once_share_no_partition(database: Database, other: Database) -> None:
    partition_ids = await add_partitions(database, 20)
    for turn in range(10):
        now = NOW + turn * 2 * LEASE_US
        await asyncio.gather(claim(database, "a", now), claim(other, "b", now))
        first, second = await claim(database, "a", now), await claim(other, "b", now)
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
