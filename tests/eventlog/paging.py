"""A page cache over a log in memory, whose loads the test can hold up, and a look at what the cache holds."""

import asyncio

from event_issuer.eventlog.pages import PAGE_RECORDS, Loaded, PageCache
from event_issuer.eventlog.protocol import Bounds, LogRecord, weight_bytes
from tests.eventlog.records import START, Clock, record

PARTITION = 7
AMPLE = 1 << 30


class Store:
    """One partition. With `gate` shut a load waits, after or before it looks at the records."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self.first = 0
        self.loads: list[tuple[int, int]] = []
        self.load_records_max = PAGE_RECORDS
        self.before = asyncio.Event()
        self.after = asyncio.Event()
        self.before.set()
        self.after.set()
        self.looked = asyncio.Event()
        self.problem: Exception | None = None

    def append(self, count: int = 1, data: bytes = b"") -> list[LogRecord]:
        first = self.first + len(self.records)
        new = [LogRecord(PARTITION, n, START, 1, record(PARTITION, n, data).event) for n in range(first, first + count)]
        self.records += new
        return new

    def trim(self, before_offset: int) -> None:
        self.records = [one for one in self.records if one.offset >= before_offset]
        self.first = before_offset

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.first, self.first + len(self.records))

    async def load(self, partition_id: int, offset: int, before_offset: int) -> Loaded:
        assert partition_id == PARTITION
        self.loads.append((offset, before_offset))
        await self.before.wait()
        if self.problem is not None:
            raise self.problem
        found = [one for one in self.records if offset <= one.offset < before_offset][: self.load_records_max]
        loaded = Loaded(found, found[-1].offset + 1 if found else offset, self.bounds)
        self.looked.set()
        await self.after.wait()
        return loaded


class Reader:
    """A cache over a store, its clock, and the heads it has told."""

    def __init__(self, store: Store, bytes_max: int = AMPLE) -> None:
        self.store, self.clock = store, Clock()
        self.heads: list[int] = []
        self.cache = PageCache(store.load, self.clock, lambda _, head: self.heads.append(head), bytes_max=bytes_max)

    async def read(self, offset: int) -> tuple[list[int], int]:
        """The offsets on the page, and where the next one begins."""
        page = await self.cache.read(PARTITION, offset)
        return [one.offset for one in page.records], page.next_offset

    def begin(self, *offsets: int) -> "list[asyncio.Task[tuple[list[int], int]]]":
        return [asyncio.create_task(self.read(offset)) for offset in offsets]

    def append(self, count: int = 1, data: bytes = b"") -> None:
        """As this process appends: the store has it, and the cache is told."""
        self.cache.extend(PARTITION, self.store.append(count, data))


def weight_of(reader: Reader) -> int:
    """What the cache believes to hold, which is checked against what it holds."""
    pages = reader.cache._pages.values()
    assert reader.cache._bytes == sum(page.weight_bytes for page in pages)
    for page in pages:
        assert page.weight_bytes == sum(weight_bytes(one.event) for one in page.records)
        offsets = [one.offset for one in page.records]
        assert offsets == sorted(set(offsets))
        first = max(page.begin, reader.cache._seen[PARTITION].first, offsets[0])
        assert [n for n in offsets if n >= first] == list(range(first, page.end))
    return reader.cache._bytes
