"""An event type that gets more partitions: its subscriptions have lanes on all of them, from the first event there."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from event_issuer.db import subscriptions
from event_issuer.db.access import ensure_principal
from event_issuer.db.database import Database, open_database
from event_issuer.db.event_types import insert
from event_issuer.db.partitions import grow
from event_issuer.db.subscriptions import LaneStart, NewSubscription
from event_issuer.db.tables import TABLES
from event_issuer.db.work import Statement
from event_issuer.domain.subscriptions import DeliverySettings
from tests.db.rows import NOW, add_tenant, execute, new_event_type, select

LATER = NOW + 1
LANES = (
    "SELECT number, start_offset, next_offset, settled_above FROM lanes JOIN partitions "
    "ON partitions.id = lanes.partition_id WHERE subscription_id = $1 ORDER BY number"
)
CHANGES = "SELECT topic, object_id FROM changes WHERE at_us = $1 ORDER BY id"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await open_database(database_url, tables=TABLES)
    yield database
    await database.close()


async def add_type(database: Database, name: str = "acme.train.arrived.v1", partitions: int = 2) -> int:
    new = new_event_type(await add_tenant(database), name, partitions=partitions)
    event_type_id = await database.run(insert(new, NOW))
    assert event_type_id is not None
    return event_type_id


async def starts_of(database: Database, event_type_id: int) -> list[LaneStart]:
    """At the second event: as of one who has looked what partitions there are."""
    rows = await select(database, "SELECT id FROM partitions WHERE event_type_id = $1 ORDER BY id", event_type_id)
    return [LaneStart(row[0], 1) for row in rows]


async def subscribe(database: Database, event_type_id: int, starts: list[LaneStart]) -> int:
    tenant_id = await add_tenant(database)
    new = NewSubscription(
        tenant_id=tenant_id,
        principal_id=await database.run(ensure_principal(tenant_id, "robot", 0, NOW)),
        application_id="tests",
        url="https://a.example/",
        content_mode="BINARY",
        ordering="PER_KEY",
        delivery=DeliverySettings(1, 1.0, ()).to_json(),
        verification="NONE",
        api_key_header=None,
        authentication_kind=None,
        sealed_credentials=None,
        sealed_signing_secret=b"sealed",
        filter=None,
    )
    return await database.run(subscriptions.insert(database.dialect, new, [event_type_id], starts, 1_000, NOW))


async def test_more_partitions_are_more_lanes_from_the_first_event(database: Database) -> None:
    event_type_id, other_id = await add_type(database), await add_type(database, "acme.train.left.v1")
    first = await subscribe(database, event_type_id, await starts_of(database, event_type_id))
    second = await subscribe(database, event_type_id, await starts_of(database, event_type_id))
    deleted = await subscribe(database, event_type_id, await starts_of(database, event_type_id))
    elsewhere = await subscribe(database, other_id, await starts_of(database, other_id))
    await execute(database, "UPDATE subscriptions SET deleted_at_us = $2 WHERE id = $1", (deleted, NOW))
    assert await database.run(grow(database.dialect, event_type_id, 4, LATER)) == 2
    old = [(0, 1, 1, "[]"), (1, 1, 1, "[]")]
    for subscription_id in (first, second):
        assert await select(database, LANES, subscription_id) == [*old, (2, 0, 0, "[]"), (3, 0, 0, "[]")]
    assert await select(database, LANES, deleted) == old
    assert await select(database, LANES, elsewhere) == old
    versions = await select(database, "SELECT id, settings_version FROM subscriptions ORDER BY id")
    assert versions == [(first, 2), (second, 2), (deleted, 1), (elsewhere, 1)]
    assert await select(database, "SELECT partition_count FROM event_types ORDER BY id") == [(4,), (2,)]
    heads = "SELECT number, first_offset, next_offset FROM log_heads JOIN partitions ON id = partition_id "
    assert await select(database, f"{heads} WHERE event_type_id = $1 ORDER BY number", event_type_id) == [
        (number, 0, 0) for number in range(4)
    ]
    assert await select(database, CHANGES, LATER) == [
        ("event_type", event_type_id),
        ("subscription", first),
        ("subscription", second),
    ]


@pytest.mark.parametrize("count", [2, 1, 0])
async def test_partitions_never_become_fewer(database: Database, count: int) -> None:
    event_type_id = await add_type(database)
    subscription_id = await subscribe(database, event_type_id, await starts_of(database, event_type_id))
    assert await database.run(grow(database.dialect, event_type_id, count, LATER)) == 0
    assert await database.run(grow(database.dialect, event_type_id + 1, 9, LATER)) == 0
    assert await select(database, "SELECT partition_count FROM event_types") == [(2,)]
    assert await select(database, LANES, subscription_id) == [(0, 1, 1, "[]"), (1, 1, 1, "[]")]
    assert await select(database, CHANGES, LATER) == []


async def test_one_who_looked_before_gets_the_new_partitions_all_the_same(database: Database) -> None:
    event_type_id, other_id = await add_type(database), await add_type(database, "acme.train.left.v1")
    known = await starts_of(database, event_type_id)
    changed = await subscribe(database, other_id, await starts_of(database, other_id))
    await database.run(grow(database.dialect, event_type_id, 3, LATER))
    made = await subscribe(database, event_type_id, known)
    expected = [(0, 1, 1, "[]"), (1, 1, 1, "[]"), (2, 0, 0, "[]")]
    assert await select(database, LANES, made) == expected
    await database.run(subscriptions.change_event_types(changed, {event_type_id: known}))
    assert await select(database, LANES, changed) == expected


async def test_whoever_comes_first_each_subscription_has_each_partition_once(database: Database) -> None:
    await database.run(ensure_principal(await add_tenant(database), "robot", 0, NOW))
    for number in range(5):
        event_type_id = await add_type(database, f"acme.train.arrived.v{number}")
        known = await starts_of(database, event_type_id)
        *made, added = await asyncio.gather(
            *(subscribe(database, event_type_id, known) for _ in range(3)),
            database.run(grow(database.dialect, event_type_id, 4, LATER)),
        )
        assert added == 2
        for subscription_id in made:
            lanes = await database.read(Statement(LANES, (subscription_id,)))
            assert [row[0] for row in lanes] == [0, 1, 2, 3]
