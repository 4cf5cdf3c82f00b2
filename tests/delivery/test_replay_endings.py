"""Replays that are cancelled, stopped, overtaken or cannot go on, and what becomes of their subscription: nothing."""

import pytest

from event_issuer.db.replays import Stretch, cancel
from event_issuer.db.subscriptions import LaneStart, change_event_types
from event_issuer.domain.errors import Conflict
from event_issuer.domain.replays import global_id
from event_issuer.domain.subscriptions import Ordering
from tests.delivery.processes import Process
from tests.delivery.replaying import LANES, LIVE, PARKED, STATUS, begun, delivered, ended, replayed
from tests.delivery.rig import Rig, until_idle
from tests.delivery.senders import ScriptedSender, failing
from tests.delivery.test_position_losses import ERRORS, PLACE, execute
from tests.delivery.world import World


async def test_a_cancelled_replay_stops_and_leaves_nothing(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    subscription_id, ids = await delivered(world, process, sender, None, "a", "b", "c")
    sender.script = failing(ids[0])
    sender.hold(ids[1], ids[2])
    replay_id = await world.replay(subscription_id, Stretch(1, 0, None))
    await process.step()
    await sender.asked(3)
    await process.written(PARKED, [(0, 1, False)])
    ((tenant_id, principal_id),) = await world.rows("SELECT tenant_id, principal_id FROM subscriptions")
    work = cancel(world.database.dialect, tenant_id, principal_id, replay_id, world.clock.now)
    assert await world.database.run(work)
    assert await world.rows("SELECT status, ended_at_us FROM replays") == [("CANCELLED", world.clock.now)]
    await process.closing(subscription_id)
    sender.release()
    await process.step()
    await process.engine.settler.step()
    await process.keep()
    assert replayed(sender) == ids[:3]  # none started any more
    assert await world.rows(PARKED) == await world.rows(LANES) == []
    assert await world.rows("SELECT COUNT(*) FROM replay_ranges") == [(0,)]
    assert await world.rows(LIVE) == [(4, "[]")]
    before = await world.rows("SELECT * FROM replays")
    assert (before[0][3], before[0][8]) == ("CANCELLED", 0)  # late settles are dropped
    with pytest.raises(Conflict, match="A replay that is CANCELLED has ended; there is nothing to cancel"):
        await world.database.run(cancel(world.database.dialect, tenant_id, principal_id, replay_id, 5))
    assert not await world.database.run(cancel(world.database.dialect, tenant_id + 1, 1, replay_id, 5))
    assert not await world.database.run(cancel(world.database.dialect, tenant_id, 1, replay_id + 1, 5))
    assert await world.rows("SELECT * FROM replays") == before


async def test_a_stop_freezes_a_replay_and_a_start_goes_on(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    subscription_id, ids = await begun(world, process, sender)
    await world.alter(subscription_id, status="STOPPING")
    await process.closing(subscription_id)
    sender.release()
    await process.step()
    await process.step()
    await process.keep()
    assert await world.rows("SELECT status FROM subscriptions") == [("STOPPED",)]
    assert (replayed(sender), await world.rows("SELECT status FROM replays")) == (ids[:1], [("RUNNING",)])
    await world.alter(subscription_id, status="STARTING")
    await ended(world, process, [("COMPLETED", 2, 2)])
    assert replayed(sender) == ids


async def test_a_deleted_subscription_s_replay_sends_nothing_more(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    subscription_id, ids = await begun(world, process, sender)
    await world.alter(subscription_id, deleted_at_us=1)
    await process.closing(subscription_id)
    sender.release()
    await process.step()
    await process.keep()
    assert replayed(sender) == ids[:1]
    assert await world.rows(STATUS) == [("RUNNING", 0, 0)]


async def test_retention_overtakes_a_replay_which_goes_on_and_says_so(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    subscription_id, ids = await delivered(world, process, sender, *[None] * 5)
    replay_id = await world.replay(subscription_id, Stretch(1, 0, None))
    await world.log.trim(1, 3)
    await process.step()
    await ended(world, process, [("COMPLETED", 2, 2)])
    assert sorted(replayed(sender)) == ids[3:]
    assert await world.rows(ERRORS) == [
        (
            f"The log of {PLACE} begins at offset 3, and replay {global_id(replay_id)} stood at 0: 3 events are lost "
            "to it. It goes on with the first event that is there.",
        )
    ]


async def test_a_replay_that_retention_overtakes_while_it_runs_is_opened_anew_once(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    subscription_id, ids = await delivered(world, process, sender, *[None] * 2)
    for _ in range(3):
        ids += await world.produce(1, *[None] * 100)
    await process.written(LIVE, [(302, "[]")])
    sender.sent.clear()
    sender.hold()
    await world.replay(subscription_id, Stretch(1, 0, 300))
    await process.step()
    await sender.asked(2)
    await world.log.trim(1, 302)  # all of it is gone, and more
    sender.release()
    await process.step()
    while not await world.rows(ERRORS):
        await process.step()
        await process.engine.settler.step()
        await until_idle()
    await ended(world, process, [("COMPLETED", 0, 256)])  # a page was read already
    assert replayed(sender) == ids[:256]
    ((error,),) = await world.rows(ERRORS)
    assert "begins at offset 302, " in error
    assert ": 44 events are lost to it." in error
    assert await world.rows("SELECT status FROM subscriptions") == [("RUNNING",)]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("UPDATE lanes SET log_id = 'another' WHERE replay_id IS NOT NULL", "is another one than before, so replay"),
        ("UPDATE replay_ranges SET end_offset = 9", "ends at offset 2, 7 events before replay"),
        ("UPDATE replays SET filter = '{}'", "has failed, for its filter is not allowed any more"),
    ],
)
async def test_a_replay_that_cannot_go_on_fails_and_the_subscription_does_not(
    world: World, sender: ScriptedSender, process: Process, change: str, error: str
) -> None:
    subscription_id, _ = await delivered(world, process, sender, None, None)
    await world.replay(subscription_id, Stretch(1, 0, None))
    await execute(world, change)
    await process.step()
    await process.step()
    assert await world.rows("SELECT status FROM replays") == [("FAILED",)]
    ((message,),) = await world.rows(ERRORS)
    assert error in message
    live = await world.produce(1, None)
    await sender.asked(1)
    assert sender.event_ids == live
    await process.keep()
    assert await world.rows(LANES) == []
    assert await world.rows("SELECT status FROM subscriptions") == [("RUNNING",)]


async def test_what_cannot_be_counted_fails(world: World, sender: ScriptedSender, process: Process) -> None:
    subscription_id, _ = await delivered(world, process, sender, None)
    one, two = [await world.replay(subscription_id, Stretch(1, 0, None), is_dry_run=True) for _ in range(2)]
    await execute(world, "UPDATE replays SET log_id = 'another' WHERE id = $1", one)
    await execute(world, "UPDATE replays SET filter = '{}' WHERE id = $1", two)
    await process.keep()
    assert await world.rows(STATUS) == [("FAILED", 0, 0)] * 2
    messages = [row[0] for row in await world.rows(ERRORS)]
    assert messages[0] == f"Replay {global_id(one)} has failed: its log is another one now."
    assert messages[1].startswith(f"Replay {global_id(two)} has failed: ")


async def test_an_event_type_that_is_removed_ends_its_part_and_a_new_one_has_none(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (one,), (two,), (three,) = [await world.partitions() for _ in range(3)]
    types = {row[0]: row[1] for row in await world.rows("SELECT id, event_type_id FROM partitions")}
    await world.produce(three, None)
    subscription_id = await world.subscribe([one, two])
    await world.alter(subscription_id, verified_at_us=1)
    for id_ in (one, two):
        insert = "INSERT INTO subscription_event_types (subscription_id, event_type_id) VALUES ($1, $2)"
        await execute(world, insert, subscription_id, types[id_])
        await world.produce(id_, "a", "a")
    await process.step()
    await process.written(LIVE, [(2, "[]")] * 2)
    sender.sent.clear()
    sender.hold()
    await world.replay(subscription_id, Stretch(one, 0, None), Stretch(two, 0, None), Stretch(three, 0, None))
    assert await world.rows(LANES) == [(0, 0)] * 2
    await process.step()
    await sender.asked(2)
    starts = {types[one]: [LaneStart(one, None)], types[three]: [LaneStart(three, None)]}
    await execute(world, "UPDATE lanes SET delivered_count = 1 WHERE replay_id IS NOT NULL AND partition_id = $1", two)
    await world.database.run(change_event_types(subscription_id, starts))
    await world.alter(subscription_id, settings_version=9)
    await process.closing(subscription_id)
    sender.release()
    await ended(world, process, [("COMPLETED", 2, 3)])
    assert len(replayed(sender)) == 3
    assert await world.rows("SELECT partition_id FROM lanes ORDER BY id") == [(one,), (three,)]


async def test_a_replay_in_strict_order_goes_one_after_the_other(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, None, "a", None)
    subscription_id = await world.subscribe([partition_id], ordering=Ordering.STRICT)
    await world.alter(subscription_id, verified_at_us=1)
    rig = Rig(world, sender)
    await rig.open(subscription_id)
    await rig.settle_down()
    await rig.crash()
    sender.sent.clear()
    sender.in_flight_max = 0
    await world.replay(subscription_id, Stretch(partition_id, 0, None))
    rig = Rig(world, sender, "two")
    lanes = await rig.open(subscription_id)
    await rig.settle_down()
    assert (replayed(sender), sender.in_flight_max) == (ids, 1)
    assert [(lane.is_live, lane.is_over) for lane in lanes] == [(True, False), (False, True)]
    assert [subscription.replays_in_flight for subscription in rig.subscriptions] == [0]


async def test_a_replay_of_which_nothing_is_taken_ends_at_once(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    subscription_id, _ = await delivered(world, process, sender, None, None)
    await world.replay(subscription_id, Stretch(1, 0, None), filter_={"exact": {"partitionkey": "none"}})
    await ended(world, process, [("COMPLETED", 0, 0)])
    assert replayed(sender) == []
    assert await world.rows("SELECT first_offset, last_offset FROM replays") == [(None, None)]
