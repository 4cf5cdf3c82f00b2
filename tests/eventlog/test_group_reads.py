"""Group reads alone, over queries that the test answers: who shares one, and who hears of its failure."""

import asyncio
from collections.abc import Sequence

import pytest

from event_issuer.db.work import Row
from event_issuer.domain.errors import Unavailable
from event_issuer.eventlog.group_reads import QUERIES_MAX, RANGES_MAX, GroupReads, Range


class Queries:
    """Each waits until it is let go; a range's one row is its own partition."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.gates: list[asyncio.Event] = []
        self.problem: Exception | None = None

    async def fetch(self, ranges: Sequence[Range]) -> Sequence[Sequence[Row]]:
        self.asked.append([range_.partition_id for range_ in ranges])
        gate = asyncio.Event()
        self.gates.append(gate)
        await gate.wait()
        if self.problem is not None:
            raise self.problem
        return [[(range_.partition_id,)] for range_ in ranges]


def begin(reads: GroupReads, *partition_ids: int) -> "list[asyncio.Task[Sequence[Row]]]":
    return [asyncio.create_task(reads.read(Range(partition_id, 0, 256))) for partition_id in partition_ids]


async def a_few_turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_is_asked_for_at_once_is_one_query() -> None:
    queries = Queries()
    asked = begin(GroupReads(queries.fetch), 1, 2, 3)
    await a_few_turns()
    assert queries.asked == [[1, 2, 3]]
    queries.gates[0].set()
    assert await asyncio.gather(*asked) == [[(1,)], [(2,)], [(3,)]]


async def test_what_comes_while_all_queries_run_is_the_next_one_and_no_query_is_longer_than_it_may() -> None:
    queries = Queries()
    reads = GroupReads(queries.fetch)
    asked = []
    for n in range(QUERIES_MAX):
        asked += begin(reads, n)
        await a_few_turns()
    later = range(100, 100 + RANGES_MAX + 1)
    asked += begin(reads, *later)
    await a_few_turns()
    assert queries.asked == [[n] for n in range(QUERIES_MAX)]
    queries.gates[0].set()
    await a_few_turns()
    assert queries.asked[QUERIES_MAX:] == [list(later[:RANGES_MAX])]
    queries.gates[1].set()
    await a_few_turns()
    assert queries.asked[QUERIES_MAX + 1 :] == [[later[-1]]]
    for gate in queries.gates:
        gate.set()
    assert await asyncio.gather(*asked) == [[(n,)] for n in (*range(QUERIES_MAX), *later)]


async def test_a_query_that_fails_is_told_to_all_who_shared_it_and_to_nobody_else() -> None:
    queries = Queries()
    reads = GroupReads(queries.fetch)
    asked = begin(reads, 1, 2)
    await a_few_turns()
    queries.problem = Unavailable("away")
    queries.gates[0].set()
    assert [str(one) for one in await asyncio.gather(*asked, return_exceptions=True)] == ["away", "away"]
    queries.problem = None
    (again,) = begin(reads, 1)
    await a_few_turns()
    queries.gates[1].set()
    assert await again == [(1,)]


async def test_one_who_goes_away_takes_nothing_from_the_others() -> None:
    queries = Queries()
    gone, stays = begin(GroupReads(queries.fetch), 1, 2)
    await a_few_turns()
    gone.cancel()
    queries.gates[0].set()
    assert await stays == [(2,)]
    with pytest.raises(asyncio.CancelledError):
        await gone
