"""What leaves a failed batch before its next attempt, and what becomes of it in another content mode."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from event_issuer.db.expunging import expunge
from event_issuer.db.parked import Wish
from event_issuer.delivery.sieve import Sieve
from event_issuer.domain.filters import parse_filter
from event_issuer.domain.subscriptions import ContentMode
from event_issuer.eventlog.filtering import FilterTable
from tests.delivery.batch_site import BATCHES, DEAD, PARKED, Site
from tests.delivery.senders import OK, ScriptedSender, answer
from tests.delivery.world import World


@pytest.fixture
def site(world: World, sender: ScriptedSender) -> Site:
    return Site(world, sender)


async def test_a_discarded_event_leaves_its_batch_and_hands_its_key_on(site: Site) -> None:
    ids = await site.begin("a", "a", "b")
    site.sender.script = lambda sent: answer(500) if len(site.sender.sent) == 1 else OK
    await site.settle()
    (follower,) = await site.world.produce(site.partition_id, "a")
    await site.settle()
    assert await site.wish(Wish.DISCARD, 0) == 1
    await site.restart()
    await site.settle()
    assert await site.world.rows(PARKED) == [(1, True, 3, 1, 0), (2, True, None, 1, 0)]
    await site.restart()
    await site.settle(6)
    assert site.batches == [ids, ids[1:], [follower]]
    assert await site.world.rows(PARKED) == []


@pytest.mark.parametrize("content_mode", ["BATCH", "BINARY"])
async def test_a_batch_that_is_discarded_lets_its_keys_go_on(site: Site, content_mode: str) -> None:
    ids = await site.begin("a", "a", "b")
    site.sender.script = lambda sent: answer(500) if len(site.sender.sent) == 1 else OK
    await site.settle()
    (follower,) = await site.world.produce(site.partition_id, "a")
    await site.settle()
    assert await site.wish(Wish.DISCARD, 0, 1, 2) == 3
    await site.world.alter(site.subscription_id, content_mode=content_mode)
    await site.restart()
    await site.settle()
    assert site.batches == [ids, [follower]]
    assert await site.world.rows(PARKED) == []
    assert site.rig.subscriptions[0].parked == 0


async def test_retrying_one_event_retries_its_batch(site: Site) -> None:
    ids = await site.begin("a", "b", "c")
    site.sender.script = lambda sent: answer(500) if len(site.sender.sent) == 1 else OK
    await site.settle()
    assert await site.wish(Wish.RETRY, 1) == 1
    await site.restart()
    await site.settle()
    assert site.batches == [ids, ids]
    assert await site.world.rows(PARKED) == []


async def test_dead_letters_that_are_retried_go_alone(site: Site) -> None:
    ids = await site.begin(None, None, settings=replace(BATCHES, retry_delays_s=()))
    site.sender.script = lambda sent: answer(422)
    await site.settle()
    assert await site.world.rows(DEAD) == [(0, 1, None), (1, 1, None)]
    site.sender.script = lambda sent: OK
    assert await site.wish(Wish.RETRY, 0, 1) == 2
    await site.restart()
    await site.settle()
    assert site.batches == [ids, ids[:1], ids[1:], ids[:1], ids[1:]]
    assert await site.world.rows(PARKED) == []


async def test_an_expunged_event_is_left_out_and_the_others_wait_on(site: Site) -> None:
    ids = await site.begin("a", "a", "b")
    site.sender.script = lambda sent: answer(500) if len(site.sender.sent) == 1 else OK
    await site.settle()
    dialect = site.world.database.dialect
    await site.world.database.run(expunge(dialect, site.partition_id, 0, site.world.clock.now))
    await site.restart()
    await site.settle()
    assert site.batches == [ids]
    assert await site.world.rows(DEAD) == [(0, 1, None)]
    assert await site.world.rows("SELECT last_error FROM parked_events WHERE log_offset = 0") == [
        ("EXPUNGED: the operator removed the event's data.",)
    ]
    await site.settle(6)
    assert site.batches == [ids, ids[1:]]
    assert len(set(site.names)) == 2


async def test_an_event_that_retention_took_is_left_out(site: Site) -> None:
    ids = await site.begin("a", "b", "c")
    site.sender.script = lambda sent: answer(500) if len(site.sender.sent) == 1 else OK
    await site.settle()
    await site.world.log.trim(site.partition_id, 2)
    lane = await site.restart()
    await site.settle(6)
    assert site.batches == [ids, ids[2:]]
    assert await site.world.rows(DEAD) == [(0, 1, None), (1, 1, None)]
    assert lane.expired == 2


async def test_an_event_that_the_filter_no_longer_takes_is_left_out(site: Site) -> None:
    ids = await site.begin("a", "b", "a")
    site.sender.script = lambda sent: answer(500) if len(site.sender.sent) == 1 else OK
    await site.settle()
    filter_ = parse_filter({"not": {"exact": {"id": ids[0]}}})
    lane = await site.restart(Sieve(filter_, FilterTable().shared(filter_)))
    await site.settle(6)
    assert site.batches == [ids, ids[1:]]
    assert lane.filtered.count == 1
    assert await site.world.rows(PARKED) == []


async def test_nothing_is_sent_of_a_batch_that_the_filter_no_longer_takes(site: Site) -> None:
    ids = await site.begin("a", "b")
    site.sender.script = lambda sent: answer(500)
    await site.settle()
    filter_ = parse_filter({"exact": {"id": "none"}})
    await site.restart(Sieve(filter_, FilterTable().shared(filter_)))
    await site.settle(6)
    assert site.batches == [ids]
    assert await site.world.rows(PARKED) == []
    assert site.rig.subscriptions[0].parked == 0


# Another content mode


@pytest.mark.parametrize("unwanted", [(), (0,)])
async def test_in_another_content_mode_a_batch_is_taken_apart(site: Site, unwanted: Sequence[int]) -> None:
    ids = await site.begin("a", "a", "b", None)
    site.sender.script = lambda sent: answer(500) if len(site.sender.sent) == 1 else OK
    await site.settle()
    (follower,) = await site.world.produce(site.partition_id, "a")
    await site.settle()
    for offset in unwanted:
        assert await site.wish(Wish.DISCARD, offset) == 1
    await site.world.alter(site.subscription_id, content_mode="BINARY")
    await site.restart()
    await site.settle(6)
    alone = [sent.event_id for sent in site.sender.sent[1:]]
    assert sorted(alone) == sorted([*(id_ for id_ in ids if ids.index(id_) not in unwanted), follower])
    of_a = [id_ for id_ in alone if id_ in (*ids[:2], follower)]
    assert of_a == [*([] if unwanted else ids[:1]), ids[1], follower]
    assert [sent.headers["content-type"] for sent in site.sender.sent[1:]] == ["application/json"] * len(alone)
    assert await site.world.rows(PARKED) == []


async def test_what_was_parked_alone_goes_as_a_batch_of_one(site: Site) -> None:
    ids = await site.begin("a", "b", content_mode=ContentMode.BINARY)
    site.sender.script = lambda sent: answer(500) if sent.number == 1 and len(site.sender.sent) <= 2 else OK
    await site.settle()
    await site.world.alter(site.subscription_id, content_mode="BATCH")
    await site.restart()
    await site.settle(6)
    assert sorted(site.batches[2:]) == [ids[:1], ids[1:]]
    assert sorted(site.names[:2]) == sorted(site.names[2:])
