"""Migrations: whole or not at all, once, whoever else migrates at the same time."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from event_issuer.db import dedupe
from event_issuer.db.database import Database, open_database
from event_issuer.db.identity_index import IdentityIndex
from event_issuer.db.migrate import MIGRATIONS, migrate, pending
from event_issuer.db.work import Dialect
from event_issuer.domain.errors import SettingsInvalid
from tests.db.rows import NOW, execute, select

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, sys
from event_issuer.db.database import open_database
from event_issuer.db.migrate import migrate

async def main():
    database = await open_database(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    print(*await migrate(database, 1))
    await database.close()

asyncio.run(main())
"""


class Notes:
    VERSION = 1
    NAME = "notes"

    def statements(self, dialect: Dialect) -> Sequence[str]:
        return ["CREATE TABLE notes (id BIGINT PRIMARY KEY)", "INSERT INTO notes VALUES (1)"]


class Bodies:
    VERSION = 2
    NAME = "bodies"

    def statements(self, dialect: Dialect) -> Sequence[str]:
        return ["ALTER TABLE notes ADD COLUMN body TEXT"]


class Broken:
    VERSION = 2
    NAME = "broken"

    def statements(self, dialect: Dialect) -> Sequence[str]:
        return ["INSERT INTO notes VALUES (2)", "INSERT INTO notes VALUES (1)"]


@pytest.fixture
async def empty(empty_database_url: str) -> AsyncIterator[Database]:
    database = await open_database(empty_database_url)
    yield database
    await database.close()


async def test_an_empty_database_gets_all_tables_once(empty: Database) -> None:
    names = [migration.NAME for migration in MIGRATIONS]
    assert await pending(empty) == names
    assert await migrate(empty, NOW) == names
    assert await pending(empty) == []
    assert await migrate(empty, NOW + 1) == []
    applied = await select(empty, "SELECT version, name, applied_at_us FROM schema_migrations ORDER BY version")
    assert applied == [(number, name, NOW) for number, name in enumerate(names, 1)]


async def test_only_what_is_missing_is_applied(empty: Database) -> None:
    assert await migrate(empty, NOW, [Notes()]) == ["notes"]
    assert await pending(empty, [Notes(), Bodies()]) == ["bodies"]
    assert await migrate(empty, NOW + 1, [Notes(), Bodies()]) == ["bodies"]
    assert await select(empty, "SELECT id, body FROM notes") == [(1, None)]


async def test_what_is_remembered_stays_so(empty: Database) -> None:
    await migrate(empty, NOW, MIGRATIONS[:9])
    columns = "identity_digest, content_digest, partition_id, log_offset, recorded_at_us"
    rows = [(bytes([n]) * 16, bytes([n, 1]), n, 10 * n, NOW - n) for n in (1, 2, 3)]
    for row in rows:
        await execute(empty, f"INSERT INTO dedupe_entries ({columns}) VALUES ($1, $2, $3, $4, $5)", row)
    assert await migrate(empty, NOW, MIGRATIONS[:10]) == ["dedupe_sequence"]
    assert await select(empty, f"SELECT {columns} FROM dedupe_entries ORDER BY recorded_at_us") == rows[::-1]
    known = dedupe.known_among(empty.dialect, IdentityIndex(), [rows[1][0], b"unknown" * 2])
    assert await empty.run(known) == {rows[1][0]: rows[1][1:]}


async def test_a_migration_that_fails_leaves_nothing_behind(empty: Database) -> None:
    with pytest.raises(Exception, match=r"(?i)unique"):
        await migrate(empty, NOW, [Notes(), Broken()])
    assert await pending(empty, [Notes()]) == ["notes"]
    await migrate(empty, NOW, [Notes()])
    with pytest.raises(Exception, match=r"(?i)unique"):
        await migrate(empty, NOW, [Notes(), Broken()])
    assert await select(empty, "SELECT id FROM notes") == [(1,)]
    assert await pending(empty, [Notes(), Broken()]) == ["broken"]


async def test_a_database_of_a_newer_program_is_refused(empty: Database) -> None:
    await migrate(empty, NOW, [Notes(), Bodies()])
    for attempt in (migrate(empty, NOW, [Notes()]), pending(empty, [Notes()])):
        with pytest.raises(SettingsInvalid, match="the database is of version 2, this program knows 1: run a newer"):
            await attempt
    assert await select(empty, "SELECT COUNT(*) FROM schema_migrations") == [(2,)]


def test_two_processes_that_migrate_at_once_do_it_once(empty_database_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, empty_database_url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    applied = " ".join(migration.NAME for migration in MIGRATIONS)
    assert sorted(output for output, _ in outputs) == ["\n", f"{applied}\n"]


async def test_many_connections_that_migrate_at_once_do_it_once(empty_database_url: str) -> None:
    databases = [await open_database(empty_database_url) for _ in range(4)]
    answers = await asyncio.gather(*(migrate(database, NOW) for database in databases))
    assert sorted(map(len, answers)) == [0, 0, 0, len(MIGRATIONS)]
    await execute(databases[0], "INSERT INTO tenants (name, status, created_at_us) VALUES ('a', 'ACTIVE', 1)")
    for database in databases:
        await database.close()
