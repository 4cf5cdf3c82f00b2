"""The fixtures of the conformance suite: a log per engine.

`store` is where the database is. Where it is `kafka`, the log is on Kafka and its database in SQLite.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from event_issuer.db.database import Database, open_database
from event_issuer.db.migrate import migrate
from tests.db.rows import execute
from tests.eventlog.kafka_logs import KafkaLogs
from tests.eventlog.logs import Logs
from tests.eventlog.records import START
from tests.stores import PostgresServer


@pytest.fixture(scope="session")
def shared_postgresql_url(postgresql_server: PostgresServer, postgresql_template: str) -> str:
    """One database for all of these tests: each has partitions of its own, and a new database takes a second."""
    return postgresql_server.url(postgresql_server.create(template=postgresql_template))


@pytest.fixture
def database_url(store: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if store == "postgresql":
        return str(request.getfixturevalue("shared_postgresql_url"))
    url = f"sqlite:///{tmp_path}/issuer.db"
    asyncio.run(migrated(url))
    return url


async def migrated(url: str) -> None:
    database = await open_database(url)
    await migrate(database, START)
    await database.close()


@pytest.fixture
async def logs(
    store: str, request: pytest.FixtureRequest, database: Database, database_url: str
) -> AsyncIterator[Logs]:
    await execute(database, "DELETE FROM dedupe_entries")  # of an earlier test
    async with AsyncExitStack() as stack:
        logs = Logs(database, database_url, stack)
        if store == "kafka":
            logs = KafkaLogs(database, database_url, stack, request.getfixturevalue("kafka_address"))
        logs.log = await logs.open(database)
        yield logs
