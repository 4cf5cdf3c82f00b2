"""What a lane has in memory of an event: whether a request is under way, or its outcome waits to be written down."""

from dataclasses import replace

from event_issuer.domain.explaining import Progress
from event_issuer.domain.subscriptions import ContentMode, OnDeadLetter, Status
from tests.delivery.processes import Process
from tests.delivery.rig import Rig
from tests.delivery.senders import ScriptedSender, failing
from tests.delivery.world import SETTINGS, World


def progress(rig: Rig) -> str:
    """Of the first four events, a letter each: nothing, a request, ended."""
    return "".join(rig.lanes[0].progress_of(offset).value[0] for offset in range(4))


async def test_first_deliveries_are_seen(world: World, sender: ScriptedSender, rig: Rig) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a", "b")
    await rig.open(await world.subscribe([partition_id]))
    assert progress(rig) == "nnnn"
    sender.hold(ids[0])
    await rig.lanes[0].step()
    await sender.asked(2)
    while progress(rig) != "rnen":  # the third has been delivered, the second waits for the first
        await rig.settler.step()
    sender.release()
    await rig.carry()
    assert progress(rig) == "eeen"


async def test_parked_events_are_seen_while_they_are_tried_again(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "b")
    await rig.open(await world.subscribe([partition_id]))
    sender.script = failing(ids[0])
    await rig.settle_down()
    assert progress(rig) == "nenn"  # parked, as is written down
    world.clock.advance(60)
    sender.hold()
    await rig.lanes[0].step()
    await sender.asked(3)
    assert progress(rig) == "renn"
    sender.script = failing()
    sender.release()
    await rig.settle_down()
    assert progress(rig) == "eenn"


async def test_a_process_knows_its_own_lanes_only(world: World, sender: ScriptedSender, process: Process) -> None:
    first, second = await world.partitions(2)
    await world.produce(first, None)
    subscription_id = await world.subscribe([first, second], status=Status.STARTING)
    sender.hold()
    await process.step()
    await sender.asked(1)
    ask = process.engine.progress_of
    assert ask(subscription_id, first, 0) is Progress.REQUEST
    assert ask(subscription_id, second, 0) is Progress.NONE
    assert ask(subscription_id, 77, 0) is Progress.NONE
    assert ask(subscription_id + 1, first, 0) is Progress.NONE


async def test_events_of_a_batch_are_seen_while_it_gathers_and_while_it_is_sent(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *"abc")
    settings = replace(SETTINGS, batch_events_max=2, batch_wait_max_s=9.0)
    await rig.open(await world.subscribe([partition_id], settings=settings, content_mode=ContentMode.BATCH))
    sender.hold()
    sender.script = failing(ids[1])
    await rig.lanes[0].step()
    assert progress(rig) == "rrnn"
    sender.release()
    await rig.settle_down()
    assert progress(rig) == "nnnn"  # two are parked, the third gathers
    world.clock.advance(6)
    sender.hold()
    await rig.lanes[0].step()
    assert progress(rig) == "rrnn"
    sender.release()
    await rig.settle_down()
    assert progress(rig) == "nnnn"


async def test_a_dead_letter_that_holds_its_key_is_under_way_no_more(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    settings = replace(SETTINGS, retry_delays_s=(), on_dead_letter=OnDeadLetter.HOLD_KEY)
    await rig.open(await world.subscribe([partition_id], settings=settings))
    sender.script = failing("e1")
    await rig.settle_down()
    assert await world.rows("SELECT blocks_key, dead_lettered_at_us FROM parked_events") == [(True, world.clock.now)]
    assert progress(rig) == "nnnn"
