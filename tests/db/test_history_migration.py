"""The migration of history: what was there before says in which log it stands, and what retention had taken."""

from event_issuer.db.database import open_database
from event_issuer.db.log import log_identity
from event_issuer.db.migrate import MIGRATIONS, migrate
from tests.db.rows import NOW, add_lane, add_partitions, add_subscription, execute, select

BEFORE = next(number for number, migration in enumerate(MIGRATIONS) if migration.NAME == "history")


async def test_what_was_there_before_is_of_this_log(empty_database_url: str) -> None:
    database = await open_database(empty_database_url)
    await migrate(database, NOW, MIGRATIONS[:BEFORE])
    trimmed, compacted = [(await add_partitions(database, 1))[0] for _ in range(2)]
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
