"""Upkeep: what is no longer needed goes, in bounded batches, and nothing else does."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from event_issuer.db.work import Row, Work, batches, insertion
from event_issuer.delivery.upkeep import (
    BATCH,
    DELETED_KEPT_S,
    ERRORS_KEPT,
    RESTS,
    SUBSCRIPTIONS,
    HistoryBounds,
    Upkeep,
)
from event_issuer.domain.time import SECOND_US
from tests.delivery.rig import Rig
from tests.delivery.senders import ScriptedSender, failing
from tests.delivery.world import SETTINGS, World

ATTEMPT = {
    "subscription_id": "bigint",
    "kind": "text",
    "number": "integer",
    "started_at_us": "bigint",
    "duration_us": "bigint",
    "outcome": "text",
    "trace_id": "text",
}
PARKED = {
    "lane_id": "bigint",
    "subscription_id": "bigint",
    "partition_id": "bigint",
    "log_offset": "bigint",
    "blocks_key": "boolean",
    "attempts": "integer",
    "parked_at_us": "bigint",
    "dead_lettered_at_us": "bigint",
}
ERROR = {"subscription_id": "bigint", "message": "text", "created_at_us": "bigint"}
OF_A_SUBSCRIPTION = ("lanes", "parked_events", "attempts", "subscription_errors", "subscription_event_types")


ATTEMPTS_KEPT, ATTEMPTS_KEPT_S = 200, 30 * 24 * 3600
DEAD_LETTERS_KEPT, DEAD_LETTERS_KEPT_S = 100, 20 * 24 * 3600
BOUNDS = HistoryBounds(ATTEMPTS_KEPT_S, ATTEMPTS_KEPT, DEAD_LETTERS_KEPT_S, DEAD_LETTERS_KEPT)
DROPPED = "SELECT id, dropped_dead_letters, settings_version FROM subscriptions ORDER BY id"


class Rests:
    """A rest is noted, and over at once. Each transaction takes half a second by the stopwatch."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self._reads = 0

    def monotonic_s(self) -> float:
        self._reads += 1
        return self._reads / 2

    async def rest(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def rests() -> Rests:
    return Rests()


@pytest.fixture
def upkeep(world: World, rests: Rests) -> Upkeep:
    return Upkeep(world.database, world.clock, BOUNDS, monotonic_s=rests.monotonic_s, rest=rests.rest)


async def insert(world: World, table: str, columns: dict[str, str], rows: Sequence[Row]) -> None:
    def inserting() -> Work[None]:
        for part in batches(columns, rows):
            yield insertion(world.database.dialect, table, columns, part)

    await world.database.run(inserting())


async def attempts(world: World, subscription_id: int, count: int, started_at: int) -> None:
    row = (subscription_id, "DELIVERY", 1, started_at, 1, "DELIVERED", "t")
    await insert(world, "attempts", ATTEMPT, [row] * count)


async def parked(
    world: World, subscription_id: int, count: int, dead_lettered_at: int | None, *, blocks_key: bool = False
) -> None:
    rows = [(1, subscription_id, 1, offset, blocks_key, 1, 1, dead_lettered_at) for offset in range(count)]
    await insert(world, "parked_events", PARKED, rows)


async def errors(world: World, subscription_id: int, count: int) -> None:
    await insert(world, "subscription_errors", ERROR, [(subscription_id, f"error {n}", 1) for n in range(count)])


async def count(world: World, table: str) -> object:
    return (await world.rows(f"SELECT COUNT(*) FROM {table}"))[0][0]


async def test_a_deleted_subscription_goes_with_all_it_has_and_the_others_stay(world: World, upkeep: Upkeep) -> None:
    partition_ids = await world.partitions(2)
    deleted = await world.subscribe(partition_ids)
    kept = await world.subscribe(partition_ids)
    now = world.clock.now
    for subscription_id in (deleted, kept):
        await attempts(world, subscription_id, 3, now)
        await parked(world, subscription_id, 3, None)
        await errors(world, subscription_id, 3)
        await insert(
            world,
            "subscription_event_types",
            {"subscription_id": "bigint", "event_type_id": "bigint"},
            [(subscription_id, 1)],
        )
    await world.alter(deleted, deleted_at_us=now)

    world.clock.advance(DELETED_KEPT_S)
    assert await upkeep.step() == 0  # a request may be under way
    world.clock.advance(0.000001)
    assert await upkeep.step() == 3 + 3 + 3 + 2 + 1
    assert await world.rows("SELECT id FROM subscriptions") == [(kept,)]
    for table in OF_A_SUBSCRIPTION:
        assert await world.rows(f"SELECT DISTINCT subscription_id FROM {table}") == [(kept,)]
    assert await upkeep.step() == 0


async def test_a_large_deleted_subscription_goes_bit_by_bit(world: World, upkeep: Upkeep, rests: Rests) -> None:
    subscription_id = await world.subscribe(await world.partitions())
    await attempts(world, subscription_id, BATCH + 1, world.clock.now)
    await world.alter(subscription_id, deleted_at_us=world.clock.now)
    world.clock.advance(DELETED_KEPT_S + 1)
    assert await upkeep.step() == BATCH + 1 + 1 + 1
    assert rests.taken == [RESTS / 2] * 2
    assert await count(world, "attempts") == 0
    assert await count(world, "subscriptions") == 0


async def test_old_attempts_go(world: World, upkeep: Upkeep) -> None:
    subscription_id = await world.subscribe(await world.partitions())
    limit = world.clock.now - ATTEMPTS_KEPT_S * SECOND_US
    await attempts(world, subscription_id, 2, limit - 1)
    await attempts(world, subscription_id, 2, limit)
    assert await upkeep.step() == 2
    assert await world.rows("SELECT DISTINCT started_at_us FROM attempts") == [(limit,)]


async def test_a_busy_subscription_keeps_its_newest_attempts(world: World, upkeep: Upkeep) -> None:
    busy = await world.subscribe(await world.partitions())
    calm = await world.subscribe(await world.partitions())
    await attempts(world, calm, 1, world.clock.now)
    await attempts(world, busy, ATTEMPTS_KEPT + 2, world.clock.now)
    assert await upkeep.step() == 2
    assert await world.rows("SELECT subscription_id, COUNT(*), MIN(id) FROM attempts GROUP BY 1 ORDER BY 1") == [
        (busy, ATTEMPTS_KEPT, 4),
        (calm, 1, 1),
    ]
    assert await upkeep.step() == 0


async def test_the_last_errors_stay(world: World, upkeep: Upkeep) -> None:
    subscription_id = await world.subscribe(await world.partitions())
    await errors(world, subscription_id, ERRORS_KEPT + 3)
    assert await upkeep.step() == 3
    assert await world.rows("SELECT COUNT(*), MIN(id) FROM subscription_errors") == [(ERRORS_KEPT, 4)]


async def test_old_dead_letters_go_and_what_waits_stays(world: World, upkeep: Upkeep) -> None:
    subscription_id = await world.subscribe(await world.partitions())
    limit = world.clock.now - DEAD_LETTERS_KEPT_S * SECOND_US
    await parked(world, subscription_id, 2, None)
    await parked(world, subscription_id, 2, limit - 1)
    await parked(world, subscription_id, 2, limit)
    assert await upkeep.step() == 2
    assert await world.rows("SELECT dead_lettered_at_us FROM parked_events ORDER BY id") == [
        (None,),
        (None,),
        (limit,),
        (limit,),
    ]


async def test_the_number_of_dead_letters_is_bounded_and_what_waits_does_not_count(
    world: World, upkeep: Upkeep
) -> None:
    subscription_id = await world.subscribe(await world.partitions())
    await parked(world, subscription_id, 2, None)
    await parked(world, subscription_id, DEAD_LETTERS_KEPT + 2, world.clock.now)
    assert await upkeep.step() == 2
    assert await world.rows("SELECT COUNT(*), COUNT(dead_lettered_at_us), MIN(id) FROM parked_events") == [
        (DEAD_LETTERS_KEPT + 2, DEAD_LETTERS_KEPT, 1)
    ]
    assert await upkeep.step() == 0


async def test_every_subscription_is_looked_at_in_its_turn(world: World, upkeep: Upkeep) -> None:
    (partition_id,) = await world.partitions()
    for _ in range(SUBSCRIPTIONS + 1):
        last = await world.subscribe([partition_id])
    await errors(world, last, ERRORS_KEPT + 1)
    assert await upkeep.step() == 0
    assert await upkeep.step() == 1
    await errors(world, 1, ERRORS_KEPT + 1)
    assert await upkeep.step() == 1


async def test_after_each_transaction_upkeep_rests(world: World, upkeep: Upkeep, rests: Rests) -> None:
    subscription_id = await world.subscribe(await world.partitions())
    assert await upkeep.step() == 0
    assert rests.taken == []  # there was nothing to be removed
    await attempts(world, subscription_id, ATTEMPTS_KEPT + 2 * BATCH + 1, world.clock.now)
    assert await upkeep.step() == 2 * BATCH + 1
    assert await upkeep.step() == 0
    assert rests.taken == [RESTS / 2] * 3


async def test_what_became_a_dead_letter_long_after_it_was_parked_is_not_old(world: World, upkeep: Upkeep) -> None:
    subscription_id = await world.subscribe(await world.partitions())
    limit = world.clock.now - DEAD_LETTERS_KEPT_S * SECOND_US
    await parked(world, subscription_id, 1, limit)
    await parked(world, subscription_id, 1, limit - 1)
    assert await upkeep.step() == 1
    assert await world.rows("SELECT dead_lettered_at_us FROM parked_events") == [(limit,)]


async def test_dropped_dead_letters_are_counted(world: World, upkeep: Upkeep) -> None:
    (partition_id,) = await world.partitions()
    one, other = await world.subscribe([partition_id]), await world.subscribe([partition_id])
    await parked(world, one, DEAD_LETTERS_KEPT + BATCH + 3, world.clock.now)
    await parked(world, other, DEAD_LETTERS_KEPT, world.clock.now)
    assert await upkeep.step() == BATCH + 3
    assert await upkeep.step() == 0
    assert await world.rows(DROPPED) == [(one, BATCH + 3, 1), (other, 0, 1)]
    assert await world.rows("SELECT subscription_id, COUNT(*) FROM parked_events GROUP BY 1 ORDER BY 1") == [
        (one, DEAD_LETTERS_KEPT),
        (other, DEAD_LETTERS_KEPT),
    ]


async def test_the_bound_holds_between_rounds_too(world: World, upkeep: Upkeep, rests: Rests) -> None:
    """A subscription whose turn is far off, but that was heard of."""
    (partition_id,) = await world.partitions()
    for _ in range(SUBSCRIPTIONS + 1):
        last = await world.subscribe([partition_id])
    await parked(world, last, DEAD_LETTERS_KEPT + 2 * BATCH + 1, world.clock.now)
    upkeep.hear({last})
    assert await upkeep.drop() == 2 * BATCH + 1
    assert await upkeep.drop() == 0
    assert await world.rows("SELECT COUNT(*) FROM parked_events") == [(DEAD_LETTERS_KEPT,)]
    assert (await world.rows(DROPPED))[-1] == (last, 2 * BATCH + 1, 1)


async def test_a_dropped_dead_letter_that_blocked_its_key_is_told_to_the_lanes(world: World, upkeep: Upkeep) -> None:
    subscription_id = await world.subscribe(await world.partitions())
    heard: list[tuple[str, int]] = []
    world.feed.listen(lambda topic, id_: heard.append((topic.value, id_)))
    await world.feed.step()
    heard.clear()
    await parked(world, subscription_id, 1, world.clock.now, blocks_key=True)
    await parked(world, subscription_id, DEAD_LETTERS_KEPT, world.clock.now)
    assert await upkeep.step() == 1
    await world.feed.step()
    assert await world.rows(DROPPED) == [(subscription_id, 1, 2)]
    assert heard == [("subscription", subscription_id)]


async def test_the_settler_tells_who_has_new_dead_letters(world: World, sender: ScriptedSender, rig: Rig) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a", "b")
    subscription_id = await world.subscribe([partition_id], settings=replace(SETTINGS, retry_delays_s=()))
    heard: list[set[int]] = []
    rig.settler.on_dead_letters = heard.append
    await rig.open(subscription_id)
    await rig.settle_down()
    assert not any(heard)
    later = await world.produce(partition_id, "a")
    sender.script = failing(*later)
    await rig.settle_down()
    assert [ids for ids in heard if ids] == [{subscription_id}]
