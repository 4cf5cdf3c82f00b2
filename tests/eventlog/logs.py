"""Logs as tests open them: the one of this process, and those of other processes over the same partitions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from event_issuer.db.database import Database, open_database
from event_issuer.eventlog.embedded import EmbeddedLog, open_embedded_log
from tests.db.rows import add_partitions
from tests.eventlog.records import Clock

CACHE_BYTES = 1024 * 1024


@asynccontextmanager
async def running(log: EmbeddedLog) -> AsyncIterator[EmbeddedLog]:
    task = asyncio.create_task(log.run())
    try:
        yield log
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Logs:
    """A log that runs, the partitions it has, and other processes' logs over the same partitions."""

    def __init__(self, database: Database, url: str, stack: AsyncExitStack) -> None:
        self._database, self._url, self._stack = database, url, stack
        self.clock = Clock()
        self.log: EmbeddedLog

    async def partitions(self, number: int) -> list[int]:
        return await add_partitions(self._database, number)

    async def partition(self) -> int:
        (partition_id,) = await self.partitions(1)
        return partition_id

    async def another(self) -> EmbeddedLog:
        """As another process sees it: it shares nothing with `log` but the database."""
        database = await open_database(self._url)
        self._stack.push_async_callback(database.close)
        return await self.open(database)

    async def open(self, database: Database) -> EmbeddedLog:
        log = await open_embedded_log(database, self.clock, "fresh", cache_bytes_max=CACHE_BYTES)
        return await self._stack.enter_async_context(running(log))
