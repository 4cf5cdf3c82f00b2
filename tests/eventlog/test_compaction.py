"""Compaction: of each key the newest record stays, tombstones go in their time, and a log with gaps is read on."""

import asyncio

import pytest

from event_issuer.db.database import Database
from event_issuer.db.expunging import Expunged, expunge
from event_issuer.eventlog.compaction import LAG_S, SWEEP_EVERY_S, TOMBSTONE_KEPT_S, Compaction
from event_issuer.eventlog.pages import PAGE_RECORDS
from event_issuer.eventlog.protocol import Bounds
from event_issuer.eventlog.retention import Retention, RetentionBounds
from tests.db.rows import add_partitions, execute, select
from tests.eventlog.logs import Logs
from tests.eventlog.records import START, ids, record
from tests.stores import database_url

__all__ = ["database_url"]  # a database for each test: compaction looks at everything that is there

SIZES = "SELECT SUM(LENGTH(attributes) + COALESCE(LENGTH(data), 0)) FROM log_records WHERE partition_id = $1"


@pytest.fixture
async def partition(logs: Logs, database: Database) -> int:
    (partition_id,) = await add_partitions(database, 1)
    await execute(database, "UPDATE event_types SET compacts = TRUE")
    return partition_id


@pytest.fixture
def compaction(logs: Logs, database: Database) -> Compaction:
    return Compaction(database, logs.log, logs.clock)


async def append(logs: Logs, partition_id: int, *records: tuple[str, str | None]) -> None:
    """Ids with their keys; an id that begins with `-` is a tombstone."""
    await logs.log.append(
        [record(partition_id, id_, None if id_.startswith("-") else b"{}", key=key) for id_, key in records]
    )
    logs.clock.advance(1)


async def test_the_newest_record_of_each_key_stays(
    logs: Logs, database: Database, partition: int, compaction: Compaction
) -> None:
    await append(logs, partition, ("a1", "a"), ("b1", "b"), ("x", None), ("a2", "a"), ("-b", "b"), ("a3", "a"))
    assert await compaction.step() == 0  # nobody may have read them yet
    logs.clock.advance(LAG_S)
    assert await compaction.step() == 3
    assert await ids(logs.log, partition) == ["x", "-b", "a3"]
    assert await logs.log.bounds([partition]) == {partition: Bounds(2, 6)}
    sizes = await select(database, SIZES, partition)
    assert await select(database, "SELECT kept_bytes FROM log_heads WHERE partition_id = $1", partition) == sizes
    assert await compaction.step() == 0

    await append(logs, partition, ("a4", "a"), ("c", "c"), ("y", None))
    logs.clock.advance(LAG_S)
    assert await compaction.step() == 1
    assert await ids(logs.log, partition) == ["x", "-b", "a4", "c", "y"]


async def test_a_tombstone_goes_when_everybody_had_time_to_read_it(
    logs: Logs, partition: int, compaction: Compaction
) -> None:
    await append(logs, partition, ("a", "a"), ("-a", "a"), ("b", "b"))
    logs.clock.advance(TOMBSTONE_KEPT_S - LAG_S)
    assert await compaction.step() == 1
    logs.clock.advance(max(SWEEP_EVERY_S, LAG_S) + 1)
    assert await compaction.step() == 1
    assert await ids(logs.log, partition) == ["b"]


async def test_types_that_do_not_ask_for_it_are_left_alone(
    logs: Logs, database: Database, partition: int, compaction: Compaction
) -> None:
    (other,) = await add_partitions(database, 1)
    for one in (partition, other):
        await logs.log.append([record(one, f"{one}-{n}", key="a") for n in range(3)])
    logs.clock.advance(LAG_S + 1)
    assert await compaction.step() == 2
    assert await ids(logs.log, other) == [f"{other}-{n}" for n in range(3)]


async def test_little_that_is_new_waits(logs: Logs, partition: int, compaction: Compaction) -> None:
    await append(logs, partition, *[(f"{n}", f"{n}") for n in range(100)])
    logs.clock.advance(LAG_S)
    assert await compaction.step() == 0
    await append(logs, partition, *[(f"again-{n}", f"{n}") for n in range(50)])
    logs.clock.advance(LAG_S)
    assert await compaction.step() == 0
    await append(logs, partition, ("one more", "0"))
    logs.clock.advance(LAG_S)
    assert await compaction.step() == 51
    await append(logs, partition, ("and one", "1"))
    logs.clock.advance(SWEEP_EVERY_S + 1)  # now and then all the same
    assert await compaction.step() == 1


async def test_a_log_with_whole_pages_gone_is_read_on(logs: Logs, partition: int, compaction: Compaction) -> None:
    await append(logs, partition, ("first", None))
    await append(logs, partition, *[(f"a{n}", "a") for n in range(3 * PAGE_RECORDS)])
    await append(logs, partition, ("last", None))
    logs.clock.advance(LAG_S)
    assert await compaction.step() == 3 * PAGE_RECORDS - 1
    left = ["first", f"a{3 * PAGE_RECORDS - 1}", "last"]
    assert await ids(logs.log, partition) == left
    fresh = await logs.another()
    assert await ids(fresh, partition) == left
    for offset in (1, PAGE_RECORDS - 1, PAGE_RECORDS, 2 * PAGE_RECORDS + 7):
        assert await ids(fresh, partition, offset) == left[1:]


async def test_a_time_is_found_between_gaps(logs: Logs, partition: int, compaction: Compaction) -> None:
    for n in range(40):
        await append(logs, partition, (f"{n}", "a" if n % 10 else None))
    logs.clock.advance(LAG_S)
    assert await compaction.step() == 35
    found = [await logs.log.offset_at(partition, START + second * 1_000_000) for second in (0, 1, 10, 11, 31, 39, 40)]
    records = [0, 10, 20, 30, 39]
    expected = [next((at for at in records if at >= second), 40) for second in (0, 1, 10, 11, 31, 39, 40)]
    assert [next((at for at in records if at >= one), 40) for one in found] == expected


async def test_retention_goes_on_after_compaction(
    logs: Logs, database: Database, partition: int, compaction: Compaction
) -> None:
    await append(logs, partition, ("a1", "a"), ("x", None), ("a2", "a"), ("y", None), ("a3", "a"), ("z", None))
    logs.clock.advance(LAG_S)
    assert await compaction.step() == 2
    assert await logs.log.trim(partition, 2) == 1
    assert await logs.log.bounds([partition]) == {partition: Bounds(3, 6, 2)}  # 2 had been compacted away
    logs.clock.advance(100)
    bounds = RetentionBounds(events_s=10, events_bytes=None, identities_s=10**9, identities_max=10**9)
    assert await Retention(database, logs.log, logs.clock, bounds).step() == 3
    assert await logs.log.bounds([partition]) == {partition: Bounds(6, 6, 6)}
    assert await select(database, "SELECT kept_bytes FROM log_heads WHERE partition_id = $1", partition) == [(0,)]


async def test_two_processes_may_compact_at_once(
    logs: Logs, database: Database, partition: int, compaction: Compaction
) -> None:
    await append(logs, partition, *[(f"a{n}", "a") for n in range(500)])
    logs.clock.advance(LAG_S)
    other = Compaction(database, await logs.another(), logs.clock)
    assert sum(await asyncio.gather(compaction.step(), other.step())) == 499
    assert await ids(await logs.another(), partition) == ["a499"]
    sizes = await select(database, SIZES, partition)
    assert await select(database, "SELECT kept_bytes FROM log_heads WHERE partition_id = $1", partition) == sizes


async def test_what_was_expunged_is_no_tombstone(
    logs: Logs, database: Database, partition: int, compaction: Compaction
) -> None:
    await append(logs, partition, ("a1", "a"), ("b1", "b"), ("-b", "b"))
    expunged = await database.run(expunge(database.dialect, partition, 0, logs.clock.now))
    assert expunged == Expunged("a1", "//trains", True, 0)
    logs.log.reload(partition)
    logs.clock.advance(LAG_S)
    assert await compaction.step() == 1
    logs.clock.advance(TOMBSTONE_KEPT_S + SWEEP_EVERY_S)
    assert await compaction.step() == 1
    assert await ids(logs.log, partition) == ["a1"]
