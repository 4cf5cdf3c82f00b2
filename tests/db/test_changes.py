"""Changes: each is heard once by every process, in whatever order and however late it is committed."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from event_issuer.db.changes import (
    CHANNEL,
    KEPT_S,
    LOOK_BACK_S,
    OVERLAP_S,
    PRUNE_EVERY_S,
    PRUNE_MAX,
    ChangeFeed,
    Topic,
    announce,
)
from event_issuer.db.database import Database, open_database
from event_issuer.db.work import Work
from event_issuer.domain.time import SECOND_US
from tests.db.rows import NOW, execute, select
from tests.eventlog.records import Clock

Heard = list[tuple[Topic, int]]


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[Database]:
    """Another process's."""
    database = await open_database(database_url)
    yield database
    await database.close()


def feed_of(database: Database, clock: Clock) -> tuple[ChangeFeed, Heard]:
    feed, heard = ChangeFeed(database, clock), Heard()
    feed.listen(lambda topic, object_id: heard.append((topic, object_id)))
    return feed, heard


async def test_a_change_of_another_process_is_heard_at_the_next_look(
    database: Database, other: Database, clock: Clock
) -> None:
    feed, heard = feed_of(database, clock)
    assert await feed.step() == 0
    await other.run(announce(Topic.SUBSCRIPTION, 7, clock()))
    await other.run(announce(Topic.ACCESS, 8, clock()))
    assert await feed.step() == 2
    assert heard == [(Topic.SUBSCRIPTION, 7), (Topic.ACCESS, 8)]
    clock.advance(1)
    assert await feed.step() == 0
    await database.run(announce(Topic.EVENT_TYPE, 9, clock()))
    assert await feed.step() == 1
    assert heard[2:] == [(Topic.EVENT_TYPE, 9)]


async def test_a_change_that_is_undone_is_not_heard(database: Database, clock: Clock) -> None:
    def work() -> Work[None]:
        yield from announce(Topic.ACCESS, 1, clock())
        raise ValueError("so it is no change")

    feed, heard = feed_of(database, clock)
    with pytest.raises(ValueError, match="no change"):
        await database.run(work())
    assert await feed.step() == 0
    assert heard == []


async def test_a_change_that_is_committed_late_is_heard_once(database: Database, other: Database, clock: Clock) -> None:
    """Its instant, and its number, are older than those of changes that were heard before."""
    feed, heard = feed_of(database, clock)
    began = clock()
    clock.advance(OVERLAP_S / 2)
    await other.run(announce(Topic.ACCESS, 2, clock()))
    assert await feed.step() == 1
    clock.advance(OVERLAP_S / 2 - 1)
    await other.run(announce(Topic.ACCESS, 1, began))
    assert await feed.step() == 1
    assert heard == [(Topic.ACCESS, 2), (Topic.ACCESS, 1)]
    for _ in range(3):
        clock.advance(OVERLAP_S / 2)
        assert await feed.step() == 0


@pytest.mark.parametrize("store", ["postgresql"])
async def test_a_change_of_lower_number_that_is_committed_later_is_heard_at_the_next_look_back(
    database: Database, database_url: str, clock: Clock
) -> None:
    feed, heard = feed_of(database, clock)
    slow = await asyncpg.connect(database_url)
    try:
        async with slow.transaction():
            await slow.execute("INSERT INTO changes (topic, object_id, at_us) VALUES ('access', 1, $1)", clock())
            await database.run(announce(Topic.ACCESS, 2, clock()))
            assert await feed.step() == 1
    finally:
        await slow.close()
    assert await feed.step() == 0
    clock.advance(LOOK_BACK_S)
    assert await feed.step() == 1
    assert heard == [(Topic.ACCESS, 2), (Topic.ACCESS, 1)]


async def test_the_number_of_a_change_that_was_forgotten_is_not_given_again(database: Database, clock: Clock) -> None:
    feed, heard = feed_of(database, clock)
    await database.run(announce(Topic.ACCESS, 1, clock()))
    assert await feed.step() == 1
    clock.advance(KEPT_S + 1)
    assert await feed.prune() == 1
    await database.run(announce(Topic.ACCESS, 2, clock()))
    assert await feed.step() == 1
    assert heard == [(Topic.ACCESS, 1), (Topic.ACCESS, 2)]


async def test_a_look_that_was_put_off_misses_nothing(database: Database, other: Database, clock: Clock) -> None:
    """While the database is away no look succeeds, for longer than the overlap."""
    feed, heard = feed_of(database, clock)
    await feed.step()
    await other.run(announce(Topic.ACCESS, 1, clock()))
    clock.advance(10 * OVERLAP_S)
    assert await feed.step() == 1
    assert heard == [(Topic.ACCESS, 1)]


async def test_a_listener_that_fails_and_a_topic_that_is_new_harm_nobody(database: Database, clock: Clock) -> None:
    feed = ChangeFeed(database, clock)

    def fail(topic: Topic, object_id: int) -> None:
        raise ValueError("a fault of the listener")

    heard: Heard = []
    feed.listen(fail)
    feed.listen(lambda topic, object_id: heard.append((topic, object_id)))
    insert = "INSERT INTO changes (topic, object_id, at_us) VALUES ($1, $2, $3)"
    await execute(database, insert, ("of tomorrow", 1, clock()))
    await execute(database, insert, ("access", 2, clock()))
    assert await feed.step() == 2
    assert heard == [(Topic.ACCESS, 2)]
    assert await feed.step() == 0


async def test_old_changes_are_forgotten_in_batches(database: Database, clock: Clock) -> None:
    def work(number: int) -> Work[None]:
        for object_id in range(number):
            yield from announce(Topic.ACCESS, object_id, clock())

    await database.run(work(PRUNE_MAX + 10))
    clock.advance(1)
    await database.run(announce(Topic.ACCESS, 1, clock()))
    clock.now = NOW + KEPT_S * SECOND_US + 1
    feed = ChangeFeed(database, clock)
    assert [await feed.prune() for _ in range(3)] == [PRUNE_MAX, 10, 0]
    assert await select(database, "SELECT at_us FROM changes") == [(NOW + SECOND_US,)]


async def test_a_running_feed_hears_of_other_processes(database: Database, other: Database, clock: Clock) -> None:
    feed, heard = feed_of(database, clock)
    awake = asyncio.Event()
    feed.listen(lambda *_: awake.set())
    running = asyncio.create_task(feed.run())
    for number in range(3):
        awake.clear()
        await other.run(announce(Topic.ACCESS, number, clock()))
        await awake.wait()
    assert heard == [(Topic.ACCESS, number) for number in range(3)]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_running_feed_forgets_all_old_changes(database: Database, clock: Clock) -> None:
    def old() -> Work[None]:
        for object_id in range(PRUNE_MAX + 1):
            yield from announce(Topic.ACCESS, object_id, clock() - 2 * KEPT_S * SECOND_US)

    await database.run(old())
    feed, _ = feed_of(database, clock)
    clock.advance(PRUNE_EVERY_S)  # once: a backlog of more than one batch is worked off without waiting again
    running = asyncio.create_task(feed.run())
    while await select(database, "SELECT id FROM changes LIMIT 1"):
        feed.hurry()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_running_feed_goes_on_while_the_database_is_away(database_url: str, clock: Clock) -> None:
    away = await open_database(database_url)
    await away.close()
    feed, heard = feed_of(away, clock)
    running = asyncio.create_task(feed.run())
    for _ in range(10):
        feed.hurry()
        await asyncio.sleep(0)
    assert not running.done()
    assert heard == []
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("store", ["postgresql"])
async def test_postgresql_notifies_at_the_commit(database: Database, other: Database, clock: Clock) -> None:
    messages: asyncio.Queue[str] = asyncio.Queue()
    listening = asyncio.create_task(database.listen(CHANNEL, messages.put_nowait))
    assert await messages.get() == ""
    async with other.transaction():
        await other.run(announce(Topic.SUBSCRIPTION, 1, clock()))
        assert messages.empty()
    assert await messages.get() == "subscription"
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
