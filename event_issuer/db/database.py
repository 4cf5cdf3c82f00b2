"""The database as the rest of the house sees it: one URL, two stores, the same verbs.

This module knows which class serves which URL, and nothing of SQL.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

from piccolo.engine.base import Engine
from piccolo.table import Table

from event_issuer.db.postgresql import POOL_SIZE, PostgresDatabase
from event_issuer.db.sqlite import SQLiteDatabase
from event_issuer.db.work import Dialect, Row, Statement, Work
from event_issuer.domain.errors import SettingsInvalid

Result = TypeVar("Result")

PING = Statement("SELECT 1")  # whether the store answers

URLS = "sqlite:///relative.db, sqlite:////absolute/path.db or postgresql://user:password@host:port/database"


class Database(Protocol):
    """Refuses with `Unavailable` when the store cannot answer; faults in SQL are the driver's errors."""

    dialect: Dialect

    @property
    def engine(self) -> Engine[Any]:
        """For Piccolo's tables, whose queries join a `transaction()` of the same task."""

    async def run(self, work: Work[Result]) -> Result:
        """The whole work in one write transaction; an exception in it undoes the work and goes on.

        Within `transaction()` the work is a part of it, and only the work is undone. The work may run in
        another thread: it computes, and touches nothing that others change meanwhile.
        """

    async def read(self, statement: Statement) -> list[Row]:
        """One statement that changes nothing; within `transaction()` it sees what that has written."""

    def transaction(self) -> AbstractAsyncContextManager[object]:
        """One write transaction for all queries of this task; an exception rolls back and goes on.

        Other writers wait meanwhile (SQLite: all of them), so nothing else is awaited within. A task that is
        started within may not use the database.
        """

    async def listen(self, channel: str, on_message: Callable[[str], None]) -> NoReturn:
        """Until cancelled, calls `on_message` with the payload of what other processes notify on `channel`.

        `on_message("")`: anything may have happened before. SQLite never calls: there one has to look.
        """

    async def close(self) -> None: ...


async def open_database(url: str, *, tables: Sequence[type[Table]] = (), pool_size: int = POOL_SIZE) -> Database:
    """Opens the store and binds the Piccolo tables to it; `pool_size` bounds PostgreSQL's connections.

    `SettingsInvalid` when the URL or the store will not do, `Unavailable` when the server cannot be reached.
    """
    database = _unopened(url, pool_size)
    try:
        await database.open()
    except BaseException:
        await database.close()
        raise
    for table in tables:
        table._meta.db = database.engine
    return database


def _unopened(url: str, pool_size: int) -> SQLiteDatabase | PostgresDatabase:
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgresql", "postgres"):
        return PostgresDatabase(url, pool_size=pool_size)
    if scheme != "sqlite" or not separator:  # it is not repeated, for it may hold a password
        raise SettingsInvalid(f"the database URL is of no known kind; right are {URLS}")
    path = Path(rest.removeprefix("/"))
    if not rest.startswith("/") or path.name in ("", ":memory:"):
        raise SettingsInvalid(f"the database URL names no file: {url!r}; right are {URLS}")
    return SQLiteDatabase(path)
