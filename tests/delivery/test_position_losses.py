"""Lost positions: subscriptions that stand where the log has nothing any more, at their opening and while they run."""

from dataclasses import replace

import pytest

from event_issuer.db.work import Statement, Work
from event_issuer.delivery.opening import stored_lanes
from event_issuer.delivery.position_losses import PositionLosses
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.position_loss import OnPositionLost
from tests.delivery.processes import Process
from tests.delivery.rig import until_idle
from tests.delivery.senders import ScriptedSender, failing
from tests.delivery.world import LOG_ID, SETTINGS, World

EARLIEST, LATEST, FAIL = OnPositionLost
STATUS = "SELECT status FROM subscriptions"
LANES = "SELECT next_offset, settled_above, log_id FROM lanes ORDER BY id"
ERRORS = "SELECT message FROM subscription_errors ORDER BY id"
PARKED = "SELECT log_offset, attempts, dead_lettered_at_us, blocks_key, last_error FROM parked_events ORDER BY id"
PLACE = "test.happened-1.v1, partition 0"
GOES_ON = "It goes on with the first event that is there (onPositionLost: EARLIEST)."
STOPS = "Set delivery.onPositionLost to EARLIEST or LATEST and verify it again; FAIL stops it here."


async def execute(world: World, sql: str, *args: object) -> None:
    def work() -> Work[None]:
        yield Statement(sql, args)

    await world.database.run(work())


def lost(start: int, stood: int, count: int, then: str = GOES_ON) -> str:
    begins = f"The log of {PLACE} begins at offset {start}, and the subscription stood at {stood}"
    return f"{begins}: {count} events are lost to it. {then}"


async def test_a_new_lane_says_which_log_it_is_of(world: World) -> None:
    await world.subscribe(await world.partitions())
    assert await world.rows(LANES) == [(0, "[]", LOG_ID)]


@pytest.mark.parametrize(
    ("policy", "sent", "cursor", "status", "error"),
    [
        (EARLIEST, slice(3, 5), 5, "RUNNING", lost(3, 0, 3)),
        (
            LATEST,
            slice(5, 5),
            5,
            "RUNNING",
            lost(3, 0, 5, "It goes on behind the last event that is there (onPositionLost: LATEST)."),
        ),
        (FAIL, slice(5, 5), 0, "FAILED", lost(3, 0, 3, STOPS)),
    ],
)
async def test_a_subscription_that_retention_overtook_is_opened_as_it_says(
    world: World,
    sender: ScriptedSender,
    process: Process,
    policy: OnPositionLost,
    sent: slice,
    cursor: int,
    status: str,
    error: str,
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *[None] * 5)
    await world.subscribe([partition_id], settings=replace(SETTINGS, on_position_lost=policy))
    await world.log.trim(partition_id, 3)
    await process.step()
    await process.step()
    await process.written(LANES, [(cursor, "[]", LOG_ID)])
    assert sender.event_ids == ids[sent]
    assert await world.rows(STATUS) == [(status,)]
    assert await world.rows(ERRORS) == [(error,)]

    ids += await world.produce(partition_id, None)
    await process.step()
    await until_idle()
    assert sender.event_ids == (ids[sent] if status == "FAILED" else ids[sent] + ids[5:])
    assert await world.rows(ERRORS) == [(error,)]


async def test_who_has_failed_goes_on_once_its_owner_has_decided(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *[None] * 3)
    failing_ = replace(SETTINGS, on_position_lost=FAIL)
    subscription_id = await world.subscribe([partition_id], settings=failing_)
    await world.log.trim(partition_id, 2)
    await process.step()
    await process.step()
    await world.alter(subscription_id, status="STARTING")
    await process.step()
    await process.step()
    assert await world.rows(STATUS) == [("FAILED",)]
    assert await world.rows(ERRORS) == [(lost(2, 0, 2, STOPS),)] * 2
    await world.alter(subscription_id, delivery=SETTINGS.to_json(), settings_version=2, status="STARTING")
    await process.step()
    await process.step()
    await sender.asked(1)
    assert sender.event_ids == ids[2:]


@pytest.mark.parametrize("policy", [EARLIEST, FAIL])
async def test_a_lane_that_is_overtaken_while_it_runs_is_opened_anew(
    world: World, sender: ScriptedSender, process: Process, policy: OnPositionLost
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, None)
    settings = replace(SETTINGS, on_position_lost=policy, max_in_flight=1)
    await world.subscribe([partition_id], settings=settings)
    sender.hold()
    await process.step()
    await sender.asked(1)
    ids += await world.produce(partition_id, *[None] * 299)
    await world.log.trim(partition_id, 290)  # the page that it reads next is gone
    sender.release()
    while not await world.rows(ERRORS):
        await process.step()
    await process.step()
    then = GOES_ON if policy is EARLIEST else STOPS
    (found,) = await world.rows(ERRORS)
    assert str(found[0]).endswith(f"events are lost to it. {then}")
    if policy is FAIL:
        assert await world.rows(STATUS) == [("FAILED",)]
        return
    await process.written(LANES, [(300, "[]", LOG_ID)])
    assert await world.rows(STATUS) == [("RUNNING",)]
    first, *rest = sender.event_ids
    lost_count = 300 - len(sender.event_ids)
    assert f": {lost_count} events are lost to it" in str(found[0])
    assert (first, rest[-10:]) == (ids[0], ids[290:])


async def test_what_compaction_took_is_not_lost(world: World, sender: ScriptedSender, process: Process) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *[None] * 4)
    await world.subscribe([partition_id], settings=replace(SETTINGS, on_position_lost=FAIL))
    await execute(world, "DELETE FROM log_records WHERE log_offset IN (0, 2)")
    await execute(world, "UPDATE log_heads SET first_offset = 1")
    process.engine._crew = replace(process.engine._crew, log=(await world.restarted()).log)
    await process.step()
    await process.written(LANES, [(4, "[]", LOG_ID)])
    assert sender.event_ids == [ids[1], ids[3]]
    assert await world.rows(ERRORS) == []


async def test_a_cursor_behind_the_end_of_the_log_begins_anew(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "b")
    subscription_id = await world.subscribe([partition_id])
    await execute(world, "UPDATE lanes SET next_offset = 7, settled_above = '[[9,10]]'")
    ((lane_id,),) = await world.rows("SELECT id FROM lanes")
    await world.park(lane_id, subscription_id, partition_id, [1, 5])
    await process.step()
    await process.step()
    await process.written(LANES, [(2, "[]", LOG_ID)])
    assert sender.event_ids == ids
    error = (
        f"The log of {PLACE} ends at offset 2, and the subscription stood at 7: the log has lost 5 events. {GOES_ON}"
    )
    assert await world.rows(ERRORS) == [(error,)]
    void = "EXPIRED: the log that held the event is no more."
    assert await world.rows(PARKED) == [
        (1, 1, None, False, None),
        (None, 1, world.clock.now, False, void),
    ]
    assert await world.rows("SELECT expired_count, start_offset FROM lanes") == [(1, 0)]


async def test_a_lane_of_another_log_begins_anew_and_what_it_had_parked_is_void(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a", "b")
    subscription_id = await world.subscribe([partition_id])
    sender.script = failing(ids[0])
    await process.step()
    await sender.asked(2)
    await process.written(LANES, [(3, "[]", LOG_ID)])
    await world.alter(subscription_id, status="STOPPING")
    await process.step()
    await process.step()

    sender.script = failing()
    await execute(world, "UPDATE lanes SET log_id = 'another'")
    await world.alter(subscription_id, status="STARTING")
    await process.step()
    await process.step()
    await process.written(LANES, [(3, "[]", LOG_ID)])
    await until_idle()
    assert sender.event_ids == [ids[0], ids[2], *[ids[0], ids[2], ids[1]]]
    void = "EXPIRED: the log that held the event is no more."
    assert await world.rows(PARKED) == [(None, 1, world.clock.now, False, void)]
    unknown = f"The log of {PLACE} is another one than before; how many events are lost is not known. {GOES_ON}"
    assert await world.rows(ERRORS) == [(unknown,)]


async def test_without_the_lease_nothing_is_written(world: World) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, None, None)
    subscription_id = await world.subscribe([partition_id])
    await world.log.trim(partition_id, 1)
    stored = await stored_lanes(world.database, subscription_id, {partition_id: 3}, 0)
    losses = PositionLosses(world.database, world.log, "nobody", world.clock)
    with pytest.raises(Unavailable):
        await losses.settle(subscription_id, EARLIEST, stored.lanes)
    assert await world.rows(LANES) == [(0, "[]", LOG_ID)]
    assert await world.rows(ERRORS) == []
