"""A database that fails when told, around a real one."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NoReturn, TypeVar

from piccolo.engine.base import Engine

from event_issuer.db.database import Database
from event_issuer.db.work import Row, Statement, Work
from event_issuer.domain.errors import OutcomeUnknown, Unavailable

Result = TypeVar("Result")


class FailingDatabase:
    """Of the next writes `refuse` fail without effect, then `silence` after it. While `gate` is cleared all wait.

    Of the next reads `refuse_reads` fail.
    """

    def __init__(self, inner: Database) -> None:
        self.dialect = inner.dialect
        self.refuse = 0
        self.silence = 0
        self.refuse_reads = 0
        self.writes = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()
        self._inner = inner

    @property
    def engine(self) -> Engine[Any]:
        return self._inner.engine

    async def run(self, work: Work[Result]) -> Result:
        self.arrived.set()
        await self.gate.wait()
        if self.refuse:
            self.refuse -= 1
            work.close()
            raise Unavailable("the test refuses this write")
        result = await self._inner.run(work)
        self.writes += 1
        if self.silence:
            self.silence -= 1
            raise OutcomeUnknown("the test loses the answer to this write")
        return result

    async def read(self, statement: Statement) -> list[Row]:
        if self.refuse_reads:
            self.refuse_reads -= 1
            raise Unavailable("the test refuses this read")
        return await self._inner.read(statement)

    def transaction(self) -> AbstractAsyncContextManager[object]:
        return self._inner.transaction()

    async def listen(self, channel: str, on_message: Callable[[str], None]) -> NoReturn:
        await self._inner.listen(channel, on_message)

    async def close(self) -> None:
        await self._inner.close()
