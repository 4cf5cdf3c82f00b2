"""Order: many events over many keys to endpoints that fail one request in five. A real server, real HTTP.

On Kafka two processes deliver, and share three partitions.
"""

import random
from functools import partial

from bench.stores import KAFKA
from tests.acceptance.endpoints import FAILED, TAKEN, Endpoints
from tests.endurance.site import Site, event, open_site

EVENTS = 100_000
KEYS = 1_000
PARTITIONS = 3
BATCH = 500
AHEAD = 5_000  # produced before it is delivered
ENDPOINTS = 2
FAILED_PART = 0.2
TYPE = "endurance.ordered.v1"
SETTINGS = {"maxInFlight": 64, "retry": {"delaysSeconds": [0.005] * 50}}


async def run(store: str) -> bool:
    """No first delivery of a key out of order, and none missing."""
    chance = random.Random(1)
    workers = 2 if store == KAFKA else 1
    async with Endpoints(ENDPOINTS) as endpoints, open_site(store, workers=workers) as site:
        for endpoint in endpoints.all:
            endpoint.answer = partial(_answer, chance)
        await site.create_type(TYPE, partitions=PARTITIONS)
        for endpoint in endpoints.all:
            await site.subscribe(endpoint.url, TYPE, SETTINGS)
        await _produce(site, endpoints)
        wanted = {(f"{TYPE}/k{number % KEYS}", number) for number in range(EVENTS)}
        await endpoints.complete([wanted] * ENDPOINTS)
        wrong = sum(len(endpoint.out_of_order()) for endpoint in endpoints.all)
        repeated = sum(endpoint.duplicates for endpoint in endpoints.all)
        requests = sum(endpoint.requests for endpoint in endpoints.all)
        taken = endpoints.taken_count
        missing = sum(len(endpoint.missing(wanted)) for endpoint in endpoints.all)
        print(
            f"order on {store}: {EVENTS:,} events over {KEYS:,} keys in {PARTITIONS} partitions to "
            f"{ENDPOINTS} endpoints, {workers} delivering, {requests:,} requests, {requests - taken:,} failed: "
            f"{wrong} out of order, {missing} missing, {repeated} repeated"
        )
        return wrong == missing == repeated == 0


def _answer(chance: random.Random) -> bytes:
    return FAILED if chance.random() < FAILED_PART else TAKEN


async def _produce(site: Site, endpoints: Endpoints) -> None:
    for start in range(0, EVENTS, BATCH):
        await endpoints.taken(max(0, start - AHEAD) * ENDPOINTS)
        await site.produce([event(TYPE, number, f"k{number % KEYS}") for number in range(start, start + BATCH)])
