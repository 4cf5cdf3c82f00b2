"""The engine: which lanes are open, and what becomes of requests under way when that changes."""

import asyncio
from dataclasses import replace
from typing import NoReturn

import pytest

from event_issuer.db.partitions import grow
from event_issuer.domain.subscriptions import Status
from event_issuer.eventlog.protocol import Page
from event_issuer.security.sealing import Sealer
from tests.delivery.processes import Process
from tests.delivery.rig import until_idle
from tests.delivery.senders import ScriptedSender, answer, failing
from tests.delivery.world import SETTINGS, World

STATUS = "SELECT status FROM subscriptions"
LANES = "SELECT next_offset, settled_above FROM lanes ORDER BY id"
ERRORS = "SELECT message FROM subscription_errors"


async def test_a_subscription_that_starts_is_opened_and_its_events_delivered(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "b")
    await world.subscribe([partition_id])
    await process.step()
    assert await world.rows(STATUS) == [("RUNNING",)]
    await sender.asked(2)

    ids += await world.produce(partition_id, "c")  # the lane hears of it by itself
    await sender.asked(3)
    assert sender.event_ids == ids
    await process.written(LANES, [(3, "[]")])


@pytest.mark.parametrize("status", [Status.INITIALIZING, Status.STOPPED, Status.FAILED])
async def test_nothing_is_sent_for_a_subscription_in_another_state(
    world: World, sender: ScriptedSender, process: Process, status: Status
) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    await world.subscribe([partition_id], status=status)
    await process.step()
    await until_idle()
    assert sender.sent == []
    assert await world.rows(STATUS) == [(status.value,)]


async def test_no_request_starts_after_a_stop_and_those_under_way_are_settled(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a", "b")
    subscription_id = await world.subscribe([partition_id])
    sender.hold()
    await process.step()
    await sender.asked(2)

    await world.alter(subscription_id, status="STOPPING")
    await process.closing(subscription_id)
    await world.produce(partition_id, "c")
    assert await world.rows(STATUS) == [("STOPPING",)]
    sender.release()
    await process.engine.caught_up()
    assert await world.rows(STATUS) == [("STOPPED",)]
    assert sender.event_ids == [ids[0], ids[2]]
    assert await world.rows(LANES) == [(1, "[[2,3]]")]

    await world.alter(subscription_id, status="STARTING")
    await process.step()
    await sender.asked(4)
    await until_idle()
    assert sender.event_ids == [ids[0], ids[2], ids[1], "e4"]
    assert await world.rows(STATUS) == [("RUNNING",)]


async def test_new_settings_hold_for_what_is_not_under_way(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *[None] * 5)
    subscription_id = await world.subscribe([partition_id], settings=replace(SETTINGS, max_in_flight=1))
    sender.hold()
    await process.step()
    await sender.asked(1)

    wider = replace(SETTINGS, max_in_flight=3).to_json()
    await world.alter(subscription_id, status="RESTART", delivery=wider, settings_version=2)
    await process.closing(subscription_id)
    sender.release()
    sender.hold()
    await process.engine.caught_up()
    assert await world.rows(STATUS) == [("RUNNING",)]
    await sender.asked(4)
    sender.release()
    await sender.asked(5)
    assert sorted(sender.event_ids) == ids
    assert sender.in_flight_max == 3


async def test_a_stop_that_comes_while_lanes_close_is_not_overlooked(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    """What was read before the requests under way had ended may no longer be so."""
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a")
    subscription_id = await world.subscribe([partition_id])
    sender.hold()
    await process.step()
    await sender.asked(1)
    await world.alter(subscription_id, status="RESTART", settings_version=2)
    await process.closing(subscription_id)
    await world.alter(subscription_id, status="STOPPING")
    sender.release()
    await process.engine.caught_up()
    await process.step()
    assert await world.rows(STATUS) == [("STOPPED",)]
    assert sender.event_ids == ids[:1]


async def test_an_endpoint_that_is_gone_gets_no_further_request_until_it_is_verified_again(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a", "b")
    subscription_id = await world.subscribe([partition_id], settings=replace(SETTINGS, max_in_flight=1))
    sender.script = lambda sent: answer(410)
    await process.step()
    await sender.asked(1)
    await until_idle()

    # Its owner changes something before the failure is written: it must not be opened again.
    await world.alter(subscription_id, status="RESTART", settings_version=2)
    await process.step()
    assert await world.rows(STATUS) == [("FAILED",)]
    await process.step()
    await until_idle()
    assert sender.event_ids == ids[:1]

    sender.script = failing()
    await world.alter(subscription_id, status="STARTING")
    await process.step()
    await sender.asked(4)
    assert sender.event_ids == [ids[0], ids[0], ids[1], ids[2]]


async def test_a_deleted_subscription_is_closed(world: World, sender: ScriptedSender, process: Process) -> None:
    (partition_id,) = await world.partitions()
    subscription_id = await world.subscribe([partition_id])
    await process.step()
    await world.alter(subscription_id, deleted_at_us=world.clock.now)
    await process.step()
    await world.produce(partition_id, "a")
    await until_idle()
    assert sender.sent == []


class Unlisted(dict[int, "asyncio.Task[bool]"]):
    """Who goes through all of them at each change takes hours to open 100,000 subscriptions."""

    def keys(self) -> NoReturn:
        raise AssertionError("all that are being opened were gone through")

    __iter__ = items = keys


async def test_a_change_costs_nothing_for_the_others_that_wait_to_be_opened(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    partition_ids = await world.partitions(3)
    ids = [await world.produce(partition_id, "a") for partition_id in partition_ids]
    await process.step()
    process.engine._reopening = Unlisted()
    subscriptions = [await world.subscribe([partition_id]) for partition_id in partition_ids]
    await world.feed.step()
    process.engine.react()
    assert len(process.engine._reopening) == 3
    await world.alter(subscriptions[1], url="http://127.0.0.1:9/new", settings_version=2)  # while it is being opened
    process.engine.react()
    await process.engine.caught_up()
    await process.step()
    await sender.asked(3)
    await until_idle()
    assert sorted(sender.event_ids) == sorted(id_ for (id_,) in ids)
    await process.engine.caught_up()
    assert {one.subscription.endpoint.target.path for one in process.engine.lanes()} == {"/hook", "/new"}


async def test_the_engine_runs_by_itself(world: World, sender: ScriptedSender) -> None:
    """A new event type is leased and a new subscription opened at once, and outcomes are written."""
    process = Process(world, sender, lease_s=10_000)  # no renewal in the time of the test finds the new partitions
    running = asyncio.create_task(process.engine.run())
    await until_idle()
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    await world.feed.step()
    await world.subscribe([partition_id])
    await world.feed.step()
    await sender.asked(1)
    while await world.rows(LANES) != [(1, "[]")]:
        await until_idle()
    await process.engine.stop(1.0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await world.rows("SELECT owner, expires_at_us FROM leases") == [("", 0)]


async def test_settings_that_another_process_has_taken_up_first_are_taken_up(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    """The status is RUNNING again, but the settings are new."""
    (partition_id,) = await world.partitions()
    subscription_id = await world.subscribe([partition_id], url="http://127.0.0.1:9/old")
    await process.step()
    await world.alter(subscription_id, url="http://127.0.0.1:9/new", settings_version=2)
    await process.step()
    await world.produce(partition_id, "a")
    await sender.asked(1)
    assert [sent.url for sent in sender.sent] == ["http://127.0.0.1:9/new"]


async def test_partitions_that_are_added_are_delivered_from_their_first_event(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    ((event_type_id,),) = await world.rows("SELECT event_type_id FROM partitions")
    await world.subscribe([partition_id], event_type_ids=[event_type_id])
    ids = await world.produce(partition_id, "a")
    await process.step()
    await sender.asked(1)
    await until_idle()
    assert await world.database.run(grow(world.database.dialect, event_type_id, 2, world.clock.now)) == 1
    ((added_id,),) = await world.rows("SELECT MAX(id) FROM partitions")
    ids += await world.produce(added_id, "b")
    await world.feed.step()
    await process.step()
    await sender.asked(2)
    await until_idle()
    assert sender.event_ids == ids
    await process.engine.settler.flush()
    assert await world.rows("SELECT partition_id, next_offset FROM lanes ORDER BY partition_id") == [
        (partition_id, 1),
        (added_id, 1),
    ]


async def test_a_changed_filter_holds_for_what_is_not_under_way(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    id_ = await world.subscribe([partition_id], filter_={"not": {"exact": {"id": "e2"}}})
    sender.script = lambda sent: answer(500) if sent.event_id == "e1" else answer(200)
    await world.produce(partition_id, "a", "b", "c")
    await process.step()
    await sender.asked(2)
    assert sorted(sender.event_ids) == ["e1", "e3"]
    await process.written(LANES, [(3, "[]")])
    await world.alter(id_, filter='{"exact":{"id":"e4"}}', status="RESTART", settings_version=2)
    await process.step()
    world.clock.advance(10)
    process.wake()
    await world.produce(partition_id, "a", "b")
    await sender.asked(3)
    await process.written(LANES, [(5, "[]")])
    assert sorted(sender.event_ids) == ["e1", "e3", "e4"]  # e1 was due, and does not pass any more
    assert await world.rows("SELECT filtered_count FROM lanes") == [(3,)]
    assert await world.rows("SELECT COUNT(*) FROM parked_events") == [(0,)]


async def test_a_filter_that_cannot_be_used_any_more_fails_the_subscription(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    await world.subscribe([partition_id], filter_={"like": "x"})
    await world.produce(partition_id, "a")
    await process.step()
    assert await world.rows(STATUS) == [("FAILED",)]
    ((message, *_),) = await world.rows(ERRORS)
    assert message.startswith('The filter cannot be used: "like" is no filter dialect; there are exact, prefix, ')
    assert sender.sent == []


async def test_a_url_that_is_not_allowed_any_more_fails_the_subscription(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    await world.subscribe([partition_id], url="http://10.0.0.1/hook")
    await process.step()
    assert await world.rows(STATUS) == [("FAILED",)]
    assert await world.rows(ERRORS) == [
        ("The URL's host is '10.0.0.1': 10.0.0.0/8 is no public network (private); use a public address.",)
    ]


async def test_a_wrong_sealing_key_fails_no_subscription(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    """It is the operator's to repair; the subscriptions are opened when it is."""
    (partition_id,) = await world.partitions()
    await world.subscribe([partition_id])
    right, world.sealer = world.sealer, Sealer(bytes(31) + b"x")
    await process.step()
    assert await world.rows(STATUS) == [("STARTING",)]
    assert await world.rows(ERRORS) == []
    world.sealer = right
    await world.alter(1)
    await process.step()
    assert await world.rows(STATUS) == [("RUNNING",)]


async def test_a_lane_that_raises_is_opened_again_from_what_is_written(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "a", "b")
    subscription_id = await world.subscribe([partition_id])
    sender.script = failing(ids[0])
    process.engine._crew = replace(process.engine._crew, log=BrokenLog(world.log))  # type: ignore[arg-type]
    await process.step()
    await sender.asked(2)
    await until_idle()
    await world.produce(partition_id, "c")
    await until_idle()
    assert sender.event_ids == [ids[0], ids[2]]

    process.engine._crew = replace(process.engine._crew, log=world.log)
    await world.alter(subscription_id)  # as the pause's end does
    await process.step()
    await sender.asked(3)
    assert sender.event_ids == [ids[0], ids[2], "e4"]
    await process.written(LANES, [(4, "[]")])
    assert await world.rows("SELECT log_offset, followers_from FROM parked_events") == [(0, 1)]


class BrokenLog:
    """Gives one page, then raises what is no refusal."""

    def __init__(self, inner: object) -> None:
        self._inner, self._reads = inner, 0

    async def read(self, partition_id: int, offset: int) -> Page:
        self._reads += 1
        if self._reads > 1:
            raise ValueError("a fault of ours")
        page: Page = await self._inner.read(partition_id, offset)  # type: ignore[attr-defined]
        return page


async def test_errors_of_the_database_while_opening_are_outlived(
    world: World, sender: ScriptedSender, process: Process
) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    await world.subscribe([partition_id])
    await process.engine.renew()
    process.database.refuse = 1  # the move to RUNNING
    process.engine.react()
    await process.engine.caught_up()
    assert await world.rows(STATUS) == [("STARTING",)]
    await world.alter(1)  # as the pause's end does
    await process.step()
    assert await world.rows(STATUS) == [("RUNNING",)]
    await sender.asked(1)
