"""/v1/schemas: documents that never change, shared when open, and hidden as if they were not there."""

import httpx
import pytest

from event_issuer.resolvers.schemas import SchemaDocument
from tests.web.faces import Face

OPEN = SchemaDocument(b'{"type":  "object"}', is_public=True)
OWN = SchemaDocument(b'{"type": "string"}', is_public=False)


@pytest.fixture(autouse=True)
def documents(face: Face) -> None:
    face.documents.update({("trains.v1", 1): OPEN, ("secret.v1", 12): OWN})


async def test_an_open_document_is_for_anybody_to_keep(client: httpx.AsyncClient) -> None:
    del client.headers["X-API-Key"]
    response = await client.get("/v1/schemas/trains.v1/1")
    assert (response.status_code, response.content) == (200, OPEN.body)
    assert response.headers["content-type"] == "application/schema+json"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["vary"] == "X-API-Key"


async def test_another_document_is_for_its_reader_only(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/schemas/secret.v1/12")
    assert (response.status_code, response.content) == (200, OWN.body)
    assert response.headers["cache-control"] == "private, max-age=31536000, immutable"


async def test_a_known_document_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/v1/schemas/trains.v1/1")
    etag = first.headers["etag"]
    for known in (etag, f'W/{etag}, "other"', "*"):
        response = await client.get("/v1/schemas/trains.v1/1", headers={"If-None-Match": known})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == etag
        assert response.headers["cache-control"] == first.headers["cache-control"]
    response = await client.get("/v1/schemas/trains.v1/1", headers={"If-None-Match": '"other"'})
    assert response.status_code == 200
    assert (await client.get("/v1/schemas/secret.v1/12")).headers["etag"] != etag


async def test_hidden_and_missing_look_the_same(client: httpx.AsyncClient) -> None:
    client.headers["X-API-Key"] = "of somebody else"
    hidden = await client.get("/v1/schemas/secret.v1/12")
    missing = await client.get("/v1/schemas/secret.v1/13")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.headers["content-type"] == "application/problem+json"
    assert hidden.json() == {
        "type": "urn:event-issuer:problem:NOT_FOUND",
        "status": 404,
        "code": "NOT_FOUND",
        "title": "No such object",
        "detail": "There is no schema 'secret.v1' version 12 that you may see.",
        "retryable": False,
    }
    assert hidden.text.replace("12", "13") == missing.text


@pytest.mark.parametrize("version", ["one", "01", "-1", "0", "1.0", "1e0", "²", "1" * 30, "%31%32x"])
async def test_a_version_that_is_no_number_is_not_there(client: httpx.AsyncClient, version: str) -> None:
    response = await client.get(f"/v1/schemas/trains.v1/{version}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
