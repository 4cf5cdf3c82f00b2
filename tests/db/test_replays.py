"""Replays in the database: what bounds them, and how their rows go."""

import pytest

from event_issuer.db.database import Database
from event_issuer.db.replaying import complete, end_early, keep_counts, sweep, sweepable
from event_issuer.db.replays import NewReplay, Stretch, insert
from event_issuer.db.upkeep import remove_subscription
from event_issuer.domain.errors import Conflict, LimitExceeded
from event_issuer.domain.replays import KEPT, OPEN_MAX, ReplayStatus
from tests.db.rows import NOW, add_lane, add_partitions, add_subscription, execute, select

COUNTS = (
    "SELECT (SELECT COUNT(*) FROM replays), (SELECT COUNT(*) FROM replay_ranges), (SELECT COUNT(*) FROM lanes), "
    "(SELECT COUNT(*) FROM parked_events)"
)
PARK = (
    "INSERT INTO parked_events (lane_id, subscription_id, partition_id, log_offset, blocks_key, attempts, "
    "parked_at_us) VALUES ($1, 1, 1, $2, FALSE, 1, 5)"
)


@pytest.fixture
async def new(database: Database) -> NewReplay:
    """Of a subscription with a live lane on each of three partitions, with nine events each."""
    ids = await add_partitions(database, 3)
    subscription_id = await add_subscription(database)
    await execute(database, "UPDATE log_heads SET next_offset = 9")
    await execute(database, "UPDATE subscriptions SET verified_at_us = 1")
    for partition_id in ids:
        await add_lane(database, subscription_id, partition_id)
    stretches = [Stretch(ids[0], 2, None), Stretch(ids[1], 0, 20), Stretch(ids[2], 4, 4), Stretch(99, 0, None)]
    return NewReplay(1, 1, subscription_id, False, None, "log", stretches, {})


async def made(database: Database, new: NewReplay) -> int:
    replay_id = await database.run(insert(database.dialect, new, NOW))
    assert replay_id is not None
    return replay_id


async def test_a_replay_has_a_lane_where_there_is_anything_to_deliver(database: Database, new: NewReplay) -> None:
    replay_id = await made(database, new)
    ranges = "SELECT partition_id, start_offset, end_offset, counted_to FROM replay_ranges ORDER BY partition_id"
    one, two = new.stretches[0].partition_id, new.stretches[1].partition_id
    assert await select(database, ranges) == [(one, 2, 9, 2), (two, 0, 9, 0)]
    lanes = "SELECT partition_id, start_offset, next_offset, settled_above, log_id FROM lanes WHERE replay_id = $1"
    assert await select(database, lanes + " ORDER BY id", replay_id) == [
        (one, 2, 2, "[]", "log"),
        (two, 0, 0, "[]", "log"),
    ]
    assert await select(database, "SELECT settings_version FROM subscriptions") == [(2,)]


async def test_what_is_refused_changes_nothing(database: Database, new: NewReplay) -> None:
    for _ in range(OPEN_MAX):
        await made(database, new)
    before = await select(database, COUNTS)
    with pytest.raises(LimitExceeded):
        await made(database, new)
    await execute(database, "UPDATE subscriptions SET status = 'FAILED'")
    with pytest.raises(Conflict):
        await made(database, new)
    await execute(database, "UPDATE subscriptions SET deleted_at_us = 1")
    assert await database.run(insert(database.dialect, new, NOW)) is None
    assert await select(database, COUNTS) == before


async def test_only_so_many_that_have_ended_are_kept(database: Database, new: NewReplay) -> None:
    old = (
        "INSERT INTO replays (subscription_id, principal_id, status, is_dry_run, log_id, matched_count, "
        "delivered_count, created_at_us, ended_at_us, swept_at_us) VALUES "
    )
    rows = ["(1, 1, 'COMPLETED', FALSE, 'log', 0, 0, 1, 2, 3)"] * (KEPT + 5)
    await execute(database, old + ", ".join([*rows, "(1, 1, 'COMPLETED', FALSE, 'log', 0, 0, 1, 2, NULL)"]))
    replay_id = await made(database, new)
    assert replay_id == KEPT + 7
    left = await select(database, "SELECT MIN(id), COUNT(*) FROM replays")
    assert left == [(7, KEPT + 1)]


async def test_what_a_cancelled_replay_leaves_goes_in_batches(database: Database, new: NewReplay) -> None:
    replay_id = await made(database, new)
    await execute(database, "UPDATE lanes SET delivered_count = 2 WHERE replay_id IS NOT NULL")
    (lane_id,) = (await select(database, "SELECT MAX(id) FROM lanes"))[0]
    (live_id,) = (await select(database, "SELECT MIN(id) FROM lanes"))[0]
    for offset in range(5):
        await execute(database, PARK, (lane_id, offset))
    await execute(database, PARK, (live_id, 7))
    assert await database.run(end_early(replay_id, ReplayStatus.CANCELLED, NOW))
    assert not await database.run(end_early(replay_id, ReplayStatus.CANCELLED, NOW))
    assert not await database.run(complete(replay_id, NOW))
    assert await select(database, "SELECT status, delivered_count FROM replays") == [("CANCELLED", 4)]
    assert await select(database, COUNTS) == [(1, 2, 3, 6)]
    removed = [await database.run(sweep(database.dialect, 2, NOW)) for _ in range(5)]
    assert removed == [2, 2, 3, 0, 0]
    assert await select(database, COUNTS) == [(1, 0, 3, 1)]
    assert await select(database, "SELECT swept_at_us FROM replays") == [(NOW,)]
    assert await database.read(sweepable()) == []


async def test_a_lane_with_a_dead_letter_stays_and_what_the_others_delivered_is_kept(
    database: Database, new: NewReplay
) -> None:
    replay_id = await made(database, new)
    await execute(database, "UPDATE lanes SET delivered_count = 3 WHERE replay_id IS NOT NULL")
    (lane_id,) = (await select(database, "SELECT MAX(id) FROM lanes"))[0]
    await execute(database, PARK, (lane_id, 1))
    assert await database.run(complete(replay_id, NOW))
    assert await database.run(sweep(database.dialect, 10, NOW)) == 1
    assert await select(database, "SELECT delivered_count, swept_at_us FROM replays") == [(3, None)]
    assert await database.read(sweepable()) == []
    await execute(database, "DELETE FROM parked_events")
    assert await database.run(sweep(database.dialect, 10, NOW)) == 3
    assert await select(database, "SELECT delivered_count, swept_at_us FROM replays") == [(6, NOW)]


async def test_live_lanes_count_for_no_replay(database: Database, new: NewReplay) -> None:
    await made(database, new)
    await database.run(keep_counts([(None, 5), (1, 2), (1, 3)]))
    assert await select(database, "SELECT delivered_count FROM replays") == [(5,)]


async def test_replays_go_with_their_subscription_in_batches(database: Database, new: NewReplay) -> None:
    await made(database, new)
    await made(database, new)
    removed = [await database.run(remove_subscription(database.dialect, new.subscription_id, 3)) for _ in range(6)]
    assert removed == [3, 3, 3, 3, 2, 1]
    assert await select(database, COUNTS) == [(0, 0, 0, 0)]
    assert await select(database, "SELECT COUNT(*) FROM subscriptions") == [(0,)]
