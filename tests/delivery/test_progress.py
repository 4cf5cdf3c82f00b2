"""What a lane has in memory of an event: whether a request is under way, or its outcome waits to be written down."""

from event_issuer.domain.explaining import Progress
from event_issuer.domain.subscriptions import Status
from tests.delivery.processes import Process
from tests.delivery.rig import Rig
from tests.delivery.senders import ScriptedSender, failing
from tests.delivery.world import World


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
