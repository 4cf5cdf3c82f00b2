"""SQLite behind one writer and a few readers, each a connection in a thread of its own.

A work runs whole in the writer's thread: BEGIN IMMEDIATE, its statements, COMMIT, one thread hop. Piccolo's
queries go the same ways: a SELECT outside a transaction to a reader, everything else to the writer. Other
processes may write the same file. What is committed survives power loss: WAL with `synchronous=FULL`, checked
when the file is opened. This module knows nothing of tables.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from functools import partial
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

from piccolo.engine.sqlite import SQLiteEngine, SQLiteTransaction, TransactionType
from piccolo.querystring import QueryString

from event_issuer.db import sqlite_connection as on
from event_issuer.db.sqlite_connection import SQLiteConnection
from event_issuer.db.work import Dialect, Row, Statement, Work
from event_issuer.domain.errors import Unavailable

Result = TypeVar("Result")

READERS = 2  # a slow query does not hold up a short one; more threads would only wait for the interpreter
CHECKPOINT_PAUSE_S = 0.25  # after a write; under load so often a second
WAIT_S = 5.0  # a writer waits so long for its turn in this process, and again for another process


class SQLiteDatabase(SQLiteEngine):
    """The `Database` of one SQLite file, and the Piccolo engine of its tables.

    It belongs to the event loop that opened it. `Unavailable`: another writer holds the file for longer than
    `wait_s`, the disk is full or fails. A task that is cancelled during `run` waits for its end: the work is
    done whole or not at all.
    """

    dialect: Dialect = "sqlite"

    def __init__(
        self,
        path: Path,
        *,
        readers: int = READERS,
        wait_s: float = WAIT_S,
        checkpoint_pause_s: float = CHECKPOINT_PAUSE_S,
    ) -> None:
        super().__init__(path=str(path))
        self.writer = SQLiteConnection(partial(on.open_writer, path, wait_s))
        self._readers = [SQLiteConnection(partial(on.open_reader, path, wait_s)) for _ in range(readers)]
        self._idle_readers: asyncio.Queue[SQLiteConnection] = asyncio.Queue()
        self._checkpointer = SQLiteConnection(partial(on.open_checkpointer, path, wait_s))
        self._checkpoint: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self.wait_s, self._checkpoint_pause_s = wait_s, checkpoint_pause_s

    @property
    def engine(self) -> "SQLiteDatabase":
        return self

    async def open(self) -> None:
        """`SettingsInvalid` when the file cannot be used."""
        await self.writer.open()  # first: it creates the file
        await self._checkpointer.open()
        for reader in self._readers:
            await reader.open()
            self._idle_readers.put_nowait(reader)

    async def close(self) -> None:
        """Waits for what is running. The writer goes last: it moves the WAL into the file and removes it."""
        if self._checkpoint is not None:
            self._checkpoint.cancel()
            await asyncio.wait([self._checkpoint])
        for connection in (*self._readers, self._checkpointer, self.writer):
            await connection.close()

    async def run(self, work: Work[Result]) -> Result:
        if self._in_transaction():
            return await self.writer.do(partial(on.transact_within, work))
        return await self._write(partial(on.transact, work, self.wait_s))

    async def read(self, statement: Statement) -> list[Row]:
        job = partial(on.fetch, statement)
        return await (self.writer.do(job) if self._in_transaction() else self._read(job))

    def transaction(
        self, transaction_type: TransactionType = TransactionType.immediate, allow_nested: bool = True
    ) -> "ImmediateTransaction":
        return ImmediateTransaction(self, TransactionType.immediate, allow_nested)

    async def run_querystring(self, querystring: QueryString, in_pool: bool = False) -> list[dict[str, Any]]:
        sql, args = querystring.compile_string(engine_type=self.engine_type)
        job = partial(on.fetch_dicts, sql, args)
        if self._in_transaction():
            return await self.writer.do(job)
        return await (self._read(job) if sql.lstrip()[:6].upper() == "SELECT" else self._write(job))

    async def run_ddl(self, ddl: str, in_pool: bool = False) -> list[dict[str, Any]]:
        job = partial(on.fetch_dicts, ddl, ())
        return await (self.writer.do(job) if self._in_transaction() else self._write(job))

    async def listen(self, channel: str, on_message: Callable[[str], None]) -> NoReturn:
        """Never calls: SQLite tells nobody of a change."""
        while True:
            await asyncio.Event().wait()

    async def take_turn(self) -> None:
        try:
            async with asyncio.timeout(self.wait_s):
                await self._turn.acquire()
        except TimeoutError:
            raise Unavailable(f"SQLite's writer is not free within {self.wait_s} s; try again") from None

    def end_turn(self) -> None:
        self._turn.release()
        if self._checkpoint is None or self._checkpoint.done():
            self._checkpoint = asyncio.create_task(self._checkpoint_soon(), context=Context())

    async def _checkpoint_soon(self) -> None:
        """Beside the writer, which would have to wait for the disk in the middle of a commit. One that fails is made up
        for by the next, or by the writer."""
        await asyncio.sleep(self._checkpoint_pause_s)
        with suppress(Unavailable):
            await self._checkpointer.do(on.checkpoint)

    async def _write(self, job: Callable[[sqlite3.Connection], Result]) -> Result:
        await self.take_turn()
        try:
            return await self.writer.do(job)
        finally:
            self.end_turn()

    async def _read(self, job: Callable[[sqlite3.Connection], Result]) -> Result:
        reader = await self._idle_readers.get()
        try:
            return await reader.do(job, interruptible=True)
        finally:
            self._idle_readers.put_nowait(reader)

    def _in_transaction(self) -> bool:
        transaction = self.current_transaction.get()
        if not isinstance(transaction, ImmediateTransaction):
            return False
        if transaction.task is not asyncio.current_task():
            raise RuntimeError("a task that was started inside a transaction must not use the database")
        return True


class ImmediateTransaction(SQLiteTransaction):
    """The writer's turn, for several queries of one task; an inner transaction is a part of the outer one."""

    engine: SQLiteDatabase

    async def __aenter__(self) -> SQLiteTransaction:
        if self._parent is not None:
            return self._parent
        self.task = asyncio.current_task()
        self.connection = self.engine.writer
        await self.engine.take_turn()
        try:
            await self.connection.do(partial(on.begin, self.engine.wait_s))
        except BaseException:
            await self._finish(on.roll_back)
            raise
        self.context = self.engine.current_transaction.set(self)
        return self

    async def __aexit__(self, exception_type: object, exception: object, traceback: object) -> Literal[False]:
        if self._parent is None:
            self.engine.current_transaction.reset(self.context)
            ended = exception is not None or self._committed or self._rolled_back
            await self._finish(on.roll_back if ended else on.commit)
        return False

    async def _finish(self, job: Callable[[sqlite3.Connection], None]) -> None:
        try:
            await self.connection.do(job)
        finally:
            self.engine.end_turn()
