"""A real server on a store of its own, and an operator who asks it."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from bench.stores import opened
from tests.acceptance.server import Server
from tests.api.partners import Partner

ANSWER_S = 60.0
LEASE_S = "15"  # the usual: nobody dies here, and a busy machine shall cost no lease
SCHEMA = {"type": "object", "required": ["number"], "properties": {"number": {"type": "integer"}}}


class Site:
    def __init__(self, server: Server, partner: Partner) -> None:
        self.server, self._partner = server, partner

    async def create_type(self, name: str, *, partitions: int) -> None:
        await self._partner.create_type(name, schema=SCHEMA, partitions=partitions)

    async def subscribe(self, url: str, type_: str, delivery: dict[str, object]) -> str:
        """Its id."""
        made = await self._partner.subscribe(url, type_, delivery=delivery)
        id_: str = made["webhookSubscription"]["id"]
        return id_

    async def produce(self, events: Sequence[object]) -> None:
        answer = await self._partner.produce_counted(*events)
        assert answer == {"persisted": len(events), "duplicates": 0, "rejected": 0}, answer


@asynccontextmanager
async def open_site(store: str, *, workers: int = 1) -> AsyncIterator[Site]:
    """Serves until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="issuer-endurance-") as folder, opened(store, Path(folder)) as its:
        settings = its.settings("endurance")
        url = settings.pop("EVENT_ISSUER_DATABASE_URL")
        settings["EVENT_ISSUER_LEASE_S"] = LEASE_S
        server = Server(url, Path(folder) / "server.log", workers=workers, more=settings)
        key = await server.run("key", "create", "--tenant", "acme", "--principal", "tester", "--operator")
        await server.start()
        try:
            async with httpx.AsyncClient(base_url=server.url, timeout=ANSWER_S) as http:
                yield Site(server, Partner(http, key, "tester"))
            assert await server.stop() == 0
        finally:
            await server.close()


def event(type_: str, number: int, key: str) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": "/endurance",
        "type": type_,
        "partitionkey": key,
        "data": {"number": number},
    }
