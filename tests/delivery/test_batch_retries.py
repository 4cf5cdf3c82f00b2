"""Batches that fail: parked as they are, tried again as they are, and parted where that may help."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from event_issuer.db.expunging import expunge
from event_issuer.db.parked import Chosen, Wish, wish
from event_issuer.delivery.lane import Lane
from event_issuer.delivery.sieve import Sieve
from event_issuer.domain.filters import parse_filter
from event_issuer.domain.subscriptions import PARKED_MAX, ContentMode, OnDeadLetter, Ordering
from event_issuer.eventlog.filtering import FilterTable
from tests.delivery.rig import Rig
from tests.delivery.senders import OK, ScriptedSender, answer, failing
from tests.delivery.world import SETTINGS, World

BATCHES = replace(SETTINGS, batch_events_max=4, batch_wait_max_s=0.0, max_in_flight=20)
PARKED = "SELECT log_offset, blocks_key, followers_from, attempts, batch_from FROM parked_events ORDER BY log_offset"
DEAD = "SELECT log_offset, attempts, batch_from FROM parked_events WHERE dead_lettered_at_us > 0 ORDER BY log_offset"


class Site:
    """One subscription on one partition, in one process after the other."""

    def __init__(self, world: World, sender: ScriptedSender) -> None:
        self.world, self.sender = world, sender
        self.processes = 0
        self.rig = Rig(world, sender)
        self.partition_id = self.subscription_id = 0

    async def begin(self, *keys: str | None, **more: object) -> list[str]:
        """The ids of its events."""
        (self.partition_id,) = await self.world.partitions()
        ids = await self.world.produce(self.partition_id, *keys)
        given = {"settings": BATCHES, "content_mode": ContentMode.BATCH} | more
        self.subscription_id = await self.world.subscribe([self.partition_id], **given)  # type: ignore[arg-type]
        await self.rig.open(self.subscription_id)
        return ids

    async def restart(self, sieve: Sieve | None = None) -> Lane:
        await self.rig.crash()
        self.processes += 1
        self.rig = Rig(await self.world.restarted(), self.sender, f"next-{self.processes}")
        if sieve is not None:
            self.rig.sieves[self.partition_id] = sieve
        return (await self.rig.open(self.subscription_id))[0]

    async def settle(self, seconds: float = 0) -> None:
        self.world.clock.advance(seconds)
        await self.rig.settle_down()

    async def wish(self, wish_: Wish, *offsets: int) -> int | None:
        """What the owner wants done with events at these offsets."""
        numbers = ", ".join(map(str, offsets))
        rows = await self.world.rows(f"SELECT id FROM parked_events WHERE log_offset IN ({numbers})")
        chosen = Chosen(self.subscription_id, [row[0] for row in rows])
        ((tenant_id,),) = await self.world.rows("SELECT tenant_id FROM subscriptions")
        now = self.world.clock.now
        return await self.world.database.run(
            wish(self.world.database.dialect, tenant_id, 1, wish_, chosen, PARKED_MAX, now)
        )

    @property
    def batches(self) -> list[list[str]]:
        return [sent.ids for sent in self.sender.sent]

    @property
    def names(self) -> list[str]:
        return [sent.headers["webhook-id"] for sent in self.sender.sent]


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


# What leaves a batch


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
