"""Batches that fail: parked as they are, tried again as they are, and parted where that may help."""

from dataclasses import replace

import pytest

from event_issuer.db.parked import Wish
from event_issuer.domain.subscriptions import PARKED_MAX, OnDeadLetter, Ordering
from tests.delivery.batch_site import BATCHES, DEAD, PARKED, Site
from tests.delivery.senders import OK, ScriptedSender, answer, failing
from tests.delivery.world import World


@pytest.fixture
def site(world: World, sender: ScriptedSender) -> Site:
    return Site(world, sender)


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_failed_batch_is_tried_again_as_it_was(site: Site, restarts: bool) -> None:
    ids = await site.begin("a", "b", "a", None)
    site.sender.script = lambda sent: answer(500) if len(site.sender.sent) <= 2 else OK
    await site.settle()
    assert await site.world.rows(PARKED) == [
        (0, True, None, 1, 0),
        (1, True, None, 1, 0),
        (2, False, None, 1, 0),
        (3, False, None, 1, 0),
    ]
    due = await site.world.rows("SELECT DISTINCT next_attempt_at_us, last_error FROM parked_events")
    assert [row[1] for row in due] == ["The endpoint answered 500."]
    assert await site.world.rows("SELECT next_offset FROM lanes") == [(4,)]
    await site.world.produce(site.partition_id, "c")
    for _ in range(2):
        if restarts:
            await site.restart()
        await site.settle(400)
    assert [one for one in site.batches if len(one) > 1] == [ids] * 3
    whole = [sent for sent in site.sender.sent if len(sent.ids) > 1]
    assert len({(sent.body, sent.headers["webhook-id"]) for sent in whole}) == 1
    assert len({sent.headers["webhook-id"] for sent in site.sender.sent}) == 2
    assert await site.world.rows(PARKED) == []
    assert await site.world.rows("SELECT number, outcome FROM attempts WHERE log_offsets = '[[0,4]]' ORDER BY id") == [
        (1, "RETRY"),
        (2, "RETRY"),
        (3, "DELIVERED"),
    ]


async def test_keys_of_a_failed_batch_are_blocked_and_others_go_on(site: Site) -> None:
    ids = await site.begin("a", "b", "a", None)
    site.sender.script = failing(ids[0])
    await site.settle()
    later = await site.world.produce(site.partition_id, "a", "c", "b", None, "a")
    await site.settle()
    assert site.batches == [ids, [later[1], later[3]]]
    assert await site.world.rows(PARKED) == [
        (0, True, 4, 1, 0),
        (1, True, 6, 1, 0),
        (2, False, None, 1, 0),
        (3, False, None, 1, 0),
    ]
    site.sender.script = lambda sent: OK
    await site.settle(6)
    assert site.batches[2] == ids
    assert sorted(site.batches[3:]) == sorted([[later[0], later[4]], [later[2]]])
    assert await site.world.rows(PARKED) == []


async def test_followers_come_in_batches_of_their_key(site: Site) -> None:
    ids = await site.begin("a", "a")
    site.sender.script = lambda sent: answer(500) if len(site.sender.sent) == 1 else OK
    await site.settle()
    later = await site.world.produce(site.partition_id, *["a"] * 10)
    await site.settle()
    await site.settle(6)
    assert site.batches == [ids, ids, later[:4], later[4:8], later[8:]]
    assert await site.world.rows(PARKED) == []
    assert site.rig.subscriptions[0].parked == 0


async def test_followers_that_make_too_many_bytes_come_in_several_batches(site: Site) -> None:
    settings = replace(BATCHES, batch_bytes_max=1024, batch_events_max=100)
    ids = await site.begin("a", settings=settings)
    site.sender.script = lambda sent: answer(500) if len(site.sender.sent) == 1 else OK
    await site.settle()
    later = await site.world.produce(site.partition_id, *["a"] * 20)
    await site.settle()
    await site.settle(6)
    assert site.batches[:2] == [ids, ids]
    assert [event_id for one in site.batches[2:] for event_id in one] == later
    assert max(len(sent.body) for sent in site.sender.sent) <= 1024
    assert len(site.batches) == 2 + 3


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_batch_that_is_refused_later_is_parted_until_the_guilty_event_stands_alone(
    site: Site, restarts: bool
) -> None:
    ids = await site.begin("a", "b", "a", "c")
    site.sender.script = lambda sent: answer(500)
    await site.settle()
    site.sender.script = failing(ids[3], status=422)
    if restarts:
        await site.restart()
    await site.settle(6)
    # The second event of key a follows the first: it is in the other half.
    assert site.batches[1] == ids
    assert sorted(site.batches[2:]) == sorted([ids[:2], [ids[3]], [ids[2]]])
    assert await site.world.rows(PARKED) == [(3, True, None, 2, None)]
    await site.settle(400)
    assert await site.world.rows(DEAD) == [(3, 3, None)]
    assert len(site.batches) == 6
    delivered = [event_id for sent in site.sender.delivered for event_id in sent.ids]
    assert sorted(delivered) == ids[:3]
    assert await site.world.rows("SELECT MAX(number) FROM attempts WHERE log_offsets = '[[0,4]]'") == [(2,)]


async def test_a_batch_whose_budget_is_spent_is_parted_and_only_the_guilty_event_dies(site: Site) -> None:
    """An endpoint that answers 500 to one event must not cost the others their delivery."""
    ids = await site.begin(None, None, None, None)
    site.sender.script = failing(ids[1])
    for seconds in (0, 6, 400, 0, 0):
        await site.settle(seconds)
    assert site.batches[:3] == [ids] * 3
    assert await site.world.rows(DEAD) == [(1, 3, None)]
    delivered = [event_id for sent in site.sender.delivered for event_id in sent.ids]
    assert sorted(delivered) == [ids[0], *ids[2:]]
    assert len(await site.world.rows("SELECT id FROM parked_events")) == 1


async def test_without_retries_a_batch_is_split_at_once(site: Site) -> None:
    ids = await site.begin("a", "b", "a", settings=replace(BATCHES, retry_delays_s=()))
    site.sender.script = failing(ids[0])
    await site.settle()
    assert site.batches == [ids, ids[:2], [ids[0]], [ids[1]], [ids[2]]]
    assert await site.world.rows(DEAD) == [(0, 1, None)]


async def test_a_dead_letter_that_holds_its_key_keeps_the_rest_of_its_key_behind_it(site: Site) -> None:
    held = replace(BATCHES, on_dead_letter=OnDeadLetter.HOLD_KEY, retry_delays_s=())
    ids = await site.begin("a", "a", "b", settings=held)
    site.sender.script = failing(ids[0], status=422)
    await site.settle()
    assert site.batches == [ids, ids[:2], [ids[0]], [ids[2]]]
    assert await site.world.rows(PARKED) == [(0, True, 1, 1, None)]
    site.sender.script = lambda sent: OK
    assert await site.wish(Wish.RETRY, 0) == 1
    await site.restart()
    await site.settle()
    assert site.batches[4:] == [[ids[0]], [ids[1]]]
    assert await site.world.rows(PARKED) == []


async def test_an_unspent_retry_stays_a_batch(site: Site) -> None:
    """While the breaker is open a batch is the probe, again and again, and grows no older."""
    ids = await site.begin("a", "b", settings=replace(BATCHES, max_in_flight=6, retry_delays_s=(5.0,) * 9))
    site.sender.script = lambda sent: answer(503)
    await site.settle()
    for _ in range(6):
        await site.settle(400)
    assert {tuple(one) for one in site.batches} == {tuple(ids)}
    assert len(set(site.names)) == 1
    rows = await site.world.rows("SELECT kind, number FROM attempts ORDER BY id")
    assert rows == [("DELIVERY", 1), ("DELIVERY", 2), ("DELIVERY", 3), *[("PROBE", 4)] * 4]
    attempts = await site.world.rows("SELECT DISTINCT attempts, batch_from FROM parked_events")
    assert attempts == [(3, 0)]
    site.sender.script = lambda sent: OK
    await site.settle(1000)
    assert await site.world.rows(PARKED) == []


async def test_no_key_is_blocked_without_an_order(site: Site) -> None:
    ids = await site.begin("a", "a", "a", ordering=Ordering.NONE)
    site.sender.script = lambda sent: answer(500) if len(site.sender.sent) == 1 else OK
    await site.settle()
    later = await site.world.produce(site.partition_id, "a")
    await site.settle()
    assert site.batches == [ids, later]
    site.sender.script = failing(ids[2], status=422)
    await site.settle(6)
    assert site.batches[2] == ids
    assert sorted(site.batches[3:]) == sorted([ids[:2], ids[2:]])


async def test_followers_take_no_more_than_the_room_among_what_may_be_parked(site: Site) -> None:
    ids = await site.begin("a")
    site.sender.script = lambda sent: answer(500) if len(site.sender.sent) == 1 else OK
    await site.settle()
    later = await site.world.produce(site.partition_id, *["a"] * 3)
    await site.settle()
    site.rig.subscriptions[0].parked += PARKED_MAX - 2
    await site.settle(6)
    assert site.batches == [ids, ids, *[[id_] for id_ in later]]


async def test_a_dead_endpoint_costs_a_bounded_number_of_rows_and_gets_everything_in_order(site: Site) -> None:
    """A simulated day, in which the lane reads no further than the breaker lets it."""
    ids = await site.begin(*["a", "b", "c", None] * 50)
    site.sender.script = lambda sent: answer(503)
    for _ in range(100):
        await site.settle(864)
    ((rows,),) = await site.world.rows("SELECT COUNT(*) FROM parked_events")
    ((attempts,),) = await site.world.rows("SELECT COUNT(*) FROM attempts")
    # Ten batches of four fail until the breaker opens; then there is one probe a step.
    assert (rows, attempts) == (40, 99)
    site.sender.script = lambda sent: OK
    while await site.world.rows("SELECT id FROM parked_events") or not site.sender.delivered:
        await site.settle(864)
    delivered = [event_id for sent in site.sender.delivered for event_id in sent.ids]
    assert sorted(delivered) == sorted(ids)
    for number in range(3):
        of_key = ids[number::4]
        assert [event_id for event_id in delivered if event_id in of_key] == of_key
