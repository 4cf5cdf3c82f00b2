"""Days in seconds: lanes on a real store and log, with a clock that the run moves and endpoints that are scripted."""

import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from bench.stores import opened
from event_issuer.db.database import open_database
from event_issuer.db.migrate import migrate
from event_issuer.db.tables import TABLES
from event_issuer.domain.subscriptions import STANDARD_RETRY_DELAYS_S
from event_issuer.domain.time import SECOND_US
from tests.delivery.rig import Rig
from tests.delivery.senders import OK, ScriptedSender, answer
from tests.delivery.world import SETTINGS, World, open_world

MINUTE_S = 60
HOUR_S = 3_600
WAITING = 100_000
KEYS = 1_000
IN_FLIGHT = 16
POISON_HOURS = 75
POISON_PER_SECOND = 10
POISON_DELAYS_S = (*STANDARD_RETRY_DELAYS_S, *STANDARD_RETRY_DELAYS_S[-1:] * 20)  # the head fails to the end


@asynccontextmanager
async def open_simulation(store: str) -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory(prefix="issuer-endurance-") as folder, opened(store, Path(folder)) as its:
        database = await open_database(its.fresh_url("simulation"), tables=TABLES, pool_size=4)
        try:
            await migrate(database, 0)
            yield await open_world(database)
        finally:
            await database.close()


async def dead_endpoint(store: str) -> bool:
    """Down for a week with 100,000 events waiting: hardly a row, and after it all events, in order per key."""
    async with open_simulation(store) as world:
        (partition_id,) = await world.partitions()
        for _ in range(WAITING // KEYS):
            await world.produce(partition_id, *[f"k{number}" for number in range(KEYS)])
        sender = ScriptedSender(world.clock)
        settings = replace(SETTINGS, max_in_flight=IN_FLIGHT, retry_delays_s=STANDARD_RETRY_DELAYS_S)
        rig = Rig(world, sender, exposure_max=2_000)
        await rig.open(await world.subscribe([partition_id], settings=settings))
        sender.script = lambda sent: answer(500)
        for _ in range(7 * 24 * 60):
            await rig.settle_down()
            world.clock.advance(MINUTE_S)
        ((parked,),) = await world.rows("SELECT COUNT(*) FROM parked_events")
        ((probes,),) = await world.rows("SELECT COUNT(*) FROM attempts WHERE kind = 'PROBE'")
        ((others,),) = await world.rows("SELECT COUNT(*) FROM attempts WHERE kind <> 'PROBE'")
        sender.script = lambda sent: OK
        back_at = world.clock.now
        while len(sender.delivered) < WAITING and world.clock.now - back_at < 24 * HOUR_S * SECOND_US:
            await rig.settle_down()
            world.clock.advance(MINUTE_S)
        of_key: dict[str | None, list[int]] = {}
        for sent in sender.delivered:
            of_key.setdefault(sent.key, []).append(int(sent.event_id[1:]))
        order = "in" if all(numbers == sorted(numbers) for numbers in of_key.values()) else "OUT OF"
        minutes = (world.clock.now - back_at) // (MINUTE_S * SECOND_US)
        once = max(Counter(sent.event_id for sent in sender.delivered).values())
        print(
            f"dead endpoint on {store}: after a week {parked} parked and {others} attempts (together at most "
            f"{2 * IN_FLIGHT}), {probes} probes; then {len(sender.delivered):,} of {WAITING:,} delivered, "
            f"{order} order, each {once} time(s), {minutes} min later"
        )
        return parked + others <= 2 * IN_FLIGHT and len(sender.delivered) == WAITING and order == "in" and once == 1


async def poison_key(store: str) -> bool:
    """One key whose head fails for 75 h, with 10 events a second behind it, among 1,000 keys that are well."""
    async with open_simulation(store) as world:
        (partition_id,) = await world.partitions()
        sender = ScriptedSender(world.clock)
        settings = replace(SETTINGS, max_in_flight=IN_FLIGHT, retry_delays_s=POISON_DELAYS_S)
        rig = Rig(world, sender, exposure_max=2_000)
        await rig.open(await world.subscribe([partition_id], settings=settings))
        (poison,) = await world.produce(partition_id, "poison")
        sender.script = lambda sent: answer(500) if sent.event_id == poison else OK
        rows_max, late, well = 0, 0, 0
        for minute in range(POISON_HOURS * 60):
            await world.produce(partition_id, *["poison"] * (POISON_PER_SECOND * MINUTE_S), f"k{minute % KEYS}")
            produced_at = world.clock.now
            await rig.settle_down()
            last = sender.delivered[-1]
            well += last.key == f"k{minute % KEYS}" and len(sender.delivered) == 1
            late += last.at != produced_at
            sender.delivered.clear()
            sender.sent.clear()
            ((rows,),) = await world.rows("SELECT COUNT(*) FROM parked_events")
            rows_max = max(rows_max, rows)
            world.clock.advance(MINUTE_S)
        print(
            f"poison key on {store}: {POISON_HOURS} h with {POISON_PER_SECOND} events a second behind its head: "
            f"{rows_max} row(s) at most, {well} of {POISON_HOURS * 60} other events delivered, {late} of them late"
        )
        return rows_max == 1 and late == 0 and well == POISON_HOURS * 60
