"""Event types: a type, its schema and its partitions are one work."""

from collections.abc import AsyncIterator, Mapping

import pytest

from event_issuer.db.database import Database, open_database
from event_issuer.db.event_types import (
    CurrentEventType,
    alter,
    by_id,
    by_name,
    insert,
    partitions_of,
)
from event_issuer.db.migrate import MIGRATIONS, migrate
from event_issuer.db.tables import TABLES
from tests.db.rows import NOW, add_tenant, execute, new_event_type, select

NAME = "acme.train.arrived.v1"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await open_database(database_url, tables=TABLES)
    yield database
    await database.close()


async def test_a_new_type_has_its_schema_and_its_empty_partitions(database: Database) -> None:
    tenant_id = await add_tenant(database)
    new = new_event_type(tenant_id, NAME, partitions=3, retention_s=3600, retention_bytes=1_000_000)
    event_type_id = await database.run(insert(new, NOW))
    assert event_type_id is not None
    row = await by_name(NAME)
    assert row is not None
    assert row.to_dict() == {
        "id": event_type_id,
        "name": NAME,
        "tenant_id": tenant_id,
        "description": "A train has arrived.",
        "audience": "OPEN",
        "compatibility": "BACKWARD",
        "validation": "ENFORCED",
        "status": "ACTIVE",
        "sunset_at_us": None,
        "partition_count": 3,
        "deduplicates": True,
        "retention_s": 3600,
        "retention_bytes": 1_000_000,
        "created_at_us": NOW,
        "compacts": False,
        "deprecated_at_us": None,
        "migration_url": None,
        "plain_json_source": None,
    }
    same = await by_id(event_type_id)
    assert same is not None
    assert same.name == NAME
    partitions = "SELECT id, number FROM partitions WHERE event_type_id = $1 ORDER BY id"
    partition_ids = [row[0] for row in await database.read(partitions_of(event_type_id))]
    assert await select(database, partitions, event_type_id) == [(id_, n) for n, id_ in enumerate(partition_ids)]
    heads = "SELECT partition_id, first_offset, next_offset, recorded_at_us, kept_bytes FROM log_heads ORDER BY 1"
    assert await select(database, heads) == [(id_, 0, 0, 0, 0) for id_ in partition_ids]
    assert len(partition_ids) == 3
    assert await select(database, "SELECT topic, object_id, at_us FROM changes") == [("event_type", event_type_id, NOW)]


async def test_a_name_that_is_taken_changes_nothing(database: Database) -> None:
    tenant_id = await add_tenant(database)
    assert await database.run(insert(new_event_type(tenant_id, NAME), NOW)) is not None
    other = new_event_type(await add_tenant(database, "umbrella"), NAME, partitions=5)
    assert await database.run(insert(other, NOW + 1)) is None
    assert await select(database, "SELECT tenant_id, created_at_us FROM event_types") == [(tenant_id, NOW)]
    for table in ("partitions", "log_heads", "schema_versions", "changes"):
        assert await select(database, f"SELECT COUNT(*) FROM {table}") == [(1,)]


async def test_what_is_not_there_is_none(database: Database) -> None:
    assert await by_name("acme.other.v1") is None
    assert await by_id(999) is None


async def test_an_altered_type_is_announced(database: Database) -> None:
    tenant_id = await add_tenant(database)
    event_type_id = await database.run(insert(new_event_type(tenant_id, NAME), NOW))
    assert event_type_id is not None
    seen: list[CurrentEventType] = []

    def decide(current: CurrentEventType) -> Mapping[str, object]:
        seen.append(current)
        return {"status": "DEPRECATED", "sunset_at_us": NOW + 9}

    changes = {"status": "DEPRECATED", "sunset_at_us": NOW + 9}
    assert await database.run(alter(database.dialect, tenant_id, NAME, decide, NOW + 1)) == (event_type_id, changes)
    assert seen == [
        CurrentEventType(
            id=event_type_id,
            description="A train has arrived.",
            audience="OPEN",
            compatibility="BACKWARD",
            validation="ENFORCED",
            status="ACTIVE",
            deprecated_at_us=None,
            sunset_at_us=None,
            migration_url=None,
            retention_s=None,
            retention_bytes=None,
            plain_json_source=None,
        )
    ]
    assert await select(database, "SELECT status, sunset_at_us FROM event_types") == [("DEPRECATED", NOW + 9)]
    assert await select(database, "SELECT object_id, at_us FROM changes ORDER BY id") == [
        (event_type_id, NOW),
        (event_type_id, NOW + 1),
    ]


async def test_a_change_of_nothing_is_not_announced(database: Database) -> None:
    tenant_id = await add_tenant(database)
    event_type_id = await database.run(insert(new_event_type(tenant_id, NAME), NOW))
    assert await database.run(alter(database.dialect, tenant_id, NAME, lambda _: {}, NOW)) == (event_type_id, {})
    umbrella = await add_tenant(database, "umbrella")
    assert await database.run(alter(database.dialect, umbrella, NAME, lambda _: {"status": "X"}, NOW)) is None
    assert await select(database, "SELECT status FROM event_types") == [("ACTIVE",)]
    assert await select(database, "SELECT COUNT(*) FROM changes") == [(1,)]


async def test_a_database_of_the_first_version_gets_the_new_columns(empty_database_url: str) -> None:
    database = await open_database(empty_database_url)
    await migrate(database, NOW, MIGRATIONS[:1])
    await execute(
        database,
        "INSERT INTO event_types (name, tenant_id, description, audience, compatibility, validation, status, "
        "partition_count, deduplicates, created_at_us) VALUES ($1, $2, '', 'OPEN', 'NONE', 'OFF', 'ACTIVE', 1, $3, 1)",
        (NAME, await add_tenant(database), True),
    )
    assert await migrate(database, NOW) == [migration.NAME for migration in MIGRATIONS[1:]]
    columns = "SELECT name, deprecated_at_us, migration_url FROM event_types"
    assert await select(database, columns) == [(NAME, None, None)]
    await database.close()
