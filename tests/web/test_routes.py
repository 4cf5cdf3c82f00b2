"""What is around every answer: security headers, and problems for what no route answers."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from event_issuer.domain import errors
from event_issuer.web.frame import Frame
from event_issuer.web.problems import STATUSES, problem_of
from tests.web.faces import Face, in_process


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.BadInput, 400),
        (errors.Unauthenticated, 401),
        (errors.Forbidden, 403),
        (errors.NotFound, 404),
        (errors.Conflict, 409),
        (errors.ContractBroken, 422),
        (errors.SchemaInvalid, 422),
        (errors.LimitExceeded, 429),
        (errors.Unavailable, 503),
        (errors.OutcomeUnknown, 503),
    ],
)
async def test_each_refusal_has_its_status(error: type[errors.IssuerError], status: int) -> None:
    async def refuse(_: Request) -> Response:
        raise error("What was wrong.", violations=[errors.Violation("/a", "type", "a is a string.")])

    async with in_process(Frame(Route("/", refuse).app)) as client:
        response = await client.get("/")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in response.headers) == (status == 401)
    assert response.json() == {
        "type": f"urn:event-issuer:problem:{error.code}",
        "status": status,
        "code": error.code,
        "title": error.title,
        "detail": "What was wrong.",
        "retryable": error.retryable,
        "violations": [{"path": "/a", "rule": "type", "message": "a is a string."}],
    }


def test_every_refusal_that_a_request_can_meet_has_a_status() -> None:
    def all_of(kind: type[errors.IssuerError]) -> set[type[errors.IssuerError]]:
        return {kind}.union(*(all_of(child) for child in kind.__subclasses__()))

    named = {kind for kind in all_of(errors.IssuerError) if kind.__module__ == errors.__name__}
    for kind in named - {errors.IssuerError, errors.SettingsInvalid}:
        assert problem_of(kind("x")).status == STATUSES[kind.code]


async def test_a_fault_is_masked_and_logged_under_its_trace_id() -> None:
    async def fail(_: Request) -> Response:
        raise RuntimeError("the password is swordfish")

    async with in_process(Frame(Route("/x", fail).app)) as client:
        with capture_logs() as logs:
            response = await client.get("/x?key=secret")
    assert response.status_code == 500
    problem = response.json()
    assert (problem["code"], problem["status"]) == ("INTERNAL_SERVER_ERROR", 500)
    assert "swordfish" not in response.text
    (entry,) = logs
    assert (entry["trace_id"], entry["method"], entry["path"]) == (problem["traceId"], "GET", "/x")
    assert "swordfish" in str(entry["exc_info"])


async def test_nobody_is_answered_when_the_client_has_left() -> None:
    async def leave(_: Request) -> Response:
        raise ClientDisconnect

    with capture_logs() as logs, pytest.raises(AssertionError):  # httpx insists on an answer
        async with in_process(Frame(Route("/", leave).app)) as client:
            await client.get("/")
    assert logs == []


async def test_a_fault_after_the_answer_has_begun_goes_to_the_server() -> None:
    async def halfway(_: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("halfway")

        return StreamingResponse(parts())

    async with in_process(Frame(Route("/", halfway).app)) as client:
        with pytest.raises(RuntimeError, match="halfway"):
            await client.get("/")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/healthz/",
        "/graphql/",
        "/graphiql/",
        "/v1/schemas/a",
        "/v1/schemas/a/1/b",
        "/v1/catalogue",
        "/v1/catalogue/openapi.json",
    ],
)
async def test_an_unknown_path_is_a_problem(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == f"There is nothing at {path}."


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/v1/schemas/a/1", "/v1/catalogue/asyncapi.json", "/graphiql/page.js"]
)
async def test_a_method_that_is_not_possible_is_a_problem(client: httpx.AsyncClient, path: str) -> None:
    response = await client.post(path)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == "POST is not possible here, only GET, HEAD."


@pytest.mark.parametrize("path", ["/graphql", "/healthz", "/nothing", "/graphiql/page.js", "/v1/schemas/a/1"])
async def test_every_answer_has_the_security_headers(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers.get_list("content-security-policy") == ["default-src 'none'; frame-ancestors 'none'"]


async def test_other_refusals_of_the_framework_are_problems_too() -> None:
    async def refuse(_: Request) -> Response:
        raise HTTPException(400, "Malformed")

    app = Face().app()
    app.router.routes.append(Route("/", refuse))
    async with in_process(app) as client:
        response = await client.get("/")
    assert (response.status_code, response.json()["detail"]) == (400, "Malformed.")
