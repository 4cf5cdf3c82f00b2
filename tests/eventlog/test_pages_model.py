"""The page cache under any order of appends, trims and reads: readers find everything, once and in order."""

import asyncio
from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from event_issuer.eventlog.pages import PAGE_RECORDS
from tests.eventlog.paging import PARTITION, Reader, Store, weight_of


class Machine(RuleBasedStateMachine):
    """Any order of appends here and elsewhere, trims, reads and ticks, in a cache that is mostly too small."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.store = Store()
        self.reader = Reader(self.store, bytes_max=150_000)

    def teardown(self) -> None:
        self.loop.close()

    @rule(count=st.integers(1, 200), data=st.binary(max_size=3))
    def append_here(self, count: int, data: bytes) -> None:
        self.reader.append(count, data)

    @rule(count=st.integers(1, 200))
    def append_elsewhere(self, count: int) -> None:
        self.store.append(count)

    @rule()
    def notice(self) -> None:
        self.reader.cache.notice(PARTITION, self.store.bounds)

    @rule(part=st.floats(0, 1))
    def trim(self, part: float) -> None:
        first, head = self.store.bounds.first, self.store.bounds.next
        self.store.trim(first + round(part * (head - first)))
        self.reader.cache.notice(PARTITION, self.store.bounds)
        self.reader.cache.forget(PARTITION, self.store.first)

    @rule(size=st.integers(1, PAGE_RECORDS))
    def load_in_parts(self, size: int) -> None:
        self.store.load_records_max = size

    @rule(part=st.floats(0, 1))
    def follow(self, part: float) -> None:
        """A reader that begins anywhere finds everything up to the head, once and in order."""
        self.reader.clock.advance(1)
        bounds = self.store.bounds
        offset = round(part * bounds.next)
        assert self.loop.run_until_complete(self.follow_from(offset)) == list(
            range(max(offset, bounds.first), bounds.next)
        )

    @precondition(lambda self: self.store.bounds.next > self.store.bounds.first)
    @rule(parts=st.lists(st.floats(0, 1), min_size=1, max_size=6))
    def read_at_once(self, parts: Sequence[float]) -> None:
        bounds = self.store.bounds
        self.reader.cache.notice(PARTITION, bounds)
        offsets = [bounds.first + round(part * (bounds.next - 1 - bounds.first)) for part in parts]

        async def read() -> list[tuple[list[int], int]]:
            return await asyncio.gather(*self.reader.begin(*offsets))

        for offset, (found, next_offset) in zip(offsets, self.loop.run_until_complete(read()), strict=True):
            assert found == list(range(offset, next_offset))
            assert found

    async def follow_from(self, offset: int) -> list[int]:
        found: list[int] = []
        while True:
            page, next_offset = await self.reader.read(offset)
            found += page
            if not page:
                return found
            offset = next_offset

    @invariant()
    def memory_is_accounted_for(self) -> None:
        assert weight_of(self.reader) <= 150_000


TestAnyOrder = Machine.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
