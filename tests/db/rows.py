"""Rows that other rows need: a tenant, event types with partitions, subscriptions with lanes."""

from collections.abc import Sequence
from itertools import count

from event_issuer.db.database import Database
from event_issuer.db.event_types import NewEventType, insert, partitions_of
from event_issuer.db.work import Row, Statement, Work

NOW = 1_700_000_000_000_000
_numbers = count(1)


async def add_tenant(database: Database, name: str = "acme") -> int:
    """The id of the tenant of that name, which is made when it is not there."""

    def work() -> Work[int]:
        yield Statement(
            "INSERT INTO tenants (name, status, created_at_us) VALUES ($1, 'ACTIVE', $2) ON CONFLICT (name) DO NOTHING",
            (name, NOW),
        )
        rows = yield Statement("SELECT id FROM tenants WHERE name = $1", (name,))
        return int(rows[0][0])

    return await database.run(work())


def new_event_type(
    tenant_id: int,
    name: str = "acme.train.arrived.v1",
    *,
    partitions: int = 1,
    retention_s: int | None = None,
    retention_bytes: int | None = None,
) -> NewEventType:
    return NewEventType(
        name=name,
        tenant_id=tenant_id,
        description="A train has arrived.",
        audience="OPEN",
        compatibility="BACKWARD",
        validation="ENFORCED",
        partition_count=partitions,
        deduplicates=True,
        definition='{"type":"object"}',
        example=None,
        retention_s=retention_s,
        retention_bytes=retention_bytes,
    )


async def add_partitions(
    database: Database, number: int, *, retention_s: int | None = None, retention_bytes: int | None = None
) -> list[int]:
    """The ids of the partitions of an event type of their own, in order."""
    new = new_event_type(
        await add_tenant(database),
        f"acme.train.v{next(_numbers)}",
        partitions=number,
        retention_s=retention_s,
        retention_bytes=retention_bytes,
    )
    event_type_id = await database.run(insert(new, NOW))
    assert event_type_id is not None
    return [row[0] for row in await database.read(partitions_of(event_type_id))]


async def add_subscription(database: Database, status: str = "RUNNING") -> int:
    tenant_id = await add_tenant(database)

    def work() -> Work[int]:
        yield Statement(
            "INSERT INTO principals (tenant_id, name, kind, status, created_at_us) "
            "VALUES ($1, 'ops', 'PERSON', 'ACTIVE', $2) ON CONFLICT (tenant_id, name) DO NOTHING",
            (tenant_id, NOW),
        )
        rows = yield Statement("SELECT id FROM principals WHERE tenant_id = $1", (tenant_id,))
        rows = yield Statement(
            "INSERT INTO subscriptions (tenant_id, principal_id, application_id, url, status, content_mode, ordering, "
            "delivery, settings_version, verification, verification_attempts, sealed_signing_secret, created_at_us, "
            "updated_at_us) VALUES ($1, $2, 'app', 'https://a.example/', $3, 'BINARY', 'PER_KEY', '{}', 1, 'NONE', 0, "
            "$4, $5, $5) RETURNING id",
            (tenant_id, rows[0][0], status, b"sealed", NOW),
        )
        return int(rows[0][0])

    return await database.run(work())


async def add_lane(database: Database, subscription_id: int, partition_id: int) -> int:
    def work() -> Work[int]:
        rows = yield Statement(
            "INSERT INTO lanes (subscription_id, partition_id, start_offset, next_offset, settled_above) "
            "VALUES ($1, $2, 0, 0, '[]') RETURNING id",
            (subscription_id, partition_id),
        )
        return int(rows[0][0])

    return await database.run(work())


async def select(database: Database, sql: str, *args: object) -> list[Row]:
    """Rows as tuples, which compare."""
    return [tuple(row) for row in await database.read(Statement(sql, args))]


async def execute(database: Database, sql: str, args: Sequence[object] = ()) -> list[Row]:
    def work() -> Work[list[Row]]:
        return [tuple(row) for row in (yield Statement(sql, args))]

    return await database.run(work())
