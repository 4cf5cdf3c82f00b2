"""Event types: a type, its schema and its partitions are one work."""

from collections.abc import AsyncIterator

import pytest

from event_issuer.db.database import Database, open_database
from event_issuer.db.event_types import (
    by_id,
    by_name,
    insert,
    partitions_of,
)
from event_issuer.db.tables import TABLES
from tests.db.rows import NOW, add_tenant, new_event_type, select

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
        "validation": "STRICT",
        "status": "ACTIVE",
        "sunset_at_us": None,
        "partition_count": 3,
        "deduplicates": True,
        "retention_s": 3600,
        "retention_bytes": 1_000_000,
        "created_at_us": NOW,
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
