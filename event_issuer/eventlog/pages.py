"""The page cache: what lanes and streams share, so that a thousand of them at the head cost one read and one parse.

Pages are cut at fixed offsets (multiples of `PAGE_RECORDS`), which lets readers at different offsets share them.
Appends of this process extend the last page directly; a page that is not there is loaded once, whoever asks. Knows
nothing of SQL: the loader is passed in.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from event_issuer.eventlog.protocol import LogRecord, Page

PAGE_RECORDS: Final = 256  # a read of some milliseconds; a lane that needs one event does not load thousands
RECORD_OVERHEAD_BYTES: Final = 1_000  # what a parsed record weighs beside its data: attributes, rendered headers

PageKey: TypeAlias = tuple[int, int]
Loader: TypeAlias = Callable[[int, int], Awaitable[list[LogRecord]]]


@dataclass(slots=True)
class _Cached:
    """Every record with `begin` ≤ offset < `end` that the log still has."""

    records: list[LogRecord]
    begin: int
    end: int
    weight_bytes: int


class PageCache:
    """`load(partition_id, offset)` gives the records from `offset` to the end of its page, gap-free from the first."""

    def __init__(self, load: Loader, *, bytes_max: int) -> None:
        self._load = load
        self._bytes_max = bytes_max
        self._pages: OrderedDict[PageKey, _Cached] = OrderedDict()
        self._loading: dict[PageKey, asyncio.Task[None]] = {}
        self._heads: dict[int, int] = {}
        self._bytes = 0
        self.loads = 0

    async def read(self, partition_id: int, offset: int) -> Page:
        """Records from `offset` to the end of its page; a page without any that does not move on is the head."""
        head = self._heads.get(partition_id)
        if head is not None and offset >= head:
            return Page((), offset)
        key = (partition_id, offset // PAGE_RECORDS)
        if not self._holds(key, offset):
            await self._load_once(key)
        page = self._pages.get(key)
        if page is None or not page.begin <= offset < page.end:
            self._heads[partition_id] = max(offset, self._heads.get(partition_id, 0))
            return Page((), offset)
        self._pages.move_to_end(key)
        first = _index_of(page.records, offset)
        return Page(page.records[first:], page.end)

    def extend(self, partition_id: int, records: Sequence[LogRecord]) -> None:
        """Takes what was just appended: gap-free, in order."""
        for record in records:
            key = (partition_id, record.offset // PAGE_RECORDS)
            page = self._pages.get(key)
            if page is None or page.end != record.offset:
                if page is not None:  # another process wrote in between: the page is loaded when it is asked for
                    continue
                page = self._pages[key] = _Cached([], record.offset, record.offset, 0)
            page.records.append(record)
            page.end = record.offset + 1
            self._weigh(page, record)
        self.notice_head(partition_id, records[-1].offset + 1)
        self._evict()

    def notice_head(self, partition_id: int, next_offset: int) -> bool:
        """Whether this is news: the head was lower, or not known."""
        if self._heads.get(partition_id, -1) >= next_offset:
            return False
        self._heads[partition_id] = next_offset
        return True

    def _holds(self, key: PageKey, offset: int) -> bool:
        page = self._pages.get(key)
        return page is not None and page.begin <= offset < page.end

    async def _load_once(self, key: PageKey) -> None:
        loading = self._loading.get(key)
        if loading is None:
            loading = asyncio.create_task(self._fill(key))
            self._loading[key] = loading
            loading.add_done_callback(lambda _: self._loading.pop(key, None))
        await asyncio.shield(loading)  # one reader that goes away must not take the page from the others

    async def _fill(self, key: PageKey) -> None:
        partition_id, index = key
        begin = index * PAGE_RECORDS
        records = await self._load(partition_id, begin)
        self.loads += 1
        if not records:
            return
        end = records[-1].offset + 1
        before = self._pages.pop(key, None)
        if before is not None:
            self._bytes -= before.weight_bytes
            if before.begin <= end:  # appended while we were loading
                records = records + [record for record in before.records if record.offset >= end]
        page = self._pages[key] = _Cached(records, begin, records[-1].offset + 1, 0)
        for record in records:
            self._weigh(page, record)
        self._evict()

    def _weigh(self, page: _Cached, record: LogRecord) -> None:
        weight = RECORD_OVERHEAD_BYTES + len(record.event.data or b"")
        page.weight_bytes += weight
        self._bytes += weight

    def _evict(self) -> None:
        while self._bytes > self._bytes_max and len(self._pages) > 1:
            _, page = self._pages.popitem(last=False)
            self._bytes -= page.weight_bytes


def _index_of(records: Sequence[LogRecord], offset: int) -> int:
    """Where `offset` is, or the next record above it: retention may have taken the page's first ones."""
    first = records[0].offset
    if first >= offset:
        return 0
    guess = offset - first
    if guess < len(records) and records[guess].offset == offset:
        return guess
    return next(index for index, record in enumerate(records) if record.offset >= offset)
