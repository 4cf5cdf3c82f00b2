"""The page cache: what lanes and streams share, so that a thousand of them at the head cost one read and one parse.

Pages are cut at fixed offsets (multiples of `PAGE_RECORDS`), which lets readers at different offsets share them.
Appends of this process extend the last page directly; what is not there is loaded once, whoever asks. A page may hold
a part of its offsets only, but that part without a gap. Knows nothing of SQL: the loader is passed in.
"""

import asyncio
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from event_issuer.domain.errors import Unavailable
from event_issuer.domain.time import SECOND_US, Clock, Instant
from event_issuer.eventlog.protocol import Bounds, HeadListener, LogRecord, Page, weight_bytes

PAGE_RECORDS: Final = 256  # a read of some milliseconds; a lane that needs one event does not load thousands
HEAD_TRUSTED_S: Final = 0.25  # for so long a head counts as the head although another process may have moved it
LOADS_MAX: Final = 32  # for one reader; others load the same page meanwhile, but each time someone gets on

PageKey: TypeAlias = tuple[int, int]
Loader: TypeAlias = Callable[[int, int, int], Awaitable["Loaded"]]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Every record from the asked offset up to `end` that the store has, and the partition's bounds then.

    `holds_back`: more was seen from `end` on, and the store shows none of it yet.
    """

    records: list[LogRecord]
    end: int
    bounds: Bounds
    holds_back: bool = False


@dataclass(slots=True)
class _Run:
    """Every record with `begin` ≤ offset < `end` that the log had."""

    records: list[LogRecord]
    begin: int
    end: int
    weight_bytes: int
    holds_back: bool = False

    def holds(self, offset: int) -> bool:
        return self.begin <= offset < self.end


@dataclass(slots=True)
class _Seen:
    """What is known of a partition; both offsets only ever grow."""

    first: int
    next: int
    at: Instant


class PageCache:
    """`load(partition_id, offset, before_offset)` may end early, but not before its first record.

    `on_head(partition_id, next_offset)` is called whenever a head is seen to move, by whatever way.
    """

    def __init__(self, load: Loader, clock: Clock, on_head: HeadListener, *, bytes_max: int) -> None:
        self._load, self._clock, self._on_head = load, clock, on_head
        self._bytes_max = bytes_max
        self._pages: OrderedDict[PageKey, _Run] = OrderedDict()
        self._loading: dict[PageKey, asyncio.Task[_Run]] = {}
        self._seen: dict[int, _Seen] = {}
        self._bytes = 0
        self._generation = 0  # of what was loaded before the last `forget_all`, nothing is kept
        self.loads = 0

    async def read(self, partition_id: int, offset: int) -> Page:
        """Records from `offset` to the end of its page; a page without any is the head. Raises Unavailable."""
        for attempt in range(LOADS_MAX):
            seen = self._seen.get(partition_id)
            if seen is not None:
                offset = max(offset, seen.first)
                # A load has just looked; one that was under way may be older, but not than what we know.
                if offset >= seen.next and (attempt or self._is_fresh(seen)):
                    return Page((), offset)
            key = (partition_id, offset // PAGE_RECORDS)
            page = self._pages.get(key)
            if page is not None and page.holds(offset):
                self._pages.move_to_end(key)
            else:  # what it gives is good even if the cache had no room to keep it
                page = await self._load_once(key, offset)
            if page.holds_back and page.end == offset and attempt:  # said by a load that began after we had asked
                return Page((), offset)
            if page.holds(offset):
                start = bisect_left(page.records, offset, key=lambda record: record.offset)
                return Page(page.records[start:], page.end)
        raise Unavailable(f"The log gives no record at offset {offset} of partition {partition_id} now; try again.")

    def extend(self, partition_id: int, records: Sequence[LogRecord]) -> None:
        """Takes what was just appended: gap-free, in order."""
        start = 0
        while start < len(records):
            offset = records[start].offset
            stop = start + PAGE_RECORDS - offset % PAGE_RECORDS
            self._extend_page((partition_id, offset // PAGE_RECORDS), records[start:stop])
            start = stop
        self.notice(partition_id, Bounds(0, records[-1].offset + 1))
        self._evict()

    def _extend_page(self, key: PageKey, records: Sequence[LogRecord]) -> None:
        offset = records[0].offset
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = _Run([], offset, offset, 0)
        if page.end < offset:  # another process wrote in between: it is loaded when it is asked for
            return
        fresh = records[page.end - offset :]  # a reader may have loaded some already
        weight = _weight(fresh)
        page.records += fresh
        page.end += len(fresh)
        page.weight_bytes += weight
        self._bytes += weight

    def notice(self, partition_id: int, bounds: Bounds) -> bool:
        """Takes bounds that the store has just shown; whether the head is news: it was lower, or not known."""
        seen = self._seen.get(partition_id)
        if seen is None:
            self._seen[partition_id] = _Seen(bounds.first, bounds.next, self._clock())
        else:
            is_news = bounds.next > seen.next
            seen.first, seen.next = max(seen.first, bounds.first), max(seen.next, bounds.next)
            seen.at = self._clock()
            if not is_news:
                return False
        self._on_head(partition_id, bounds.next)
        return True

    def head(self, partition_id: int) -> int | None:
        """The next offset as far as it is known."""
        seen = self._seen.get(partition_id)
        return None if seen is None else seen.next

    def forget_all(self, partition_id: int) -> None:
        """Drops every page of the partition: what they say of its records is not so any more."""
        self._generation += 1
        for key in [key for key in self._pages if key[0] == partition_id]:
            self._bytes -= self._pages.pop(key).weight_bytes

    def forget(self, partition_id: int, before_offset: int) -> None:
        """Drops the pages that are wholly below `before_offset`: the log has trimmed them."""
        for key in [key for key in self._pages if key[0] == partition_id]:
            if (key[1] + 1) * PAGE_RECORDS <= before_offset:
                self._bytes -= self._pages.pop(key).weight_bytes

    def _is_fresh(self, seen: _Seen) -> bool:
        return 0 <= self._clock() - seen.at < HEAD_TRUSTED_S * SECOND_US

    async def _load_once(self, key: PageKey, offset: int) -> _Run:
        """The load that is under way for this page, or a new one, which holds `offset` if the log does."""
        loading = self._loading.get(key)
        if loading is None:
            loading = self._loading[key] = asyncio.create_task(self._load_page(key, offset))
            loading.add_done_callback(_look_at)
        return await asyncio.shield(loading)  # one reader that goes away must not take the page from the others

    async def _load_page(self, key: PageKey, offset: int) -> _Run:
        try:
            return await self._fill(key, offset)
        finally:  # here, not in a callback: who comes after the load has ended must not get its old answer
            del self._loading[key]

    async def _fill(self, key: PageKey, offset: int) -> _Run:
        partition_id, index = key
        begin, before_offset = index * PAGE_RECORDS, (index + 1) * PAGE_RECORDS
        generation = self._generation
        page = self._pages.get(key)
        if page is not None and page.end == offset:
            begin = offset  # goes on where the page ends
        loaded = await self._load(partition_id, begin, before_offset)
        self.loads += 1
        if loaded.end <= offset and loaded.bounds.first <= offset < loaded.bounds.next:  # it had to end before
            begin = offset
            loaded = await self._load(partition_id, begin, before_offset)
            self.loads += 1
        run = _Run(loaded.records, begin, loaded.end, _weight(loaded.records), loaded.holds_back)
        if run.records and generation == self._generation:
            run = self._keep(key, run)
        self.notice(partition_id, loaded.bounds)
        return run

    def _keep(self, key: PageKey, run: _Run) -> _Run:
        """Joins what was loaded to what is there, if they touch; else it takes its place."""
        old = self._pages.pop(key, None)
        if old is not None:
            self._bytes -= old.weight_bytes
            if old.begin <= run.end and run.begin <= old.end:
                run = _joined(old, run)
        self._pages[key] = run
        self._bytes += run.weight_bytes
        self._evict()
        return run

    def _evict(self) -> None:
        while self._bytes > self._bytes_max:
            _, page = self._pages.popitem(last=False)
            self._bytes -= page.weight_bytes


def _look_at(task: "asyncio.Task[_Run]") -> None:
    """Takes note of what a load raised: there may be no reader left whom it could tell."""
    if not task.cancelled():
        task.exception()


def _joined(one: _Run, other: _Run) -> _Run:
    low, high = (one, other) if one.begin <= other.begin else (other, one)
    records = low.records + [record for record in high.records if record.offset >= low.end]
    return _Run(records, low.begin, max(low.end, high.end), _weight(records))


def _weight(records: Sequence[LogRecord]) -> int:
    return sum(weight_bytes(record.event) for record in records)
