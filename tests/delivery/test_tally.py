"""What settled batches say: exact counts, once each, whatever happens to the writing; and one line per batch."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from event_issuer.delivery.attempt import INTERNAL
from event_issuer.delivery.standing import standing
from event_issuer.domain.subscriptions import ContentMode
from tests.delivery.rig import EXPOSURE_MAX, Rig
from tests.delivery.senders import OK, ScriptedSender, answer, failing
from tests.delivery.world import SETTINGS, World
from tests.telemetry.scraping import counted, scraped

TYPE = "test.happened.v1"


async def test_every_attempt_is_counted_by_its_outcome(world: World, sender: ScriptedSender, rig: Rig) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a", "b", None, "a")
    await rig.open(await world.subscribe([partition_id]))
    sender.script = failing(ids[1], times=1)
    world.clock.advance(0.125)
    await rig.settle_down()
    expected = {
        'attempts_total{outcome="DELIVERED"}': 3,
        'attempts_total{outcome="RETRY"}': 1,
        f'events_delivered_total{{event_type="{TYPE}"}}': 3,
        "events_parked_total": 1,
    }
    found = scraped(rig.metrics.registry)
    assert counted(found) == expected
    assert (found["delivery_latency_seconds_count"], found["delivery_latency_seconds_sum"]) == (3, 0.375)
    assert found['delivery_latency_seconds_bucket{le="0.1"}'] == 0
    assert found['delivery_latency_seconds_bucket{le="0.25"}'] == 3
    assert (found["attempt_duration_seconds_count"], found["attempt_duration_seconds_sum"]) == (4, 0)
    assert found["settle_attempts_sum"] == 4
    world.clock.advance(10)
    await rig.settle_down()
    more = {'attempts_total{outcome="DELIVERED"}': 4, f'events_delivered_total{{event_type="{TYPE}"}}': 4}
    found = scraped(rig.metrics.registry)
    assert counted(found) == expected | more
    assert found["delivery_latency_seconds_sum"] == 0.375 + 10.125


async def test_of_a_batch_every_event_is_counted(world: World, sender: ScriptedSender, rig: Rig) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *"abcd")
    settings = replace(SETTINGS, batch_events_max=4)
    await rig.open(await world.subscribe([partition_id], settings=settings, content_mode=ContentMode.BATCH))
    sender.script = failing(ids[3], status=422)
    world.clock.advance(0.125)
    with capture_logs() as logs:
        await rig.settle_down()
    found = scraped(rig.metrics.registry)
    assert counted(found) == {
        'attempts_total{outcome="DELIVERED"}': 2,
        'attempts_total{outcome="REFUSED"}': 3,
        f'events_delivered_total{{event_type="{TYPE}"}}': 3,
        "events_parked_total": 1,
    }
    assert (found["delivery_latency_seconds_count"], found["delivery_latency_seconds_sum"]) == (3, 0.375)
    assert [entry["events"] for entry in logs if entry["event"] == "attempt failed"] == [4, 2, 1]
    assert [(entry["attempts"], entry["delivered"]) for entry in logs if entry["event"] == "settled"] == [(5, 3)]


@pytest.mark.parametrize("together", [False, True])
async def test_a_dead_letter_is_counted_once_by_its_last_outcome(
    world: World, sender: ScriptedSender, rig: Rig, together: bool
) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a", "a")
    settings = replace(SETTINGS, max_in_flight=20)  # ten failures in a row open the breaker, not four
    await rig.open(await world.subscribe([partition_id], settings=settings))
    sender.script = lambda sent: answer(503)
    for _ in range(8):  # the head's three attempts, then its follower's
        await (rig.carry() if together else rig.settle_down())
        world.clock.advance(400)
    await rig.settle_down()
    assert await world.rows("SELECT COUNT(*) FROM parked_events WHERE dead_lettered_at_us IS NOT NULL") == [(2,)]
    found = counted(scraped(rig.metrics.registry))
    assert found == {
        'attempts_total{outcome="RETRY"}': 6,
        'events_dead_lettered_total{outcome="RETRY"}': 2,
        "events_parked_total": 2,
    }


async def test_an_event_that_expired_is_a_dead_letter_of_its_own_kind(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, None)
    await rig.open(await world.subscribe([partition_id]))
    sender.script = lambda sent: answer(503)
    await rig.settle_down()
    await world.log.trim(partition_id, 1)
    world.clock.advance(10)
    await rig.settle_down()
    found = counted(scraped(rig.metrics.registry))
    assert found['events_dead_lettered_total{outcome="EXPIRED"}'] == 1
    assert found['attempts_total{outcome="RETRY"}'] == 1


async def test_what_could_not_be_written_is_counted_when_it_is(world: World, sender: ScriptedSender, rig: Rig) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, "a")
    await rig.open(await world.subscribe([partition_id]))
    await rig.carry()
    rig.database.refuse = 2
    assert [await rig.settler.step() for _ in range(2)] == [False, False]
    assert counted(scraped(rig.metrics.registry)) == {"settle_failures_total": 2}
    assert await rig.settler.step() is True
    assert counted(scraped(rig.metrics.registry)) == {
        "settle_failures_total": 2,
        'attempts_total{outcome="DELIVERED"}': 1,
        f'events_delivered_total{{event_type="{TYPE}"}}': 1,
    }


async def test_a_batch_is_one_line_and_a_failure_another(world: World, sender: ScriptedSender, rig: Rig) -> None:
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, *[None] * 5)
    subscription_id = await world.subscribe([partition_id])
    await rig.open(subscription_id)
    sender.script = failing(ids[2], status=500)
    with capture_logs() as logs:
        await rig.settle_down()
    failure, batch = logs
    trace_id = next(sent.headers["traceparent"].split("-")[1] for sent in sender.sent if sent.event_id == ids[2])
    assert failure == {
        "event": "attempt failed",
        "log_level": "info",
        "trace_id": trace_id,
        "subscription": subscription_id,
        "event_type": TYPE,
        "partition": partition_id,
        "offset": 2,
        "events": 1,
        "number": 1,
        "outcome": "RETRY",
        "http_status": 500,
        "error": "The endpoint answered 500.",
        "duration_ms": 0.0,
    }
    assert batch.pop("duration_ms") > 0
    assert batch == {
        "event": "settled",
        "log_level": "debug",
        "attempts": 5,
        "delivered": 4,
        "parked": 1,
        "dead_lettered": 0,
    }


async def test_the_trace_of_a_fault_of_ours_is_the_attempts(world: World, rig: Rig, sender: ScriptedSender) -> None:
    def fail(_: object) -> object:
        raise ValueError("a fault of ours")

    (partition_id,) = await world.partitions()
    await world.produce(partition_id, None)
    await rig.open(await world.subscribe([partition_id]))
    sender.script = fail  # type: ignore[assignment]
    with capture_logs() as logs:
        await rig.settle_down()
    ((trace_id, error),) = await world.rows("SELECT trace_id, error FROM attempts")
    assert error == INTERNAL.error
    assert [(entry["event"], entry["trace_id"]) for entry in logs if "trace_id" in entry] == [
        ("attempt failed inside", trace_id),
        ("attempt failed", trace_id),
    ]


async def test_how_things_stand_is_told_without_a_look_into_the_database(
    world: World, sender: ScriptedSender, rig: Rig
) -> None:
    partitions = await world.partitions(2)
    await world.produce(partitions[0], *["k"] * 6)
    await world.produce(partitions[1], None, None)
    for _ in range(2):
        await rig.open(await world.subscribe(partitions))
    sender.hold()
    for lane in rig.lanes:
        await lane.step()

    def look() -> dict[str, float]:
        found = standing(rig.lanes, 2, rig.exposure, world.log.known_head)
        return {name.removeprefix("event_issuer_"): value for name, value in found.items()}

    busy = {
        "subscriptions_open": 2,
        "breakers_open": 0,
        "subscriptions_paused": 0,
        "lanes_open": 4,
        "leases_held": 2,
        "in_flight": 6,
        "exposure": 6,
        "exposure_max": EXPOSURE_MAX,
        "settling_blocked": 0,
        "parked_waiting": 0,
        "lag_events": 16,
        "lag_events_max": 6,
    }
    assert look() == busy
    sender.script = lambda sent: answer(503) if sent.key else OK
    sender.release()
    await rig.settle_down()
    assert look() == busy | {"in_flight": 0, "exposure": 0, "parked_waiting": 2, "lag_events": 0, "lag_events_max": 0}
    rig.exposure.shut()
    assert look()["settling_blocked"] == 1


@pytest.mark.parametrize("count", [1, 200])
async def test_a_look_at_a_head_that_nobody_knows_sees_no_lag(world: World, count: int) -> None:
    (partition_id,) = await world.partitions()
    await world.produce(partition_id, *[None] * count)
    assert world.log.known_head(partition_id) == count
    assert (await world.restarted()).log.known_head(partition_id) is None
