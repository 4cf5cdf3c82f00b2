"""What is told of a request: one line and one count, its trace, and nothing that it carries."""

import httpx
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from event_issuer.telemetry.metrics import Metrics
from event_issuer.web.observing import trace_of
from event_issuer.web.routes import build_app
from tests.telemetry.scraping import counted, scraped
from tests.web.faces import BODY_BYTES_MAX, Face, build_schema, in_process

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"


async def line_of(client: httpx.AsyncClient, method: str, path: str, **more: object) -> EventDict:
    with capture_logs() as logs:
        await client.request(method, path, **more)  # type: ignore[arg-type]
    (line,) = [entry for entry in logs if entry["event"] == "request"]
    assert line.pop("duration_ms") >= 0
    return line


async def test_a_request_is_one_line(client: httpx.AsyncClient) -> None:
    query = {"query": "query Doubled($n: Int!) { twice(number: $n) }", "variables": {"n": 4711}}
    line = await line_of(client, "POST", "/graphql?key=s3cret", json=query, headers={"traceparent": TRACEPARENT})
    assert line == {
        "event": "request",
        "log_level": "debug",
        "method": "POST",
        "route": "/graphql",
        "operation_type": "query",
        "operation": "Doubled",
        "status": 200,
        "error_codes": (),
        "trace_id": TRACE_ID,
        "tenant": None,
        "principal": None,
    }


async def test_a_refusal_inside_a_200_is_told_by_its_code(client: httpx.AsyncClient) -> None:
    line = await line_of(client, "POST", "/graphql", json={"query": "{ forbidden hello }"})
    assert (line["log_level"], line["status"], line["error_codes"]) == ("info", 200, ["FORBIDDEN"])
    assert (line["operation_type"], line["operation"]) == ("query", None)


@pytest.mark.parametrize(
    ("method", "path", "route", "status", "level"),
    [
        ("GET", "/healthz", "/healthz", 200, "debug"),
        ("GET", "/no/such/path?key=s3cret", "unmatched", 404, "info"),
        ("GET", "/v1/schemas/a.b.v1/1", "/v1/schemas/{event_type}/{version}", 404, "info"),
        ("POST", "/healthz", "/healthz", 405, "info"),
    ],
)
async def test_a_route_is_told_by_its_template(
    client: httpx.AsyncClient, method: str, path: str, route: str, status: int, level: str
) -> None:
    line = await line_of(client, method, path)
    assert (line["route"], line["status"], line["log_level"]) == (route, status, level)
    assert "s3cret" not in str(line)


async def test_a_fault_is_told_under_the_trace_of_its_request(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        headers = {"traceparent": TRACEPARENT, "X-API-Key": "broken"}
        response = await client.post("/graphql", json={"query": "{ hello }"}, headers=headers)
    assert response.json()["errors"][0]["extensions"]["traceId"] == TRACE_ID
    assert [(entry["event"], entry["log_level"], entry["trace_id"]) for entry in logs] == [
        ("request failed inside", "error", TRACE_ID),
        ("request", "warning", TRACE_ID),
    ]


async def test_requests_without_a_trace_have_one_each(client: httpx.AsyncClient) -> None:
    ids = {(await line_of(client, "GET", "/healthz"))["trace_id"] for _ in range(10)}
    assert len(ids) == 10
    assert {len(one) for one in ids} == {32}


def test_a_trace_that_is_named_twice_is_none() -> None:
    header = (b"traceparent", TRACEPARENT.encode())
    assert trace_of([header]).trace_id == TRACE_ID
    assert trace_of([header, header]).trace_id != TRACE_ID
    assert trace_of([(b"traceparent", b"\xff")]).parent_id is None
    assert trace_of([header, (b"tracestate", b"a=1"), (b"tracestate", b"b=2")]).state == "a=1,b=2"


async def test_requests_are_counted_by_route_and_status(face: Face) -> None:
    metrics = Metrics()
    app = build_app(
        build_schema(),
        face.context_of,
        document_of=face.document_of,
        checks={},
        body_bytes_max=BODY_BYTES_MAX,
        metrics=metrics,
    )
    async with in_process(app) as client:
        for path in ("/healthz", "/healthz", "/a", "/b/c", "/v1/schemas/a/1", "/v1/schemas/b/2"):
            await client.get(path)
        await client.post("/graphql", json={"query": "{ hello }"})
        await client.request("PURGE", "/healthz")
    found = scraped(metrics.registry)
    assert counted(found) == {
        'requests_total{method="GET",route="/healthz",status="200"}': 2,
        'requests_total{method="GET",route="unmatched",status="404"}': 2,
        'requests_total{method="GET",route="/v1/schemas/{event_type}/{version}",status="404"}': 2,
        'requests_total{method="POST",route="/graphql",status="200"}': 1,
        'requests_total{method="other",route="/healthz",status="405"}': 1,
    }
    assert found["request_duration_seconds_count"] == 8
