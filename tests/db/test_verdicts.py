"""What is written of verdicts: positions are judged once, whoever judges, and ranges of them stay few."""

import asyncio
from collections.abc import Mapping

from event_issuer.db import verdicts as sql
from event_issuer.db.database import Database
from event_issuer.domain.errors import Violation
from event_issuer.domain.verdicts import Standing, Verdict
from tests.db.rows import NOW, add_partitions, select

RANGES = "SELECT begin_offset, end_offset FROM judged_ranges ORDER BY begin_offset"
ROWS = "SELECT log_offset, standing, violations FROM verdicts ORDER BY log_offset"
HELD = Verdict(Standing.HELD)


def broken(*offsets: int, message: str = "no") -> dict[int, list[Violation]]:
    return {offset: [Violation("/a", "type", message)] for offset in offsets}


async def judge(
    database: Database, partition_id: int, begin: int, end: int, found: Mapping[int, list[Violation]]
) -> dict[int, Verdict]:
    rows = await select(database, "SELECT event_type_id FROM partitions WHERE id = $1", partition_id)
    findings = sql.Findings(rows[0][0], partition_id, (begin, end), Standing.HELD, 1, found)
    return await database.run(sql.record(database.dialect, findings, NOW))


async def test_who_judges_second_gets_what_the_first_found(database: Database) -> None:
    (partition_id,) = await add_partitions(database, 1)
    assert await judge(database, partition_id, 0, 4, broken(1)) == {1: HELD}
    assert await judge(database, partition_id, 2, 8, broken(2, 5)) == {5: HELD}  # 2 had been found good
    assert await judge(database, partition_id, 0, 8, broken(0, 1, 7, message="other")) == {1: HELD, 5: HELD}
    assert await select(database, ROWS) == [(1, "HELD", '[["/a","type","no"]]'), (5, "HELD", '[["/a","type","no"]]')]


async def test_judges_at_the_same_time_agree(database: Database) -> None:
    (partition_id,) = await add_partitions(database, 1)
    found = await asyncio.gather(*[judge(database, partition_id, 0, 10, broken(number)) for number in range(8)])
    assert len({tuple(one.items()) for one in found}) == 1
    assert len(found[0]) == 1


async def test_ranges_that_touch_become_one(database: Database) -> None:
    (partition_id,) = await add_partitions(database, 1)
    for begin, end, ranges in (
        (10, 20, [(10, 20)]),
        (30, 40, [(10, 20), (30, 40)]),
        (20, 25, [(10, 25), (30, 40)]),
        (12, 14, [(10, 25), (30, 40)]),
        (24, 31, [(10, 40)]),
        (0, 5, [(0, 5), (10, 40)]),
        (0, 50, [(0, 50)]),
    ):
        await judge(database, partition_id, begin, end, {})
        assert await select(database, RANGES) == ranges


async def test_partitions_are_judged_apart(database: Database) -> None:
    one, other = await add_partitions(database, 2)
    assert await judge(database, one, 0, 4, broken(1)) == {1: HELD}
    assert await judge(database, other, 0, 4, broken(2)) == {2: HELD}


async def test_what_the_log_dropped_is_forgotten(database: Database) -> None:
    (partition_id,) = await add_partitions(database, 1)
    await judge(database, partition_id, 0, 4, broken(1, 3))
    await judge(database, partition_id, 6, 9, broken(7))
    assert await database.run(sql.forget(database.dialect, partition_id, 4, 1)) is True
    assert await database.run(sql.forget(database.dialect, partition_id, 4, 2)) is False
    assert await select(database, ROWS) == [(7, "HELD", '[["/a","type","no"]]')]
    assert await select(database, RANGES) == [(6, 9)]
