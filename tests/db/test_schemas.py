"""Schema versions: found by their number, and added only where nothing has changed since."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from event_issuer.db import event_types
from event_issuer.db.database import Database, open_database
from event_issuer.db.schemas import NextVersion, by_id, by_version, insert, latest
from event_issuer.db.tables import TABLES
from event_issuer.domain.errors import LimitExceeded
from tests.db.rows import NOW, add_tenant, execute, new_event_type, select

CHANGES = "SELECT COUNT(*) FROM changes"
VERSIONS = "SELECT version, definition FROM schema_versions ORDER BY version"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await open_database(database_url, tables=TABLES)
    yield database
    await database.close()


@pytest.fixture
async def second(database: Database) -> NextVersion:
    """What may follow the first version of a new event type, whose mode is BACKWARD."""
    event_type_id = await database.run(event_types.insert(new_event_type(await add_tenant(database)), NOW))
    assert event_type_id is not None
    return NextVersion(event_type_id, 1, "BACKWARD", '{"type":"array"}', "[]")


async def test_a_version_follows_what_it_was_compared_with(database: Database, second: NextVersion) -> None:
    id_ = await database.run(insert(database.dialect, second, 9, NOW + 5))
    assert id_ is not None
    found = await by_id(id_)
    assert found is not None
    assert found.to_dict() == {
        "id": id_,
        "event_type_id": second.event_type_id,
        "version": 2,
        "definition": '{"type":"array"}',
        "example": "[]",
        "created_at_us": NOW + 5,
    }
    assert await select(database, "SELECT topic, object_id, at_us FROM changes ORDER BY id") == [
        ("event_type", second.event_type_id, NOW),
        ("event_type", second.event_type_id, NOW + 5),
    ]


@pytest.mark.parametrize("change", [{"after": 0}, {"after": 2}, {"compatibility": "FORWARD"}, {"event_type_id": 999}])
async def test_what_was_compared_with_something_else_is_not_added(
    database: Database, second: NextVersion, change: dict[str, object]
) -> None:
    other = replace(second, **change)  # type: ignore[arg-type]
    assert await database.run(insert(database.dialect, other, 9, NOW)) is None
    assert await select(database, VERSIONS) == [(1, '{"type":"object"}')]
    assert await select(database, CHANGES) == [(1,)]


async def test_versions_are_bounded(database: Database, second: NextVersion) -> None:
    assert await database.run(insert(database.dialect, second, 2, NOW)) is not None
    with pytest.raises(LimitExceeded, match="An event type may have 2 schema versions"):
        await database.run(insert(database.dialect, replace(second, after=2), 2, NOW))
    assert await select(database, VERSIONS) == [(1, '{"type":"object"}'), (2, '{"type":"array"}')]
    assert await select(database, CHANGES) == [(2,)]


async def test_versions_are_found_by_their_number(database: Database, second: NextVersion) -> None:
    event_type_id = second.event_type_id
    await execute(
        database,
        "INSERT INTO schema_versions (event_type_id, version, definition, created_at_us) VALUES ($1, 2, 'true', 9)",
        (event_type_id,),
    )
    first, newest = await by_version(event_type_id, 1), await latest(event_type_id)
    assert first is not None
    assert newest is not None
    assert first.to_dict() == {
        "id": first.id,
        "event_type_id": event_type_id,
        "version": 1,
        "definition": '{"type":"object"}',
        "example": None,
        "created_at_us": NOW,
    }
    assert (newest.version, newest.definition) == (2, "true")
    assert await by_version(event_type_id, 3) is None
    assert await latest(999) is None
    assert await by_id(999) is None
