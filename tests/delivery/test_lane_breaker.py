"""Lanes whose endpoint is down, or wants to be left alone: what goes out, what is written, and what time does."""

import asyncio
from dataclasses import replace

from event_issuer.delivery.outcome import judge
from event_issuer.domain.subscriptions import OnDeadLetter, Ordering
from event_issuer.domain.time import SECOND_US
from event_issuer.egress.messages import Response
from tests.delivery.rig import Rig, until_idle
from tests.delivery.senders import OK, TIMINGS, ScriptedSender, answer, failing
from tests.delivery.world import SETTINGS, STARTED_AT, World

DAY_S = 24 * 3600
HEALTH = "SELECT probe_step, probe_at_us, paused_until_us, pauses, frozen_us, frozen_since_us FROM subscriptions"
IN_A_ROW = 4  # half of maxInFlight


def paused(seconds: int) -> Response:
    return Response(429, [(b"retry-after", str(seconds).encode())], b"", TIMINGS)


async def pass_days(rig: Rig, world: World, days: int, step_s: int = 300) -> None:
    for _ in range(days * DAY_S // step_s):
        world.clock.advance(step_s)
        await rig.settle_down()


async def test_a_dead_endpoint_costs_one_request_per_step_and_no_rows(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    for _ in range(2):
        await world.produce(partition_id, *[f"k{number % 100}" for number in range(1_000)])
    subscription_id = await world.subscribe([partition_id])
    rig = Rig(world, sender)
    (lane,) = await rig.open(subscription_id)
    sender.script = lambda sent: answer(500)
    await rig.settle_down()
    assert await world.rows("SELECT COUNT(*), MAX(attempts) FROM parked_events") == [(IN_A_ROW, 1)]

    await pass_days(rig, world, 1)
    opened_with = SETTINGS.max_in_flight  # under way when the fourth failure opened it
    # 5, 10, … 640 s are some 21 min at most; then one in 7.5 to 15 min, seen every 5 min.
    assert 8 + 80 < len(sender.sent) - opened_with < 8 + 200
    assert await world.rows("SELECT COUNT(*), MAX(attempts) FROM parked_events") == [(IN_A_ROW, 1)]
    assert await world.rows("SELECT COUNT(*) FROM attempts") == [(len(sender.sent),)]
    assert await world.rows("SELECT COUNT(*) FROM attempts WHERE kind = 'PROBE'") == [(len(sender.sent) - opened_with,)]
    assert lane.cursor.end == IN_A_ROW

    sender.script = lambda sent: OK
    await pass_days(rig, world, 1)
    assert len({sent.event_id for sent in sender.delivered}) == 2_000 == len(sender.delivered)
    for key in ("k0", "k1", "k99"):
        of_key = [int(sent.event_id[1:]) for sent in sender.delivered if sent.key == key]
        assert of_key == sorted(of_key)
    assert await world.rows("SELECT COUNT(*) FROM parked_events") == [(0,)]
    ((step, probe_at, paused_until, pauses, frozen_us, frozen_since),) = await world.rows(HEALTH)
    assert (step, probe_at, paused_until, pauses, frozen_since) == (0, None, None, 0, None)
    assert DAY_S * SECOND_US <= frozen_us <= (DAY_S + 1_200) * SECOND_US


async def test_an_open_breaker_survives_a_restart(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, *[None] * 20)
    subscription_id = await world.subscribe([partition_id])
    rig = Rig(world, sender)
    await rig.open(subscription_id)
    sender.script = lambda sent: answer(500)
    await rig.settle_down()
    sent = len(sender.sent)
    ((_, probe_at, *_),) = await world.rows(HEALTH)
    await rig.crash()

    rig = Rig(world, sender, "next")
    await rig.open(subscription_id)
    await rig.settle_down()
    assert len(sender.sent) == sent
    world.clock.now = probe_at
    await rig.settle_down()
    assert len(sender.sent) == sent + 1


async def test_an_event_that_fails_alone_does_not_keep_the_breaker_open(world: World, sender: ScriptedSender) -> None:
    """It was due for longest, so it is the first probe; the next one is another event."""
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *"abcdefgh")
    rig = Rig(world, sender)
    await rig.open(await world.subscribe([partition_id], settings=replace(SETTINGS, max_in_flight=1)))
    poison: set[str] = set(ids)
    sender.script = lambda sent: answer(500) if sent.event_id in poison else OK
    await rig.settle_down()
    assert sender.event_ids == ids[:3]
    poison = {ids[0]}
    await pass_days(rig, world, 1, step_s=20)
    assert {sent.event_id for sent in sender.delivered} == set(ids[1:])
    assert await world.rows("SELECT log_offset, attempts FROM parked_events WHERE dead_lettered_at_us > 0") == [(0, 3)]


async def test_a_pause_costs_no_attempt_and_keeps_the_order(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "b", "a", "b")
    rig = Rig(world, sender)
    await rig.open(await world.subscribe([partition_id]))
    sender.script = lambda sent: paused(60)
    await rig.settle_down()
    assert sender.event_ids == ids[:2]
    assert await world.rows("SELECT id FROM parked_events") == []
    assert await world.rows("SELECT number, outcome, http_status FROM attempts") == [(1, "RETRY", 429)] * 2
    assert await world.rows(HEALTH) == [(0, None, STARTED_AT + 60 * SECOND_US, 1, 0, STARTED_AT)]

    world.clock.advance(59)
    sender.script = lambda sent: OK
    await rig.settle_down()
    assert len(sender.sent) == 2
    world.clock.advance(1)
    await rig.settle_down()
    assert sender.event_ids[2:] == [ids[0], ids[1], ids[2], ids[3]]
    assert await world.rows("SELECT next_offset, settled_above FROM lanes") == [(4, "[]")]


async def test_time_that_an_event_waits_for_its_endpoint_makes_it_no_older(
    world: World, sender: ScriptedSender
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a")
    settings = replace(SETTINGS, retry_delays_s=(100.0, 100.0, 100.0), retry_age_max_s=150.0)
    rig = Rig(world, sender)
    await rig.open(await world.subscribe([partition_id], settings=settings))
    sender.script = failing(ids[0], status=404)
    await rig.settle_down()
    sender.script = lambda sent: paused(DAY_S)
    await world.produce(partition_id, "b")
    await rig.settle_down()
    assert sender.event_ids == ["e1", "e2"]
    sender.script = failing(ids[0], status=404)
    world.clock.advance(DAY_S)
    await rig.settle_down()
    assert sender.event_ids == ["e1", "e2", "e2"]  # the day does not count: the first event is not due yet
    world.clock.advance(100)
    await rig.settle_down()
    assert sender.event_ids == ["e1", "e2", "e2", "e1"]
    assert await world.rows("SELECT attempts, dead_lettered_at_us FROM parked_events") == [(2, None)]


async def test_missing_rights_are_told_to_the_owner(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    rig = Rig(world, sender)
    await rig.open(await world.subscribe([partition_id]))
    sender.script = lambda sent: answer(401)
    await rig.settle_down()
    errors = await world.rows("SELECT message, http_status FROM subscription_errors")
    assert errors == [("The endpoint answered 401. It does not accept our credentials; give new ones.", 401)]
    ((due_at,),) = await world.rows("SELECT next_attempt_at_us FROM parked_events")
    assert due_at == STARTED_AT + 300 * SECOND_US


async def test_in_strict_order_one_event_holds_up_all(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "b", None, "c", "a")
    rig = Rig(world, sender)
    await rig.open(await world.subscribe([partition_id], ordering=Ordering.STRICT))
    sender.script = failing(ids[1], ids[2], times=1)
    await rig.settle_down()
    assert sender.event_ids == ids[:2]
    world.clock.advance(6)
    await rig.settle_down()
    assert sender.event_ids == [*ids[:2], ids[1], ids[2]]
    world.clock.advance(6)
    await rig.settle_down()
    assert sender.event_ids == [*ids[:2], ids[1], ids[2], ids[2], ids[3], ids[4]]
    assert sender.in_flight_max == 1
    assert await world.rows("SELECT next_offset, settled_above FROM lanes") == [(5, "[]")]


async def test_strict_order_survives_a_restart(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, None, "b")
    subscription_id = await world.subscribe([partition_id], ordering=Ordering.STRICT)
    rig = Rig(world, sender)
    await rig.open(subscription_id)
    sender.script = failing(ids[0], times=1)
    await rig.settle_down()
    await rig.crash()
    rig = Rig(world, sender, "next")
    await rig.open(subscription_id)
    await rig.settle_down()
    assert sender.event_ids == ids[:1]
    world.clock.advance(6)
    await rig.settle_down()
    assert sender.event_ids == [ids[0], ids[0], ids[1]]


async def test_a_dead_letter_may_hold_its_key_also_over_a_restart(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a", "b")
    settings = replace(SETTINGS, retry_delays_s=(5.0,), on_dead_letter=OnDeadLetter.HOLD_KEY)
    subscription_id = await world.subscribe([partition_id], settings=settings)
    rig = Rig(world, sender)
    await rig.open(subscription_id)
    sender.script = failing(ids[0])
    await rig.settle_down()
    world.clock.advance(6)
    await rig.settle_down()
    held = [(0, 2, True, 1, None, world.clock.now)]
    columns = "log_offset, attempts, blocks_key, followers_from, next_attempt_at_us, dead_lettered_at_us"
    assert await world.rows(f"SELECT {columns} FROM parked_events") == held
    await rig.crash()

    rig = Rig(world, sender, "next")
    await rig.open(subscription_id)
    ids += await world.produce(partition_id, "a")
    world.clock.advance(10**6)
    await rig.settle_down()
    assert sender.event_ids == [ids[0], ids[2], ids[0]]
    assert await world.rows(f"SELECT {columns} FROM parked_events") == held
    assert await world.rows("SELECT next_offset, settled_above FROM lanes") == [(4, "[]")]


async def test_a_dead_letter_at_the_first_attempt_may_hold_its_key(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a")
    settings = replace(SETTINGS, retry_delays_s=(), on_dead_letter=OnDeadLetter.HOLD_KEY)
    rig = Rig(world, sender)
    await rig.open(await world.subscribe([partition_id], settings=settings))
    sender.script = failing(ids[0])
    await rig.settle_down()
    assert sender.event_ids == ids[:1]
    assert await world.rows("SELECT log_offset, blocks_key, followers_from FROM parked_events") == [(0, True, 1)]


async def test_no_more_requests_in_a_second_than_were_asked_for(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, *[None] * 10)
    rig = Rig(world, sender)
    await rig.open(await world.subscribe([partition_id], settings=replace(SETTINGS, requests_per_second=2.0)))
    for _ in range(6):
        await rig.settle_down()
        world.clock.advance(0.25)
    assert [(sent.at - STARTED_AT) / SECOND_US for sent in sender.sent] == [0.0, 0.5, 1.0]


async def test_what_is_due_at_the_beginning_is_spread(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *[None] * 1_000)
    subscription_id = await world.subscribe([partition_id], settings=replace(SETTINGS, max_in_flight=256))
    rig = Rig(world, sender, exposure_max=10_000)
    await rig.open(subscription_id)
    sender.script = lambda sent: answer(422)
    await rig.settle_down()
    await rig.crash()
    world.clock.advance(DAY_S)
    sender.script = lambda sent: OK
    rig = Rig(world, sender, "next", exposure_max=10_000)
    await rig.open(subscription_id)
    await rig.settle_down()
    assert len(sender.delivered) == 128  # what may be retried at a time
    world.clock.advance(17.5)
    await rig.settle_down()
    assert {sent.event_id for sent in sender.delivered} == set(ids)


async def test_a_stopped_subscription_stands_still(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a")
    subscription_id = await world.subscribe([partition_id], settings=replace(SETTINGS, retry_delays_s=(1_000.0,) * 3))
    rig = Rig(world, sender)
    await rig.open(subscription_id)
    sender.script = failing(ids[0], times=1)
    await rig.settle_down()
    ((due_at,),) = await world.rows("SELECT next_attempt_at_us FROM parked_events")
    wait_us = due_at - world.clock.now
    assert wait_us > 0
    await rig.crash()
    await world.stop(subscription_id)
    world.clock.advance(DAY_S)
    await world.start(subscription_id)
    assert await world.rows(HEALTH) == [(0, None, None, 0, DAY_S * SECOND_US, None)]

    rig = Rig(world, sender, "next")
    await rig.open(subscription_id)
    world.clock.now += wait_us - 1
    await rig.settle_down()
    assert len(sender.sent) == 1
    world.clock.now += 1
    await rig.settle_down()
    assert len(sender.delivered) == 1


async def test_whoever_starts_it_again_gives_the_endpoint_a_new_chance(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, *[None] * 20)
    subscription_id = await world.subscribe([partition_id])
    rig = Rig(world, sender)
    await rig.open(subscription_id)
    sender.script = lambda sent: answer(500)
    await rig.settle_down()
    await rig.crash()
    await world.stop(subscription_id)
    world.clock.advance(100)
    await world.start(subscription_id)
    assert await world.rows(HEALTH) == [(0, None, None, 0, 100 * SECOND_US, None)]


async def test_a_late_settle_leaves_the_health_of_a_stopped_subscription_alone(
    world: World, sender: ScriptedSender
) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, *[None] * 20)
    subscription_id = await world.subscribe([partition_id])
    rig = Rig(world, sender)
    await rig.open(subscription_id)
    sender.script = lambda sent: answer(500)
    await rig.carry()
    await world.stop(subscription_id)
    await rig.settler.flush()
    assert await world.rows(HEALTH) == [(0, None, None, 0, 0, STARTED_AT)]


async def test_a_lane_that_waits_for_no_room_goes_on_when_a_pause_ends(world: World, sender: ScriptedSender) -> None:
    """In strict order a parked head keeps the lane from looking for room; its due time has stood still meanwhile."""
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "b")
    settings = replace(SETTINGS, retry_delays_s=(0.2, 0.2, 0.2))
    rig = Rig(world, sender)
    (lane,) = await rig.open(await world.subscribe([partition_id], settings=settings, ordering=Ordering.STRICT))
    sender.script = failing(ids[0], times=1)
    await rig.settle_down()
    lane.subscription.took(judge(paused(60), world.clock.now), 0)
    running = asyncio.create_task(lane.run())
    await until_idle()
    world.clock.advance(60)
    lane.subscription.pass_time()  # as the alarm does
    await until_idle()
    world.clock.advance(0.2)
    await sender.asked(3)
    running.cancel()
    assert sender.event_ids == [ids[0], ids[0], ids[1]]


async def test_a_pause_that_was_stored_ends_by_itself(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a")
    subscription_id = await world.subscribe([partition_id])
    await world.alter(subscription_id, paused_until_us=STARTED_AT + 50_000, frozen_since_us=STARTED_AT)
    rig = Rig(world, sender)
    (lane,) = await rig.open(subscription_id)
    running = asyncio.create_task(lane.run())
    await until_idle()
    assert sender.event_ids == []
    world.clock.advance(0.05)  # the timer was set by then
    await sender.asked(1)
    running.cancel()
    assert sender.event_ids == ids
