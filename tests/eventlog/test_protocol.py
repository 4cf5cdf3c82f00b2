"""What every event log promises, whatever it is made of: the conformance suite."""

import asyncio

import pytest

from event_issuer.domain.errors import NotFound
from event_issuer.domain.records import Appended, AppendStatus
from event_issuer.domain.time import SECOND_US
from event_issuer.eventlog.protocol import Bounds, Page
from tests.eventlog.logs import Logs, on_every_engine
from tests.eventlog.records import START, ids, read_all, record

TRAILS_S = 0.25  # what a process appends, all others can read after that
pytestmark = on_every_engine
PERSISTED, DUPLICATE, CONFLICT = AppendStatus.PERSISTED, AppendStatus.DUPLICATE, AppendStatus.CONFLICT


async def test_what_was_appended_is_read_as_it_went_in(logs: Logs) -> None:
    partition_id = await logs.partition()
    new = [
        record(partition_id, "a", b'{"n": 1.0}', key="naïve ☃"),
        record(partition_id, "b", b"\x00\xff"),
        record(partition_id, "c", b""),
        record(partition_id, "d", None),
    ]
    new[3].schema_version = None
    answers = await logs.log.append(new)
    assert answers == [Appended(PERSISTED, partition_id, offset, START) for offset in range(4)]
    for log in (logs.log, await logs.another()):
        found = await read_all(log, partition_id)
        assert [(one.partition_id, one.offset, one.recorded_at) for one in found] == [
            (partition_id, offset, START) for offset in range(4)
        ]
        assert [one.event for one in found] == [one.event for one in new]
        assert [one.schema_version for one in found] == [1, 1, 1, None]


async def test_nothing_is_appended_by_an_empty_request(logs: Logs) -> None:
    assert await logs.log.append([]) == []


async def test_an_empty_partition_reads_as_its_head(logs: Logs) -> None:
    partition_id = await logs.partition()
    assert await logs.log.read(partition_id, 0) == Page((), 0)
    assert await logs.log.bounds([partition_id]) == {partition_id: Bounds(0, 0)}
    assert await logs.log.offset_at(partition_id, START) == 0


async def test_pages_follow_each_other_to_the_head(logs: Logs) -> None:
    partition_id = await logs.partition()
    await logs.log.append([record(partition_id, n) for n in range(600)])
    for log in (logs.log, await logs.another()):
        for offset in (0, 1, 255, 256, 300, 599, 600):
            assert await ids(log, partition_id, offset) == [str(n) for n in range(offset, 600)]
        assert await log.read(partition_id, 600) == Page((), 600)


async def test_a_place_beyond_the_head_is_empty_and_hides_nothing_that_comes(logs: Logs) -> None:
    partition_id = await logs.partition()
    assert await logs.log.read(partition_id, 1000) == Page((), 1000)
    heads: list[tuple[int, int]] = []
    logs.log.watch(lambda *head: heads.append(head))
    await logs.log.append([record(partition_id, "a")])
    assert await ids(logs.log, partition_id) == ["a"]
    assert heads == [(partition_id, 1)]


async def test_the_same_event_again_is_a_duplicate_at_its_first_place(logs: Logs) -> None:
    here, there = await logs.partitions(2)
    await logs.log.append([record(here, "a"), record(here, "b")])
    logs.clock.advance(5)
    answers = await logs.log.append([record(here, "b"), record(here, "c"), record(here, "b", b'"other"')])
    assert answers == [
        Appended(DUPLICATE, here, 1, START),
        Appended(PERSISTED, here, 2, START + 5 * SECOND_US),
        Appended(CONFLICT, here, 1, START),
    ]
    elsewhere = record(there, "b")
    assert await logs.log.append([elsewhere]) == [Appended(DUPLICATE, here, 1, START)]
    assert await ids(logs.log, here) == ["a", "b", "c"]
    assert await ids(logs.log, there) == []


async def test_duplicates_within_one_request(logs: Logs) -> None:
    partition_id = await logs.partition()
    answers = await logs.log.append(
        [record(partition_id, "a"), record(partition_id, "a"), record(partition_id, "a", b"1")]
    )
    assert answers == [
        Appended(PERSISTED, partition_id, 0, START),
        Appended(DUPLICATE, partition_id, 0, START),
        Appended(CONFLICT, partition_id, 0, START),
    ]
    assert await ids(logs.log, partition_id) == ["a"]


async def test_events_without_an_identity_are_never_duplicates(logs: Logs) -> None:
    partition_id = await logs.partition()
    same = [record(partition_id, "a", deduplicates=False) for _ in range(3)]
    assert [answer.status for answer in await logs.log.append(same)] == [PERSISTED] * 3
    assert [answer.offset for answer in await logs.log.append(same)] == [3, 4, 5]
    assert await ids(logs.log, partition_id) == ["a"] * 6


async def test_recorded_at_never_goes_backwards_in_a_partition(logs: Logs) -> None:
    here, there = await logs.partitions(2)
    for n, seconds in enumerate((0, 10, -5, 0, 20)):
        logs.clock.advance(seconds)
        await logs.log.append([record(here, n)])
    assert [(one.recorded_at - START) // SECOND_US for one in await read_all(logs.log, here)] == [0, 10, 10, 10, 25]
    logs.clock.now = START - SECOND_US
    await logs.log.append([record(there, "other")])
    assert [one.recorded_at for one in await read_all(logs.log, there)] == [START - SECOND_US]


async def test_the_place_of_an_instant(logs: Logs) -> None:
    partition_id = await logs.partition()
    for second, count in enumerate((1, 3, 0, 2)):
        logs.clock.now = START + second * SECOND_US
        await logs.log.append([record(partition_id, f"{second}-{n}") for n in range(count)])
    for log in (logs.log, await logs.another()):
        places = [await log.offset_at(partition_id, START + round(s * SECOND_US)) for s in (-1, 0, 0.5, 1, 2, 3, 3.1)]
        assert places == [0, 0, 1, 1, 4, 4, 6]
    await logs.log.trim(partition_id, 3)
    assert await logs.log.offset_at(partition_id, START) == 3
    assert await logs.log.offset_at(partition_id, START + 3 * SECOND_US) == 4


async def test_what_is_trimmed_is_skipped_and_the_rest_keeps_its_place(logs: Logs) -> None:
    partition_id = await logs.partition()
    await logs.log.append([record(partition_id, n) for n in range(700)])
    other = await logs.another()
    assert await ids(other, partition_id) == [str(n) for n in range(700)]
    assert await logs.log.trim(partition_id, 600) == 600
    assert await logs.log.trim(partition_id, 600) == 0
    assert await logs.log.bounds([partition_id]) == {partition_id: Bounds(600, 700, 600)}
    for log in (logs.log, await logs.another()):
        for offset in (0, 300, 599, 600):
            found = await read_all(log, partition_id, offset)
            assert [(one.offset, one.event.id) for one in found] == [(n, str(n)) for n in range(600, 700)]
    assert await logs.log.append([record(partition_id, "next")]) == [Appended(PERSISTED, partition_id, 700, START)]
    assert (await ids(other, partition_id))[-100:] == [str(n) for n in range(600, 700)]


async def test_trimming_takes_no_more_than_there_is(logs: Logs) -> None:
    partition_id = await logs.partition()
    await logs.log.append([record(partition_id, n) for n in range(10)])
    assert await logs.log.trim(partition_id, 0) == 0
    assert await logs.log.trim(partition_id, 1000) == 10
    assert await logs.log.bounds([partition_id]) == {partition_id: Bounds(10, 10, 10)}
    for log in (logs.log, await logs.another()):
        assert await log.read(partition_id, 3) == Page((), 10)
        assert await log.offset_at(partition_id, START) == 10
    assert (await logs.log.append([record(partition_id, "next")]))[0].offset == 10
    assert await ids(logs.log, partition_id) == ["next"]


async def test_an_event_that_was_trimmed_is_still_a_duplicate_at_its_place(logs: Logs) -> None:
    partition_id = await logs.partition()
    await logs.log.append([record(partition_id, n) for n in range(3)])
    await logs.log.trim(partition_id, 2)
    assert await logs.log.append([record(partition_id, 1)]) == [Appended(DUPLICATE, partition_id, 1, START)]


async def test_what_another_process_appends_is_read_within_a_quarter_of_a_second(logs: Logs) -> None:
    partition_id = await logs.partition()
    other = await logs.another()
    await logs.log.append([record(partition_id, "a")])
    assert await ids(other, partition_id) == ["a"]
    assert await ids(logs.log, partition_id) == ["a"]
    for n in range(3):
        await other.append([record(partition_id, n)])
        logs.clock.advance(TRAILS_S)
        assert await ids(logs.log, partition_id) == ["a", *map(str, range(n + 1))]
    await logs.log.append([record(partition_id, "b")])  # behind what it had not written itself
    assert await ids(logs.log, partition_id) == ["a", "0", "1", "2", "b"]


async def test_listeners_hear_of_each_head_that_moves(logs: Logs) -> None:
    here, there = await logs.partitions(2)
    heads: list[tuple[int, int]] = []
    logs.log.watch(lambda *head: heads.append(head))
    await logs.log.append([record(here, 1), record(there, 2), record(here, 3)])
    assert sorted(heads) == [(here, 2), (there, 1)]
    heads.clear()
    await logs.log.append([record(here, 1)])  # a duplicate moves nothing
    assert heads == []


async def test_an_answered_event_is_readable_when_a_listener_hears_of_it(logs: Logs) -> None:
    partition_id = await logs.partition()
    reads: list[asyncio.Task[Page]] = []

    def read(partition_id: int, next_offset: int) -> None:
        reads.append(asyncio.create_task(logs.log.read(partition_id, next_offset - 1)))

    logs.log.watch(read)
    await logs.log.append([record(partition_id, "a")])
    await logs.log.append([record(partition_id, "b")])
    assert [page.records[0].event.id for page in await asyncio.gather(*reads)] == ["a", "b"]


async def test_a_listener_that_fails_harms_nobody(logs: Logs) -> None:
    partition_id = await logs.partition()
    heads: list[tuple[int, int]] = []

    def fail(partition_id: int, next_offset: int) -> None:
        raise ValueError("a fault of the listener")

    logs.log.watch(fail)
    logs.log.watch(lambda *head: heads.append(head))
    answers = await logs.log.append([record(partition_id, "a", deduplicates=False)])
    assert answers == [Appended(PERSISTED, partition_id, 0, START)]
    assert heads == [(partition_id, 1)]
    assert await ids(logs.log, partition_id) == ["a"]


async def test_a_partition_that_is_not_there_is_refused(logs: Logs) -> None:
    partition_id = await logs.partition()
    with pytest.raises(NotFound, match=r"There is no partition 999\."):
        await logs.log.append([record(partition_id, "a"), record(999, "b")])
    with pytest.raises(NotFound, match=r"There is no partition 999\."):
        await logs.log.read(999, 0)
    with pytest.raises(NotFound, match=r"There is no partition 999\."):
        await logs.log.offset_at(999, START)
    assert await logs.log.bounds([999, partition_id]) == {partition_id: Bounds(0, 0)}
    assert await logs.log.bounds([]) == {}


async def test_a_bad_request_fails_alone(logs: Logs) -> None:
    partition_id = await logs.partition()
    answers = await asyncio.gather(
        *(logs.log.append([record(999 if n == 2 else partition_id, n)]) for n in range(5)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [list, list, NotFound, list, list]
    assert await ids(logs.log, partition_id) == ["0", "1", "3", "4"]
