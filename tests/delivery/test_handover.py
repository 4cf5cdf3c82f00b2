"""Handing over: what a process sends and writes when its leases come, lapse and go, and when it stops."""

import asyncio
from dataclasses import replace

from event_issuer.delivery.leases import TAKEOVER_MARGIN_S
from tests.delivery.processes import LEASE_S, Process
from tests.delivery.rig import until_idle
from tests.delivery.senders import ScriptedSender
from tests.delivery.world import SETTINGS, World

LANES = "SELECT next_offset, settled_above FROM lanes ORDER BY id"
ENDS_WITHIN_S = 20.0


async def test_another_process_takes_over_and_the_former_one_writes_nothing_more(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a")
    await world.subscribe([partition_id])
    sender.hold()
    await process.step()
    await sender.asked(1)
    successor_sender = ScriptedSender(world.clock)
    successor = Process(world, successor_sender, "two")
    await successor.step()
    assert successor.leaser.held() == {}

    world.clock.advance(LEASE_S + TAKEOVER_MARGIN_S + 1)
    await successor.step()
    await successor_sender.asked(2)
    assert successor_sender.event_ids == ids
    await successor.written(LANES, [(2, "[]")])

    sender.release()
    await until_idle()
    await process.step()
    assert sender.event_ids == ids[:1]
    assert process.leaser.held() == {}
    assert await world.rows(LANES) == [(2, "[]")]
    assert await world.rows("SELECT log_offset FROM attempts") == [(0,), (1,)]
    assert process.engine.exposure.count == 0
    await successor.engine.stop(1.0)


async def test_leases_that_lapse_end_all_requests_and_come_back(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    """The database cannot be reached for longer than a lease lasts."""
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "b")
    await world.subscribe([partition_id], settings=replace(SETTINGS, max_in_flight=1))
    sender.hold()
    await process.step()
    await sender.asked(1)
    process.database.refuse = 2
    world.clock.advance(LEASE_S - 0.5)

    await process.engine.renew()
    await until_idle()
    assert sender.in_flight == 0
    assert process.engine.exposure.count == 0
    await world.produce(partition_id, "c")
    await until_idle()
    assert sender.event_ids == ids[:1]

    sender.release()
    process.database.refuse = 0
    await process.step()
    await sender.asked(4)
    assert sender.event_ids == [ids[0], ids[0], ids[1], "e3"]
    assert process.leaser.held() == {partition_id: 1}


async def test_requests_end_at_the_lapse_although_the_database_does_not_answer(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    await world.subscribe([partition_id])
    sender.hold()
    await process.step()
    await sender.asked(1)
    process.database.gate.clear()
    world.clock.advance(LEASE_S - 0.5)
    renewing = asyncio.create_task(process.engine.renew())
    await until_idle()
    assert (sender.in_flight, renewing.done()) == (0, False)
    process.database.gate.set()
    await renewing


async def test_stop_gives_up_what_does_not_end_in_time_and_the_next_process_repeats_it(
    world: World, sender: ScriptedSender
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "b")
    await world.subscribe([partition_id])
    process = Process(world, sender)
    sender.hold(ids[0])
    await process.step()
    await sender.asked(2)
    await until_idle()
    await process.engine.stop(0.0)
    assert sender.in_flight == 0
    assert process.engine.exposure.count == 0
    assert await world.rows(LANES) == [(0, "[[1,2]]")]

    await world.produce(partition_id, "c")
    sender.release()
    again = Process(world, sender, "two")
    await again.step()
    await sender.asked(4)
    assert sender.event_ids == [ids[0], ids[1], ids[0], "e3"]
    await again.engine.stop(1.0)
    assert await world.rows(LANES) == [(3, "[]")]


async def test_stop_ends_when_it_comes_before_the_first_step_of_an_opening(
    world: World, sender: ScriptedSender
) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    await world.subscribe([partition_id])
    process = Process(world, sender)
    await process.engine.renew()
    process.engine.react()
    async with asyncio.timeout(ENDS_WITHIN_S):  # it once asked for ever, without a pause, whether the opening had ended
        await process.engine.stop(1.0)
    assert sender.sent == []


async def test_who_has_no_lease_to_lose_waits_for_the_next_renewal(world: World, sender: ScriptedSender) -> None:
    """A stopped engine once asked again at once, for ever, and the event loop did nothing else."""
    process = Process(world, sender)
    await process.engine.stop(1.0)
    await process.engine.renew()
    assert process.leaser.held() == {}
    assert not process.engine._renewing.is_set()


async def test_stop_ends_although_the_database_is_away(world: World, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    await world.subscribe([partition_id])
    process = Process(world, sender)
    await process.step()
    await sender.asked(1)
    await until_idle()
    process.database.gate.clear()
    await process.engine.stop(0.0, flush_max_s=0.01)
    assert await world.rows(LANES) == [(0, "[]")]


async def test_partitions_of_a_new_event_type_close_no_lane_of_others(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    await world.subscribe([partition_id])
    sender.hold()
    await process.step()
    await sender.asked(1)

    (other_id,) = await world.partitions()
    other = await world.produce(other_id, "a")
    await world.subscribe([other_id])
    await process.step()  # would wait for the request under way if the first one were closed
    await sender.asked(2)
    assert sender.event_ids[1:] == other
    assert process.leaser.held() == {partition_id: 1, other_id: 1}


async def test_a_renewal_that_comes_just_too_late_wakes_the_lanes_that_found_no_good_lease(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    await world.subscribe([partition_id])
    await process.step()
    world.clock.advance(LEASE_S - 1.5)
    process.database.gate.clear()
    process.database.arrived.clear()
    renewing = asyncio.create_task(process.engine.renew())
    await process.database.arrived.wait()
    world.clock.advance(1.0)
    await world.produce(partition_id, "a")
    await until_idle()
    assert sender.sent == []
    process.database.gate.set()
    await renewing
    await sender.asked(1)
    assert process.leaser.held() == {partition_id: 1}
