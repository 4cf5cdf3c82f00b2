"""/healthz and /readyz: who asks learns what fails, and no more."""

import asyncio

import httpx
import pytest
from structlog.testing import capture_logs

from event_issuer.web.health import build_health_routes
from tests.web.faces import Face, in_process


async def passes() -> None:
    pass


async def fails() -> None:
    raise ConnectionError("no route to 10.0.0.7")


async def hangs() -> None:
    await asyncio.Event().wait()


async def test_the_process_is_alive_whatever_fails(client: httpx.AsyncClient, face: Face) -> None:
    face.checks["database"] = fails
    response = await client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert response.headers["cache-control"] == "no-store"


async def test_it_is_ready_when_every_check_passes(client: httpx.AsyncClient, face: Face) -> None:
    face.checks.update(database=passes, log=passes)
    response = await client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_what_fails_is_named_without_its_reason(client: httpx.AsyncClient, face: Face) -> None:
    face.checks.update(database=fails, log=passes, leases=fails)
    with capture_logs() as logs:
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable", "failing": ["database", "leases"]}
    assert response.headers["cache-control"] == "no-store"
    assert [(entry["check"], entry["reason"]) for entry in logs if entry["event"] == "not ready"] == [
        ("database", "ConnectionError('no route to 10.0.0.7')"),
        ("leases", "ConnectionError('no route to 10.0.0.7')"),
    ]


async def test_a_check_that_hangs_fails() -> None:
    (_, readyz) = build_health_routes({"database": hangs}, timeout_s=0.01)
    async with in_process(readyz.app) as client:
        response = await client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"status": "unavailable", "failing": ["database"]})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_anybody_may_ask(client: httpx.AsyncClient, path: str) -> None:
    del client.headers["X-API-Key"]
    assert (await client.get(path)).status_code == 200
