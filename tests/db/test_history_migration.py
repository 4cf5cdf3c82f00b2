"""The migration of history: what was there before says in which log it stands, and what retention had taken."""

from event_issuer.db.database import Database, open_database
from event_issuer.db.log import log_identity
from event_issuer.db.migrate import MIGRATIONS, migrate
from tests.db.rows import NOW, add_lane, add_subscription, add_tenant, execute, select

BEFORE = next(number for number, migration in enumerate(MIGRATIONS) if migration.NAME == "history")


async def add_partition_of_then(database: Database, name: str) -> int:
    """The program of now writes columns that were not there then."""
    tenant_id = await add_tenant(database)
    await execute(
        database,
        "INSERT INTO event_types (name, tenant_id, description, audience, compatibility, validation, status, "
        "partition_count, deduplicates, created_at_us, compacts) "
        "VALUES ($1, $2, '', 'OPEN', 'BACKWARD', 'ENFORCED', 'ACTIVE', 1, TRUE, $3, FALSE)",
        (name, tenant_id, NOW),
    )
    await execute(
        database,
        "INSERT INTO partitions (event_type_id, number) SELECT id, 0 FROM event_types WHERE name = $1",
        (name,),
    )
    ((partition_id,),) = await select(database, "SELECT MAX(id) FROM partitions")
    await execute(
        database,
        "INSERT INTO log_heads (partition_id, first_offset, next_offset, recorded_at_us, kept_bytes) "
        "VALUES ($1, 0, 0, 0, 0)",
        (partition_id,),
    )
    return int(partition_id)


async def test_what_was_there_before_is_of_this_log(empty_database_url: str) -> None:
    database = await open_database(empty_database_url)
    await migrate(database, NOW, MIGRATIONS[:BEFORE])
    trimmed, compacted = [await add_partition_of_then(database, name) for name in ("a.trimmed", "a.compacted")]
    await execute(database, "UPDATE log_heads SET first_offset = 7, next_offset = 9")
    await execute(
        database,
        "UPDATE event_types SET compacts = TRUE WHERE id = (SELECT event_type_id FROM partitions WHERE id = $1)",
        (compacted,),
    )
    await database.run(log_identity("our-log"))
    await add_lane(database, await add_subscription(database), trimmed)
    await migrate(database, NOW)
    assert await select(database, "SELECT log_id, expired_count FROM lanes") == [("our-log", 0)]
    heads = "SELECT partition_id, first_offset, trimmed_to FROM log_heads ORDER BY partition_id"
    assert await select(database, heads) == [(trimmed, 7, 7), (compacted, 7, 0)]
    assert await select(database, "SELECT dropped_dead_letters FROM subscriptions") == [(0,)]
    await database.close()
