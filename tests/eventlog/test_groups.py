"""Group commit alone: what is gathered, what is refused, and what is never written twice."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from event_issuer.domain.errors import LimitExceeded, OutcomeUnknown, Unavailable
from event_issuer.domain.records import Appended, AppendStatus, NewRecord
from event_issuer.eventlog.groups import (
    GROUP_BYTES_MAX,
    GROUP_RECORDS_MAX,
    WAITING_BYTES_MAX,
    WAITING_RECORDS_MAX,
    GroupCommit,
    PartlyAppended,
    PartlyAway,
)
from tests.eventlog.records import START, record

MIB = 1024 * 1024


class Store:
    """Writes into a list; raises what `fail` returns for the ids of a group. `gate` shut: a write waits."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.groups: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.fails: dict[str, Exception] = {}

    async def write(self, records: Sequence[NewRecord]) -> list[Appended]:
        ids = [one.event.id for one in records]
        self.groups.append(ids)
        self.entered.set()
        await self.gate.wait()
        for id_ in ids:
            if id_ in self.fails:
                raise self.fails[id_]
        first = len(self.written)
        self.written += ids
        return [Appended(AppendStatus.PERSISTED, 1, first + n, START) for n in range(len(ids))]


@asynccontextmanager
async def running(groups: GroupCommit) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(groups.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def appends(groups: GroupCommit, *ids: str) -> "list[asyncio.Task[Sequence[Appended]]]":
    return [asyncio.create_task(groups.append([record(1, id_)])) for id_ in ids]


async def outcomes(tasks: "Sequence[asyncio.Task[Sequence[Appended]]]") -> list[int | str]:
    """Offsets of what was answered; messages of what was refused."""
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    return [str(answer) if isinstance(answer, BaseException) else answer[0].offset for answer in answers]


async def test_what_arrives_during_a_write_is_the_next_group() -> None:
    store = Store()
    groups = GroupCommit(store.write)
    store.gate.clear()
    async with running(groups):
        first = appends(groups, "a")
        await store.entered.wait()
        rest = appends(groups, "b", "c", "d")
        await asyncio.sleep(0)
        store.gate.set()
        assert await outcomes(first + rest) == [0, 1, 2, 3]
    assert store.groups == [["a"], ["b", "c", "d"]]


async def test_each_request_gets_its_own_answers() -> None:
    store = Store()
    groups = GroupCommit(store.write)
    requests = [[record(1, f"{n}-{m}") for m in range(n)] for n in (3, 1, 2)]
    tasks = [asyncio.create_task(groups.append(request)) for request in requests]
    await asyncio.sleep(0)
    assert await groups.step() == 3
    assert [[one.offset for one in await task] for task in tasks] == [[0, 1, 2], [3], [4, 5]]
    assert await groups.step() == 0


async def test_a_group_is_bounded_by_records_and_by_bytes() -> None:
    store = Store()
    groups = GroupCommit(store.write)
    half = [record(1, n) for n in range(GROUP_RECORDS_MAX // 2)]
    tasks = [asyncio.create_task(groups.append(half)) for _ in range(3)]
    large = b"x" * (GROUP_BYTES_MAX // 2 - MIB // 8)
    tasks += [asyncio.create_task(groups.append([record(1, "large", large)])) for _ in range(3)]
    await asyncio.sleep(0)
    assert [await groups.step() for _ in range(4)] == [2, 2, 2, 0]
    assert [len(group) for group in store.groups] == [GROUP_RECORDS_MAX, GROUP_RECORDS_MAX // 2 + 1, 2]
    await asyncio.gather(*tasks)


async def test_a_request_that_is_larger_than_a_group_is_written_in_one() -> None:
    store = Store()
    groups = GroupCommit(store.write)
    async with running(groups):
        assert len(await groups.append([record(1, n) for n in range(GROUP_RECORDS_MAX + 1)])) == GROUP_RECORDS_MAX + 1
    assert len(store.groups) == 1


@pytest.mark.parametrize(
    ("request_", "number"),
    [
        ([record(1, n) for n in range(5_000)], WAITING_RECORDS_MAX // 5_000),
        ([record(1, "large", b"x" * (4 * MIB - 2_000))], WAITING_BYTES_MAX // (4 * MIB)),
    ],
)
async def test_more_than_may_wait_is_refused_and_not_written(request_: list[NewRecord], number: int) -> None:
    store = Store()
    groups = GroupCommit(store.write)
    tasks = [asyncio.create_task(groups.append(request_)) for _ in range(number)]
    await asyncio.sleep(0)
    with pytest.raises(
        LimitExceeded, match=r"events of \d+ bytes wait to be written, at most 50000 events and 67108864"
    ):
        await groups.append(request_)
    while await groups.step():
        pass
    await asyncio.gather(*tasks)
    assert len(store.written) == number * len(request_)
    async with running(groups):  # and there is room again
        await groups.append([record(1, "after")])
    assert store.written[-1] == "after"


async def test_a_group_that_fails_is_written_request_by_request() -> None:
    store = Store()
    groups = GroupCommit(store.write)
    store.fails["b"] = ValueError("b is bad")
    tasks = appends(groups, "a", "b", "c")
    await asyncio.sleep(0)
    await groups.step()
    assert await outcomes(tasks) == [0, "b is bad", 1]
    assert store.groups == [["a", "b", "c"], ["a"], ["b"], ["c"]]
    assert store.written == ["a", "c"]


async def test_a_lone_request_that_fails_is_tried_once_more() -> None:
    """Two processes that append the same identity at once collide; the second look finds the other's."""
    store = Store()
    groups = GroupCommit(store.write)
    store.fails["a"] = ValueError("a is bad")
    tasks = appends(groups, "a")
    await asyncio.sleep(0)
    await groups.step()
    assert await outcomes(tasks) == ["a is bad"]
    assert store.groups == [["a"], ["a"]]


async def test_once_the_store_is_away_the_rest_is_refused_at_once() -> None:
    store = Store()
    groups = GroupCommit(store.write)
    store.fails["b"] = Unavailable("the disk is full")
    tasks = appends(groups, "a", "b", "c", "d")
    await asyncio.sleep(0)
    await groups.step()
    rest = "The log could not write what came before; nothing was written, try again."
    assert await outcomes(tasks) == [0, "the disk is full", rest, rest]
    assert store.groups == [["a", "b", "c", "d"], ["a"], ["b"]]
    assert store.written == ["a"]


async def test_a_lone_request_is_not_tried_again_while_the_store_is_away() -> None:
    store = Store()
    groups = GroupCommit(store.write)
    store.fails["a"] = Unavailable("the disk is full")
    tasks = appends(groups, "a")
    await asyncio.sleep(0)
    await groups.step()
    assert await outcomes(tasks) == ["the disk is full"]
    assert store.groups == [["a"]]


async def test_what_may_have_been_written_is_not_written_again() -> None:
    store = Store()
    groups = GroupCommit(store.write)
    store.fails["b"] = OutcomeUnknown("no answer")
    tasks = appends(groups, "a", "b", "c")
    await asyncio.sleep(0)
    await groups.step()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [(type(answer), str(answer)) for answer in answers] == [(OutcomeUnknown, "no answer")] * 3
    assert store.groups == [["a", "b", "c"]]


async def test_an_unknown_outcome_of_one_request_is_its_own() -> None:
    store = Store()
    groups = GroupCommit(store.write)
    tasks = appends(groups, "a", "b", "c")
    await asyncio.sleep(0)
    store.fails["c"] = ValueError("so the group is split")
    store.fails["b"] = OutcomeUnknown("no answer")
    store.fails["a"] = ValueError("a is bad")
    await groups.step()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ValueError, OutcomeUnknown, Unavailable]
    assert store.groups == [["a", "b", "c"], ["a"], ["b"]]


async def test_a_request_whose_outcome_is_known_has_it_when_its_neighbours_is_not() -> None:
    store = Store()
    groups = GroupCommit(store.write)
    tasks = [asyncio.create_task(groups.append([record(1, name) for name in names])) for names in ("a", "bc", "de")]
    await asyncio.sleep(0)
    known = [Appended(AppendStatus.PERSISTED, 1, offset, START) for offset in range(5)]
    store.fails["a"] = PartlyAppended("no answer", [known[0], None, known[2], known[3], known[4]])
    await groups.step()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[0] == [known[0]]
    assert (type(answers[1]), str(answers[1])) == (OutcomeUnknown, "no answer")
    assert answers[2] == [known[3], known[4]]
    assert store.groups == [["a", "b", "c", "d", "e"]]


async def test_a_part_that_is_away_is_no_reason_to_refuse_the_others() -> None:
    store = Store()
    groups = GroupCommit(store.write)
    tasks = appends(groups, "a", "b", "c")
    await asyncio.sleep(0)
    store.fails["b"] = PartlyAway("its partition has no leader")
    await groups.step()
    assert await outcomes(tasks) == [0, "its partition has no leader", 1]


async def test_a_caller_that_goes_away_harms_nobody() -> None:
    store = Store()
    groups = GroupCommit(store.write)
    tasks = appends(groups, "a", "b", "c")
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    await groups.step()
    assert await outcomes([tasks[0], tasks[2]]) == [0, 2]
    store.fails["d"] = ValueError("d is bad")
    tasks = appends(groups, "d", "e")
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    await groups.step()
    assert await outcomes(tasks[1:]) == [3]


async def test_at_the_end_what_waits_is_refused_and_what_is_being_written_is_unknown() -> None:
    store = Store()
    groups = GroupCommit(store.write)
    store.gate.clear()
    async with running(groups) as run:
        first = appends(groups, "a", "b")
        await store.entered.wait()
        rest = appends(groups, "c", "d")
        await asyncio.sleep(0)
        run.cancel()
        answers = await asyncio.gather(*first, *rest, return_exceptions=True)
    assert [type(answer) for answer in answers] == [OutcomeUnknown, OutcomeUnknown, Unavailable, Unavailable]
    with pytest.raises(Unavailable, match="The service is shutting down; nothing was written"):
        await groups.append([record(1, "late")])
    assert store.groups == [["a", "b"]]
    store.gate.set()
    async with running(groups):  # whoever runs it again serves again
        await asyncio.sleep(0)
        assert (await groups.append([record(1, "again")]))[0].offset == 0


async def test_at_the_end_requests_that_are_being_tried_singly_are_answered_too() -> None:
    store = Store()
    groups = GroupCommit(store.write)
    store.fails["b"] = ValueError("b is bad")
    store.gate.clear()
    async with running(groups) as run:
        tasks = appends(groups, "a", "b", "c")
        await store.entered.wait()
        store.entered.clear()
        store.gate.set()
        store.gate.clear()  # the group went through, the next write waits
        await store.entered.wait()
        run.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [OutcomeUnknown] * 3
    assert store.groups == [["a", "b", "c"], ["a"]]
    assert store.written == []
