"""Long runs of the whole product in its own process: nothing lost, first deliveries in order, also across kill -9.

10,000 events of 4 types in batches of 500 go to 20 subscriptions on 20 endpoints, two types each: 100,000 deliveries.
The counts are printed; `make test ARGS="-s -n0 tests/acceptance"` shows them.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.endpoints import Endpoints
from tests.acceptance.server import Server
from tests.api.partners import Partner

EVENTS = 10_000
BATCH = 500
TYPES = [f"acceptance.number-{number}.v1" for number in range(4)]
KEYS = 50
SUBSCRIPTIONS = 20
KILLS = 5
DELIVERIES_PER_EVENT = SUBSCRIPTIONS // 2
UNSETTLED_MAX = 2_000  # the server's default: deliveries under way or not yet written down
ANSWER_S = 30.0


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(database_url, tmp_path / "server.log")
    yield server
    await server.close()


@pytest.fixture
async def steady_server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    """With the usual lease: a machine that is too busy to renew one of two seconds in time repeats deliveries."""
    server = Server(database_url, tmp_path / "server.log", more={"EVENT_ISSUER_LEASE_S": "15"})
    yield server
    await server.close()


def key_of(number: int) -> str:
    return f"k{number % KEYS}"


def type_of(number: int) -> str:
    return TYPES[(number // KEYS) % len(TYPES)]


def types_of(subscription: int) -> list[str]:
    return [TYPES[subscription % 4], TYPES[(subscription + 1) % 4]]


def batch(start: int) -> list[dict[str, object]]:
    return [
        {
            "specversion": "1.0",
            "id": str(number),
            "source": "/acceptance",
            "type": type_of(number),
            "partitionkey": key_of(number),
            "data": {"number": number},
        }
        for number in range(start, start + BATCH)
    ]


def wanted() -> list[set[tuple[str, int]]]:
    """What each endpoint must get."""
    return [
        {(f"{type_of(n)}/{key_of(n)}", n) for n in range(EVENTS) if type_of(n) in types_of(subscription)}
        for subscription in range(SUBSCRIPTIONS)
    ]


async def set_up(partner: Partner, endpoints: Endpoints) -> None:
    schema = {"type": "object", "required": ["number"], "properties": {"number": {"type": "integer"}}}
    for name in TYPES:
        await partner.create_type(name, schema=schema, partitions=2)
    for number, endpoint in enumerate(endpoints.all):
        await partner.subscribe(endpoint.url, *types_of(number))


async def produce_all(partner: Partner, endpoints: Endpoints, *, ahead: int = EVENTS) -> dict[str, int]:
    """Sends every batch until it is answered, as a producer does whose connection breaks; the statuses' counts.

    It stays at most `ahead` events before what has been delivered, so that kills hit producing, too.
    """
    counts = {"persisted": 0, "duplicates": 0, "rejected": 0}
    for start in range(0, EVENTS, BATCH):
        await endpoints.taken(max(0, start - ahead) * DELIVERIES_PER_EVENT)
        while True:
            try:
                answer = await partner.produce_counted(*batch(start))
                break
            except httpx.TransportError:
                await asyncio.sleep(0)
        for name in counts:
            counts[name] += answer[name]
    return counts


def report(store: str, what: str, counts: dict[str, int], endpoints: Endpoints) -> None:
    duplicates = sum(endpoint.duplicates for endpoint in endpoints.all)
    distinct = endpoints.taken_count - duplicates
    print(f"\n{what} on {store}: {counts}, {distinct} deliveries, {duplicates} repeated")


async def test_ten_thousand_events_reach_twenty_endpoints(steady_server: Server, store: str) -> None:
    server = steady_server
    key = await server.run("key", "create", "--tenant", "acme", "--principal", "tester", "--operator")
    async with Endpoints(SUBSCRIPTIONS) as endpoints, httpx.AsyncClient(base_url=server.url, timeout=ANSWER_S) as http:
        await server.start()
        partner = Partner(http, key, "tester")
        await set_up(partner, endpoints)
        counts = await produce_all(partner, endpoints)
        await endpoints.complete(wanted())
        assert await server.stop() == 0
        report(store, "one run", counts, endpoints)
        assert counts == {"persisted": EVENTS, "duplicates": 0, "rejected": 0}
        assert [endpoint.duplicates for endpoint in endpoints.all] == [0] * SUBSCRIPTIONS
        assert [set(endpoint.taken) for endpoint in endpoints.all] == wanted()
        assert [endpoint.out_of_order() for endpoint in endpoints.all] == [[]] * SUBSCRIPTIONS


async def test_kill_9_loses_nothing(server: Server, store: str) -> None:
    key = await server.run("key", "create", "--tenant", "acme", "--principal", "tester", "--operator")
    deliveries = sum(map(len, wanted()))
    async with Endpoints(SUBSCRIPTIONS) as endpoints, httpx.AsyncClient(base_url=server.url, timeout=ANSWER_S) as http:
        await server.start()
        partner = Partner(http, key, "tester")
        await set_up(partner, endpoints)
        producing = asyncio.create_task(produce_all(partner, endpoints, ahead=2 * BATCH))
        for kill in range(1, KILLS + 1):
            await endpoints.taken(kill * deliveries // (KILLS + 1))
            await server.kill()
            await server.start()
        counts = await producing
        await endpoints.complete(wanted())
        assert await server.stop() == 0
        report(store, f"{KILLS} × kill -9", counts, endpoints)
        assert counts["rejected"] == 0
        assert counts["persisted"] + counts["duplicates"] == EVENTS
        assert [set(endpoint.taken) for endpoint in endpoints.all] == wanted()
        assert [endpoint.out_of_order() for endpoint in endpoints.all] == [[]] * SUBSCRIPTIONS
        assert sum(endpoint.duplicates for endpoint in endpoints.all) <= KILLS * UNSETTLED_MAX
