"""Replays: events go out again, beside the live ones, and each is counted once whatever happens meanwhile."""

from dataclasses import replace

from event_issuer.db.replays import Stretch
from event_issuer.delivery.leases import TAKEOVER_MARGIN_S
from event_issuer.domain.replays import HEADER, global_id
from event_issuer.domain.subscriptions import ContentMode, OnDeadLetter
from tests.delivery.processes import LEASE_S, Process
from tests.delivery.replaying import LANES, LIVE, PARKED, STATUS, begun, delivered, ended, replayed
from tests.delivery.rig import until_idle
from tests.delivery.senders import OK, ScriptedSender, answer, failing
from tests.delivery.test_position_losses import execute
from tests.delivery.world import SETTINGS, World


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


async def test_a_replay_in_batches_counts_each_event(world: World, sender: ScriptedSender, process: Process) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", None, "b")
    settings = replace(SETTINGS, batch_wait_max_s=0.0)
    subscription_id = await world.subscribe([partition_id], settings=settings, content_mode=ContentMode.BATCH)
    await world.alter(subscription_id, verified_at_us=1)
    await process.step()
    await process.written(LIVE, [(3, "[]")])
    sender.sent.clear()
    replay_id = await world.replay(subscription_id, Stretch(partition_id, 0, None))
    await ended(world, process, [("COMPLETED", 3, 3)])
    assert [id_ for sent in sender.sent for id_ in sent.ids] == ids
    assert {sent.headers[HEADER] for sent in sender.sent} == {global_id(replay_id)}
    await process.written("SELECT DISTINCT kind FROM attempts ORDER BY kind", [("DELIVERY",), ("REPLAY",)])


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
    _, ids = await begun(world, process, sender)
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
