"""Brings a database to the tables that this program knows.

All missing migrations are applied in one transaction, so that there is no half-way state; other processes
wait for it and then find nothing to do. This module knows no table but its own.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Protocol, cast

from event_issuer.db import migrations
from event_issuer.db.database import Database
from event_issuer.db.work import Dialect, Statement, Work
from event_issuer.domain.errors import SettingsInvalid

ADVISORY_LOCK = 0x6576_656E_7473  # any number that no other program takes in the same database: "events"

_CREATE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at_us BIGINT NOT NULL
)"""
_EXISTS = {
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'",
    "postgresql": "SELECT to_regclass('schema_migrations') IS NOT NULL",
}
_VERSION = Statement("SELECT coalesce(max(version), 0) FROM schema_migrations")


class Migration(Protocol):
    """A module of `event_issuer/db/migrations/`."""

    VERSION: int
    NAME: str

    def statements(self, dialect: Dialect) -> Sequence[str]: ...


def _discover() -> list[Migration]:
    """The modules `m0001_…`, `m0002_…` in order; they count from 1 without a gap."""
    names = sorted(module.name for module in pkgutil.iter_modules(migrations.__path__))
    found = [cast(Migration, importlib.import_module(f"{migrations.__name__}.{name}")) for name in names]
    for number, migration in enumerate(found, 1):
        version = migration.VERSION
        if version != number:
            raise ImportError(f"migration {migration.NAME} has version {version} instead of {number}")
    return found


MIGRATIONS = _discover()


async def migrate(database: Database, now_us: int, known: Sequence[Migration] = MIGRATIONS) -> list[str]:
    """Applies what is missing and returns the names of what it applied.

    `SettingsInvalid` when the database is newer than `known`.
    """
    return await database.run(_migrate(database.dialect, now_us, known))


async def pending(database: Database, known: Sequence[Migration] = MIGRATIONS) -> list[str]:
    """The names of the migrations that are still to be applied; refuses like `migrate`."""
    exists = await database.read(Statement(_EXISTS[database.dialect]))
    if not exists[0][0]:
        return [migration.NAME for migration in known]
    version = await database.read(_VERSION)
    return [migration.NAME for migration in _missing(version[0][0], known)]


def _migrate(dialect: Dialect, now_us: int, known: Sequence[Migration]) -> Work[list[str]]:
    if dialect == "postgresql":  # SQLite's writer is alone already
        yield Statement("SET LOCAL statement_timeout = 0")  # a large table may take its time,
        yield Statement("SET LOCAL lock_timeout = 0")  # and the next process waits for it
        yield Statement("SELECT pg_advisory_xact_lock($1)", (ADVISORY_LOCK,))
    yield Statement(_CREATE)
    missing = _missing((yield _VERSION)[0][0], known)
    for migration in missing:
        for sql in migration.statements(dialect):
            yield Statement(sql)
        yield Statement(
            "INSERT INTO schema_migrations (version, name, applied_at_us) VALUES ($1, $2, $3)",
            (migration.VERSION, migration.NAME, now_us),
        )
    return [migration.NAME for migration in missing]


def _missing(version: int, known: Sequence[Migration]) -> Sequence[Migration]:
    if version > len(known):
        raise SettingsInvalid(
            f"the database is of version {version}, this program knows {len(known)}: run a newer program"
        )
    return known[version:]
