"""Random lives of a lane: failing endpoints, settles that fail or get no answer, replays, crashes at any moment.

Some lives send batches, and change their content mode now and then.

Whatever happened, at the end each event is delivered or a dead letter, first deliveries of a key came in log order,
and no event was delivered again beyond what the crashes left exposed. So too within each replay, which counts what it
has delivered; one that was cancelled is only less of it.
"""

import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from event_issuer.db.replays import Stretch, cancel
from event_issuer.delivery.replays import ReplayKeeper
from event_issuer.domain.replays import HEADER, OPEN_MAX, global_id
from event_issuer.domain.subscriptions import ContentMode
from event_issuer.egress.messages import Response
from tests.delivery.rig import Rig, until_idle
from tests.delivery.senders import OK, ScriptedSender, Sent, answer
from tests.delivery.world import SETTINGS, World

SEEDS = {"sqlite": range(25), "postgresql": range(100, 108)}
BATCH_SEEDS = {"sqlite": range(200, 230), "postgresql": range(300, 308)}
STEPS = 60
KEYS = ("a", "a", "b", "c", None)


class Life:
    """One random run; `exposed` adds up what each crash may repeat."""

    def __init__(
        self, world: World, sender: ScriptedSender, seed: int, content_mode: ContentMode = ContentMode.BINARY
    ) -> None:
        self.content_mode = content_mode
        self.changes_mode = content_mode is ContentMode.BATCH and seed % 2 == 1
        self.world, self.sender = world, sender
        self.chance = random.Random(seed)
        self.exposed = 0
        self.keys: dict[str, str | None] = {}
        self.partition_ids: list[int] = []
        self.seed = seed
        self.rig = Rig(world, sender, f"{seed}-0", exposure_max=12)
        self.processes = 1
        self.failure_rate = self.chance.choice([0.0, 0.2, 0.6])
        self.replays: dict[int, list[str]] = {}  # which events each of them is of
        self.cancelled: set[int] = set()
        sender.script = self.answer

    def answer(self, sent: Sent) -> Response:
        if self.chance.random() >= self.failure_rate:
            return OK
        return answer(self.chance.choice([302, 404, 500, 503] + ([] if self.has_budget else [422])))

    async def begin(self) -> None:
        self.partition_ids = await self.world.partitions(2)
        self.has_budget = self.chance.random() < 0.7
        delays = (1.0,) * 50 if self.has_budget else (1.0, 2.0)
        settings = replace(SETTINGS, max_in_flight=self.chance.choice([1, 2, 5]), retry_delays_s=delays)
        if self.content_mode is ContentMode.BATCH:
            most, wait_s = self.chance.choice([1, 3, 7]), self.chance.choice([0.0, 1.0])
            settings = replace(settings, batch_events_max=most, batch_wait_max_s=wait_s)
        self.subscription_id = await self.world.subscribe(
            self.partition_ids, settings=settings, content_mode=self.content_mode
        )
        await self.world.alter(self.subscription_id, verified_at_us=1)
        await self.rig.open(self.subscription_id)

    async def act(self) -> None:
        acts = [self.produce] * 3 + [self.step] * 6 + [self.settle] * 3 + [self.wait] * 2 + [self.gate, self.crash]
        acts += [self.replay, self.cancel]
        await self.chance.choice(acts)()

    async def produce(self) -> None:
        keys = self.chance.choices(KEYS, k=self.chance.randrange(1, 6))
        partition = [0 if key in ("a", None) else 1 for key in keys]
        for number, partition_id in enumerate(self.partition_ids):
            mine = [key for key, its in zip(keys, partition, strict=True) if its == number]
            self.keys.update(zip(await self.world.produce(partition_id, *mine) if mine else [], mine, strict=True))

    async def step(self) -> None:
        for lane in self.rig.lanes:
            await lane.step()
        await until_idle(self.chance.randrange(4))

    async def settle(self) -> None:
        self.rig.database.refuse = self.chance.choice([0, 0, 1])
        self.rig.database.silence = self.chance.choice([0, 0, 1])
        await self.rig.settler.step()

    async def wait(self) -> None:
        self.world.clock.advance(self.chance.choice([0.3, 1.1, 3.0]))

    async def gate(self) -> None:
        """The endpoint hangs from now on, or goes on."""
        if self.chance.random() < 0.5:
            self.sender.hold()
        else:
            self.sender.release()

    async def crash(self) -> None:
        self.exposed += await self.rig.crash()
        if self.changes_mode and self.chance.random() < 0.5:
            mode = self.chance.choice([ContentMode.BATCH, ContentMode.BINARY])
            await self.world.alter(self.subscription_id, content_mode=mode.value)
        self.rig = Rig(self.world, self.sender, f"{self.seed}-{self.processes}", exposure_max=12)
        self.processes += 1
        await self.rig.open(self.subscription_id)

    async def replay(self) -> None:
        """Of all that is in the log; a process that begins has its lanes."""
        if len(self.replays) - len(self.cancelled) < OPEN_MAX:
            stretches = [Stretch(partition_id, 0, None) for partition_id in self.partition_ids]
            replay_id = await self.world.replay(self.subscription_id, *stretches)
            self.replays[replay_id] = list(self.keys)
            await self.crash()

    async def cancel(self) -> None:
        for replay_id in sorted(self.replays.keys() - self.cancelled)[:1]:
            ((tenant_id,),) = await self.world.rows("SELECT DISTINCT tenant_id FROM subscriptions")
            work = cancel(self.world.database.dialect, tenant_id, 1, replay_id, self.world.clock.now)
            assert await self.world.database.run(work)
            self.cancelled.add(replay_id)
            if self.chance.random() < 0.5:  # else its lanes write what is dropped
                await self.crash()

    async def end(self) -> None:
        if self.cancelled:
            await self.crash()
        self.failure_rate = 0.0
        self.sender.release()
        self.rig.database.refuse = self.rig.database.silence = 0
        while not await self._has_ended():
            self.world.clock.advance(4)
        keeper = ReplayKeeper(
            self.rig.database, self.world.log, self.world.log.log_id, self.rig.made, self.world.feed, self.world.clock
        )
        while await keeper.step():
            pass

    async def _has_ended(self) -> bool:
        await self.rig.settle_down()
        behind = (
            "lanes JOIN log_heads ON log_heads.partition_id = lanes.partition_id LEFT JOIN replay_ranges "
            "ON replay_ranges.replay_id = lanes.replay_id AND replay_ranges.partition_id = lanes.partition_id "
            "WHERE lanes.next_offset < COALESCE(end_offset, log_heads.next_offset)"
        )
        waiting = await self.world.rows(
            "SELECT 1 FROM parked_events JOIN lanes ON lanes.id = lane_id WHERE dead_lettered_at_us IS NULL LIMIT 1"
        )
        return not waiting and not await self.world.rows(f"SELECT 1 FROM {behind} LIMIT 1")


async def test_nothing_is_lost_or_out_of_order(world: World, store: str) -> None:
    for seed in SEEDS[store]:
        await _live(world, seed)


async def test_nothing_of_batches_is_lost_or_out_of_order(world: World, store: str) -> None:
    for seed in BATCH_SEEDS[store]:
        await _live(world, seed, ContentMode.BATCH)


async def _live(world: World, seed: int, content_mode: ContentMode = ContentMode.BINARY) -> None:
    sender = ScriptedSender(world.clock)
    life = Life(world, sender, seed, content_mode)
    await life.begin()
    for _ in range(STEPS):
        await life.act()
    await life.end()
    live = [sent for sent in sender.sent if HEADER not in sent.headers]
    _check(life, live, list(life.keys), await _dead_letters(life, None), seed)
    for replay_id, event_ids in life.replays.items():
        sent = [sent for sent in sender.sent if sent.headers.get(HEADER) == global_id(replay_id)]
        dead = await _dead_letters(life, replay_id)
        _check(life, sent, event_ids, dead, seed, is_whole=replay_id not in life.cancelled)
        await _check_replay(life, replay_id, {id_ for one in sent if one in sender.delivered for id_ in one.ids}, dead)
    repeated = Counter((sent.headers.get(HEADER), id_) for sent in sender.delivered for id_ in sent.ids)
    assert sum(count - 1 for count in repeated.values()) <= life.exposed, seed
    await _check_rows(life, seed)


async def _dead_letters(life: Life, replay_id: int | None) -> set[str]:
    """The events that are dead letters of a replay, or of live lanes: their offsets, read in the log."""
    rows = await life.world.rows(
        "SELECT parked_events.partition_id, log_offset FROM parked_events JOIN lanes ON lanes.id = lane_id "
        "WHERE parked_events.subscription_id = $1 AND COALESCE(replay_id, 0) = $2",
        life.subscription_id,
        replay_id or 0,
    )
    pages = [(await life.world.log.read(partition_id, offset)).records[0] for partition_id, offset in rows]
    return {record.event.id for record in pages}


def _check(
    life: Life,
    sent: Sequence[Sent],
    event_ids: Sequence[str],
    dead: Collection[str],
    seed: int,
    *,
    is_whole: bool = True,
) -> None:
    """Of one replay, or of what is live: the requests, and which events they were to be of."""
    taken = [one for one in sent if one in life.sender.delivered]
    settled = {event_id for one in taken for event_id in one.ids} | set(dead)
    assert settled <= set(event_ids), seed
    if is_whole:
        assert settled == set(event_ids), seed
    for key in ("a", "b", "c"):
        wanted = [event_id for event_id in event_ids if life.keys[event_id] == key]
        first_requests = _firsts(sent, key)
        assert first_requests == wanted[: None if is_whole else len(first_requests)], seed
        if life.has_budget:  # a dead letter that a crash forgot is tried again, when its followers have gone
            first_deliveries = _firsts(taken, key)
            assert first_deliveries == first_requests[: None if is_whole else len(first_deliveries)], seed


def _firsts(requests: Sequence[Sent], key: str) -> list[str]:
    """The events of the key in the order in which they were in a request for the first time."""
    return list(dict.fromkeys(event_id for sent in requests for event_id, its in sent.members if its == key))


async def _check_replay(life: Life, replay_id: int, delivered: Collection[str], dead: Collection[str]) -> None:
    """It says what became of it, and counts each event once."""
    rows = await life.world.rows(
        "SELECT status, counted_at_us IS NOT NULL, matched_count, delivered_count + COALESCE((SELECT "
        "SUM(delivered_count) FROM lanes WHERE replay_id = replays.id), 0) FROM replays WHERE id = $1",
        replay_id,
    )
    ((status, is_counted, matched_count, delivered_count),) = rows
    if replay_id in life.cancelled:
        assert (status, delivered_count <= len(delivered)) == ("CANCELLED", True), life.seed
        lanes = await life.world.rows("SELECT 1 FROM lanes WHERE replay_id = $1", replay_id)
        assert lanes == [], life.seed
    else:
        event_count = len(life.replays[replay_id])
        found = (status, is_counted, matched_count, delivered_count)
        assert found == ("COMPLETED", True, event_count, event_count - len(dead)), life.seed


async def _check_rows(life: Life, seed: int) -> None:
    """The database tells the same: everything is settled, once, and no exposure is left."""
    lanes = await life.world.rows(
        "SELECT lanes.next_offset - log_heads.next_offset, settled_above FROM lanes JOIN log_heads "
        "ON log_heads.partition_id = lanes.partition_id WHERE subscription_id = $1 AND replay_id IS NULL",
        life.subscription_id,
    )
    assert lanes == [(0, "[]")] * 2, seed
    twice = await life.world.rows("SELECT trace_id FROM attempts GROUP BY trace_id HAVING COUNT(*) > 1")
    assert twice == [], seed
    twice = await life.world.rows("SELECT lane_id FROM parked_events GROUP BY lane_id, log_offset HAVING COUNT(*) > 1")
    assert twice == [], seed
    orphans = "SELECT 1 FROM parked_events WHERE lane_id NOT IN (SELECT id FROM lanes)"
    assert await life.world.rows(orphans) == [], seed
    subscription = life.rig.subscriptions[0]
    left = (life.rig.exposure.count, subscription.in_flight, subscription.retries_in_flight)
    assert left == (0, 0, 0), seed
    assert life.rig.faults == [], seed
