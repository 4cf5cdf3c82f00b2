"""Isolation: what ten endpoints that hang do to ninety that are well. A real server, real HTTP, one run.

Rounds in which the ten are well and rounds in which they hang follow each other; each round's delays are from the
moment an event was sent in to its receipt.
"""

import asyncio
import statistics
import time
from itertools import count

from tests.acceptance.endpoints import TAKEN, Endpoint, Endpoints
from tests.endurance.site import Site, event, open_site

WELL = 90
HANGING = 10
ROUNDS = 6  # half of them with hanging endpoints
EVENTS = 200  # in a round; each goes to all endpoints
PER_SECOND = 10
RATIO_MAX = 1.2
TYPE = "endurance.isolated.v1"
SETTINGS = {"timeoutSeconds": 2.0, "retry": {"delaysSeconds": [3_600.0]}}


async def run(store: str) -> bool:
    """Whether the 95th percentile of the well ones' delays is hardly higher while the others hang."""
    numbers = count()
    async with Endpoints(WELL + HANGING) as endpoints, open_site(store) as site:
        well, others = endpoints.all[:WELL], endpoints.all[WELL:]
        await site.create_type(TYPE, partitions=1)
        for endpoint in endpoints.all:
            await site.subscribe(endpoint.url, TYPE, SETTINGS)
        await _round(site, endpoints, well, numbers, 50)  # warm
        delays: dict[bool, list[float]] = {True: [], False: []}
        for number in range(ROUNDS):
            hang = number % 2 == 1
            for endpoint in others:
                endpoint.answer = (lambda: None) if hang else (lambda: TAKEN)
            delays[hang].append(_p95(await _round(site, endpoints, well, numbers, EVENTS)))
        ratio = statistics.median(delays[True]) / statistics.median(delays[False])
        shown = {hang: [f"{1e3 * delay:.1f}" for delay in found] for hang, found in delays.items()}
        print(
            f"isolation on {store}: p95 of {WELL} well endpoints in ms {shown[False]}, "
            f"while {HANGING} hang {shown[True]}: ratio of the medians {ratio:.2f} (at most {RATIO_MAX})"
        )
        return ratio <= RATIO_MAX


async def _round(
    site: Site, endpoints: Endpoints, well: list[Endpoint], numbers: "count[int]", events: int
) -> list[float]:
    """The delays of all deliveries to the well ones, in seconds."""
    sent_at: dict[int, float] = {}
    before = [len(endpoint.taken) for endpoint in well]
    begun = time.monotonic()
    for index in range(events):
        await asyncio.sleep(max(0.0, begun + index / PER_SECOND - time.monotonic()))
        number = next(numbers)
        sent_at[number] = time.monotonic()
        await site.produce([event(TYPE, number, f"k{number}")])
    while any(len(one.taken) - start < events for one, start in zip(well, before, strict=True)):
        endpoints.arrived.clear()
        await endpoints.arrived.wait()
    return [
        arrived - sent_at[number]
        for endpoint, start in zip(well, before, strict=True)
        for (_, number), arrived in zip(endpoint.taken[start:], endpoint.taken_at[start:], strict=True)
        if number in sent_at
    ]


def _p95(delays: list[float]) -> float:
    return statistics.quantiles(delays, n=20)[-1]
