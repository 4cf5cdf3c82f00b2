"""The alarm: a time that comes while nobody looks is not missed."""

import asyncio
from typing import cast

from event_issuer.delivery.alarm import Alarm
from event_issuer.domain.time import SECOND_US
from event_issuer.eventlog.embedded import EmbeddedLog
from event_issuer.eventlog.protocol import Page
from tests.delivery.rig import Rig
from tests.delivery.senders import ScriptedSender, failing
from tests.delivery.world import LOG_ID, STARTED_AT, Clock, World


class SlowLog(EmbeddedLog):
    """Time passes while it is read."""

    async def read(self, partition_id: int, offset: int) -> Page:
        cast(Clock, self._clock).advance(10)
        return await super().read(partition_id, offset)


async def test_what_became_due_since_the_last_look_rings_at_once() -> None:
    clock, rings = Clock(), list[int]()
    alarm = Alarm(lambda: rings.append(clock.now), clock)
    alarm.set(None, STARTED_AT)
    alarm.set(STARTED_AT, STARTED_AT)  # it was seen, and not taken: it waits for something else
    assert rings == []
    clock.advance(1)
    alarm.set(STARTED_AT + 1, STARTED_AT)
    assert rings == [clock.now]
    alarm.set(clock.now + 3600 * SECOND_US, clock.now)
    alarm.stop()


async def test_an_event_that_comes_due_while_its_lane_reads_the_log_is_tried_again(
    world: World, sender: ScriptedSender
) -> None:
    """A lane once slept on: when it looked the event was not yet due, when it set its alarm the time had come."""
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, None)
    subscription_id = await world.subscribe([partition_id])
    sender.script = failing("e1", times=1)
    rig = Rig(world, sender)
    rig.log = SlowLog(world.database, world.clock, LOG_ID, cache_bytes_max=1 << 20)
    (lane,) = await rig.open(subscription_id)
    running = asyncio.create_task(lane.run())
    await sender.asked(2)
    assert sender.event_ids == ["e1", "e1"]
    running.cancel()
