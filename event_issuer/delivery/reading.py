"""One partition of the log as a lane reads it: with patience while the log is away. Knows nothing of order or keys."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from event_issuer.delivery.sieve import Sieve
from event_issuer.domain.cursor import Cursor
from event_issuer.domain.errors import Unavailable
from event_issuer.eventlog.protocol import Bounds, LogRecord, Page

LOG_AWAY_PAUSE_S: Final = 1.0

logger = structlog.get_logger(__name__)


class ReadableLog(Protocol):
    """What a lane wants of a log, as `EventLog` has it."""

    async def read(self, partition_id: int, offset: int) -> Page: ...

    async def bounds(self, partition_ids: Sequence[int]) -> dict[int, Bounds]: ...


class PartitionReader:
    """With a `sieve`, whatever is read has been judged by it."""

    def __init__(
        self, log: ReadableLog, partition_id: int, sieve: Sieve | None = None, *, pause_s: float = LOG_AWAY_PAUSE_S
    ) -> None:
        self._log, self._partition_id, self._sieve, self._pause_s = log, partition_id, sieve, pause_s

    async def read(self, offset: int) -> Page:
        """The page at `offset`. While the log is away the lane waits: there is nothing else it could do."""
        while True:
            try:
                page = await self._log.read(self._partition_id, offset)
            except Unavailable as problem:
                await self._pause(problem.detail)
            else:
                if self._sieve is not None:
                    await self._sieve.judge(page.records)
                return page

    async def read_again(self, offset: int) -> Page:
        """The page at an offset that was read before, by this process or another.

        A head that is not past `offset` is not the head: the log has yet to see what another process appended.
        """
        while True:
            page = await self.read(offset)
            if page.records or page.next_offset > offset:
                return page
            await self._pause("what was read before is not there yet")

    async def record(self, offset: int) -> LogRecord | None:
        """The record at an offset that was read before; None when retention took it."""
        page = await self.read_again(offset)
        return page.records[0] if page.records and page.records[0].offset == offset else None

    async def settled_with_key(
        self, key: str, offset: int, cursor: Cursor, is_wanted: Callable[[LogRecord], bool], count_max: int = 1
    ) -> list[LogRecord]:
        """The first wanted records of a key, from `offset` on, that the cursor has settled.

        The cursor knows them, also those that this process has not yet read since it opened the lane.
        """
        found: list[LogRecord] = []
        while offset < cursor.end:
            page = await self.read_again(offset)
            for record in page.records:
                if record.event.partitionkey == key and cursor.is_settled(record.offset) and is_wanted(record):
                    found.append(record)
                    if len(found) == count_max:
                        return found
            offset = page.next_offset
        return found

    async def is_overtaken(self, page: Page, offset: int, cursor: Cursor) -> bool:
        """Whether `page`, which was read at `offset`, begins behind events that retention took and are not settled."""
        if (page.records[0].offset if page.records else page.next_offset) <= offset:
            return False
        while True:
            try:
                bounds = await self._log.bounds([self._partition_id])
                return cursor.unsettled(offset, bounds[self._partition_id].start) > 0
            except Unavailable as problem:
                await self._pause(problem.detail)

    async def _pause(self, problem: str) -> None:
        logger.warning("log unavailable", partition=self._partition_id, problem=problem)
        await asyncio.sleep(self._pause_s)
