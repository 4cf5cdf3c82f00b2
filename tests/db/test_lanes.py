"""The states of a subscription as the database moves them, and what a lane is opened from."""

import pytest

from event_issuer.db.database import Database
from event_issuer.db.lanes import delivering, lanes_of, move, parked_of
from event_issuer.domain.subscriptions import TRANSITIONS, Command, Status
from tests.db.rows import NOW, add_lane, add_partitions, add_subscription, execute, select

CHANGES = "SELECT topic, object_id, at_us FROM changes WHERE topic = 'subscription'"


async def test_every_command_moves_every_state_as_the_table_says(database: Database) -> None:
    for status in Status:
        for command in Command:
            await execute(database, "DELETE FROM changes")
            subscription_id = await add_subscription(database, status.value)
            bystander = await add_subscription(database, status.value)
            target = TRANSITIONS[status].get(command, status)
            assert await database.run(move(subscription_id, command, NOW + 1)) is (target is not status)
            found = await select(
                database,
                "SELECT status, updated_at_us FROM subscriptions WHERE id IN ($1, $2) ORDER BY id",
                subscription_id,
                bystander,
            )
            updated_at = NOW if target is status else NOW + 1
            assert found == [(target.value, updated_at), (status.value, NOW)], (status, command)
            expected = [] if target is status else [("subscription", subscription_id, NOW + 1)]
            assert await select(database, CHANGES) == expected


async def test_a_deleted_subscription_does_not_move(database: Database) -> None:
    subscription_id = await add_subscription(database)
    await execute(database, "UPDATE subscriptions SET deleted_at_us = 1")
    assert await database.run(move(subscription_id, Command.FAIL, NOW)) is False
    assert await database.run(move(999, Command.FAIL, NOW)) is False
    assert await select(database, "SELECT status FROM subscriptions") == [("RUNNING",)]
    assert await select(database, CHANGES) == []


async def test_those_that_deliver_are_found_by_their_state(database: Database) -> None:
    ids = {status: await add_subscription(database, status.value) for status in Status}
    gone = await add_subscription(database, "RUNNING")
    await execute(database, "UPDATE subscriptions SET deleted_at_us = 1 WHERE id = $1", (gone,))
    rows = await database.read(delivering([Status.RUNNING, Status.STOPPING]))
    assert [row[0] for row in rows] == [ids[Status.RUNNING], ids[Status.STOPPING]]


@pytest.mark.parametrize("count_max", [2, 10])
async def test_a_lane_s_parked_events_are_those_that_wait(database: Database, count_max: int) -> None:
    one, two = await add_partitions(database, 2)
    subscription_id = await add_subscription(database)
    first, second = [await add_lane(database, subscription_id, id_) for id_ in (one, two)]
    insert = (
        "INSERT INTO parked_events (lane_id, subscription_id, partition_id, log_offset, partitionkey, blocks_key, "
        "attempts, parked_at_us, next_attempt_at_us, dead_lettered_at_us, batch_from) "
        "VALUES ($1, $2, $3, $4, 'k', $5, 1, 5, 6, $6, 0)"
    )
    for offset in range(3):
        await execute(database, insert, (first, subscription_id, one, offset, True, None))
    await execute(database, insert, (first, subscription_id, one, 3, False, 9))
    await execute(database, insert, (second, subscription_id, two, 4, True, None))
    rows = [tuple(row) for row in await database.read(parked_of(first, count_max))]
    assert [row[1:] for row in rows] == [
        (first, offset, "k", True, None, 1, 5, 6, None, None, None, None, 0) for offset in range(min(count_max, 3))
    ]
    lanes = [tuple(row) for row in await database.read(lanes_of(subscription_id))]
    nothing_yet = (0, "[]", 0, None, 0, None, 0, None, None, None)
    assert sorted(lanes) == [
        (first, subscription_id, one, *nothing_yet),
        (second, subscription_id, two, *nothing_yet),
    ]
