"""Settling: attempts, cursors and parked events in one transaction, or nothing where a lease is lost."""

from dataclasses import dataclass

import pytest

from event_issuer.db.database import Database
from event_issuer.db.leases import claim_and_renew
from event_issuer.db.resettling import after_take_back
from event_issuer.db.settling import LeaseLost, Settlement, settle
from event_issuer.db.work import Row
from tests.db.rows import NOW, add_lane, add_partitions, add_subscription, execute, select

MANY = 3_000  # more attempts than one statement takes


@dataclass
class Place:
    """A lane on a partition that process "a" has leased."""

    subscription_id: int
    partition_id: int
    lane_id: int

    def attempt(self, offset: int, number: int = 1, *, error: str | None = None) -> Row:
        status = 200 if error is None else 500
        place = (self.subscription_id, self.partition_id, offset)
        outcome = ("DELIVERED" if error is None else "RETRY", status, error, None, f"trace-{offset}-{number}", "1500")
        return (*place, "DELIVERY", number, NOW, 1_500, *outcome)

    def parked(self, offset: int, key: str | None = None) -> Row:
        place = (self.lane_id, self.subscription_id, self.partition_id, offset)
        return (*place, key, key is not None, None, 1, NOW, NOW + 5, None, "RETRY", "500", None)

    def cursor(self, next_offset: int, above: str = "[]") -> Row:
        return (self.lane_id, next_offset, above, 3, "The last.", 2, 1)


@pytest.fixture
async def place(database: Database) -> Place:
    (partition_id,) = await add_partitions(database, 1)
    subscription_id = await add_subscription(database)
    place = Place(subscription_id, partition_id, await add_lane(database, subscription_id, partition_id))
    held = await database.run(claim_and_renew(database.dialect, "a", (), NOW, NOW + 1, NOW))
    assert held.epochs == {partition_id: 1}
    return place


async def write(database: Database, settlement: Settlement, owner: str = "a") -> dict[tuple[int, int], int]:
    return await database.run(settle(database.dialect, owner, settlement, NOW))


async def everything(database: Database) -> list[list[Row]]:
    tables = ("attempts", "lanes", "parked_events", "subscription_errors", "changes", "subscriptions")
    return [await select(database, f"SELECT * FROM {table} ORDER BY id") for table in tables]


async def test_a_settlement_is_written_whole(database: Database, place: Place) -> None:
    settlement = Settlement(
        {place.partition_id: 1},
        attempts=[place.attempt(0), place.attempt(1, error="500"), place.attempt(2)],
        lanes=[place.cursor(2, "[[3, 5]]")],
        parked_inserts=[place.parked(1, "naïve"), place.parked(7)],
    )
    ids = await write(database, settlement)
    assert ids.keys() == {(place.lane_id, 1), (place.lane_id, 7)}
    attempts = await select(
        database,
        "SELECT subscription_id, partition_id, log_offset, kind, number, started_at_us, duration_us, outcome, "
        "http_status, error, response_excerpt, trace_id, timings FROM attempts ORDER BY id",
    )
    assert attempts == settlement.attempts
    assert (
        await select(
            database,
            "SELECT id, next_offset, settled_above, filtered_count, last_filtered, expired_count, delivered_count "
            "FROM lanes",
        )
        == settlement.lanes
    )
    parked = await select(
        database,
        "SELECT lane_id, subscription_id, partition_id, log_offset, partitionkey, blocks_key, followers_from, "
        "attempts, parked_at_us, next_attempt_at_us, dead_lettered_at_us, last_outcome, last_error, batch_from "
        "FROM parked_events ORDER BY id",
    )
    assert parked == settlement.parked_inserts
    assert await select(database, "SELECT id FROM parked_events ORDER BY log_offset") == [
        (ids[place.lane_id, 1],),
        (ids[place.lane_id, 7],),
    ]


async def test_attempts_keep_their_order_whether_they_are_batches_or_not(database: Database, place: Place) -> None:
    rows: list[Row] = [(*place.attempt(0), "[[0,3]]"), (*place.attempt(3), None), (*place.attempt(4), "[[4,5],[7,9]]")]
    await write(database, Settlement({place.partition_id: 1}, attempts=rows, has_batches=True))
    found = await select(database, "SELECT log_offset, log_offsets FROM attempts ORDER BY id")
    assert found == [(0, "[[0,3]]"), (3, None), (4, "[[4,5],[7,9]]")]


async def test_parked_events_change_and_go(database: Database, place: Place) -> None:
    epochs = {place.partition_id: 1}
    inserted = Settlement(epochs, parked_inserts=[place.parked(n, "key") for n in range(3)])
    ids = await write(database, inserted)
    first, second, third = (ids[place.lane_id, n] for n in range(3))
    changed: list[Row] = [
        (first, True, 4, 2, NOW + 300, None, "RETRY", "503", 1),
        (third, False, None, 3, None, NOW + 9, "GONE", None, None),
    ]
    await write(database, Settlement(epochs, parked_updates=changed, parked_deletes=[second, 999]))
    found = await select(
        database,
        "SELECT id, blocks_key, followers_from, attempts, next_attempt_at_us, dead_lettered_at_us, last_outcome, "
        "last_error, batch_from FROM parked_events ORDER BY id",
    )
    assert found == changed
    unchanged = "SELECT log_offset, partitionkey, parked_at_us FROM parked_events ORDER BY id"
    assert await select(database, unchanged) == [(0, "key", NOW), (2, "key", NOW)]


@pytest.mark.parametrize(("owner", "epoch"), [("a", 2), ("a", 0), ("b", 1)])
async def test_without_the_lease_nothing_is_written(database: Database, place: Place, owner: str, epoch: int) -> None:
    before = await everything(database)
    settlement = Settlement(
        {place.partition_id: epoch},
        attempts=[place.attempt(0)],
        lanes=[place.cursor(1)],
        parked_inserts=[place.parked(0)],
        failures=[(place.subscription_id, "gone", None, 410)],
    )
    with pytest.raises(LeaseLost) as lost:
        await write(database, settlement, owner)
    assert lost.value.partition_ids == {place.partition_id}
    assert await everything(database) == before


async def test_one_lost_lease_of_several_is_named_and_nothing_is_written(database: Database, place: Place) -> None:
    (other,) = await add_partitions(database, 1)
    await database.run(claim_and_renew(database.dialect, "a", (), NOW, NOW + 1, NOW))
    await database.run(claim_and_renew(database.dialect, "b", (), NOW + 2, NOW + 10, NOW + 2))
    await execute(database, "UPDATE leases SET owner = 'a', epoch = 1 WHERE partition_id = $1", (place.partition_id,))
    before = await everything(database)
    with pytest.raises(LeaseLost) as lost:
        await write(database, Settlement({place.partition_id: 1, other: 1, 999: 1}, lanes=[place.cursor(1)]))
    assert lost.value.partition_ids == {other, 999}
    assert await everything(database) == before


async def test_a_gone_endpoint_fails_its_subscription_once(database: Database, place: Place) -> None:
    failure = (place.subscription_id, "The endpoint answered 410.", "trace", 410)
    epochs = {place.partition_id: 1}
    await write(database, Settlement(epochs, failures=[failure, failure]))
    await write(database, Settlement(epochs, failures=[failure]))
    assert await select(database, "SELECT status, updated_at_us FROM subscriptions") == [("FAILED", NOW)]
    errors = "SELECT subscription_id, message, trace_id, http_status, created_at_us FROM subscription_errors"
    assert await select(database, errors) == [(*failure, NOW)]
    changes = "SELECT object_id FROM changes WHERE topic = 'subscription'"
    assert await select(database, changes) == [(place.subscription_id,)]


async def test_a_settlement_may_be_larger_than_a_statement(database: Database, place: Place) -> None:
    epochs = {place.partition_id: 1}
    attempts = [place.attempt(n) for n in range(MANY)]
    parked = [place.parked(n) for n in range(MANY)]
    ids = await write(database, Settlement(epochs, attempts=attempts, parked_inserts=parked))
    assert len(set(ids.values())) == MANY
    updates: list[Row] = [(id_, False, None, 2, NOW, None, None, None, None) for id_ in ids.values()]
    await write(database, Settlement(epochs, parked_updates=updates * 2))
    assert await select(database, "SELECT COUNT(*), MIN(attempts) FROM parked_events") == [(MANY, 2)]
    await write(database, Settlement(epochs, parked_deletes=list(range(40_000))))
    assert await select(database, "SELECT COUNT(*) FROM parked_events") == [(0,)]
    assert await select(database, "SELECT COUNT(*) FROM attempts") == [(MANY,)]


async def test_a_lane_that_was_deleted_keeps_nothing(database: Database, place: Place) -> None:
    await execute(database, "DELETE FROM lanes")
    settlement = Settlement(
        {place.partition_id: 1}, lanes=[place.cursor(5)], parked_inserts=[place.parked(1)], attempts=[place.attempt(1)]
    )
    assert await write(database, settlement) == {}
    assert await select(database, "SELECT id FROM lanes") == []
    assert await select(database, "SELECT id FROM parked_events") == []


async def test_what_was_perhaps_written_is_written_once(database: Database, place: Place) -> None:
    settlement = Settlement(
        {place.partition_id: 1},
        attempts=[place.attempt(0), place.attempt(1, error="500")],
        lanes=[place.cursor(2)],
        parked_inserts=[place.parked(1, "key")],
    )
    same_trace: Row = (*place.attempt(8)[:-2], "trace-0-1", "1500")  # the trace of a batch that was produced together
    attempts = [place.attempt(7), same_trace]
    kept = Settlement({place.partition_id: 1}, attempts=attempts, parked_inserts=[place.parked(7)])
    await write(database, kept)
    names = [(*row[:3], row[4], row[5], row[-2]) for row in settlement.attempts]
    for _ in range(3):
        work = settle(database.dialect, "a", settlement, NOW)
        again = after_take_back(database.dialect, names, [(place.lane_id, 1)], work)
        ids = await database.run(again)
    assert await select(database, "SELECT trace_id FROM attempts ORDER BY log_offset") == [
        ("trace-0-1",),
        ("trace-1-1",),
        ("trace-7-1",),
        ("trace-0-1",),
    ]
    found = await select(database, "SELECT id, log_offset FROM parked_events ORDER BY log_offset")
    assert [offset for _, offset in found] == [1, 7]
    assert found[0][0] == ids[place.lane_id, 1]
