"""What is asked of one process takes effect in the others within a second: an API and a delivery, apart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.acceptance.endpoints import Endpoint, Endpoints
from tests.api.partners import Partner
from tests.chaos.runs import let_pass
from tests.chaos.site import Site

TYPE = "acceptance.apart.v1"
WITHIN_S = 1.0
MEANWHILE_S = 2.0  # of events, all of which must stay away
STOP = "mutation ($id: ID!) { stopWebhookSubscription(id: $id) { webhookSubscription { status } } }"


@pytest.fixture
async def site(database_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(database_url, tmp_path)
    yield site
    await site.close()


async def produce_on(partner: Partner) -> None:
    number = 0
    while True:
        number += 1
        event = {"specversion": "1.0", "id": str(number), "source": "/apart", "type": TYPE, "partitionkey": "k"}
        answer = await partner.produce_counted(event | {"data": {"train": "1"}})
        assert answer == {"persisted": 1, "duplicates": 0, "rejected": 0}


async def first(endpoint: Endpoint, endpoints: Endpoints) -> None:
    while not endpoint.taken:
        endpoints.arrived.clear()
        await endpoints.arrived.wait()


async def test_a_subscription_made_and_stopped_through_one_process_is_heard_of_by_another(site: Site) -> None:
    key = await site.run("key", "create", "--tenant", "acme", "--principal", "tester", "--operator")
    await site.start("api", "api")
    await site.start("deliver", "deliver")
    loop = asyncio.get_running_loop()
    async with Endpoints(1) as endpoints, httpx.AsyncClient(base_url=site.url, timeout=30) as http:
        (endpoint,) = endpoints.all
        partner = Partner(http, key, "tester")
        await partner.create_type(TYPE)
        made = await partner.subscribe(endpoint.url, TYPE)
        producing = asyncio.create_task(produce_on(partner))
        await first(endpoint, endpoints)

        stopped = await partner.ask(STOP, id=made["webhookSubscription"]["id"])
        assert stopped["stopWebhookSubscription"]["webhookSubscription"]["status"] in ("STOPPING", "STOPPED")
        stopped_at = loop.time()
        await let_pass(MEANWHILE_S)
        producing.cancel()
        with suppress(asyncio.CancelledError):
            await producing
        assert endpoint.last_at - stopped_at <= WITHIN_S
        assert endpoint.out_of_order() == []
        assert endpoint.duplicates == 0
    assert await site.stop() == [0, 0]
