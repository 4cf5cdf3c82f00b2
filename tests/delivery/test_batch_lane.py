"""Batches on their first way: what goes together, in which order, and when."""

import json
from dataclasses import replace

from event_issuer.domain.subscriptions import ContentMode, Ordering
from event_issuer.egress.messages import Response
from tests.delivery.rig import Rig, until_idle
from tests.delivery.senders import OK, TIMINGS, ScriptedSender, answer, failing
from tests.delivery.world import SETTINGS, World

BATCHES = replace(SETTINGS, batch_events_max=3, batch_wait_max_s=2.0)


async def opened(
    world: World, sender: ScriptedSender, partition_id: int, *, ordering: Ordering = Ordering.PER_KEY
) -> Rig:
    rig = Rig(world, sender)
    await rig.open(
        await world.subscribe([partition_id], settings=BATCHES, content_mode=ContentMode.BATCH, ordering=ordering)
    )
    return rig


def batches(sender: ScriptedSender) -> list[list[str]]:
    return [sent.ids for sent in sender.sent]


async def test_a_batch_is_a_json_array_of_events_in_log_order(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", None, "a")
    await (await opened(world, sender, partition_id)).settle_down()
    (sent,) = sender.sent
    assert sent.headers["content-type"] == "application/cloudevents-batch+json; charset=utf-8"
    assert [name for name in sent.headers if name.startswith("ce-")] == []
    common = {"specversion": "1.0", "source": "/tests", "type": "test.happened.v1"}
    assert json.loads(sent.body) == [
        common | {"id": ids[0], "partitionkey": "a", "data": {"n": 1}},
        common | {"id": ids[1], "data": {"n": 2}},
        common | {"id": ids[2], "partitionkey": "a", "data": {"n": 3}},
    ]
    assert await world.rows("SELECT next_offset, settled_above FROM lanes") == [(3, "[]")]


async def test_a_full_batch_goes_at_once_and_the_rest_waits(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *[None] * 5)
    rig = await opened(world, sender, partition_id)
    await rig.settle_down()
    assert batches(sender) == [ids[:3]]
    world.clock.advance(1.9)
    ids += await world.produce(partition_id, *[None] * 3)
    await rig.settle_down()
    assert batches(sender) == [ids[:3], ids[3:6]]
    world.clock.advance(1.9)
    await rig.settle_down()
    assert batches(sender) == [ids[:3], ids[3:6]]
    world.clock.advance(0.1)
    await rig.settle_down()
    assert batches(sender) == [ids[:3], ids[3:6], ids[6:]]


async def test_a_lane_wakes_when_its_batch_has_waited_long_enough(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, None)
    (lane,) = (await opened(world, sender, partition_id)).lanes
    assert await lane.step() == 0
    assert lane._next_due_at() == world.clock.now + 2_000_000
    world.clock.advance(2)
    assert await lane.step() == 1
    assert lane._next_due_at() is None
    await lane.drain()


async def test_where_keys_have_an_order_one_batch_is_under_way_at_a_time(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *"abcabcabc")
    rig = await opened(world, sender, partition_id)
    sender.hold()
    assert await rig.lanes[0].step() == 1
    await until_idle()
    assert await rig.lanes[0].step() == 0
    assert batches(sender) == [ids[:3]]
    sender.release()
    await rig.settle_down()
    assert batches(sender) == [ids[:3], ids[3:6], ids[6:]]
    assert sender.in_flight_max == 1


async def test_without_an_order_batches_go_beside_each_other(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *"aaaaaaaaa")
    rig = await opened(world, sender, partition_id, ordering=Ordering.NONE)
    sender.hold()
    assert await rig.lanes[0].step() == 3
    await sender.asked(3)
    assert batches(sender) == [ids[:3], ids[3:6], ids[6:]]
    assert rig.exposure.count == 9
    sender.release()
    await rig.settle_down()
    assert rig.exposure.count == 0


async def test_a_lane_does_not_wait_for_company_that_it_cannot_read(world: World, sender: ScriptedSender) -> None:
    """What was filtered out fills its window: the one event that is left goes at once."""
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, None)
    for _ in range(5):
        await world.produce(partition_id, *["x"] * 250)
    settings = replace(BATCHES, batch_wait_max_s=60.0)
    subscription_id = await world.subscribe([partition_id], settings=settings, content_mode=ContentMode.BATCH)
    rig = Rig(world, sender)
    await rig.open(subscription_id)
    await world.park_head(rig.lanes[0].id, subscription_id, partition_id, "x")
    await rig.crash()
    rig = Rig(world, sender, "next")
    await rig.open(subscription_id)
    await rig.settle_down()
    assert batches(sender) == [ids]


async def test_an_unspent_batch_is_gathered_again(world: World, sender: ScriptedSender) -> None:
    """An endpoint that asks for a pause gets the same batch after it."""
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *"abc")
    rig = await opened(world, sender, partition_id)
    pause = Response(429, [(b"retry-after", b"5")], b"", TIMINGS)
    sender.script = lambda sent: pause if len(sender.sent) == 1 else OK
    await rig.settle_down()
    assert batches(sender) == [ids]
    assert await world.rows("SELECT next_offset FROM lanes") == [(0,)]
    assert await world.rows("SELECT id FROM parked_events") == []
    world.clock.advance(6)
    await rig.settle_down()
    assert batches(sender) == [ids, ids]
    assert sender.sent[0].headers["webhook-id"] == sender.sent[1].headers["webhook-id"]
    assert await world.rows("SELECT log_offset, log_offsets, number, outcome FROM attempts ORDER BY id") == [
        (0, "[[0,3]]", 1, "RETRY"),
        (0, "[[0,3]]", 1, "DELIVERED"),
    ]


async def test_a_batch_that_was_under_way_in_a_crash_is_repeated(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *"abc")
    rig = await opened(world, sender, partition_id)
    sender.hold()
    await rig.lanes[0].step()
    await sender.asked(1)
    assert await rig.crash() == 3
    sender.release()
    rig = Rig(world, sender, "next")
    ((subscription_id,),) = await world.rows("SELECT id FROM subscriptions")
    await rig.open(subscription_id)
    await rig.settle_down()
    assert batches(sender) == [ids, ids]
    assert sender.sent[0].headers["webhook-id"] == sender.sent[1].headers["webhook-id"]


async def test_an_endpoint_that_is_gone_leaves_the_batch_where_it_is(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, *"abc")
    rig = await opened(world, sender, partition_id)
    sender.script = lambda sent: answer(410)
    await rig.settle_down()
    assert len(sender.sent) == 1
    assert await world.rows("SELECT status FROM subscriptions") == [("FAILED",)]
    assert await world.rows("SELECT next_offset FROM lanes") == [(0,)]
    assert await world.rows("SELECT log_offsets, outcome FROM attempts") == [("[[0,3]]", "GONE")]
    assert rig.exposure.count == 0


async def test_a_refused_batch_is_split_until_the_guilty_event_stands_alone(
    world: World, sender: ScriptedSender
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *"abcdeafb")
    settings = replace(BATCHES, batch_events_max=8)
    rig = Rig(world, sender)
    await rig.open(await world.subscribe([partition_id], settings=settings, content_mode=ContentMode.BATCH))
    guilty = ids[2]
    sender.script = failing(guilty, status=422)
    await rig.settle_down()
    assert batches(sender) == [ids, ids[:4], ids[:2], ids[2:4], [guilty], [ids[3]], ids[4:]]
    assert await world.rows("SELECT log_offset, blocks_key, attempts, batch_from FROM parked_events") == [
        (2, True, 1, None)
    ]
    assert await world.rows("SELECT next_offset, settled_above FROM lanes") == [(8, "[]")]
    assert await world.rows("SELECT log_offset, log_offsets, number, outcome FROM attempts ORDER BY id") == [
        (0, "[[0,8]]", 1, "REFUSED"),
        (0, "[[0,4]]", 1, "REFUSED"),
        (0, "[[0,2]]", 1, "DELIVERED"),
        (2, "[[2,4]]", 1, "REFUSED"),
        (2, None, 1, "REFUSED"),
        (3, None, 1, "DELIVERED"),
        (4, "[[4,8]]", 1, "DELIVERED"),
    ]
    for _ in range(3):
        world.clock.advance(400)
        await rig.settle_down()
    assert batches(sender)[7:] == [[guilty], [guilty]]
    assert await world.rows("SELECT log_offset, attempts, last_outcome FROM parked_events") == [(2, 3, "REFUSED")]


async def test_what_follows_the_guilty_event_of_its_key_waits_for_it(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a", "b")
    rig = await opened(world, sender, partition_id)
    sender.script = lambda sent: answer(400) if ids[0] in sent.ids and len(sender.sent) < 4 else OK
    await rig.settle_down()
    assert batches(sender) == [ids, ids[:2], [ids[0]], [ids[2]]]
    world.clock.advance(6)
    await rig.settle_down()
    assert batches(sender)[4:] == [[ids[0]], [ids[1]]]
    assert await world.rows("SELECT id FROM parked_events") == []


async def test_an_event_that_cannot_be_rendered_is_found_too(world: World, sender: ScriptedSender) -> None:
    """Our own fault on one event is that event's outcome, also in a batch."""
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *"abc")
    rig = await opened(world, sender, partition_id)
    page = await world.log.read(partition_id, 0)
    page.records[1].event.attributes["subject"] = object()  # type: ignore[assignment]
    await rig.settle_down()
    assert batches(sender) == [[ids[0]], [ids[2]]]
    assert await world.rows("SELECT log_offset, last_error FROM parked_events WHERE dead_lettered_at_us > 0") == [
        (1, "INTERNAL: the event could not be sent; the log has the trace id.")
    ]
