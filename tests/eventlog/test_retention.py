"""Retention: what goes by age and by bytes, and which identities are forgotten."""

import asyncio
from collections.abc import Callable
from types import GeneratorType
from typing import Any, cast

import asyncpg
import pytest

from event_issuer.db.database import Database, open_database
from event_issuer.db.log import trim
from event_issuer.db.work import Work
from event_issuer.domain.records import AppendStatus
from event_issuer.eventlog.embedded import TRIM_BATCH, TRIM_BYTES_MAX, EmbeddedLog
from event_issuer.eventlog.protocol import Bounds, EventLog
from event_issuer.eventlog.retention import Retention, RetentionBounds
from tests.db.rows import add_partitions, select
from tests.eventlog.logs import CACHE_BYTES, Logs
from tests.eventlog.records import Clock, ids, record
from tests.stores import database_url

__all__ = ["database_url"]  # a database for each test: retention looks at everything that is there

LONG_S = 10**9
MANY = 10**9


def retention(
    logs: Logs,
    database: Database,
    *,
    events_s: int | None = None,
    events_bytes: int | None = None,
    identities_s: int = LONG_S,
    identities_max: int = MANY,
) -> Retention:
    bounds = RetentionBounds(events_s, events_bytes, identities_s, identities_max)
    return Retention(database, logs.log, logs.clock, bounds)


async def test_events_go_by_the_age_that_their_type_or_the_default_says(logs: Logs, database: Database) -> None:
    (short,) = await add_partitions(database, 1, retention_s=100)
    (default,) = await add_partitions(database, 1)
    (long,) = await add_partitions(database, 1, retention_s=1000)
    for second in range(0, 500, 10):
        await logs.log.append(
            [record(partition_id, f"{partition_id}-{second}") for partition_id in (short, default, long)]
        )
        logs.clock.advance(10)
    keeping = retention(logs, database, events_s=300)
    assert await keeping.step() == 40 + 20
    assert await keeping.step() == 0
    bounds = await logs.log.bounds([short, default, long])
    assert list(bounds.values()) == [Bounds(40, 50, 40), Bounds(20, 50, 20), Bounds(0, 50)]
    assert await ids(logs.log, short) == [f"{short}-{second}" for second in range(400, 500, 10)]


async def test_without_a_bound_events_stay(logs: Logs, database: Database) -> None:
    (partition_id,) = await add_partitions(database, 1)
    await logs.log.append([record(partition_id, n) for n in range(10)])
    logs.clock.advance(LONG_S)
    assert await retention(logs, database, identities_s=2 * LONG_S).step() == 0
    assert await logs.log.bounds([partition_id]) == {partition_id: Bounds(0, 10)}


async def test_events_go_by_the_bytes_that_their_type_or_the_default_says(logs: Logs, database: Database) -> None:
    (small,) = await add_partitions(database, 1, retention_bytes=5_000)
    (default,) = await add_partitions(database, 1)
    for partition_id in (small, default):
        await logs.log.append([record(partition_id, f"{partition_id}-{n}", bytes(900)) for n in range(20)])
    keeping = retention(logs, database, events_bytes=10_000)
    assert await keeping.step() == 15 + 10
    assert await keeping.step() == 0
    kept = await select(database, "SELECT partition_id, kept_bytes FROM log_heads ORDER BY partition_id")
    for (partition_id, kept_bytes), bytes_max in zip(kept, (5_000, 10_000), strict=True):
        assert bytes_max - 1000 < kept_bytes <= bytes_max
        bounds = (await logs.log.bounds([partition_id]))[partition_id]
        assert len(await ids(logs.log, partition_id)) == bounds.next - bounds.first


async def test_the_stricter_of_age_and_bytes_holds(logs: Logs, database: Database) -> None:
    (partition_id,) = await add_partitions(database, 1, retention_s=100, retention_bytes=5_000)
    await logs.log.append([record(partition_id, f"old-{n}", bytes(900)) for n in range(10)])
    logs.clock.advance(101)
    await logs.log.append([record(partition_id, f"new-{n}") for n in range(3)])
    assert await retention(logs, database).step() == 10
    await logs.log.append([record(partition_id, f"large-{n}", bytes(900)) for n in range(10)])
    assert await retention(logs, database).step() == 3 + 5
    assert await ids(logs.log, partition_id) == [f"large-{n}" for n in range(5, 10)]


async def test_all_of_a_partition_may_go(logs: Logs, database: Database) -> None:
    (partition_id,) = await add_partitions(database, 1, retention_s=100)
    await logs.log.append([record(partition_id, n) for n in range(2 * TRIM_BATCH + 1)])
    logs.clock.advance(101)
    assert await retention(logs, database).step() == 2 * TRIM_BATCH + 1
    everything = 2 * TRIM_BATCH + 1
    assert await logs.log.bounds([partition_id]) == {partition_id: Bounds(everything, everything, everything)}
    assert await ids(logs.log, partition_id) == []
    assert await retention(logs, database).step() == 0


async def test_much_more_than_the_bytes_allowed_goes_in_steps(logs: Logs, database: Database) -> None:
    (partition_id,) = await add_partitions(database, 1, retention_bytes=1_000)
    await logs.log.append([record(partition_id, n) for n in range(2_500)])
    keeping = retention(logs, database)
    steps: list[int] = []
    while steps[-1:] != [0]:
        steps.append(await keeping.step())
    assert steps[:2] == [TRIM_BATCH, TRIM_BATCH]
    assert len(steps) == 4
    assert (await select(database, "SELECT kept_bytes FROM log_heads"))[0][0] <= 1_000


async def test_identities_are_forgotten_by_age(logs: Logs, database: Database) -> None:
    partition_id = await logs.partition()
    await logs.log.append([record(partition_id, "a")])
    logs.clock.advance(50)
    await logs.log.append([record(partition_id, "b")])
    logs.clock.advance(51)
    keeping = retention(logs, database, identities_s=100)
    assert await keeping.step() == 1
    assert await keeping.step() == 0
    answers = await logs.log.append([record(partition_id, "a"), record(partition_id, "b")])
    assert [(answer.status, answer.offset) for answer in answers] == [
        (AppendStatus.PERSISTED, 2),
        (AppendStatus.DUPLICATE, 1),
    ]


async def test_identities_are_forgotten_by_number_the_oldest_first(logs: Logs, database: Database) -> None:
    partition_id = await logs.partition()
    for n in range(30):
        await logs.log.append([record(partition_id, n)])
        logs.clock.advance(1)
    assert await retention(logs, database, identities_max=31).step() == 0
    assert await retention(logs, database, identities_max=30).step() == 0
    assert await retention(logs, database, identities_max=10).step() == 20
    assert await select(database, "SELECT COUNT(*), MIN(log_offset) FROM dedupe_entries") == [(10, 20)]
    assert await ids(logs.log, partition_id) == [str(n) for n in range(30)]  # the events stay


async def test_many_identities_go_in_batches(logs: Logs, database: Database) -> None:
    partition_id = await logs.partition()
    await logs.log.append([record(partition_id, n) for n in range(2 * TRIM_BATCH + 5)])
    logs.clock.advance(101)
    assert await retention(logs, database, identities_s=100).step() == 2 * TRIM_BATCH + 5


async def test_two_processes_may_retain_at_once(logs: Logs, database: Database) -> None:
    (partition_id,) = await add_partitions(database, 1, retention_s=100)
    await logs.log.append([record(partition_id, n) for n in range(2_500)])
    logs.clock.advance(101)
    bounds = RetentionBounds(None, None, 100, MANY)
    both = [Retention(database, log, logs.clock, bounds) for log in (logs.log, await logs.another())]
    await asyncio.gather(*(keeping.step() for keeping in both))
    while sum([await keeping.step() for keeping in both]):
        pass
    assert await logs.log.bounds([partition_id]) == {partition_id: Bounds(2_500, 2_500, 2_500)}
    assert await select(database, "SELECT kept_bytes FROM log_heads") == [(0,)]
    assert await select(database, "SELECT COUNT(*) FROM log_records") == [(0,)]
    assert await select(database, "SELECT COUNT(*) FROM dedupe_entries") == [(0,)]


async def test_retention_goes_on_while_the_database_is_away(logs: Logs, database_url: str) -> None:
    away = await open_database(database_url)
    await away.close()
    asked = asyncio.Event()

    def clock() -> int:
        asked.set()
        return Clock()()

    log = EmbeddedLog(away, clock, "id", cache_bytes_max=CACHE_BYTES)
    running = asyncio.create_task(Retention(away, log, clock, RetentionBounds(1, 1, 1, 1)).run())
    await asked.wait()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


class Watched:
    """The database, which notes the name of each transaction as it begins and what it gave; `on_first` is called at the
    first of trimming."""

    def __init__(self, inner: Database) -> None:
        self.dialect, self.read = inner.dialect, inner.read
        self.begun: list[str] = []
        self.trimmed: list[int] = []
        self.on_first: Callable[[], None] = lambda: None
        self._inner = inner

    async def run(self, work: Work[Any]) -> Any:
        name = cast("GeneratorType[Any, Any, Any]", work).__name__
        self.begun.append(name)
        if name == "trim" and self.begun.count("trim") == 1:
            self.on_first()
        result = await self._inner.run(work)
        if name == "trim":
            self.trimmed.append(result)
        return result


async def watched(logs: Logs, database: Database) -> tuple[Watched, EventLog]:
    watching = Watched(database)
    return watching, await logs.open(cast(Database, watching))


async def test_trimming_goes_in_batches_and_an_append_comes_in_between(logs: Logs, database: Database) -> None:
    (partition_id,) = await add_partitions(database, 1, retention_s=100)
    watching, log = await watched(logs, database)
    await log.append([record(partition_id, n) for n in range(4 * TRIM_BATCH + 7)])
    logs.clock.advance(101)
    appending: list[asyncio.Task[object]] = []
    watching.on_first = lambda: appending.append(asyncio.ensure_future(log.append([record(partition_id, "new")])))
    watching.begun.clear()
    keeping = Retention(database, log, logs.clock, RetentionBounds(None, None, LONG_S, MANY))
    assert await keeping.step() == 4 * TRIM_BATCH + 7
    assert watching.trimmed == [TRIM_BATCH] * 4 + [7, 0]
    assert watching.begun[0] == "trim"
    assert "append_group" in watching.begun[1:3]  # behind one batch, not behind all
    await appending[0]
    assert await ids(log, partition_id) == ["new"]


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
async def test_what_is_appended_while_the_last_record_goes_stays_readable(
    logs: Logs, database: Database, database_url: str
) -> None:
    partition_id = await logs.partition()
    await logs.log.append([record(partition_id, "old")])
    append = await asyncpg.connect(database_url)
    await append.execute("BEGIN")
    await append.execute("UPDATE log_heads SET next_offset = 2 WHERE partition_id = $1", partition_id)
    await append.execute(
        "INSERT INTO log_records (partition_id, log_offset, recorded_at_us, attributes) "
        "SELECT $1, 1, recorded_at_us, attributes FROM log_records WHERE partition_id = $1",
        partition_id,
    )
    trimming = asyncio.create_task(database.run(trim(database.dialect, partition_id, 1, TRIM_BATCH, TRIM_BYTES_MAX)))
    while not await append.fetch("SELECT 1 FROM pg_locks WHERE NOT granted"):  # it waits for the append to end
        pass
    await append.execute("COMMIT")
    await append.close()
    assert await trimming == 1
    assert await logs.log.bounds([partition_id]) == {partition_id: Bounds(1, 2, 1)}
    assert len((await (await logs.another()).read(partition_id, 0)).records) == 1


async def test_large_records_are_trimmed_by_their_bytes(logs: Logs, database: Database) -> None:
    (partition_id,) = await add_partitions(database, 1, retention_s=100)
    watching, log = await watched(logs, database)
    third = bytes(TRIM_BYTES_MAX // 3)  # two of them fit, with their attributes
    await log.append([record(partition_id, n, third) for n in range(5)])
    await log.append([record(partition_id, "huge", bytes(TRIM_BYTES_MAX)), record(partition_id, "small")])
    logs.clock.advance(101)
    keeping = Retention(database, log, logs.clock, RetentionBounds(None, None, LONG_S, MANY))
    assert await keeping.step() == 7
    assert watching.trimmed == [2, 2, 1, 1, 1, 0]
    assert await select(database, "SELECT kept_bytes, first_offset, trimmed_to FROM log_heads") == [(0, 7, 7)]
