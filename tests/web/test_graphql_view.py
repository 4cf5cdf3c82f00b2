"""/graphql as GraphQL over HTTP wants it: media types, statuses, codes; and no input that ends in a 500."""

from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.web.faces import API_KEY, BODY_BYTES_MAX, Face

RESPONSE_TYPE = "application/graphql-response+json"
TRACE_ID_LENGTH = 32


def problem(code: str, title: str, detail: str) -> dict[str, Any]:
    extensions = {"code": code, "title": title, "detail": detail, "retryable": False}
    return {"errors": [{"message": detail, "extensions": extensions}]}


def bad_input(detail: str) -> dict[str, Any]:
    return problem("BAD_USER_INPUT", "The request is not well formed", detail)


async def post(client: httpx.AsyncClient, accept: str = RESPONSE_TYPE, **request: object) -> httpx.Response:
    return await client.post("/graphql", json=request, headers={"Accept": accept})


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json", "application/json"),
        (RESPONSE_TYPE, RESPONSE_TYPE),
        (f"{RESPONSE_TYPE}, application/json;q=0.9", RESPONSE_TYPE),
        (f"application/json, {RESPONSE_TYPE}", RESPONSE_TYPE),
        (f"application/json, {RESPONSE_TYPE};q=0.5", "application/json"),
        (f"{RESPONSE_TYPE};q=0, */*", "application/json"),
        ("application/json;q=0, */*;q=0.1", RESPONSE_TYPE),
        ("APPLICATION/GraphQL-Response+JSON; charset=utf-8", RESPONSE_TYPE),
        ("text/html," * 100, "application/json"),
    ],
)
async def test_the_media_type_is_negotiated(client: httpx.AsyncClient, accept: str | None, media_type: str) -> None:
    request = client.build_request("POST", "/graphql", json={"query": "{ hello who }"})
    request.headers.pop("accept")
    if accept is not None:
        request.headers["accept"] = accept
    response = await client.send(request)
    assert response.status_code == 200
    assert response.json() == {"data": {"hello": "hei", "who": API_KEY}}
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert response.headers["vary"] == "Accept"
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("accept", ["text/plain", "text/event-stream", "*/*;q=0", "application/json;q=x", ","])
async def test_an_answer_that_nobody_takes_is_refused(client: httpx.AsyncClient, face: Face, accept: str) -> None:
    response = await post(client, accept, query="mutation { note }")
    assert response.status_code == 406
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert face.notes == []


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("{ hello", "GRAPHQL_PARSE_FAILED", "Syntax Error: Expected Name, found <EOF>."),
        ("{ colour }", "GRAPHQL_VALIDATION_FAILED", "Cannot query field 'colour' on type 'Query'."),
        (
            "query ($n: Int!) { twice(number: $n) }",
            "BAD_USER_INPUT",
            "Variable '$n' has invalid value: Expected a value of non-null type 'Int!' to be provided.",
        ),
        (
            "query A { hello } query B { who }",
            "GRAPHQL_VALIDATION_FAILED",
            "The document has 2 operations; operationName must say which one to run.",
        ),
    ],
)
@pytest.mark.parametrize(("accept", "status"), [(RESPONSE_TYPE, 400), ("application/json", 200)])
async def test_what_could_not_be_executed_has_no_data(
    client: httpx.AsyncClient, query: str, code: str, message: str, accept: str, status: int
) -> None:
    response = await post(client, accept, query=query)
    assert response.status_code == status
    (error,) = response.json()["errors"]
    assert response.json().keys() == {"errors"}
    assert (error["message"], error["extensions"]) == (message, {"code": code})


async def test_a_partial_result_is_a_200(client: httpx.AsyncClient) -> None:
    response = await post(client, query="{ hello forbidden }")
    assert response.status_code == 200
    detail = "You may not read the log of trains."
    assert response.json() == {
        "data": {"hello": "hei", "forbidden": None},
        "errors": [
            {
                "message": detail,
                "locations": [{"line": 1, "column": 9}],
                "path": ["forbidden"],
                "extensions": {"code": "FORBIDDEN", "title": "Not allowed", "detail": detail, "retryable": False},
            }
        ],
    }


async def test_a_refusal_has_its_violations(client: httpx.AsyncClient) -> None:
    response = await post(client, query="{ required }")
    assert (response.status_code, response.json()["data"]) == (200, None)
    assert response.json()["errors"][0]["extensions"]["violations"] == [
        {"path": "/a", "rule": "type", "message": "a is a string."}
    ]


async def test_a_fault_in_a_resolver_is_masked_and_logged(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        response = await post(client, query="{ hello faulty }")
    assert response.status_code == 200
    assert response.json()["data"] == {"hello": "hei", "faulty": None}
    extensions = response.json()["errors"][0]["extensions"]
    assert extensions["code"] == "INTERNAL_SERVER_ERROR"
    assert "swordfish" not in response.text
    (fault, request) = logs
    assert (fault["trace_id"], fault["path"]) == (extensions["traceId"], ["faulty"])
    assert "swordfish" in str(fault["exc_info"])
    assert (request["event"], request["trace_id"]) == ("request", extensions["traceId"])
    assert len(extensions["traceId"]) == TRACE_ID_LENGTH


async def test_a_fault_before_execution_is_a_masked_500(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        response = await client.post("/graphql", json={"query": "{ hello }"}, headers={"X-API-Key": "broken"})
    assert response.status_code == 500
    assert "swordfish" not in response.text
    assert response.json()["errors"][0]["extensions"]["traceId"] == logs[0]["trace_id"]


async def test_who_is_unknown_gets_401_before_the_body_is_read(client: httpx.AsyncClient, face: Face) -> None:
    del client.headers["X-API-Key"]
    response = await client.post("/graphql", content=b"{", headers={"Content-Type": "application/json"})
    assert response.status_code == 401
    assert response.json() == problem(
        "UNAUTHENTICATED", "Who are you?", "Send a valid API key in the header X-API-Key."
    )
    assert response.headers["www-authenticate"] == 'ApiKey header="X-API-Key"'
    assert face.contexts == 0


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "The body is no JSON: Input is a zero-length, empty document: line 1 column 1 (char 0)."),
        (b'{"query": "{ hello }"', None),
        (b'{"query": "\xff"}', None),
        (b'{"query": "{ hello }", "variables": {"n": NaN}}', None),
        (b'{"query": "{ hello }", "variables": ' + b"[" * 60_000, None),
        (b'{"query": "{ hello }", "variables": {"n": ' + b"9" * 60_000 + b"}}", None),
        (b'{"query": "{ hello }", "variables": {"n": 1e400}}', None),
        (
            b'{"query": "{ hello }", "variables": {"n": 12345678901234567890.123}}',
            "The number 12345678901234567890.123 would become 1.2345678901234567e+19 here; send it as a string.",
        ),
        (b'[{"query": "{ hello }"}]', "Batches are not taken: send one GraphQL request, a JSON object."),
        (b'"{ hello }"', "A GraphQL request is a JSON object with the member query."),
        (b"null", "A GraphQL request is a JSON object with the member query."),
        (b"{}", "The member query of the GraphQL request is missing or empty."),
        (b'{"query": ""}', "The member query of the GraphQL request is missing or empty."),
        (b'{"query": ["{ hello }"]}', "The member query of a GraphQL request is a string."),
        (b'{"query": "{ hello }", "variables": []}', "The member variables of a GraphQL request is an object or null."),
        (
            b'{"query": "{ hello }", "extensions": 1}',
            "The member extensions of a GraphQL request is an object or null.",
        ),
        (
            b'{"query": "{ hello }", "operationName": 7}',
            "The member operationName of a GraphQL request is a string or null.",
        ),
        (b'{"query": "{ hello }", "operationName": "A"}', "The document has no operation named 'A'."),
        (b'{"query": "fragment a on Query { hello }"}', "The document has no operation."),
        (
            b'{"query": "subscription { ticks }"}',
            "A subscription needs a transport that streams; this is none. Send queries and mutations.",
        ),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", RESPONSE_TYPE])
async def test_a_bad_body_is_a_400(client: httpx.AsyncClient, body: bytes, detail: str | None, accept: str) -> None:
    headers = {"Content-Type": "application/json", "Accept": accept}
    response = await client.post("/graphql", content=body, headers=headers)
    assert response.status_code == 400
    said = response.json()["errors"][0]["message"]
    assert response.json() == bad_input(said)
    assert said == detail if detail else said.startswith("The body is no JSON: ")


async def test_integers_beyond_64_bits_arrive_exactly(client: httpx.AsyncClient) -> None:
    body = b'{"query": "query ($n: Int!) { twice(number: $n) }", "variables": {"n": 123456789012345678901234567890}}'
    response = await client.post("/graphql", content=body, headers={"Content-Type": "application/json"})
    assert "123456789012345678901234567890" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "application/jsonp",
        "text/plain; application/json",
    ],
)
async def test_only_json_is_taken(client: httpx.AsyncClient, face: Face, content_type: str) -> None:
    """A form of a foreign page can send none of these without asking first (CORS), and JSON not at all."""
    headers = {"Content-Type": content_type} if content_type else {}
    response = await client.post("/graphql", content=b'{"query": "mutation { note }"}', headers=headers)
    assert response.status_code == 415
    assert response.json() == bad_input("The header Content-Type must be application/json, in UTF-8.")
    assert response.headers["accept"] == "application/json"
    assert face.notes == []


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", 'Application/JSON;charset="utf-8"'])
async def test_json_may_say_that_it_is_utf8(client: httpx.AsyncClient, content_type: str) -> None:
    body = '{"query": "mutation { note(text: \\"å\\") }"}'.encode()
    response = await client.post("/graphql", content=body, headers={"Content-Type": content_type})
    assert response.json() == {"data": {"note": 1}}


@pytest.mark.parametrize(("accept", "status"), [(RESPONSE_TYPE, 400), ("application/json", 200)])
async def test_a_persisted_query_is_not_found(client: httpx.AsyncClient, accept: str, status: int) -> None:
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": "ab" * 32}}
    response = await post(client, accept, extensions=extensions)
    assert response.status_code == status
    assert response.json()["errors"][0]["message"] == "PersistedQueryNotFound"
    assert response.json()["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
    response = await post(client, accept, query="{ hello }", extensions=extensions)
    assert response.json() == {"data": {"hello": "hei"}}


async def test_a_query_may_come_by_get(client: httpx.AsyncClient) -> None:
    parameters = {"query": "query Q($n: Int!) { twice(number: $n) }", "variables": '{"n": 4}', "operationName": "Q"}
    response = await client.get("/graphql", params=parameters)
    assert (response.status_code, response.json()) == (200, {"data": {"twice": 8}})
    response = await client.get("/graphql", params={"query": "{ hello }", "variables": ""})
    assert response.json() == bad_input("The member variables of a GraphQL request is an object or null.")


async def test_a_mutation_may_not_come_by_get(client: httpx.AsyncClient, face: Face) -> None:
    response = await client.get("/graphql", params={"query": "mutation { note }"})
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json() == bad_input("Send mutations with POST.")
    assert face.notes == []


async def test_a_get_without_a_query_is_refused_in_json(client: httpx.AsyncClient) -> None:
    response = await client.get("/graphql", headers={"Accept": "*/*"})
    assert response.status_code == 400
    assert response.json() == bad_input("The member query of the GraphQL request is missing or empty.")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_methods_are_refused(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, "/graphql", json={"query": "{ hello }"})
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"
    assert response.json() == bad_input(f"{method} is not possible here, only GET, POST.")


async def test_a_body_up_to_the_bound_is_taken_and_no_larger_one(client: httpx.AsyncClient, face: Face) -> None:
    headers = {"Content-Type": "application/json"}
    body = b'{"query": "mutation { note }"}'
    response = await client.post("/graphql", content=body.ljust(BODY_BYTES_MAX), headers=headers)
    assert response.json() == {"data": {"note": 1}}
    response = await client.post("/graphql", content=body.ljust(BODY_BYTES_MAX + 1), headers=headers)
    assert response.status_code == 413
    assert response.json() == bad_input(f"The body is too large: at most {BODY_BYTES_MAX} bytes are allowed.")
    assert face.notes == [""]
