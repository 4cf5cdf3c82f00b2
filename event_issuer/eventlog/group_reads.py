"""Group reads: what is asked for while one query is under way is read by the next one.

What another process appends moves many partitions at once, whose lanes then all ask for a page. Knows nothing of SQL
and of pages.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from event_issuer.db.work import Row

RANGES_MAX: Final = 16  # in one query, so that the share of its bytes that each of them has is still a good page
QUERIES_MAX: Final = 2  # at a time: a slow one does not hold up all that come


class Range(NamedTuple):
    partition_id: int
    offset: int
    before_offset: int


Fetch: TypeAlias = Callable[[Sequence[Range]], Awaitable[Sequence[Sequence[Row]]]]


class GroupReads:
    """`fetch` answers the rows of each range, in order. What it raises is raised to all who asked."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._waiting: deque[tuple[Range, asyncio.Future[Sequence[Row]]]] = deque()
        self._queries: set[asyncio.Task[None]] = set()

    async def read(self, range_: Range) -> Sequence[Row]:
        answer: asyncio.Future[Sequence[Row]] = asyncio.get_running_loop().create_future()
        self._waiting.append((range_, answer))
        if len(self._queries) < QUERIES_MAX:
            query = asyncio.create_task(self._query())
            self._queries.add(query)
            query.add_done_callback(self._queries.discard)
        return await answer

    async def _query(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(RANGES_MAX, len(self._waiting)))]
            try:
                found = await self._fetch([range_ for range_, _ in group])
            except Exception as problem:
                for _, answer in group:
                    if not answer.done():
                        answer.set_exception(problem)
                continue
            for (_, answer), rows in zip(group, found, strict=True):
                if not answer.done():  # who asked has gone
                    answer.set_result(rows)
