"""PostgreSQL behind a pool of asyncpg connections, for works, for Piccolo's queries and for notifications.

A lost connection, a full server, a deadlock or a timeout becomes `Unavailable`, and the next query has
another connection. This module knows nothing of tables.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, Literal, NoReturn, TypeVar

import asyncpg
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction
from piccolo.querystring import QueryString

from event_issuer.db.work import Dialect, Row, Statement, Work
from event_issuer.domain.errors import OutcomeUnknown, SettingsInvalid, Unavailable

Result = TypeVar("Result")

POOL_SIZE = 10  # more than the cores of one process keep busy; PostgreSQL's 100 connections serve nine processes
CONNECTION_WAIT_S = 10.0  # for a free connection of the pool, and for the server to accept a new one
ANSWER_WAIT_S = 40.0  # longer than the server's own statement_timeout: only a dead network needs it
LISTEN_PROBE_S = 30.0  # an idle connection is asked so often whether it still lives
LISTEN_BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0)  # before each attempt to connect again; the last one is repeated

SERVER_SETTINGS: Final = {
    "application_name": "event-issuer",
    "default_transaction_isolation": "read committed",  # rows are locked explicitly where order matters
    "idle_in_transaction_session_timeout": "30s",  # a process that hangs must not hold its row locks
    "jit": "off",  # our statements are short; compiling them takes longer than running them
    "lock_timeout": "10s",
    "statement_timeout": "30s",
    "timezone": "UTC",
}

# Nothing was changed (but for _UNANSWERED at a COMMIT), and the same work may succeed later.
_UNAVAILABLE = (
    OSError,  # TimeoutError among them
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutdown, statement_timeout
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.TransactionRollbackError,  # deadlock
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # the server became a replica
    asyncpg.InvalidCachedStatementError,  # another process has migrated; the statement is prepared anew
    asyncpg.OutdatedSchemaCacheError,
)

# The server has not said what became of the statement, or was shut down at it.
_UNANSWERED = (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)


class PostgresDatabase(PostgresEngine):
    """The `Database` of one PostgreSQL database, and the Piccolo engine of its tables.

    It belongs to the event loop that opened it. A deadlock is `Unavailable` and not tried again here, for a
    work is a generator and cannot be rewound: who made the work makes a new one.
    """

    dialect: Dialect = "postgresql"

    def __init__(self, url: str, *, pool_size: int = POOL_SIZE) -> None:
        super().__init__(
            config={
                "dsn": url,
                "timeout": CONNECTION_WAIT_S,
                "command_timeout": ANSWER_WAIT_S,
                "server_settings": dict(SERVER_SETTINGS),
            }
        )
        self._pool_size = pool_size
        self._pool: Any = None

    async def check_version(self) -> None:
        """Piccolo's check would connect from a thread of its own before the pool exists."""

    @property
    def engine(self) -> "PostgresDatabase":
        return self

    async def open(self) -> None:
        """`SettingsInvalid` when the server refuses us, `Unavailable` when it cannot be reached."""
        try:
            self.pool = self._pool = await asyncpg.create_pool(
                **self.config, min_size=1, max_size=self._pool_size, reset=_keep_session
            )
            durability = await self.read(Statement("SHOW synchronous_commit"))
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
            raise SettingsInvalid(f"PostgreSQL refuses the connection: {_reason(error)}") from None
        except _UNAVAILABLE as error:
            raise Unavailable(f"PostgreSQL cannot be reached: {_reason(error)}") from None
        except (asyncpg.InterfaceError, ValueError):  # their messages may quote the password
            raise SettingsInvalid(
                "the PostgreSQL URL cannot be used; right is postgresql://user:password@host:port/database, "
                "with the special characters of the password percent-encoded"
            ) from None
        if durability[0][0] == "off":
            raise SettingsInvalid("PostgreSQL has synchronous_commit = off and may lose what it commits: set it on")

    async def close(self) -> None:
        """Waits for the transactions that run, but not longer than an answer may take."""
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(ANSWER_WAIT_S):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def run(self, work: Work[Result]) -> Result:
        outer = self._joined()
        if outer is not None:
            return await _drive_within(outer.connection, work)
        async with self.transaction() as transaction:
            return await _drive(transaction.connection, work)

    async def read(self, statement: Statement) -> list[Row]:
        return await self._fetch(statement.sql, statement.args)

    def transaction(self, allow_nested: bool = True) -> "PooledTransaction":
        return PooledTransaction(self, allow_nested)

    async def run_querystring(self, querystring: QueryString, in_pool: bool = True) -> list[Row]:
        sql, args = querystring.compile_string(engine_type=self.engine_type)
        return await self._fetch(sql, args)

    async def run_ddl(self, ddl: str, in_pool: bool = True) -> list[Row]:
        return await self._fetch(ddl, ())

    async def listen(self, channel: str, on_message: Callable[[str], None]) -> NoReturn:
        """Calls `on_message` with the payload of each notification, until cancelled.

        `on_message("")` says that listening begins, at first and after each lost connection: anything may
        have happened before.
        """
        failures = 0

        def heard(payload: str) -> None:
            nonlocal failures
            failures = 0
            on_message(payload)

        while True:
            with suppress(asyncpg.InterfaceError, *_UNAVAILABLE):
                await self._listen_until_lost(channel, heard)
            await asyncio.sleep(LISTEN_BACKOFF_S[min(failures, len(LISTEN_BACKOFF_S) - 1)])
            failures += 1

    async def _listen_until_lost(self, channel: str, heard: Callable[[str], None]) -> None:
        connection = await asyncpg.connect(**self.config)
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _connection: lost.set())
            await connection.add_listener(channel, lambda *notification: heard(notification[-1]))
            heard("")
            while not lost.is_set():
                try:
                    async with asyncio.timeout(LISTEN_PROBE_S):
                        await lost.wait()
                except TimeoutError:
                    await connection.execute("SELECT 1")
        finally:
            connection.terminate()

    async def acquire(self) -> Any:
        """A connection of the pool; `Unavailable` when none gets free in `CONNECTION_WAIT_S`."""
        if self._pool.is_closing():
            raise Unavailable("the PostgreSQL database is closed")
        with _refusals(self._pool.is_closing):
            async with asyncio.timeout(CONNECTION_WAIT_S):
                return await self._pool.acquire()

    async def release(self, connection: Any) -> None:
        await self._pool.release(connection)

    async def _fetch(self, sql: str, args: Sequence[object]) -> list[Row]:
        transaction = self._joined()
        if transaction is not None:
            return await _fetch(transaction.connection, sql, args)
        connection = await self.acquire()
        try:
            return await _fetch(connection, sql, args)
        finally:
            await self.release(connection)

    def _joined(self) -> "PooledTransaction | None":
        transaction = self.current_transaction.get()
        if not isinstance(transaction, PooledTransaction):
            return None
        if transaction.task is not asyncio.current_task():
            raise RuntimeError("a task that was started inside a transaction must not use the database")
        return transaction


class PooledTransaction(PostgresTransaction):
    """A connection of the pool, for several queries of one task; an inner transaction is part of the outer.

    However it ends, the connection goes back to the pool and the task is out of the transaction.
    """

    engine: PostgresDatabase

    async def __aenter__(self) -> PostgresTransaction:
        if self._parent is not None:
            return self._parent
        self.task = asyncio.current_task()
        self.connection = await self.engine.acquire()
        try:
            await self.begin()
        except BaseException:
            await self.engine.release(self.connection)
            raise
        self.context = self.engine.current_transaction.set(self)
        return self

    async def __aexit__(self, exception_type: object, exception: object, traceback: object) -> Literal[False]:
        if self._parent is not None:
            return False
        self.engine.current_transaction.reset(self.context)
        try:
            if not (self._committed or self._rolled_back):
                await (self.rollback() if exception is not None else self.commit())
        finally:
            await self.engine.release(self.connection)
        return False

    async def begin(self) -> None:
        with _refusals(partial(_is_lost, self.connection)):
            await self.connection.execute("BEGIN")

    async def commit(self) -> None:
        with _refusals(partial(_is_lost, self.connection), at_commit=True):
            answer = await self.connection.execute("COMMIT")
        self._committed = True
        if answer != "COMMIT":
            raise RuntimeError("a statement of this transaction failed before, so nothing was committed")

    async def rollback(self) -> None:
        self._rolled_back = True
        # With a lost connection it is the server that rolls back.
        with suppress(asyncpg.InterfaceError, *_UNAVAILABLE):
            await self.connection.execute("ROLLBACK")


async def _drive(connection: Any, work: Work[Result]) -> Result:
    """Sends each statement's rows to the work until it returns."""
    try:
        statement = next(work)
        while True:
            statement = work.send(await _fetch(connection, statement.sql, statement.args))
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        work.close()


async def _drive_within(connection: Any, work: Work[Result]) -> Result:
    """The work as a part of the open transaction, of which only this part is undone when the work fails."""
    await _fetch(connection, "SAVEPOINT work", ())
    try:
        result = await _drive(connection, work)
    except BaseException:
        with suppress(Unavailable):
            await _fetch(connection, "ROLLBACK TO work", ())
        raise
    await _fetch(connection, "RELEASE work", ())
    return result


async def _fetch(connection: Any, sql: str, args: Sequence[object]) -> list[Row]:
    with _refusals(partial(_is_lost, connection)):
        rows: list[Row] = await connection.fetch(sql, *args)
        return rows


@contextmanager
def _refusals(is_lost: Callable[[], bool], *, at_commit: bool = False) -> Iterator[None]:
    try:
        yield
    except _UNAVAILABLE as error:
        unanswered = at_commit and isinstance(error, _UNANSWERED)
        raise _refusal(f"PostgreSQL cannot do this now: {_reason(error)}", unanswered) from error
    except asyncpg.InterfaceError as error:  # a mistake of ours, unless the connection has gone
        if is_lost():
            raise _refusal("PostgreSQL's connection is lost", at_commit) from error
        raise


def _refusal(problem: str, unanswered: bool) -> Unavailable:
    if unanswered:
        return OutcomeUnknown(f"{problem}; whether this was committed is not known")
    return Unavailable(f"{problem}; nothing was changed")


def _is_lost(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool has taken it back because it died
        return True


def _reason(error: BaseException) -> str:
    """The message alone: PostgreSQL's details and hints may quote stored values."""
    return str(getattr(error, "message", None) or error) or type(error).__name__


async def _keep_session(connection: Any) -> None:
    """Instead of asyncpg's reset, a round trip per transaction: we keep nothing in a session."""
