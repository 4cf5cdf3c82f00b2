"""One SQLite connection and its thread: how it is opened, and the jobs that run on it.

Every job runs to its end, also when the task that waits for it is cancelled, and leaves no transaction behind
that it began. This module knows nothing of Piccolo, of turns and of other connections.
"""

import asyncio
import re
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import TypeVar

from event_issuer.db.work import Row, Statement, Work
from event_issuer.domain.errors import SettingsInvalid, Unavailable

Result = TypeVar("Result")

STATEMENTS_CACHED = 256  # per connection; a 512-row statement takes 0.2 MB, a short one some KB
REWRITES_CACHED = 256  # SQL texts with their parameters rewritten; a batch has one text per number of rows
PAGE_CACHE_KIB = 32 * 1024  # per connection: the head of the log and the indexes stay in memory
CHECKPOINT_PAGES = 16_000  # 64 MiB of WAL: then a commit has to do what checkpoints beside it could not finish
WAL_KEPT_BYTES = 64 * 1024 * 1024  # a WAL that a burst made longer is cut back after its checkpoint
OPEN_ATTEMPTS = 10  # two processes that create a file at once: see _switch_to_wal
INTERRUPT_AGAIN_S = 0.01
TURN_LOOK_MS = 1  # while another process writes: a commit takes some milliseconds, SQLite's own looks are 100 apart
SYNCHRONOUS_FULL = 2  # what PRAGMA synchronous answers

# Nothing was changed, and the same work may succeed later.
_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
}
_PRIMARY_CODE = 0xFF  # the low byte of an extended result code


class SQLiteConnection:
    """A connection that is used by one job at a time, in its own thread."""

    def __init__(self, open_: Callable[[], sqlite3.Connection]) -> None:
        self._open = open_
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")

    async def open(self) -> None:
        self._connection = await asyncio.get_running_loop().run_in_executor(self._thread, self._open)

    async def do(self, job: Callable[[sqlite3.Connection], Result], *, interruptible: bool = False) -> Result:
        """Runs the job in the thread.

        A cancelled caller waits for the job's end, so that the connection is free when it goes on; an
        `interruptible` job (one that changes nothing) is broken off.
        """
        connection = self._connection
        if connection is None:
            raise Unavailable("the SQLite database is closed")
        future = asyncio.get_running_loop().run_in_executor(self._thread, job, connection)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await _ended(future, connection.interrupt if interruptible else None)
            raise
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY_CODE in _UNAVAILABLE:
                raise Unavailable(f"SQLite cannot do this now: {error}; try again") from error
            raise

    async def execute(self, sql: str) -> None:
        """What Piccolo's savepoints and its manual commit and rollback need of a connection."""
        await self.do(lambda connection: connection.execute(sql).close())

    async def close(self) -> None:
        """Waits for the job that runs; later ones are refused."""
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                await asyncio.get_running_loop().run_in_executor(self._thread, connection.close)
        finally:
            self._thread.shutdown(wait=False)


async def _ended(future: "asyncio.Future[Result]", interrupt: Callable[[], None] | None) -> None:
    """Waits for the job. An interrupt is lost on a statement that has yet to start, so it is repeated."""
    while not future.done():
        if interrupt is not None:
            interrupt()
        with suppress(asyncio.CancelledError):
            await asyncio.wait([future], timeout=None if interrupt is None else INTERRUPT_AGAIN_S)
    future.exception()  # looked at: the caller is told of its cancellation instead


def open_writer(path: Path, wait_s: float) -> sqlite3.Connection:
    """Creates the file when there is none, for the owner's eyes only: it holds what partners send."""
    try:
        path.touch(mode=0o600)
        connection = _connect(path, wait_s)
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    except (OSError, sqlite3.DatabaseError) as error:
        raise SettingsInvalid(f"{path} cannot be used as an SQLite database: {error}") from error
    if synchronous != SYNCHRONOUS_FULL:
        raise SettingsInvalid(f"SQLite answers synchronous = {synchronous} for {path}; 2 (FULL) is needed")
    return connection


def open_reader(path: Path, wait_s: float) -> sqlite3.Connection:
    connection = _connect(path, wait_s)
    connection.execute("PRAGMA query_only = ON")
    return connection


def open_checkpointer(path: Path, wait_s: float) -> sqlite3.Connection:
    return _connect(path, wait_s)


def _connect(path: Path, wait_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=wait_s,
        isolation_level=None,  # transactions are begun by us, not guessed
        check_same_thread=False,  # interrupt() comes from the event loop's thread
        cached_statements=STATEMENTS_CACHED,
        detect_types=sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES,  # Piccolo's types, as with PostgreSQL
    )
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA cache_size = -{PAGE_CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait for another process that switches the same new file, so we ask again."""
    for attempts_left in reversed(range(OPEN_ATTEMPTS)):
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY or not attempts_left:
                raise
            continue
        if mode != "wal":
            raise sqlite3.OperationalError(f"its file system allows journal_mode = {mode}, WAL is needed")
        return


def transact(work: Work[Result], wait_s: float, connection: sqlite3.Connection) -> Result:
    """The whole work in a transaction of its own, which is rolled back when the work or the COMMIT fails."""
    try:
        begin(wait_s, connection)
        result = _drive(work, connection)
        connection.execute("COMMIT")
        return result
    except BaseException:
        roll_back(connection)
        raise


def transact_within(work: Work[Result], connection: sqlite3.Connection) -> Result:
    """The work as a part of the open transaction, of which only this part is undone when the work fails."""
    connection.execute("SAVEPOINT work")
    try:
        result = _drive(work, connection)
        connection.execute("RELEASE work")
        return result
    except BaseException:
        if connection.in_transaction:  # a full disk, for one, has ended it already
            connection.execute("ROLLBACK TO work")
        raise


def checkpoint(connection: sqlite3.Connection) -> None:
    """Copies into the file what is committed and read by nobody; the writer goes on meanwhile."""
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def begin(wait_s: float, connection: sqlite3.Connection) -> None:
    """Waits for another process that writes. It looks often: who has just committed soon begins anew."""
    deadline = monotonic() + wait_s
    connection.execute(f"PRAGMA busy_timeout = {TURN_LOOK_MS}")
    try:
        while not _has_begun(connection, deadline):
            pass
    finally:
        connection.execute(f"PRAGMA busy_timeout = {round(wait_s * 1000)}")  # for statements without a transaction


def _has_begun(connection: sqlite3.Connection, deadline: float) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY or monotonic() >= deadline:
            raise
        return False
    return True


def commit(connection: sqlite3.Connection) -> None:
    if not connection.in_transaction:  # SQLite ends a transaction itself when the disk is full or fails
        raise Unavailable("SQLite cannot commit: no transaction is active, a statement before has failed; try again")
    try:
        connection.execute("COMMIT")
    except sqlite3.Error:
        roll_back(connection)
        raise


def roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def fetch(statement: Statement, connection: sqlite3.Connection) -> list[Row]:
    return connection.execute(numbered(statement.sql), statement.args).fetchall()


def fetch_dicts(sql: str, args: Sequence[object], connection: sqlite3.Connection) -> list[dict[str, object]]:
    cursor = connection.execute(sql, args)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _drive(work: Work[Result], connection: sqlite3.Connection) -> Result:
    """Sends each statement's rows to the work until it returns."""
    try:
        statement = next(work)
        while True:
            statement = work.send(fetch(statement, connection))
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        work.close()


@lru_cache(maxsize=REWRITES_CACHED)
def numbered(sql: str) -> str:
    """PostgreSQL's `$1` as SQLite's `?1`. SQL is not parsed: no string literal may hold `$` and a digit."""
    return re.sub(r"\$(\d)", r"?\1", sql)
