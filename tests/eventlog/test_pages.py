"""The page cache alone, over a log in memory: single flight, bounds of memory, and readers that miss nothing."""

import asyncio

import pytest

from event_issuer.domain.errors import Unavailable
from event_issuer.eventlog.pages import HEAD_TRUSTED_S, PAGE_RECORDS, Loaded, PageCache
from event_issuer.eventlog.protocol import weight_bytes
from tests.eventlog.paging import AMPLE, PARTITION, Reader, Store, weight_of


@pytest.fixture
def store() -> Store:
    return Store()


def span(first: int, before: int) -> tuple[list[int], int]:
    return list(range(first, before)), before


async def test_many_readers_of_one_page_are_one_load(store: Store) -> None:
    store.append(300)
    reader = Reader(store)
    assert await asyncio.gather(*(reader.read(n) for n in range(100))) == [span(n, 256) for n in range(100)]
    assert store.loads == [(0, 256)]
    assert await reader.read(299) == span(299, 300)
    assert store.loads == [(0, 256), (256, 512)]


async def test_readers_at_the_head_load_nothing(store: Store) -> None:
    reader = Reader(store)
    reader.append(3)
    assert [await reader.read(n) for n in (0, 2, 3)] == [span(0, 3), span(2, 3), span(3, 3)]
    reader.append()
    assert await reader.read(3) == span(3, 4)
    assert store.loads == []
    assert reader.heads == [3, 4]


async def test_a_head_is_trusted_for_a_moment_only(store: Store) -> None:
    reader = Reader(store)
    reader.append()
    store.append()  # another process
    assert await reader.read(1) == span(1, 1)
    reader.clock.advance(HEAD_TRUSTED_S)
    assert await reader.read(1) == span(1, 2)
    assert reader.heads == [1, 2]  # who sleeps at the old head hears of it
    assert store.loads == [(1, 256)]  # and only the rest of the page was loaded
    reader.clock.advance(-10)
    assert await reader.read(2) == span(2, 2)
    assert store.loads == [(1, 256), (2, 256)]


async def test_a_place_beyond_the_head_does_not_become_the_head(store: Store) -> None:
    store.append(3)
    reader = Reader(store)
    assert await reader.read(1000) == span(1000, 1000)
    assert reader.heads == [3]
    store.append()
    assert reader.cache.notice(PARTITION, store.bounds)
    assert not reader.cache.notice(PARTITION, store.bounds)
    assert reader.heads == [3, 4]


async def test_an_append_during_a_load_is_not_lost(store: Store) -> None:
    store.append(10)
    reader = Reader(store)
    store.after.clear()
    reads = reader.begin(5)
    await store.looked.wait()
    reader.append()  # touches what is being loaded
    reads += reader.begin(10)
    store.after.set()
    assert await asyncio.gather(*reads) == [span(5, 11), span(10, 11)]
    assert await reader.read(0) == span(0, 11)
    assert store.loads == [(0, 256)]


async def test_a_load_that_is_older_than_the_head_is_not_believed(store: Store) -> None:
    """Another process wrote between what the load saw and what we appended: a hole, which is loaded in turn."""
    store.append(10)
    reader = Reader(store)
    store.after.clear()
    reads = reader.begin(0)
    await store.looked.wait()
    store.append(2)
    reader.append()
    reads += reader.begin(10, 11, 12)
    store.after.set()
    answers = await asyncio.gather(*reads)
    assert answers[0] == span(0, 10)
    assert answers[1:] == [span(10, 13), span(11, 13), span(12, 13)]
    assert await reader.read(0) == span(0, 13)


async def test_a_load_that_has_just_ended_answers_nobody_who_comes_later(store: Store) -> None:
    """The reader comes when the load is done but before those who waited for it have gone on."""
    store.append(2)
    reader = Reader(store)
    late: list[asyncio.Task[tuple[list[int], int]]] = []

    async def load(partition_id: int, offset: int, before_offset: int) -> Loaded:
        loaded = await store.load(partition_id, offset, before_offset)
        if not late:
            store.append()
            reader.cache.notice(PARTITION, store.bounds)
            late.extend(reader.begin(2))
        return loaded

    reader.cache = PageCache(load, reader.clock, lambda *_: None, bytes_max=AMPLE)
    assert await reader.read(0) == span(0, 2)
    assert await late[0] == span(2, 3)
    assert store.loads == [(0, 256), (2, 256)]


async def test_writers_that_take_turns_leave_holes_that_are_loaded(store: Store) -> None:
    reader = Reader(store)
    for _ in range(5):
        reader.append()
        store.append()
    reader.append()
    assert await reader.read(0) == span(0, 1)
    assert await reader.read(1) == span(1, 11)
    assert await reader.read(0) == span(0, 11)
    assert store.loads == [(1, 256)]


async def test_a_page_that_begins_in_the_middle_is_completed(store: Store) -> None:
    store.append(100)
    reader = Reader(store)
    reader.append(5)
    assert await reader.read(102) == span(102, 105)
    assert store.loads == []
    assert await reader.read(50) == span(50, 105)
    assert store.loads == [(0, 256)]


async def test_trimmed_pages_are_skipped_in_one_step(store: Store) -> None:
    store.append(2000)
    store.trim(1300)
    reader = Reader(store)
    assert await reader.read(0) == span(1300, 1536)
    assert store.loads == [(0, 256), (1280, 1536)]
    assert await reader.read(700) == span(1300, 1536)
    store.trim(2000)
    reader.cache.notice(PARTITION, store.bounds)
    reader.cache.forget(PARTITION, 2000)
    assert await reader.read(1300) == span(2000, 2000)
    store.append()
    reader.clock.advance(1)
    assert await reader.read(3) == span(2000, 2001)


async def test_a_page_of_which_others_have_trimmed_a_part(store: Store) -> None:
    store.append(600)
    reader = Reader(store)
    assert await reader.read(256) == span(256, 512)
    store.trim(300)
    assert await reader.read(280) == span(280, 512)  # known from before
    reader.cache.notice(PARTITION, store.bounds)
    assert await reader.read(280) == span(300, 512)
    reader.cache.forget(PARTITION, 300)
    assert await reader.read(310) == span(310, 512)
    assert store.loads == [(256, 512)]


async def test_memory_is_bounded_and_the_least_used_page_goes_first(store: Store) -> None:
    store.append(4 * PAGE_RECORDS)
    page_bytes = sum(weight_bytes(one.event) for one in store.records[-PAGE_RECORDS:])
    reader = Reader(store, bytes_max=2 * page_bytes)
    for offset in (0, 256, 0, 512, 0, 256):
        assert await reader.read(offset) == span(offset, offset + 256)
    assert store.loads == [(0, 256), (256, 512), (512, 768), (256, 512)]


async def test_what_is_larger_than_the_cache_is_read_all_the_same(store: Store) -> None:
    reader = Reader(store, bytes_max=10)
    reader.append(3, b"large")
    assert await asyncio.gather(*(reader.read(n) for n in (0, 1, 2, 0))) == [
        span(0, 3),
        span(1, 3),
        span(2, 3),
        span(0, 3),
    ]
    assert store.loads == [(0, 256)]
    assert weight_of(reader) == 0


async def test_large_events_come_in_parts(store: Store) -> None:
    store.append(10)
    store.load_records_max = 4
    reader = Reader(store)
    assert await reader.read(0) == span(0, 4)
    assert await reader.read(4) == span(4, 8)
    assert await reader.read(8) == span(8, 10)
    assert await reader.read(0) == span(0, 10)
    assert store.loads == [(0, 256), (4, 256), (8, 256)]
    fresh = Reader(store)
    assert await fresh.read(6) == span(6, 10)
    assert store.loads[3:] == [(0, 256), (6, 256)]


async def test_a_failed_load_tells_all_who_waited_and_the_next_one_tries_again(store: Store) -> None:
    store.append(3)
    reader = Reader(store)
    store.problem = Unavailable("the database is away")
    answers = await asyncio.gather(*reader.begin(0, 1), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["the database is away"] * 2
    store.problem = None
    assert await reader.read(0) == span(0, 3)
    assert store.loads == [(0, 256), (0, 256)]


async def test_a_reader_that_goes_away_leaves_the_page_to_the_others(store: Store) -> None:
    store.append(3)
    reader = Reader(store)
    store.before.clear()
    reads = reader.begin(0, 1, 2)
    await asyncio.sleep(0)
    reads[0].cancel()
    await asyncio.sleep(0)
    store.before.set()
    assert await asyncio.gather(*reads[1:]) == [span(1, 3), span(2, 3)]
    store.problem = Unavailable("the database is away")
    lonely = reader.begin(3)
    reader.clock.advance(1)
    await asyncio.sleep(0)
    lonely[0].cancel()  # nobody is left to hear of the failure; it is no unhandled error either
    await asyncio.gather(*lonely, return_exceptions=True)
    await asyncio.sleep(0)
    assert store.loads == [(0, 256), (3, 256)]


async def test_a_store_that_lost_records_is_unavailable_rather_than_read_without_end(store: Store) -> None:
    reader = Reader(store)
    reader.append(3)
    store.records.clear()
    reader.cache.forget(PARTITION, 1000)
    with pytest.raises(Unavailable, match="no record at offset 1 of partition 7 now; try again"):
        await reader.read(1)
