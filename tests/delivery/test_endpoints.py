"""Real endpoints on loopback that misbehave: the outcome is recorded, nothing is lost, and the others go on."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from event_issuer.egress.sender import WebhookSender
from tests.delivery.processes import Process
from tests.delivery.world import SETTINGS, World
from tests.egress.names import Names
from tests.egress.receiver import OK, Act, Receivers, answer, answer_and_close, drip, hang, reset

IMPATIENT = replace(SETTINGS, timeout_s=0.2, retry_delays_s=(5.0, 5.0))
ATTEMPTS = "SELECT subscription_id, number, outcome, http_status, error FROM attempts ORDER BY subscription_id, id"
SLOW = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + b"x" * 9_999  # dripped, far beyond any time limit
EMPTY = b"\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
async def process(world: World) -> AsyncIterator[Process]:
    sender = WebhookSender(Names())
    process = Process(world, sender)
    yield process
    await process.engine.stop(5.0)
    await sender.close()


def ids_of(requests: list[bytes]) -> list[str]:
    return [match[1].decode() for request in requests for match in re.finditer(rb"\r\nce-id: (\S+)\r\n", request)]


BAD: list[tuple[Act, str, int | None, str]] = [
    (hang(), "RETRY", None, "TIMEOUT: there was no response within 0.2 s"),
    (drip(SLOW), "RETRY", None, "TIMEOUT: the response was not complete within 0.2 s"),
    (reset(), "RETRY", None, "RESET: the connection was closed before a response came"),
    (reset(b"HTTP/1.1 200 OK\r\n"), "RETRY", None, "RESET: the connection was closed in the middle of the response"),
    (answer_and_close(b"SSH-2.0\r\n\r\n"), "RETRY", None, "PROTOCOL: "),
    (answer(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere" + EMPTY), "RETRY", 302, "The endpoint answered 302."),
    (answer(b"HTTP/1.1 404 Not Found" + EMPTY), "RETRY", 404, "The endpoint answered 404."),
    (answer(b"HTTP/1.1 413 Too Large" + EMPTY), "REFUSED", 413, "The endpoint answered 413."),
    (answer(b"HTTP/1.1 429 Slow Down" + EMPTY), "RETRY", 429, "The endpoint answered 429."),
    (answer(b"HTTP/1.1 503 Busy" + EMPTY), "RETRY", 503, "The endpoint answered 503."),
]


async def test_endpoints_that_misbehave_once_get_the_event_again_and_the_others_are_not_held_up(
    world: World, process: Process, receivers: Receivers
) -> None:
    (partition_id,) = await world.partitions()
    bad = [await receivers(act, answer(OK)) for act, *_ in BAD]
    good = await receivers(answer(OK))
    subscriptions = [await world.subscribe([partition_id], each.url, settings=IMPATIENT) for each in bad]
    subscriptions.append(await world.subscribe([partition_id], good.url, settings=IMPATIENT))
    first, second = await world.produce(partition_id, "a", "a")
    await process.step()
    await good.asked(2)
    while len(await world.rows(ATTEMPTS)) < len(bad) + 2:
        await process.engine.settler.step()

    rows = await world.rows(ATTEMPTS)
    for row, subscription_id, (_, outcome, status, error) in zip(rows, subscriptions, BAD, strict=False):
        assert row[:4] == (subscription_id, 1, outcome, status)
        assert row[4].startswith(error)
    assert [row[:4] for row in rows[-2:]] == [(subscriptions[-1], 1, "DELIVERED", 200)] * 2

    world.clock.advance(6)
    process.wake()
    for each in bad:
        await each.asked(3)
        assert ids_of(each.requests) == [first, first, second]
    assert ids_of(good.requests) == [first, second]
    while await world.rows("SELECT id FROM parked_events"):
        await process.engine.settler.step()
    assert await world.rows("SELECT DISTINCT next_offset, settled_above FROM lanes") == [(2, "[]")]
    assert process.engine.exposure.count == 0


async def test_an_endpoint_that_is_gone_fails_alone(world: World, process: Process, receivers: Receivers) -> None:
    (partition_id,) = await world.partitions()
    gone = await receivers(answer(b"HTTP/1.1 410 Gone" + EMPTY))
    good = await receivers(answer(OK))
    for each in (gone, good):
        await world.subscribe([partition_id], each.url, settings=IMPATIENT)
    await world.produce(partition_id, "a", "a")
    await process.step()
    await good.asked(2)
    statuses = "SELECT status FROM subscriptions ORDER BY id"
    await process.written(statuses, [("FAILED",), ("RUNNING",)])
    await process.step()
    await world.produce(partition_id, "b")
    await good.asked(3)
    assert len(gone.requests) == 1


async def test_an_endpoint_that_cannot_be_reached_is_tried_again(
    world: World, process: Process, receivers: Receivers
) -> None:
    (partition_id,) = await world.partitions()
    closed = await receivers(answer(OK))
    port = closed.port
    await closed.stop()
    for host in ("127.0.0.1", "unknown.example"):
        await world.subscribe([partition_id], f"http://{host}:{port}/hook", settings=IMPATIENT)
    (event_id,) = await world.produce(partition_id, "a")
    await process.step()
    while len(await world.rows(ATTEMPTS)) < 2:
        await process.engine.settler.step()
    errors = [row[4] for row in await world.rows(ATTEMPTS)]
    assert errors == [
        f"CONNECT: there is no connection to http://127.0.0.1:{port}: Connection refused",
        "DNS: unknown.example was not found: Name or service not known",
    ]

    opened = await receivers(answer(OK), port=port)
    world.clock.advance(6)
    process.wake()
    await opened.asked(1)
    assert ids_of(opened.requests) == [event_id]


async def test_every_endpoint_gets_each_of_its_events_in_order_per_key(
    world: World, process: Process, receivers: Receivers
) -> None:
    partition_ids = await world.partitions(2)
    endpoints = [await receivers(answer(OK)) for _ in range(5)]
    for endpoint in endpoints:
        await world.subscribe(partition_ids, endpoint.url)
    running = asyncio.create_task(process.engine.run())
    wanted: dict[str, list[str]] = {}
    for number in range(100):
        key = f"k{number % 7}"
        wanted.setdefault(key, []).extend(await world.produce(partition_ids[number % 7 % 2], key))
    for endpoint in endpoints:
        await endpoint.asked(100)
        got: dict[str, list[str]] = {}
        for request in endpoint.requests:
            key = (re.search(rb"\r\nce-partitionkey: (\S+)", request) or [b"", b""])[1].decode()
            got.setdefault(key, []).extend(ids_of([request]))
        assert got == wanted
    await process.engine.stop(5.0)
    running.cancel()
    assert await world.rows("SELECT COUNT(*), COUNT(DISTINCT trace_id) FROM attempts") == [(500, 500)]
    assert await world.rows("SELECT DISTINCT settled_above FROM lanes") == [("[]",)]
