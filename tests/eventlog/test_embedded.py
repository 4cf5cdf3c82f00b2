"""What the embedded log promises beyond the protocol: few commits, outcomes that are told, heads of other processes."""

import asyncio
from collections.abc import Iterator
from typing import TypeVar

import pytest

from event_issuer.db.database import Database, open_database
from event_issuer.db.log import log_identity
from event_issuer.db.work import Row, Statement, Work
from event_issuer.domain.errors import NotFound, OutcomeUnknown, Unavailable
from event_issuer.domain.records import Appended, AppendStatus
from event_issuer.eventlog.embedded import LOAD_BYTES_MAX, EmbeddedLog
from event_issuer.eventlog.heads import HeadWatch
from event_issuer.eventlog.protocol import Page
from tests.db.rows import add_partitions, select
from tests.db.stalling import stalled
from tests.eventlog.logs import CACHE_BYTES, Logs, running
from tests.eventlog.records import START, Clock, ids, read_all, record
from tests.stores import PostgresServer

Result = TypeVar("Result")


class CountingDatabase:
    """The database, and how often it was asked to write and to read."""

    def __init__(self, database: Database) -> None:
        self._database, self.dialect, self.engine = database, database.dialect, database.engine
        self.transaction, self.listen, self.close = database.transaction, database.listen, database.close
        self.writes = self.reads = 0

    async def run(self, work: Work[Result]) -> Result:
        self.writes += 1
        return await self._database.run(work)

    async def read(self, statement: Statement) -> list[Row]:
        self.reads += 1
        return await self._database.read(statement)


async def test_many_appends_at_once_are_few_commits(logs: Logs, database: Database) -> None:
    partition_ids = await logs.partitions(3)
    counting = CountingDatabase(database)
    log = EmbeddedLog(counting, logs.clock, "id", cache_bytes_max=CACHE_BYTES)
    async with running(log):
        appends = [log.append([record(partition_ids[n % 3], n)]) for n in range(1000)]
        answers = await asyncio.gather(*appends)
    assert all(answer[0].status is AppendStatus.PERSISTED for answer in answers)
    assert counting.writes <= 2
    assert [len(await read_all(log, partition_id)) for partition_id in partition_ids] == [334, 333, 333]


async def test_a_reader_at_the_head_asks_nothing_of_the_database(logs: Logs, database: Database) -> None:
    partition_id = await logs.partition()
    counting = CountingDatabase(database)
    log = EmbeddedLog(counting, logs.clock, "id", cache_bytes_max=CACHE_BYTES)
    async with running(log):
        for n in range(10):
            await log.append([record(partition_id, n)])
            assert await ids(log, partition_id, n) == [str(n)]
    assert counting.reads == 0


async def test_pages_of_many_partitions_are_read_together(logs: Logs, database: Database) -> None:
    partition_ids = await logs.partitions(12)
    bodies = [bytes(n % 256 for n in range(length)) for length in (300, 0, 1, 299)]
    for partition_id in partition_ids:
        new = [record(partition_id, f"{partition_id}-{n}", body) for n, body in enumerate([*bodies, None])]
        await logs.log.append(new)
    counting = CountingDatabase(database)
    log = EmbeddedLog(counting, logs.clock, "id", cache_bytes_max=CACHE_BYTES)
    pages = await asyncio.gather(*(log.read(partition_id, 1) for partition_id in (*partition_ids, partition_ids[0])))
    assert counting.reads == 1
    for partition_id, page in zip((*partition_ids, partition_ids[0]), pages, strict=True):
        assert page.next_offset == 5
        found = [(one.partition_id, one.offset, one.event.id, one.event.data) for one in page.records]
        assert found == [
            (partition_id, n, f"{partition_id}-{n}", body) for n, body in [*enumerate(bodies), (4, None)] if n
        ]


async def test_a_partition_that_is_not_there_spoils_no_other_s_read(logs: Logs, database: Database) -> None:
    partition_id = await logs.partition()
    await logs.log.append([record(partition_id, "a")])
    log = EmbeddedLog(database, logs.clock, "id", cache_bytes_max=CACHE_BYTES)
    missing, found = await asyncio.gather(log.read(99_999, 0), log.read(partition_id, 0), return_exceptions=True)
    assert isinstance(missing, NotFound)
    assert isinstance(found, Page)
    assert [one.event.id for one in found.records] == ["a"]


async def test_large_events_are_read_in_parts(logs: Logs) -> None:
    partition_id = await logs.partition()
    large = bytes(LOAD_BYTES_MAX // 4)
    await logs.log.append([record(partition_id, n, large) for n in range(7)])
    await logs.log.append([record(partition_id, "huge", large * 5), record(partition_id, "small")])
    other = await logs.another()
    pages = []
    offset = 0
    while (page := await other.read(partition_id, offset)).records:
        pages.append([one.event.id for one in page.records])
        offset = page.next_offset
    assert pages == [["0", "1", "2"], ["3", "4", "5"], ["6"], ["huge"], ["small"]]
    assert await ids(other, partition_id, 8) == ["small"]


async def test_more_records_than_a_statement_takes_are_one_commit(logs: Logs) -> None:
    partition_id = await logs.partition()
    new = [record(partition_id, n) for n in range(12_000)]
    assert [answer.offset for answer in await logs.log.append(new)] == list(range(12_000))
    again = await logs.log.append(new)
    assert {answer.status for answer in again} == {AppendStatus.DUPLICATE}
    assert await ids(logs.log, partition_id, 11_990) == [str(n) for n in range(11_990, 12_000)]


async def test_bytes_are_counted_in_and_out(logs: Logs, database: Database) -> None:
    here, there = await logs.partitions(2)
    await logs.log.append([record(here, n, b"x" * n) for n in range(20)])
    await logs.log.append([record(there, "a", None), record(here, 1, b"x"), record(here, 2, b"other")])
    await logs.log.trim(here, 15)
    sizes = "SELECT SUM(LENGTH(attributes) + COALESCE(LENGTH(data), 0)) FROM log_records WHERE partition_id = $1"
    for partition_id in (here, there):
        kept = await select(database, "SELECT kept_bytes FROM log_heads WHERE partition_id = $1", partition_id)
        assert kept == await select(database, sizes, partition_id)
        assert kept[0][0] > 0
    await logs.log.trim(here, 20)
    assert await select(database, "SELECT kept_bytes FROM log_heads WHERE partition_id = $1", here) == [(0,)]


async def test_the_watch_over_heads_wakes_who_waits_for_other_processes(logs: Logs) -> None:
    here, there = await logs.partitions(2)
    other = await logs.another()
    heads: list[tuple[int, int]] = []
    logs.log.watch(lambda *head: heads.append(head))
    watch = HeadWatch(logs.log, lambda: [here, there])
    assert await watch.step() == 2  # the first look is news
    assert await watch.step() == 0
    heads.clear()
    await other.append([record(here, "a"), record(here, "b")])
    assert await watch.step() == 1
    assert heads == [(here, 2)]
    assert await ids(logs.log, here) == ["a", "b"]
    assert await watch.step() == 0
    assert await HeadWatch(logs.log, lambda: []).step() == 0


async def test_the_watch_over_heads_goes_on_while_the_database_is_away(database_url: str) -> None:
    away = await open_database(database_url)
    await away.close()
    clock, asked = Clock(), asyncio.Event()
    log = EmbeddedLog(away, clock, "id", cache_bytes_max=CACHE_BYTES)

    def partition_ids() -> list[int]:
        asked.set()
        return [1]

    watching = asyncio.create_task(HeadWatch(log, partition_ids).run())
    await asked.wait()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not watching.done()
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_processes_agree_on_the_log_s_identity(database: Database, database_url: str) -> None:
    other = await open_database(database_url)
    both = [database.run(log_identity("one")), other.run(log_identity("two"))]
    first, second = await asyncio.gather(*both)
    assert first == second
    assert await database.run(log_identity("three")) == first
    await other.close()


async def test_a_database_that_is_away_refuses_all_at_once_and_then_serves_again(logs: Logs, database_url: str) -> None:
    partition_id = await logs.partition()
    away = await open_database(database_url)
    await away.close()
    async with running(EmbeddedLog(away, logs.clock, "id", cache_bytes_max=CACHE_BYTES)) as log:
        answers = await asyncio.gather(
            *(log.append([record(partition_id, n)]) for n in range(3)), return_exceptions=True
        )
        with pytest.raises(Unavailable, match="closed"):
            await log.read(partition_id, 0)
    assert [type(answer) for answer in answers] == [Unavailable] * 3
    assert await ids(logs.log, partition_id) == []


@pytest.fixture
def postgresql_url(postgresql_server: PostgresServer, postgresql_template: str) -> Iterator[str]:
    name = postgresql_server.create(template=postgresql_template)
    yield postgresql_server.url(name)
    postgresql_server.drop(name)


async def test_what_may_be_committed_is_not_appended_again(postgresql_url: str) -> None:
    database = await open_database(postgresql_url)
    (partition_id,) = await add_partitions(database, 1)
    log = EmbeddedLog(database, Clock(), "id", cache_bytes_max=CACHE_BYTES)
    async with running(log), stalled(postgresql_url, "log_records", "commit") as stall:
        appends = [asyncio.create_task(log.append([record(partition_id, n, deduplicates=False)])) for n in range(3)]
        await stall.kill()
        answers = await asyncio.gather(*appends, return_exceptions=True)
        assert [type(answer) for answer in answers] == [OutcomeUnknown] * 3
        await stall.go_on()
        assert (await log.append([record(partition_id, "next")]))[0].offset == 0  # here it had not been
        assert await ids(log, partition_id) == ["next"]
    await database.close()


async def test_what_is_surely_not_written_is_written_request_by_request(postgresql_url: str) -> None:
    database = await open_database(postgresql_url)
    (partition_id,) = await add_partitions(database, 1)
    log = EmbeddedLog(database, Clock(), "id", cache_bytes_max=CACHE_BYTES)
    async with running(log), stalled(postgresql_url, "log_records", "statement") as stall:
        appends = [asyncio.create_task(log.append([record(partition_id, n, deduplicates=False)])) for n in range(3)]
        await stall.kill()
        await stall.go_on()
        assert await asyncio.gather(*appends) == [
            [Appended(AppendStatus.PERSISTED, partition_id, n, START)] for n in range(3)
        ]
        assert await ids(log, partition_id) == ["0", "1", "2"]
    await database.close()
