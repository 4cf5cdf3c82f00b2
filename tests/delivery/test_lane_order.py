"""Order: first deliveries of a key go out in log order, one at a time; other keys go on."""

from dataclasses import replace

import pytest

from event_issuer.domain.subscriptions import Ordering
from tests.delivery.rig import Rig, until_idle
from tests.delivery.senders import ScriptedSender, failing
from tests.delivery.world import SETTINGS, Clock, World, open_world


async def test_events_of_one_key_go_one_at_a_time_and_others_beside_them(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a", "b", None, "a", None)
    rig = Rig(world, sender)
    (lane,) = await rig.open(await world.subscribe([partition_id]))
    sender.hold()

    assert await lane.step() == 4
    await sender.asked(4)
    assert sender.event_ids == [ids[0], ids[2], ids[3], ids[5]]

    sender.release()
    await lane.drain()
    assert sender.event_ids == [ids[0], ids[2], ids[3], ids[5], ids[1], ids[4]]


async def test_without_an_order_all_go_at_once(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a", "a")
    rig = Rig(world, sender)
    (lane,) = await rig.open(await world.subscribe([partition_id], ordering=Ordering.NONE))
    sender.hold()

    assert await lane.step() == 3
    await sender.asked(3)
    assert sender.event_ids == ids
    sender.release()
    await lane.drain()


async def test_no_more_are_under_way_than_the_subscription_wants(world: World, sender: ScriptedSender) -> None:
    """Shared by its lanes; whoever found no room goes on when there is some."""
    partition_ids = await world.partitions(2)
    first = await world.produce(partition_ids[0], None, None, None)
    second = await world.produce(partition_ids[1], None, None, None)
    rig = Rig(world, sender)
    lanes = await rig.open(await world.subscribe(partition_ids, settings=replace(SETTINGS, max_in_flight=2)))
    sender.hold()

    assert [await lane.step() for lane in lanes] == [2, 0]
    await sender.asked(2)
    sender.release()
    await rig.settle_down()
    assert sorted(sender.event_ids) == sorted(first + second)
    assert sender.in_flight_max == 2


async def test_nothing_starts_while_the_outcomes_of_what_was_sent_are_not_written(
    world: World, sender: ScriptedSender
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, None, None, None)
    rig = Rig(world, sender, exposure_max=2)
    await rig.open(await world.subscribe([partition_id]))

    await rig.carry()
    assert sender.event_ids == ids[:2]
    await rig.settler.flush()
    await rig.carry()
    assert sender.event_ids == ids


async def test_a_failing_key_blocks_only_itself(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "b", "a", "b", None, "a")
    rig = Rig(world, sender)
    subscription_id = await world.subscribe([partition_id])
    await rig.open(subscription_id)
    sender.script = failing(ids[0])

    await rig.settle_down()
    assert sender.event_ids == [ids[0], ids[1], ids[4], ids[3]]
    assert await world.rows("SELECT next_offset, settled_above FROM lanes") == [(6, "[]")]
    assert await world.rows(
        "SELECT subscription_id, partition_id, log_offset, partitionkey, blocks_key, followers_from, attempts, "
        "parked_at_us, dead_lettered_at_us, last_outcome, last_error FROM parked_events"
    ) == [
        (
            subscription_id,
            partition_id,
            0,
            "a",
            True,
            2,
            1,
            world.clock.now,
            None,
            "RETRY",
            "The endpoint answered 500.",
        )
    ]


@pytest.mark.parametrize("restarts", [False, True])
async def test_followers_come_after_their_head_in_order(world: World, sender: ScriptedSender, restarts: bool) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a", "b", "a")
    subscription_id = await world.subscribe([partition_id])
    rig = Rig(world, sender)
    await rig.open(subscription_id)
    sender.script = failing(ids[0], times=1)
    await rig.settle_down()
    assert sender.event_ids == [ids[0], ids[2]]

    later = await world.produce(partition_id, "a", "b")
    world.clock.advance(6)
    if restarts:
        assert await rig.crash() == 0
        rig = Rig(world, sender, "next")
        await rig.open(subscription_id)
    await rig.settle_down()
    of_a = [sent.event_id for sent in sender.sent if sent.key == "a"]
    assert of_a == [ids[0], ids[0], ids[1], ids[3], later[0]]
    assert await world.rows("SELECT next_offset, settled_above FROM lanes") == [(6, "[]")]
    assert await world.rows("SELECT id FROM parked_events") == []


async def test_followers_above_the_cursor_are_found_after_a_restart(world: World, sender: ScriptedSender) -> None:
    """The first event is still under way when the process dies, so the new one begins to read below the followers."""
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "slow", "a", "a", "a")
    subscription_id = await world.subscribe([partition_id], settings=replace(SETTINGS, max_in_flight=2))
    rig = Rig(world, sender)
    (lane,) = await rig.open(subscription_id)
    sender.hold(ids[0])
    sender.script = failing(ids[1], times=1)
    while lane.cursor.end < 4:
        await lane.step()
        await until_idle()
    await rig.settler.flush()
    assert await world.rows("SELECT next_offset, settled_above FROM lanes") == [(0, "[[1,4]]")]

    assert await rig.crash() == 1
    world.clock.advance(6)
    sender.hold()
    rig = Rig(world, sender, "next")
    (lane,) = await rig.open(subscription_id)
    await lane.step()  # the retry and the first event, no more: there is room for two
    await sender.asked(4)
    sender.release()
    await rig.settle_down()
    assert sender.event_ids == [ids[0], ids[1], ids[1], ids[0], ids[2], ids[3]]
    assert await world.rows("SELECT next_offset, settled_above FROM lanes") == [(4, "[]")]


async def test_a_blocked_key_stays_blocked_when_the_order_is_given_up(world: World, sender: ScriptedSender) -> None:
    """What was passed over while the key was blocked goes out once, and what comes later too."""
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a")
    subscription_id = await world.subscribe([partition_id])
    rig = Rig(world, sender)
    await rig.open(subscription_id)
    sender.script = failing(ids[0], times=1)
    await rig.settle_down()
    await rig.crash()

    await world.alter(subscription_id, ordering="NONE")
    ids += await world.produce(partition_id, "a", "a")
    rig = Rig(world, sender, "next")
    await rig.open(subscription_id)
    await rig.settle_down()
    assert sender.event_ids == ids[:1]
    world.clock.advance(6)
    await rig.settle_down()
    assert sender.event_ids == [ids[0], *ids]


async def test_a_lane_reads_no_further_than_its_window(world: World, sender: ScriptedSender) -> None:
    """One slow request must not let memory and the cursor's ranges grow without bound."""
    (partition_id,) = await world.partitions()
    for _ in range(3):
        await world.produce(partition_id, *[None] * 400)
    rig = Rig(world, sender, exposure_max=10_000)
    (lane,) = await rig.open(await world.subscribe([partition_id]))
    sender.hold("e1")

    before = -1
    while before < len(sender.sent):  # an attempt that ends starts the next one, without a step
        before = len(sender.sent)
        await lane.step()
        await until_idle()
    assert len(sender.sent) == 1_000
    assert (lane.cursor.next_offset, lane.cursor.end) == (0, 1_000)

    sender.release()
    await rig.settle_down()
    assert len(sender.sent) == 1_200
    assert lane.cursor.next_offset == 1_200


async def test_what_was_not_yet_read_is_no_follower(world: World, sender: ScriptedSender) -> None:
    """It lies on the page of the key's followers, and would be sent as one of them and once more when it is read."""
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a", "b")
    rig = Rig(world, sender)
    await rig.open(await world.subscribe([partition_id], settings=replace(SETTINGS, max_in_flight=1)))
    sender.script = failing(ids[0], times=1)
    await rig.settle_down()
    ids += await world.produce(partition_id, "a")
    world.clock.advance(6)
    await rig.settle_down()
    assert sender.event_ids == [ids[0], ids[2], ids[0], ids[1], ids[3]]


async def test_a_lane_goes_on_behind_what_retention_took(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a", "a")
    subscription_id = await world.subscribe([partition_id])
    await world.log.trim(partition_id, 2)
    rig = Rig(await world.restarted(), sender)
    await rig.open(subscription_id)
    await rig.settle_down()
    assert sender.event_ids == ids[2:]
    assert await world.rows("SELECT next_offset, settled_above FROM lanes") == [(3, "[]")]


class Running(Clock):
    """Time passes between two looks at it."""

    def __call__(self) -> int:
        self.advance(0.001)
        return self.now


async def test_room_that_comes_between_two_looks_loses_no_event(world: World, sender: ScriptedSender) -> None:
    """The lane had none when it looked at its page, and some when it was about to turn it."""
    world = await open_world(world.database, Running())
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *[None] * 50)
    rig = Rig(world, sender)
    settings = replace(SETTINGS, requests_per_second=150.0, max_in_flight=256)
    (lane,) = await rig.open(await world.subscribe([partition_id], settings=settings))
    while lane.cursor.next_offset < 50:
        await rig.settle_down()
    assert sender.event_ids == ids
