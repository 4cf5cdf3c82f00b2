"""What the tests of replays share: a subscription that has had its events, and waiting for a replay's end."""

from event_issuer.db.replays import Stretch
from event_issuer.db.work import Row
from event_issuer.domain.replays import HEADER
from tests.delivery.processes import Process
from tests.delivery.rig import until_idle
from tests.delivery.senders import ScriptedSender
from tests.delivery.world import World

STATUS = "SELECT status, matched_count, delivered_count FROM replays ORDER BY id"
LIVE = "SELECT next_offset, settled_above FROM lanes WHERE replay_id IS NULL ORDER BY id"
LANES = "SELECT next_offset, delivered_count FROM lanes WHERE replay_id IS NOT NULL ORDER BY id"
PARKED = "SELECT log_offset, attempts, dead_lettered_at_us IS NOT NULL FROM parked_events ORDER BY id"


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


async def begun(world: World, process: Process, sender: ScriptedSender) -> tuple[int, list[str]]:
    """Two events of a key were delivered, and the first of them is under way again."""
    subscription_id, ids = await delivered(world, process, sender, "a", "a")
    sender.hold()
    await world.replay(subscription_id, Stretch(1, 0, None))
    await process.step()
    await sender.asked(1)
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
