"""Expunging in the database: what it changes, whom it tells, and that it tells nobody else."""

import pytest

from event_issuer.db.database import Database
from event_issuer.db.expunging import Expunged, expunge
from event_issuer.domain.errors import Conflict
from tests.db.rows import NOW, add_lane, add_partitions, add_subscription, execute, select

RECORD = (
    "INSERT INTO log_records (partition_id, log_offset, recorded_at_us, schema_version, attributes, data) "
    "VALUES ($1, $2, 1, 1, $3, $4)"
)
PARKED = (
    "INSERT INTO parked_events (lane_id, subscription_id, partition_id, log_offset, blocks_key, attempts, "
    "parked_at_us, next_attempt_at_us, dead_lettered_at_us) VALUES ($1, $2, $3, $4, FALSE, 1, 1, $5, $6)"
)
ATTEMPT = (
    "INSERT INTO attempts (subscription_id, partition_id, log_offset, kind, number, started_at_us, duration_us, "
    "outcome, response_excerpt, trace_id) VALUES (1, $1, $2, 'DELIVERY', 1, 1, 1, $3, $4, 't')"
)
ATTRIBUTES = b'{"id":"e","source":"/s"}'


async def test_what_was_answered_to_a_batch_goes_with_each_of_its_events(database: Database) -> None:
    one, other = await add_partitions(database, 2)
    await execute(database, RECORD, (one, 4, ATTRIBUTES, b"12345"))
    for partition_id, ranges, excerpt in (
        (one, "[[0,5],[8,9]]", "has it"),
        (one, "[[0,4],[5,9]]", "has it not"),
        (one, "[[5,9]]", "begins behind it"),
        (other, "[[0,5]]", "is of another partition"),
    ):
        offset = int(ranges[2])
        await execute(database, ATTEMPT, (partition_id, offset, "RETRY", excerpt))
        await execute(database, "UPDATE attempts SET log_offsets = $1 WHERE response_excerpt = $2", (ranges, excerpt))
    expunged = await database.run(expunge(database.dialect, one, 4, NOW))
    assert expunged == Expunged("e", "/s", True, 1)
    assert await select(database, "SELECT response_excerpt FROM attempts ORDER BY id") == [
        (None,),
        ("has it not",),
        ("begins behind it",),
        ("is of another partition",),
    ]


async def test_an_event_is_expunged_and_who_may_hold_it_is_told(database: Database) -> None:
    one, other = await add_partitions(database, 2)
    for partition_id in (one, other):
        for offset in (0, 1):
            await execute(database, RECORD, (partition_id, offset, ATTRIBUTES, b"12345"))
    await execute(database, "UPDATE log_heads SET next_offset = 2, kept_bytes = 58")
    ahead, parked, behind, dead = [await add_subscription(database) for _ in range(4)]
    lanes = {id_: await add_lane(database, id_, one) for id_ in (ahead, parked, behind, dead)}
    elsewhere = await add_lane(database, behind, other)
    await execute(database, "UPDATE lanes SET next_offset = 2 WHERE id <> $1 AND id <> $2", (lanes[ahead], elsewhere))
    await execute(database, PARKED, (lanes[parked], parked, one, 1, NOW + 99, None))
    await execute(database, PARKED, (lanes[parked], parked, one, 0, NOW + 99, None))
    await execute(database, PARKED, (lanes[dead], dead, one, 1, None, 5))
    for partition_id, offset, outcome, excerpt in (
        (one, 1, "RETRY", "x"),
        (one, 1, "DELIVERED", None),
        (one, 0, "RETRY", "y"),
        (other, 1, "RETRY", "z"),
    ):
        await execute(database, ATTEMPT, (partition_id, offset, outcome, excerpt))

    assert await database.run(expunge(database.dialect, one, 1, NOW)) == Expunged("e", "/s", True, 1)
    records = await select(database, "SELECT data IS NULL, expunged_at_us FROM log_records ORDER BY 1, 2")
    assert [(bool(gone), at) for gone, at in records] == [(False, None)] * 3 + [(True, NOW)]
    assert await select(database, "SELECT kept_bytes FROM log_heads ORDER BY partition_id") == [(53,), (58,)]
    due = "SELECT log_offset, next_attempt_at_us FROM parked_events ORDER BY id"
    assert await select(database, due) == [(1, NOW), (0, NOW + 99), (1, None)]
    assert await select(database, "SELECT response_excerpt FROM attempts ORDER BY id") == [
        (None,),
        (None,),
        ("y",),
        ("z",),
    ]
    assert await select(database, "SELECT settings_version FROM subscriptions ORDER BY id") == [(2,), (2,), (1,), (1,)]
    changes = "SELECT topic, object_id FROM changes WHERE topic <> 'event_type' ORDER BY id"
    told = [("subscription", ahead), ("subscription", parked), ("verdict", one)]
    assert await select(database, changes) == told

    # Once more: nothing but what endpoints have answered since.
    await execute(database, ATTEMPT, (one, 1, "REFUSED", "late"))
    assert await database.run(expunge(database.dialect, one, 1, NOW + 5)) == Expunged("e", "/s", False, 1)
    assert await select(database, "SELECT expunged_at_us FROM log_records WHERE data IS NULL") == [(NOW,)]
    assert await select(database, "SELECT kept_bytes FROM log_heads ORDER BY partition_id") == [(53,), (58,)]
    assert await select(database, changes) == told


async def test_what_has_no_data_or_is_not_there_stays_as_it_is(database: Database) -> None:
    (partition_id,) = await add_partitions(database, 1)
    await execute(database, RECORD, (partition_id, 0, ATTRIBUTES, None))
    with pytest.raises(Conflict):
        await database.run(expunge(database.dialect, partition_id, 0, NOW))
    assert await database.run(expunge(database.dialect, partition_id, 1, NOW)) is None
    assert await select(database, "SELECT expunged_at_us FROM log_records") == [(None,)]
