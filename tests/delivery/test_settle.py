"""Settling: what was done is written down once, whole and under its lease; until then nothing more is risked."""

import asyncio
from dataclasses import replace

import pytest

from event_issuer.db.work import Statement, Work
from event_issuer.delivery.attempt import Attempt, Courier
from event_issuer.egress.reader import EXCERPT_BYTES_MAX
from tests.delivery.rig import LEASE_S, Rig, until_idle
from tests.delivery.senders import OK, ScriptedSender, answer, failing
from tests.delivery.world import SETTINGS, World

LANES = "SELECT next_offset, settled_above FROM lanes ORDER BY id"
ATTEMPTS = "SELECT partition_id, log_offset, number, outcome FROM attempts ORDER BY id"
PARKED = "SELECT log_offset, attempts, dead_lettered_at_us FROM parked_events ORDER BY log_offset"


async def test_an_attempt_is_recorded_with_exact_values(world: World, sender: ScriptedSender, rig: Rig) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    subscription_id = await world.subscribe([partition_id])
    await rig.open(subscription_id)
    sender.script = lambda sent: answer(422, b"x" * EXCERPT_BYTES_MAX)
    sender.hold()
    started_at = world.clock.now
    await rig.lanes[0].step()
    await sender.asked(1)
    world.clock.advance(0.25)
    sender.release()
    await rig.settle_down()

    trace_id = sender.sent[0].headers["traceparent"].split("-")[1]
    assert len(trace_id) == 32
    shown = ("The endpoint answered 422.", "x" * EXCERPT_BYTES_MAX)
    assert await world.rows(
        "SELECT subscription_id, partition_id, log_offset, kind, number, started_at_us, duration_us, outcome, "
        "http_status, error, response_excerpt, trace_id, timings FROM attempts"
    ) == [(subscription_id, partition_id, 0, "DELIVERY", 1, started_at, 250_000, "REFUSED", 422, *shown, trace_id, "0")]


async def test_while_settling_fails_nothing_new_is_sent(world: World, sender: ScriptedSender, rig: Rig) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", None)
    await rig.open(await world.subscribe([partition_id]))
    sender.script = failing(ids[0])
    await rig.carry()
    rig.database.refuse = 2

    assert await rig.settler.step() is False
    assert rig.exposure.is_shut
    later = await world.produce(partition_id, None)
    assert await rig.carry() == 0
    assert sender.event_ids == ids
    assert await world.rows(LANES) == [(0, "[]")]
    assert await world.rows(ATTEMPTS) == []

    assert await rig.settler.step() is False
    assert await rig.settler.step() is True
    await rig.settle_down()
    assert sender.event_ids == ids + later
    assert await world.rows(LANES) == [(3, "[]")]
    assert await world.rows(ATTEMPTS) == [
        (partition_id, 0, 1, "RETRY"),
        (partition_id, 1, 1, "DELIVERED"),
        (partition_id, 2, 1, "DELIVERED"),
    ]
    assert await world.rows(PARKED) == [(0, 1, None)]
    assert (rig.exposure.count, rig.exposure.is_shut) == (0, False)


async def test_what_was_written_without_an_answer_is_not_written_twice(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "b")
    await rig.open(await world.subscribe([partition_id]))
    sender.script = failing(ids[0])
    await rig.carry()
    rig.database.silence = 2

    assert [await rig.settler.step() for _ in range(3)] == [False, False, True]
    assert await world.rows(ATTEMPTS) == [(partition_id, 0, 1, "RETRY"), (partition_id, 1, 1, "DELIVERED")]
    assert await world.rows(PARKED) == [(0, 1, None)]
    world.clock.advance(6)
    await rig.settle_down()
    assert await world.rows(PARKED) == [(0, 2, None)]


async def test_an_event_that_leaves_before_its_row_is_known_leaves_no_row(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    """The write that made the row had no answer; before it is repeated the event was delivered."""
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a")
    settings = replace(SETTINGS, retry_delays_s=(0.0,))
    await rig.open(await world.subscribe([partition_id], settings=settings))
    sender.script = failing(ids[0], times=1)
    await rig.lanes[0].step()
    await rig.lanes[0].drain()
    rig.database.silence = 1
    assert await rig.settler.step() is False
    assert await world.rows(PARKED) == [(0, 1, None)]

    rig.exposure.reopen()  # as it is when the retry started just before
    await rig.carry()
    assert sender.event_ids == ids * 2
    assert await rig.settler.step() is True
    assert await world.rows(PARKED) == []
    assert await world.rows(ATTEMPTS) == [(partition_id, 0, 1, "RETRY"), (partition_id, 0, 2, "DELIVERED")]


async def test_an_event_that_changes_while_its_row_is_written_is_changed_there(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a")
    settings = replace(SETTINGS, retry_delays_s=(0.0, 60.0))
    await rig.open(await world.subscribe([partition_id], settings=settings))
    sender.script = failing(*ids)
    await rig.lanes[0].step()
    await rig.lanes[0].drain()
    rig.database.gate.clear()
    first = asyncio.create_task(rig.settler.step())
    await until_idle()
    await rig.carry()
    second = asyncio.create_task(rig.settler.step())
    rig.database.gate.set()

    assert (await first, await second) == (True, True)
    assert await world.rows(PARKED) == [(0, 2, None)]


async def test_flush_waits_for_the_write_that_is_under_way(world: World, sender: ScriptedSender, rig: Rig) -> None:
    """Whoever reads the lane afterwards must see all that was added before."""
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    await rig.open(await world.subscribe([partition_id]))
    await rig.carry()
    rig.database.gate.clear()
    writing = asyncio.create_task(rig.settler.step())
    await rig.database.arrived.wait()
    flushing = asyncio.create_task(rig.settler.flush())
    await until_idle()
    assert not flushing.done()
    rig.database.gate.set()
    await flushing
    assert writing.done()
    assert await world.rows(LANES) == [(1, "[]")]


async def test_a_write_that_is_cancelled_is_kept(world: World, sender: ScriptedSender, rig: Rig) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a")
    await rig.open(await world.subscribe([partition_id]))
    sender.script = failing(*ids)
    await rig.carry()
    rig.database.gate.clear()
    writing = asyncio.create_task(rig.settler.step())
    await rig.database.arrived.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    rig.database.gate.set()
    await rig.settler.flush()
    assert await world.rows(PARKED) == [(0, 1, None)]
    assert await world.rows(LANES) == [(1, "[]")]
    assert rig.exposure.count == 0


async def test_nothing_is_written_under_a_lease_that_was_lost(world: World, sender: ScriptedSender, rig: Rig) -> None:
    """What belongs to other partitions is; the exposure of what was dropped is given back."""
    lost_id, kept_id = await world.partitions(2)
    ids = await world.produce(lost_id, "a", None) + await world.produce(kept_id, "a")
    await rig.open(await world.subscribe([lost_id, kept_id]))
    sender.script = failing(ids[0], ids[2])
    await rig.carry()
    assert rig.exposure.count == 3
    await world.database.run(_take_over(lost_id))

    assert await rig.settler.step() is True
    assert rig.lost == [frozenset({(lost_id, 1)})]
    assert rig.exposure.count == 0
    assert await world.rows(LANES) == [(0, "[]"), (1, "[]")]
    assert await world.rows(ATTEMPTS) == [(kept_id, 0, 1, "RETRY")]
    assert await world.rows("SELECT partition_id FROM parked_events") == [(kept_id,)]


async def test_nothing_is_written_under_a_lease_that_was_lost_and_claimed_again(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    """Another process may have moved the cursor in between."""
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    await rig.open(await world.subscribe([partition_id]))
    await rig.carry()
    await world.database.run(_take_over(partition_id))
    world.clock.advance(2 * LEASE_S)
    assert await rig.leaser.step() == {partition_id: 3}

    assert await rig.settler.step() is True
    assert rig.lost == [frozenset({(partition_id, 1)})]
    assert await world.rows(LANES) == [(0, "[]")]
    assert await world.rows(ATTEMPTS) == []


async def test_lanes_of_one_partition_under_an_old_and_a_new_lease_are_told_apart(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    await rig.open(await world.subscribe([partition_id]))
    await rig.carry()
    await world.database.run(_take_over(partition_id))
    world.clock.advance(2 * LEASE_S)
    await rig.open(await world.subscribe([partition_id]))
    await rig.carry()

    assert await rig.settler.step() is True
    assert rig.lost == [frozenset({(partition_id, 1)})]
    assert await world.rows(LANES) == [(0, "[]"), (1, "[]")]
    assert await world.rows("SELECT subscription_id FROM attempts") == [(2,)]


async def test_what_moved_the_cursor_while_a_lease_was_found_lost_is_written_with_it(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    lost_id, kept_id = await world.partitions(2)
    ids = await world.produce(lost_id, "a") + await world.produce(kept_id, "a")
    await rig.open(await world.subscribe([lost_id, kept_id]))
    await rig.carry()
    await world.database.run(_take_over(lost_id))
    rig.database.gate.clear()
    writing = asyncio.create_task(rig.settler.step())
    await rig.database.arrived.wait()
    ids += await world.produce(kept_id, "b")
    sender.script = failing(ids[2])
    await rig.carry()
    rig.database.gate.set()

    assert await writing is True
    assert await world.rows(LANES) == [(0, "[]"), (2, "[]")]
    assert await world.rows("SELECT partition_id, log_offset FROM parked_events") == [(kept_id, 1)]


def _take_over(partition_id: int) -> Work[None]:
    yield Statement("UPDATE leases SET owner = 'other', epoch = 2 WHERE partition_id = $1", (partition_id,))


async def test_a_lane_that_was_deleted_meanwhile_keeps_no_parked_event(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a")
    await rig.open(await world.subscribe([partition_id]))
    sender.script = failing(*ids)
    await rig.carry()

    def deleting() -> Work[None]:
        yield Statement("DELETE FROM lanes")

    await world.database.run(deleting())
    assert await rig.settler.step() is True
    assert await world.rows(PARKED) == []


async def test_a_large_batch_is_written_whole(world: World, sender: ScriptedSender) -> None:
    """More values than one statement of SQLite takes."""
    (partition_id,) = await world.partitions()
    settings = replace(SETTINGS, retry_delays_s=(), max_in_flight=256)
    rig = Rig(world, sender, exposure_max=10_000)
    await rig.open(await world.subscribe([partition_id], settings=settings))
    sender.script = lambda sent: answer(422)
    for _ in range(3):
        await world.produce(partition_id, *[None] * 1_000)
    await rig.carry()
    assert await rig.settler.step() is True
    assert await world.rows("SELECT COUNT(*) FROM attempts") == [(3_000,)]
    assert await world.rows("SELECT COUNT(*) FROM parked_events WHERE dead_lettered_at_us > 0") == [(3_000,)]
    assert await world.rows(LANES) == [(3_000, "[]")]


async def test_cursors_that_moved_over_events_that_were_not_sent_are_written_with_the_next_batch(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a")
    await rig.open(await world.subscribe([partition_id]))
    sender.script = failing(*ids)
    await rig.settle_down()
    writes = rig.database.writes
    await world.produce(partition_id, "a")
    await rig.carry()
    assert await world.rows(LANES) == [(2, "[]")]
    assert await rig.settler.step() is True
    assert await world.rows(LANES) == [(3, "[]")]
    assert await rig.settler.step() is True  # nothing to write
    assert rig.database.writes == writes + 1


async def test_an_endpoint_that_is_gone_fails_the_subscription_and_keeps_its_event(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "b", "a")
    subscription_id = await world.subscribe([partition_id], settings=replace(SETTINGS, max_in_flight=1))
    await rig.open(subscription_id)
    sender.script = lambda sent: answer(410)
    await rig.settle_down()

    assert sender.event_ids == ids[:1]
    assert await world.rows(LANES) == [(0, "[]")]
    assert await world.rows(PARKED) == []
    assert await world.rows(ATTEMPTS) == [(partition_id, 0, 1, "GONE")]
    assert await world.rows("SELECT status FROM subscriptions") == [("FAILED",)]
    assert await world.rows("SELECT subscription_id, message, http_status FROM subscription_errors") == [
        (
            subscription_id,
            "The endpoint answered 410. It wants no further requests; verify the subscription again once it does.",
            410,
        )
    ]
    assert (rig.exposure.count, rig.subscriptions[0].in_flight) == (0, 0)


async def test_a_retry_that_finds_the_endpoint_gone_keeps_the_event_parked(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a")
    subscription_id = await world.subscribe([partition_id])
    await rig.open(subscription_id)
    sender.script = lambda sent: answer(503 if sent.number == 1 else 410)
    await rig.settle_down()
    world.clock.advance(6)
    await rig.settle_down()
    assert await world.rows(PARKED) == [(0, 1, None)]

    await rig.crash()
    sender.script = lambda sent: OK
    again = Rig(world, sender, "next")
    await again.open(subscription_id)
    await again.settle_down()
    assert sender.event_ids == [ids[0], ids[0], ids[0], ids[1]]


class BrokenCourier(Courier):
    async def attempt(self, *arguments: object) -> Attempt:
        raise RuntimeError("a fault of ours")


async def test_a_delivery_that_raises_takes_nothing_with_it(world: World, sender: ScriptedSender, rig: Rig) -> None:
    """The event is not settled, and whoever owns the lane is told."""
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    rig.courier = BrokenCourier(sender, "", world.clock, world.clock.monotonic_s, world.random, {})
    await rig.open(await world.subscribe([partition_id]))
    await rig.settle_down()
    assert [str(fault) for fault in rig.faults] == ["a fault of ours"]
    assert (rig.exposure.count, rig.subscriptions[0].in_flight) == (0, 0)
    assert await world.rows(LANES) == [(0, "[]")]


@pytest.mark.parametrize("turns", [0, 10])
async def test_a_delivery_that_is_given_up_takes_nothing_with_it(
    world: World, sender: ScriptedSender, rig: Rig, turns: int
) -> None:
    """Also one that has not yet begun to run."""
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a", None)
    await rig.open(await world.subscribe([partition_id]))
    sender.hold()
    await rig.lanes[0].step()
    await until_idle(turns)
    assert rig.exposure.count == 2
    rig.lanes[0].lose()
    await rig.lanes[0].drain()
    assert (rig.exposure.count, rig.subscriptions[0].in_flight, sender.in_flight) == (0, 0, 0)
    assert await rig.settler.step() is True
    assert await world.rows(LANES) == [(0, "[]")]
    await world.produce(partition_id, "b")
    assert await rig.carry() == 0


async def test_the_lease_that_cannot_be_renewed_ends_all_sending(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    (partition_id,) = await world.partitions()
    await rig.open(await world.subscribe([partition_id]))
    await world.produce(partition_id, "a")
    world.clock.advance(LEASE_S - 0.5)
    assert await rig.carry() == 0
    assert sender.sent == []
    await rig.leaser.step()
    assert await rig.carry() == 1
