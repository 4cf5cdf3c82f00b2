"""Deduplication over the log's life: what other processes wrote, what was there at the start, what came to nothing.

With the embedded log it is one with the append. On Kafka it is beside it: in one process it is as exact, and two that
append the same event at the same moment may both let it in.
"""

import asyncio
import random
from pathlib import Path

import pytest

from event_issuer.db import dedupe
from event_issuer.db.database import Database, open_database
from event_issuer.db.identity_index import IdentityIndex
from event_issuer.db.log import append_group
from event_issuer.db.migrate import migrate
from event_issuer.domain.records import AppendStatus, NewRecord
from event_issuer.eventlog.protocol import EventLog
from tests.db.rows import select
from tests.eventlog.logs import Logs, on_every_engine
from tests.eventlog.records import START, ids, record

CONFLICT, DUPLICATE, PERSISTED = AppendStatus.CONFLICT, AppendStatus.DUPLICATE, AppendStatus.PERSISTED


async def answers(log: EventLog, *records: NewRecord) -> list[tuple[AppendStatus, int]]:
    return [(answer.status, answer.offset) for answer in await log.append(records)]


@on_every_engine
async def test_what_another_process_wrote_is_known_at_once(logs: Logs) -> None:
    partition_id = await logs.partition()
    other = await logs.another()
    for n in range(20):
        writer, reader = (logs.log, other) if n % 2 else (other, logs.log)
        assert await answers(writer, record(partition_id, n)) == [(PERSISTED, n)]
        assert await answers(reader, record(partition_id, n), record(partition_id, n, b"[]")) == [
            (DUPLICATE, n),
            (CONFLICT, n),
        ]


async def test_duplicates_that_are_appended_at_once(logs: Logs) -> None:
    partition_id = await logs.partition()
    other = await logs.another()
    answers = await asyncio.gather(
        *((logs.log, other)[n % 2].append([record(partition_id, "a"), record(partition_id, n)]) for n in range(10))
    )
    first = [answer[0] for answer in answers]
    assert sorted(one.status for one in first) == [DUPLICATE] * 9 + [PERSISTED]
    assert len({one.offset for one in first}) == 1
    logs.clock.advance(0.25)
    assert sorted(await ids(logs.log, partition_id)) == sorted(["a", *map(str, range(10))])


async def test_the_same_event_to_two_partitions_at_once_is_there_once(logs: Logs) -> None:
    here, there = await logs.partitions(2)
    other = await logs.another()
    for n in range(10):
        one, two = await asyncio.gather(logs.log.append([record(here, n)]), other.append([record(there, n)]))
        assert sorted([one[0].status, two[0].status]) == [DUPLICATE, PERSISTED]
        assert one[0].partition_id == two[0].partition_id
        assert one[0].offset == two[0].offset


@on_every_engine
async def test_the_same_event_again_and_again_at_once_is_there_once_in_one_process(logs: Logs) -> None:
    partition_id = await logs.partition()
    found = await asyncio.gather(
        *(logs.log.append([record(partition_id, "a"), record(partition_id, n)]) for n in range(10))
    )
    first = [answer[0] for answer in found]
    assert sorted(one.status for one in first) == [DUPLICATE] * 9 + [PERSISTED]
    assert len({one.offset for one in first}) == 1
    assert sorted(await ids(logs.log, partition_id)) == sorted(["a", *map(str, range(10))])


async def test_what_was_there_at_the_start_is_known(logs: Logs, database: Database) -> None:
    partition_id = await logs.partition()
    count = 2 * dedupe.LOADED_MAX + 5
    for start in range(0, count, 5_000):
        await logs.log.append([record(partition_id, n) for n in range(start, min(start + 5_000, count))])
    later = await logs.another()
    chosen = [0, dedupe.LOADED_MAX - 1, dedupe.LOADED_MAX, 2 * dedupe.LOADED_MAX, count - 1]
    expected = [(DUPLICATE, n) for n in chosen]
    assert await answers(later, *(record(partition_id, n) for n in chosen)) == expected
    fresh = append_group(database.dialect, [record(partition_id, n) for n in chosen], 0, IdentityIndex())
    assert [(answer.status, answer.offset) for answer in await database.run(fresh)] == expected


async def test_what_was_rolled_back_is_not_known(logs: Logs, database: Database) -> None:
    """And the numbers that it had are given to others, whom nobody may miss."""
    partition_id = await logs.partition()
    other = await logs.another()
    index = IdentityIndex()

    async def append(*records: NewRecord) -> list[tuple[AppendStatus, int]]:
        done = await database.run(append_group(database.dialect, records, 0, index))
        return [(answer.status, answer.offset) for answer in done]

    async def append_and_fail(*records: NewRecord) -> None:
        async with database.transaction():
            assert await append(*records) == [(PERSISTED, 1), (PERSISTED, 2)]
            raise ZeroDivisionError

    assert await append(record(partition_id, "a")) == [(PERSISTED, 0)]
    with pytest.raises(ZeroDivisionError):
        await append_and_fail(record(partition_id, "b"), record(partition_id, "c"))
    two = await answers(other, record(partition_id, "x"), record(partition_id, "y"))
    assert two == [(PERSISTED, 1), (PERSISTED, 2)]
    again = [record(partition_id, name) for name in ("x", "b", "y", "a")]
    assert await append(*again) == [(DUPLICATE, 1), (PERSISTED, 3), (DUPLICATE, 2), (DUPLICATE, 0)]


@on_every_engine
async def test_what_is_forgotten_everywhere_may_come_again(logs: Logs, database: Database) -> None:
    partition_id = await logs.partition()
    other = await logs.another()
    await logs.log.append([record(partition_id, n) for n in range(3)])
    assert await answers(other, record(partition_id, 1)) == [(DUPLICATE, 1)]
    assert await database.run(dedupe.forget(database.dialect, logs.clock() + 1, 100)) == 3
    assert await answers(other, record(partition_id, 1)) == [(PERSISTED, 3)]
    assert await answers(logs.log, record(partition_id, 1), record(partition_id, 2)) == [(DUPLICATE, 3), (PERSISTED, 4)]


async def test_another_file_at_the_same_place_is_read_from_its_beginning(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path}/issuer.db")
    await migrate(database, START)
    index = IdentityIndex()
    index.add([9], [5], 9, 1)
    digest = bytes(range(16))
    await database.run(dedupe.remember("sqlite", [(digest, b"content", 1, 2, 3)]))
    assert await database.run(dedupe.known_among("sqlite", index, [digest])) == {digest: (b"content", 1, 2, 3)}
    assert await select(database, "SELECT seq FROM dedupe_entries") == [(index.last,)]
    await database.close()


@on_every_engine
async def test_random_repetitions_are_answered_as_a_dictionary_would(logs: Logs) -> None:
    source = random.Random(3)
    partition_id = await logs.partition()
    both = [logs.log, await logs.another()]
    model: dict[int, tuple[bytes, int]] = {}
    for _ in range(60):
        group = [(source.randrange(400), source.choice([b"1", b"2"])) for _ in range(source.randrange(1, 40))]
        expected = []
        for name, data in group:
            if name in model:
                expected.append((DUPLICATE if model[name][0] == data else CONFLICT, model[name][1]))
            else:
                model[name] = (data, len(model))
                expected.append((PERSISTED, model[name][1]))
        assert await answers(source.choice(both), *(record(partition_id, *one) for one in group)) == expected
