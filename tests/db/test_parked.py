"""An owner's wishes for parked events meet what lanes write at the same time."""

from event_issuer.db import lanes as sql
from event_issuer.db.database import Database
from event_issuer.db.parked import Chosen, Wish, grant_retries, wish
from event_issuer.db.work import Statement, Work
from tests.db.rows import NOW, add_lane, add_partitions, add_subscription, add_tenant

PARKED = "SELECT log_offset, attempts, next_attempt_at_us, dead_lettered_at_us, wish FROM parked_events ORDER BY id"


async def parked(database: Database, *offsets: int) -> tuple[int, int, int]:
    """The tenant, the subscription and the lane; events that wait there."""
    (partition_id,) = await add_partitions(database, 1)
    subscription_id = await add_subscription(database)
    lane_id = await add_lane(database, subscription_id, partition_id)

    def work() -> Work[None]:
        for offset in offsets:
            yield Statement(
                "INSERT INTO parked_events (lane_id, subscription_id, partition_id, log_offset, blocks_key, attempts, "
                "parked_at_us, next_attempt_at_us) VALUES ($1, $2, $3, $4, FALSE, 3, 1, 2)",
                (lane_id, subscription_id, partition_id, offset),
            )

    await database.run(work())
    return await add_tenant(database), subscription_id, lane_id


async def dies(database: Database) -> None:
    """The lane, which has not heard of the wish, gives the event up."""

    def work() -> Work[None]:
        yield Statement("UPDATE parked_events SET dead_lettered_at_us = 9, next_attempt_at_us = NULL, attempts = 4")

    await database.run(work())


async def test_an_event_that_died_meanwhile_is_retried_all_the_same(database: Database) -> None:
    tenant_id, subscription_id, lane_id = await parked(database, 7)
    chosen = Chosen(subscription_id, waiting=True)
    assert await database.run(wish(database.dialect, tenant_id, 1, Wish.RETRY, chosen, 10, NOW)) == 1
    await dies(database)
    (row,) = [sql.ParkedRow(*one) for one in await database.read(sql.parked_of(lane_id, 10))]
    assert (row.wish, row.dead_lettered_at_us) == ("RETRY", 9)
    await database.run(grant_retries(lane_id, 5))
    assert [tuple(one) for one in await database.read(Statement(PARKED))] == [(7, 0, 5, None, None)]


async def test_an_event_that_died_meanwhile_is_discarded_all_the_same(database: Database) -> None:
    tenant_id, subscription_id, lane_id = await parked(database, 7)
    chosen = Chosen(subscription_id, waiting=True)
    assert await database.run(wish(database.dialect, tenant_id, 1, Wish.DISCARD, chosen, 10, NOW)) == 1
    await dies(database)
    (row,) = [sql.ParkedRow(*one) for one in await database.read(sql.parked_of(lane_id, 10))]
    assert (row.wish, row.dead_lettered_at_us) == ("DISCARD", 9)  # the lane lets go of it when it is opened
