"""Retries: when a failed event is tried again, what becomes of it, and what it leaves behind."""

import asyncio
from dataclasses import replace

from event_issuer.domain.subscriptions import PARKED_MAX
from event_issuer.domain.time import SECOND_US
from event_issuer.egress.messages import Response
from tests.delivery.rig import Rig
from tests.delivery.senders import OK, ScriptedSender, Sent, answer, failing
from tests.delivery.world import SETTINGS, STARTED_AT, World

ATTEMPTS = "SELECT log_offset, number, started_at_us, outcome, http_status, error, response_excerpt FROM attempts"


async def due_at(world: World) -> int:
    """When the one parked event is due."""
    ((instant,),) = await world.rows("SELECT next_attempt_at_us FROM parked_events WHERE dead_lettered_at_us IS NULL")
    assert isinstance(instant, int)
    return instant


async def test_a_failed_event_is_tried_at_the_scheduled_instants_and_then_a_dead_letter(
    world: World, sender: ScriptedSender
) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    rig = Rig(world, sender)
    await rig.open(await world.subscribe([partition_id]))
    sender.script = lambda sent: answer(503, b"busy \xff\x00")

    await rig.settle_down()
    for most_s, number in ((5, 2), (300, 3)):  # the schedule, of which chance takes a part
        due = await due_at(world)
        assert 0 < due - world.clock.now <= most_s * SECOND_US
        world.clock.now = due - 1
        await rig.settle_down()
        assert len(sender.sent) == number - 1
        world.clock.now = due
        await rig.settle_down()
        assert [sent.at for sent in sender.sent][number - 1 :] == [due]

    assert await world.rows(
        "SELECT attempts, next_attempt_at_us, dead_lettered_at_us, blocks_key, parked_at_us, last_outcome, last_error "
        "FROM parked_events"
    ) == [(3, None, world.clock.now, False, STARTED_AT, "RETRY", "The endpoint answered 503.")]
    shown = ("RETRY", 503, "The endpoint answered 503.", "[7 bytes of an unknown type]")
    assert await world.rows(f"{ATTEMPTS} ORDER BY id") == [
        (0, number, sent.at, *shown) for number, sent in enumerate(sender.sent, 1)
    ]
    world.clock.advance(10**6)
    await rig.settle_down()
    assert len(sender.sent) == 3


async def test_the_budget_survives_a_restart(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    subscription_id = await world.subscribe([partition_id])
    sender.script = lambda sent: answer(500)
    for process in ("one", "two", "three", "four"):
        rig = Rig(world, sender, process)
        await rig.open(subscription_id)
        await rig.settle_down()
        await rig.crash()
        world.clock.advance(400)

    assert await world.rows("SELECT number FROM attempts ORDER BY id") == [(1,), (2,), (3,)]
    assert await world.rows("SELECT attempts FROM parked_events WHERE dead_lettered_at_us IS NOT NULL") == [(3,)]


async def test_a_dead_letter_releases_its_key(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a", "a")
    rig = Rig(world, sender)
    await rig.open(await world.subscribe([partition_id], settings=replace(SETTINGS, retry_delays_s=(5.0,))))
    sender.script = failing(ids[0])

    await rig.settle_down()
    world.clock.advance(6)
    await rig.settle_down()
    assert sender.event_ids == [ids[0], ids[0], ids[1], ids[2]]
    assert await world.rows("SELECT log_offset, dead_lettered_at_us FROM parked_events") == [(0, world.clock.now)]


async def test_without_retries_the_first_failure_is_a_dead_letter_and_the_key_goes_on(
    world: World, sender: ScriptedSender
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a")
    rig = Rig(world, sender)
    await rig.open(await world.subscribe([partition_id], settings=replace(SETTINGS, retry_delays_s=())))
    sender.script = failing(ids[0])

    await rig.settle_down()
    assert sender.event_ids == ids
    assert await world.rows("SELECT log_offset, attempts, blocks_key, dead_lettered_at_us FROM parked_events") == [
        (0, 1, False, world.clock.now)
    ]


async def test_a_follower_that_fails_is_parked_in_its_turn(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a", "a")
    rig = Rig(world, sender)
    await rig.open(await world.subscribe([partition_id]))
    sender.script = failing(ids[0], ids[1], times=1)

    await rig.settle_down()
    world.clock.advance(6)
    await rig.settle_down()
    assert sender.event_ids == [ids[0], ids[0], ids[1]]
    assert await world.rows("SELECT log_offset, attempts, followers_from FROM parked_events") == [(1, 1, 2)]
    world.clock.advance(6)
    await rig.settle_down()
    assert sender.event_ids == [ids[0], ids[0], ids[1], ids[1], ids[2]]
    assert await world.rows("SELECT log_offset, number FROM attempts ORDER BY id") == [
        (0, 1),
        (0, 2),
        (1, 1),
        (1, 2),
        (2, 1),
    ]


async def test_retries_take_half_of_the_room(world: World, sender: ScriptedSender) -> None:
    """On all lanes of a subscription together, so that fresh events are not starved by them."""
    partition_ids = await world.partitions(2)
    for partition_id in partition_ids:
        await world.produce(partition_id, *[None] * 4)
    rig = Rig(world, sender)
    lanes = await rig.open(await world.subscribe(partition_ids))
    sender.script = lambda sent: answer(422) if sent.number == 1 else OK
    await rig.settle_down()
    assert len(sender.sent) == 8

    for partition_id in partition_ids:
        await world.produce(partition_id, *[None] * 4)
    world.clock.advance(6)
    sender.hold()
    for lane in lanes:
        await lane.step()
    await sender.asked(16)
    assert [sent.number for sent in sender.sent[8:]].count(2) == 4
    sender.script = lambda sent: OK
    sender.release()
    await rig.settle_down()
    assert [sent.number for sent in sender.sent[8:]].count(2) == 8
    assert await world.rows("SELECT id FROM parked_events") == []


async def test_what_the_endpoint_refuses_is_a_dead_letter_after_three_tries(
    world: World, sender: ScriptedSender
) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    settings = replace(SETTINGS, retry_delays_s=(5.0,) * 9)
    rig = Rig(world, sender)
    await rig.open(await world.subscribe([partition_id], settings=settings))
    sender.script = lambda sent: answer(422)

    for _ in range(6):
        await rig.settle_down()
        world.clock.advance(6)
    assert len(sender.sent) == 3
    assert await world.rows("SELECT attempts, last_outcome FROM parked_events WHERE dead_lettered_at_us > 0") == [
        (3, "REFUSED")
    ]


async def test_an_event_that_cannot_be_sent_is_a_dead_letter_at_once(world: World, sender: ScriptedSender) -> None:
    """Our own fault on one event is that event's outcome: the others go on."""
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a")

    def broken(sent: Sent) -> Response:
        if sent.event_id == ids[0]:
            raise RuntimeError("no codec")
        return OK

    rig = Rig(world, sender)
    await rig.open(await world.subscribe([partition_id]))
    sender.script = broken
    await rig.settle_down()
    assert sender.event_ids == ids
    assert await world.rows("SELECT outcome, http_status, error FROM attempts ORDER BY id") == [
        ("REFUSED", None, "INTERNAL: the event could not be sent; the log has the trace id."),
        ("DELIVERED", 200, None),
    ]
    assert await world.rows("SELECT log_offset, dead_lettered_at_us FROM parked_events") == [(0, world.clock.now)]
    assert rig.faults == []


async def test_an_event_that_retention_took_is_a_dead_letter_and_its_key_goes_on(
    world: World, sender: ScriptedSender
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a", "a")
    subscription_id = await world.subscribe([partition_id])
    rig = Rig(world, sender)
    await rig.open(subscription_id)
    sender.script = failing(ids[0])
    await rig.settle_down()
    await rig.crash()

    await world.log.trim(partition_id, 2)
    world = await world.restarted()
    world.clock.advance(6)
    rig = Rig(world, sender, "next")
    await rig.open(subscription_id)
    await rig.settle_down()
    assert sender.event_ids == [ids[0], ids[2]]
    assert await world.rows("SELECT log_offset, attempts, last_error, dead_lettered_at_us FROM parked_events") == [
        (0, 1, "EXPIRED: retention removed the event before it was delivered.", world.clock.now)
    ]


async def test_a_lane_with_too_many_parked_events_reads_no_further(world: World, sender: ScriptedSender) -> None:
    """The endpoint is not failing on some events but as a whole."""
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, None, None)
    subscription_id = await world.subscribe([partition_id])
    ((lane_id,),) = await world.rows("SELECT id FROM lanes")
    await world.park(lane_id, subscription_id, partition_id, range(-PARKED_MAX + 1, 0))
    sender.script = lambda sent: answer(503)

    rig = Rig(world, sender)
    (lane,) = await rig.open(subscription_id)
    sender.hold()
    assert await lane.step() == 2  # both were read before the bound was reached
    sender.release()
    await rig.settle_down()
    assert await world.rows("SELECT COUNT(*) FROM parked_events") == [(PARKED_MAX + 1,)]

    await world.produce(partition_id, None)
    await rig.settle_down()
    assert len(sender.sent) == 2
    assert (lane.cursor.next_offset, lane.cursor.end) == (2, 2)


async def test_room_that_was_taken_while_the_log_was_read_is_not_taken_twice(
    world: World, sender: ScriptedSender
) -> None:
    partition_ids = await world.partitions(2)
    for partition_id in partition_ids:
        await world.produce(partition_id, "a")
    subscription_id = await world.subscribe(partition_ids, settings=replace(SETTINGS, max_in_flight=1))
    rig = Rig(world, sender)
    await rig.open(subscription_id)
    sender.script = lambda sent: answer(422) if sent.number == 1 else OK
    await rig.settle_down()
    await rig.crash()

    world.clock.advance(6)
    rig = Rig(await world.restarted(), sender, "next")
    lanes = await rig.open(subscription_id)
    sender.hold()
    assert sum(await asyncio.gather(*[lane.step() for lane in lanes])) == 1
    sender.release()
    await rig.settle_down()
    assert sender.in_flight_max == 1
    assert await world.rows("SELECT id FROM parked_events") == []
