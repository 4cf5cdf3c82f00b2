"""The world of delivery's tests, on both stores."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from event_issuer.db.database import Database, open_database
from event_issuer.db.tables import TABLES
from event_issuer.db.work import Statement, Work
from tests.delivery.processes import Process
from tests.delivery.rig import Rig
from tests.delivery.senders import ScriptedSender
from tests.delivery.world import World, open_world
from tests.egress.receiver import Receivers
from tests.stores import PostgresServer

KEPT_TABLE = "schema_migrations"


@pytest.fixture(scope="session")
def shared_postgresql_url(postgresql_server: PostgresServer, postgresql_template: str) -> Iterator[str]:
    """One database for the whole room, emptied before each test: that is faster than a new one for each."""
    name = postgresql_server.create(template=postgresql_template)
    yield postgresql_server.url(name)
    postgresql_server.drop(name)


@pytest.fixture
def world_url(store: str, request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("database_url" if store == "sqlite" else "shared_postgresql_url"))


@pytest.fixture
async def world(world_url: str) -> AsyncIterator[World]:
    database = await open_database(world_url, tables=TABLES)
    await emptied(database)
    yield await open_world(database)
    await database.close()


@pytest.fixture
def fresh_url(store: str, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Each call gives the URL of a database to be `emptied`."""
    if store == "postgresql":
        return lambda: str(request.getfixturevalue("shared_postgresql_url"))
    template, numbers = request.getfixturevalue("sqlite_template"), count()

    def copied() -> str:
        path = tmp_path / f"fresh-{next(numbers)}.db"
        shutil.copyfile(template, path)
        return f"sqlite:///{path}"

    return copied


async def emptied(database: Database) -> None:
    """One of SQLite is a copy of an empty one."""
    if database.dialect == "postgresql":
        await database.run(_empty())


def _empty() -> Work[None]:
    rows = yield Statement("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    names = ", ".join(row[0] for row in rows if row[0] != KEPT_TABLE)
    yield Statement(f"TRUNCATE {names} RESTART IDENTITY")


@pytest.fixture
def sender(world: World) -> ScriptedSender:
    """Answers 200 until the test says otherwise."""
    return ScriptedSender(world.clock)


@pytest.fixture
def rig(world: World, sender: ScriptedSender) -> Rig:
    return Rig(world, sender)


@pytest.fixture
async def receivers() -> AsyncIterator[Receivers]:
    async with Receivers() as receivers:
        yield receivers


@pytest.fixture
async def process(world: World, sender: ScriptedSender) -> AsyncIterator[Process]:
    process = Process(world, sender)
    yield process
    sender.release()
    await process.engine.stop(1.0)
