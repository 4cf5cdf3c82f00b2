"""Replays: events go out again, beside the live ones, and each is counted once whatever happens meanwhile."""

from dataclasses import replace

import pytest

from event_issuer.db.replays import Stretch, cancel
from event_issuer.db.subscriptions import LaneStart, change_event_types
from event_issuer.db.work import Row
from event_issuer.delivery.leases import TAKEOVER_MARGIN_S
from event_issuer.domain.errors import Conflict
from event_issuer.domain.replays import global_id
from event_issuer.domain.subscriptions import OnDeadLetter, Ordering
from tests.delivery.processes import LEASE_S, Process
from tests.delivery.rig import Rig, until_idle
from tests.delivery.senders import OK, ScriptedSender, answer, failing
from tests.delivery.test_position_losses import execute
from tests.delivery.world import SETTINGS, World

HEADER = "webhook-replay"
STATUS = "SELECT status, matched_count, delivered_count FROM replays ORDER BY id"
LIVE = "SELECT next_offset, settled_above FROM lanes WHERE replay_id IS NULL ORDER BY id"
LANES = "SELECT next_offset, delivered_count FROM lanes WHERE replay_id IS NOT NULL ORDER BY id"
PARKED = "SELECT log_offset, attempts, dead_lettered_at_us IS NOT NULL FROM parked_events ORDER BY id"
ERRORS = "SELECT message FROM subscription_errors ORDER BY id"
PLACE = "test.happened-1.v1, partition 0"


async def delivered(world: World, process: Process, sender: ScriptedSender, *keys: str | None) -> tuple[int, list[str]]:
    """A subscription's id, and the ids of events that were all delivered to it."""
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *keys)
    subscription_id = await world.subscribe([partition_id])
    await world.alter(subscription_id, verified_at_us=1)
    await process.step()
    await sender.asked(len(ids))
    await process.written(LIVE, [(len(ids), "[]")])
    sender.sent.clear()
    sender.delivered.clear()
    return subscription_id, ids


async def ended(world: World, process: Process, wanted: list[Row]) -> None:
    """Goes on until the replays are as wanted; a test that waits in vain ends with pytest's time limit."""
    await process.step()
    while await world.rows(STATUS) != wanted:
        await process.engine.settler.step()
        await process.keep()
        await until_idle()


def replayed(sender: ScriptedSender) -> list[str]:
    return [sent.event_id for sent in sender.sent if HEADER in sent.headers]


async def test_events_go_out_again_with_the_ids_they_had_and_a_header(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", None, "a", "b")
    subscription_id = await world.subscribe([partition_id])
    await world.alter(subscription_id, verified_at_us=1)
    await process.step()
    await sender.asked(4)
    await process.written(LIVE, [(4, "[]")])
    first = {sent.event_id: sent.headers for sent in sender.sent}
    sender.sent.clear()

    replay_id = await world.replay(subscription_id, Stretch(partition_id, 1, None))
    ids += await world.produce(partition_id, "a")  # behind the head of that moment
    await ended(world, process, [("COMPLETED", 3, 3)])
    again = {sent.event_id: sent.headers for sent in sender.sent if HEADER in sent.headers}
    assert sorted(again) == ids[1:4]
    for id_, headers in again.items():
        assert headers[HEADER] == global_id(replay_id)
        assert headers["webhook-id"] == first[id_]["webhook-id"]
        changing = {HEADER, "webhook-signature", "traceparent"}
        assert {name: value for name, value in headers.items() if name not in changing} == {
            name: value for name, value in first[id_].items() if name not in changing
        }
    assert [sent.event_id for sent in sender.sent if HEADER not in sent.headers] == ids[4:]
    kinds = "SELECT kind, log_offset FROM attempts ORDER BY kind, log_offset"
    await process.written(kinds, [*[("DELIVERY", offset) for offset in range(5)], *[("REPLAY", n) for n in (1, 2, 3)]])
    assert await world.rows(LIVE) == [(5, "[]")]
    assert await world.rows(LANES) == []
    assert await world.rows("SELECT COUNT(*) FROM replay_ranges") == [(0,)]
    assert [lane.is_live for lane in process.engine.lanes()] == [True]


async def test_a_key_keeps_its_order_and_only_a_part_of_the_room_is_taken(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    subscription_id, ids = await delivered(world, process, sender, "a", "a", "b", "c", "d", "a")
    sender.hold()
    await world.replay(subscription_id, Stretch(1, 0, None))
    await process.step()
    await sender.asked(2)
    await until_idle()
    assert sender.in_flight == 2  # a quarter of 8
    sender.release()
    await ended(world, process, [("COMPLETED", 6, 6)])
    assert [sent.event_id for sent in sender.sent if sent.key == "a"] == [ids[0], ids[1], ids[5]]
    assert sorted(replayed(sender)) == ids


async def test_live_events_go_first_where_there_is_room_for_one(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *[None] * 3)
    subscription_id = await world.subscribe([partition_id], settings=replace(SETTINGS, max_in_flight=1))
    await world.alter(subscription_id, verified_at_us=1)
    process = Process(world, sender)
    await process.step()
    await process.written(LIVE, [(3, "[]")])
    sender.sent.clear()
    sender.hold()
    await world.replay(subscription_id, Stretch(partition_id, 0, None))
    await process.step()
    await sender.asked(1)
    live = await world.produce(partition_id, *[None] * 3)
    await until_idle()
    sender.release()
    await ended(world, process, [("COMPLETED", 3, 3)])
    assert sender.event_ids == [ids[0], *live, ids[1], ids[2]]
    await process.engine.stop(1.0)


async def test_the_filter_of_the_replay_narrows_that_of_the_subscription(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "ab", "b", "a", "ab")
    subscription_id = await world.subscribe([partition_id], filter_={"suffix": {"partitionkey": "b"}})
    await world.alter(subscription_id, verified_at_us=1)
    await process.step()
    await process.written(LIVE, [(4, "[]")])
    sender.sent.clear()
    only_a = {"prefix": {"partitionkey": "a"}}
    await world.replay(subscription_id, Stretch(partition_id, 0, None), filter_=only_a)
    await world.replay(subscription_id, Stretch(partition_id, 0, None), filter_=only_a, is_dry_run=True)
    await world.replay(subscription_id, Stretch(partition_id, 0, None))
    await ended(world, process, [("COMPLETED", 2, 2), ("COUNTED", 2, 0), ("COMPLETED", 3, 3)])
    assert sorted(replayed(sender)) == sorted([ids[0], ids[3], ids[0], ids[1], ids[3]])
    places = "SELECT first_partition_id, first_offset, last_partition_id, last_offset FROM replays ORDER BY id"
    assert await world.rows(places) == [(partition_id, 0, partition_id, 3)] * 3


async def test_a_dry_run_sends_nothing_and_goes_on_where_another_process_left_it(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    for _ in range(9):
        await world.produce(partition_id, *["a", None] * 150)
    subscription_id = await world.subscribe([partition_id], filter_={"exact": {"partitionkey": "a"}})
    await world.alter(subscription_id, status="STOPPED")
    await world.replay(subscription_id, Stretch(partition_id, 100, 2600), is_dry_run=True)
    assert await process.keeper.step()
    ((counted_to,),) = await world.rows("SELECT counted_to FROM replay_ranges")
    assert 100 < counted_to < 2600
    assert await world.rows(STATUS) == [("COUNTING", (counted_to - 100) // 2, 0)]
    await Process(world, sender, "two").keep()
    assert await world.rows(STATUS) == [("COUNTED", 1250, 0)]
    places = "SELECT first_offset, last_offset, ended_at_us, swept_at_us FROM replays"
    assert await world.rows(places) == [(100, 2598, world.clock.now, world.clock.now)]
    assert sender.sent == []
    assert await world.rows("SELECT COUNT(*) FROM replay_ranges") == [(0,)]


async def test_what_is_written_twice_is_counted_once(world: World, sender: ScriptedSender, process: Process) -> None:
    subscription_id, ids = await delivered(world, process, sender, None, None, "a")
    await world.replay(subscription_id, Stretch(1, 0, None))
    process.database.silence = 3
    await process.step()
    await sender.asked(3)
    while process.database.silence:
        await process.engine.settler.step()
    await ended(world, process, [("COMPLETED", 3, 3)])
    assert sorted(sender.event_ids) == ids


async def test_a_restart_goes_on_and_repeats_no_more_than_what_was_not_written(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    subscription_id, ids = await delivered(world, process, sender, None, None, None)
    sender.hold(ids[1])
    await world.replay(subscription_id, Stretch(1, 0, None))
    await process.step()
    await sender.asked(3)
    await process.written(LANES, [(1, 2)])
    await process.engine.stop(0.0)
    sender.release()
    again = Process(world, sender, "two")
    await ended(world, again, [("COMPLETED", 3, 3)])
    assert sender.event_ids == [*ids, ids[1]]
    await again.engine.stop(1.0)


async def test_another_process_takes_a_replay_over_with_its_lease(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    subscription_id, ids = await delivered(world, process, sender, "a", "a")
    sender.hold()
    await world.replay(subscription_id, Stretch(1, 0, None))
    await process.step()
    await sender.asked(1)
    successor_sender = ScriptedSender(world.clock)
    successor = Process(world, successor_sender, "two")
    world.clock.advance(LEASE_S + TAKEOVER_MARGIN_S + 1)
    await ended(world, successor, [("COMPLETED", 2, 2)])
    assert replayed(successor_sender) == ids
    sender.release()
    await until_idle()
    await process.step()
    await process.engine.settler.step()
    assert await world.rows(STATUS) == [("COMPLETED", 2, 2)]
    await successor.engine.stop(1.0)


async def test_a_failed_event_is_parked_in_the_replay_and_retried_with_its_key_behind_it(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    subscription_id, ids = await delivered(world, process, sender, "a", "a", "b")
    sender.script = failing(ids[0], times=2)
    await world.replay(subscription_id, Stretch(1, 0, None))
    await process.step()
    await sender.asked(2)
    await process.written(LANES, [(3, 1)])
    await process.keep()
    assert await world.rows("SELECT status FROM replays") == [("RUNNING",)]
    assert await world.rows(PARKED) == [(0, 1, False)]
    live = await world.produce(1, "a")  # the key is not blocked for live events
    await sender.asked(3)
    assert [sent.event_id for sent in sender.sent if HEADER not in sent.headers] == live
    world.clock.advance(5)
    process.wake()
    await ended(world, process, [("COMPLETED", 3, 3)])
    assert replayed(sender) == [ids[0], ids[2], ids[0], ids[1]]
    assert await world.rows(PARKED) == []


async def test_a_dead_letter_of_a_replay_that_has_ended_can_be_tried_again(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    subscription_id, ids = await delivered(world, process, sender, None, None)
    never = replace(SETTINGS, retry_delays_s=())
    await world.alter(subscription_id, delivery=never.to_json(), settings_version=2)
    sender.script = lambda sent: answer(422) if sent.event_id == ids[0] else OK
    await world.replay(subscription_id, Stretch(1, 0, None))
    await ended(world, process, [("COMPLETED", 2, 0)])
    await process.written(LANES, [(2, 1)])
    assert await world.rows(PARKED) == [(0, 1, True)]
    assert await world.rows("SELECT swept_at_us FROM replays") == [(None,)]
    sender.script = failing()
    await execute(world, "UPDATE parked_events SET dead_lettered_at_us = NULL, next_attempt_at_us = 0, attempts = 0")
    await world.alter(subscription_id, settings_version=9)
    await ended(world, process, [("COMPLETED", 2, 2)])
    assert replayed(sender)[2:] == [ids[0]]
    assert await world.rows(LANES) == await world.rows(PARKED) == []


async def test_a_key_that_a_dead_letter_holds_keeps_the_replay_running(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    subscription_id, ids = await delivered(world, process, sender, "a", "a")
    hold = replace(SETTINGS, retry_delays_s=(), on_dead_letter=OnDeadLetter.HOLD_KEY)
    await world.alter(subscription_id, delivery=hold.to_json(), settings_version=2)
    sender.script = lambda sent: answer(422) if sent.event_id == ids[0] else OK
    await world.replay(subscription_id, Stretch(1, 0, None))
    await process.step()
    await process.written(LANES, [(2, 0)])
    await process.keep()
    assert await world.rows("SELECT status FROM replays") == [("RUNNING",)]
    await execute(world, "UPDATE parked_events SET wish = 'DISCARD'")
    await world.alter(subscription_id, settings_version=9)
    await ended(world, process, [("COMPLETED", 2, 1)])
    assert replayed(sender) == ids
    assert await world.rows(PARKED) == []


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
    subscription_id, ids = await delivered(world, process, sender, "a", "a")
    sender.hold()
    await world.replay(subscription_id, Stretch(1, 0, None))
    await process.step()
    await sender.asked(1)
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
    subscription_id, ids = await delivered(world, process, sender, "a", "a")
    sender.hold()
    await world.replay(subscription_id, Stretch(1, 0, None))
    await process.step()
    await sender.asked(1)
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
