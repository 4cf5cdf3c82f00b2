"""A running server as Prometheus and a reader of logs see it: exact counts, on a listener of its own, and no secret."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from structlog.testing import capture_logs

from event_issuer.app import open_access
from event_issuer.domain.access import EVERYTHING, Action, Policy
from event_issuer.domain.errors import SettingsInvalid
from event_issuer.resolvers.access import CONSOLE
from event_issuer.serving import serving
from event_issuer.settings import Settings
from tests.api.partners import TYPE, Partner, event
from tests.api.webhooks import AGREES, TAKES
from tests.egress.receiver import Receivers, answer
from tests.telemetry.scraping import Series, counted, series

REFUSES = answer(b"HTTP/1.1 500 No\r\nContent-Type: text/plain\r\nContent-Length: 26\r\n\r\nyour key was k3y-s3cret-17")
DELIVERED = f'events_delivered_total{{event_type="{TYPE}"}}'
FAILED = 'attempts_total{outcome="RETRY"}'
PASSWORD = "passw0rd-s3cret"  # of nobody


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"port": 0, "metrics_port": free_port()})


@asynccontextmanager
async def partner_of(settings: Settings) -> AsyncIterator[tuple[Partner, httpx.AsyncClient]]:
    """A served issuer, an operator of it, and a client of its API."""
    async with open_access(settings) as access:
        policies = [Policy(action, EVERYTHING) for action in Action]
        created = await access.create_key(CONSOLE, "banenor", "tester", policies)
    async with serving(settings) as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as http:
        yield Partner(http, created.key, "tester"), http


async def scrape(settings: Settings) -> str:
    async with httpx.AsyncClient(trust_env=False) as http:
        response = await http.get(f"http://127.0.0.1:{settings.metrics_port}/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    return response.text


async def scraped_once(settings: Settings, name: str, value: float) -> Series:
    """The first scrape that shows this: what happens is counted when it is written down."""
    while (found := series(await scrape(settings))).get(name, 0) < value:
        pass
    return found


async def test_a_scrape_shows_exactly_what_happened(settings: Settings, receivers: Receivers) -> None:
    async with partner_of(settings) as (operator, _):
        receiver = await receivers(AGREES, TAKES, TAKES, TAKES, REFUSES)
        await operator.create_type()
        await operator.subscribe(receiver.url)
        await receiver.asked(1)
        broken, stranger = event("9", data={"train": 7}), event("10", type="no.such.type.v1")
        await operator.produce(event("1"), event("2"), event("3"), event("1"), broken, stranger)
        await scraped_once(settings, DELIVERED, 3)
        await operator.produce(event("4"))
        found = await scraped_once(settings, FAILED, 1)
    requests = {name: value for name, value in counted(found).items() if name.startswith("requests_total")}
    assert requests.keys() == {'requests_total{method="POST",route="/graphql",status="200"}'}
    assert counted(found) == requests | {
        f'events_accepted_total{{event_type="{TYPE}"}}': 4,
        "events_duplicate_total": 1,
        'events_refused_total{code="CONTRACT_BROKEN"}': 1,
        'events_refused_total{code="NOT_FOUND"}': 1,
        'attempts_total{outcome="DELIVERED"}': 3,
        FAILED: 1,
        DELIVERED: 3,
        "events_parked_total": 1,
    }
    standing = ("subscriptions_open", "lanes_open", "leases_held", "in_flight", "exposure", "parked_waiting")
    assert [found[name] for name in standing] == [1, 1, 1, 0, 0, 1]
    assert [found[name] for name in ("lag_events", "lag_events_max", "settling_blocked")] == [0, 0, 0]
    assert found["exposure_max"] == settings.unsettled_max
    assert (found["append_records_count"], found["append_records_sum"]) == (2, 5)  # the duplicate was asked for, too
    assert (found["delivery_latency_seconds_count"], found["attempt_duration_seconds_count"]) == (3, 4)
    assert 0 < found["delivery_latency_seconds_sum"] < 60
    assert found['build_info{version="0.1.0"}'] == 1


async def test_the_api_serves_no_metrics_and_the_listener_nothing_else(settings: Settings) -> None:
    async with partner_of(settings) as (_, http):
        assert (await http.get("/metrics")).status_code == 404
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.metrics_port}", trust_env=False) as client:
            assert [(await client.get(path)).status_code for path in ("/", "/graphql", "/healthz")] == [404] * 3
            assert (await client.post("/metrics")).status_code == 405
            openmetrics = await client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")


async def test_a_port_in_use_is_a_clear_refusal(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", settings.metrics_port))
        taken.listen()
        with pytest.raises(SettingsInvalid) as refused:
            async with serving(settings):
                pass
    assert refused.value.detail == (
        f"127.0.0.1:{settings.metrics_port} cannot be listened on: Address already in use. "
        "EVENT_ISSUER_METRICS_PORT chooses another port for metrics; 0 serves none."
    )


async def test_port_0_serves_no_metrics(settings: Settings) -> None:
    port = settings.metrics_port
    async with serving(settings.model_copy(update={"metrics_port": 0})):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_no_secret_is_told_of_a_failing_delivery(settings: Settings, receivers: Receivers) -> None:
    with capture_logs() as logs:
        async with partner_of(settings) as (operator, _):
            receiver = await receivers(AGREES, REFUSES)
            await operator.create_type()
            made = await operator.subscribe(
                receiver.url + "/path-s3cret?token=query-s3cret",
                apiKey={"header": "X-Key", "key": "k3y-s3cret-17"},
                authentication={"basic": {"username": "user", "password": PASSWORD}},
            )
            await operator.produce(event("1", data={"train": "47110"}))
            found = await scraped_once(settings, FAILED, 1)
            metrics = await scrape(settings)
    assert found["events_parked_total"] == 1
    told = json.dumps(logs, default=repr) + metrics
    assert "attempt failed" in told
    assert '"request"' in told
    for secret in ("s3cret", PASSWORD, made["signingSecret"]["secret"], operator.key, "47110"):
        assert secret not in told
