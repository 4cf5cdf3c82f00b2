"""Logs as tests open them: the one of this process, and those of other processes over the same partitions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final, TypeVar

import pytest

from event_issuer.db.database import Database, open_database
from event_issuer.eventlog.embedded import open_embedded_log
from event_issuer.eventlog.protocol import EventLog
from tests.db.rows import add_partitions
from tests.eventlog.records import Clock

CACHE_BYTES = 1024 * 1024
# For tests of what every log promises; the others are of the embedded one, in both stores.
on_every_engine: Final = pytest.mark.parametrize("store", ["sqlite", "postgresql", "kafka"], indirect=True)

LogT = TypeVar("LogT", bound=EventLog)


@asynccontextmanager
async def running(log: LogT) -> AsyncIterator[LogT]:
    """With the loop that writes."""
    task = asyncio.ensure_future(dict(log.loops())["log"]())
    try:
        yield log
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Logs:
    """A log that runs, the partitions it has, and other processes' logs over the same partitions."""

    def __init__(self, database: Database, url: str, stack: AsyncExitStack) -> None:
        self.database, self._url, self._stack = database, url, stack
        self.clock = Clock()
        self.log: EventLog

    async def partitions(self, number: int) -> list[int]:
        return await add_partitions(self.database, number)

    async def partition(self) -> int:
        (partition_id,) = await self.partitions(1)
        return partition_id

    async def another(self) -> EventLog:
        """As another process sees it: it shares nothing with `log` but the database."""
        database = await open_database(self._url)
        self._stack.push_async_callback(database.close)
        return await self.open(database)

    async def open(self, database: Database) -> EventLog:
        log = await open_embedded_log(database, self.clock, "fresh", cache_bytes_max=CACHE_BYTES)
        return await self._stack.enter_async_context(running(log))
