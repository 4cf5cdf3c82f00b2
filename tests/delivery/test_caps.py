"""Caps over subscriptions: who is admitted, who waits, and whose turn it is."""

import asyncio
from dataclasses import replace

from event_issuer.delivery.caps import Cap, Caps
from tests.delivery.rig import Rig, until_idle
from tests.delivery.senders import ScriptedSender
from tests.delivery.world import SETTINGS, World


class Guest:
    def __init__(self) -> None:
        self.calls = 0

    def wake(self) -> None:
        self.calls += 1


def test_everybody_is_admitted_while_there_is_room() -> None:
    cap, guests = Cap(2), [Guest(), Guest(), Guest()]
    for guest in guests[:2]:
        assert cap.admits(guest)
        cap.take(guest)
    assert not cap.admits(guests[2])
    assert cap.count == 2


def test_those_that_wait_are_called_in_turn_for_one_request() -> None:
    cap, (holder, first, second) = Cap(1), (Guest(), Guest(), Guest())
    cap.take(holder)
    assert [cap.admits(guest) for guest in (first, second, holder)] == [False, False, False]
    cap.release()
    assert (first.calls, second.calls) == (1, 0)
    assert [cap.admits(guest) for guest in (second, holder, first)] == [False, False, True]
    cap.take(first)
    assert not cap.admits(first)  # once more, behind the others
    cap.release()
    assert (first.calls, second.calls, holder.calls) == (1, 1, 0)


def test_who_is_called_and_takes_nothing_holds_up_nobody() -> None:
    cap, (holder, first, second) = Cap(1), (Guest(), Guest(), Guest())
    cap.take(holder)
    cap.admits(first)
    cap.admits(second)
    cap.release()
    cap.pass_turn(second)  # it is not its turn
    assert second.calls == 0
    cap.pass_turn(first)
    assert second.calls == 1
    cap.leave(second)
    assert cap.admits(first)


def test_several_free_places_are_given_one_after_the_other() -> None:
    cap, holder, guests = Cap(2), Guest(), [Guest(), Guest(), Guest()]
    cap.take(holder)
    cap.take(holder)
    for guest in guests:
        cap.admits(guest)
    cap.release()
    cap.release()
    assert [guest.calls for guest in guests] == [1, 0, 0]
    cap.take(guests[0])
    assert [guest.calls for guest in guests] == [1, 1, 0]
    cap.take(guests[1])
    assert [guest.calls for guest in guests] == [1, 1, 0]


def test_caps_are_shared_while_somebody_holds_them() -> None:
    caps = Caps(1, 2)
    host, tenant = caps.of_host("a.example"), caps.of_tenant(7)
    assert (caps.of_host("a.example"), caps.of_tenant(7)) == (host, tenant)
    assert caps.of_host("b.example") is not host
    host.take(Guest())
    del host
    assert caps.of_host("a.example").count == 0


async def test_subscriptions_of_one_host_share_its_cap_fairly(world: World, sender: ScriptedSender) -> None:
    """Two with plenty to send and one with little: the little is not behind all the rest."""
    world.caps = Caps(2, 1_000)
    partition_ids = await world.partitions(3)
    settings = replace(SETTINGS, max_in_flight=8)
    rig = Rig(world, sender, exposure_max=1_000)
    for number, partition_id in enumerate(partition_ids):
        await world.produce(partition_id, *[None] * (2 if number == 2 else 50))
        url = f"http://127.0.0.1:9/{number}"
        await rig.open(await world.subscribe([partition_id], url, settings=settings))
    runs = [asyncio.create_task(lane.run()) for lane in rig.lanes]
    for count in range(1, 103):
        await sender.asked(count)
        await until_idle(3)
    await until_idle()
    await rig.settler.flush()
    for run in runs:
        run.cancel()
    assert sender.in_flight_max <= 2
    little = [index for index, sent in enumerate(sender.sent) if sent.url.endswith("/2")]
    assert len(little) == 2
    assert little[1] < 12
    assert len(sender.sent) == 102


async def test_a_capped_tenant_leaves_room_to_others(world: World, sender: ScriptedSender) -> None:
    world.caps = Caps(1_000, 3)
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, *[None] * 10)
    rig = Rig(world, sender)
    (lane,) = await rig.open(await world.subscribe([partition_id]))
    sender.hold()
    assert await lane.step() == 3
    sender.release()
    await rig.settle_down()
    assert len(sender.sent) == 10
