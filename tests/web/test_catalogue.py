"""/v1/catalogue: two documents that change, for anybody or for one caller, and not sent again to who has them."""

import httpx
import pytest

from event_issuer.resolvers.catalogue import CatalogueDocument, DocumentFormat
from tests.web.faces import Face

ASYNCAPI = CatalogueDocument(b'{"asyncapi":  "3.0.0"}', is_public=True)
XREGISTRY = CatalogueDocument(b'{"specversion": "1.0-rc4"}', is_public=True)
PART = CatalogueDocument(b"{}", is_public=True)


@pytest.fixture(autouse=True)
def catalogues(face: Face) -> None:
    face.catalogues.update(
        {
            (DocumentFormat.ASYNCAPI, ""): ASYNCAPI,
            (DocumentFormat.XREGISTRY, ""): XREGISTRY,
            (DocumentFormat.ASYNCAPI, "cloud.open."): PART,
        }
    )


@pytest.mark.parametrize(
    ("path", "document", "media_type"),
    [
        ("/v1/catalogue/asyncapi.json", ASYNCAPI, "application/vnd.aai.asyncapi+json;version=3.0.0"),
        ("/v1/catalogue/xregistry.json", XREGISTRY, "application/json"),
        ("/v1/catalogue/asyncapi.json?namePrefix=cloud.open.", PART, "application/vnd.aai.asyncapi+json;version=3.0.0"),
    ],
)
async def test_each_document_is_at_its_address(
    client: httpx.AsyncClient, path: str, document: CatalogueDocument, media_type: str
) -> None:
    response = await client.get(path)
    assert (response.status_code, response.content) == (200, document.body)
    assert response.headers["content-type"] == media_type
    assert response.headers["cache-control"] == "private, no-cache"
    assert response.headers["vary"] == "X-API-Key"


async def test_what_anybody_may_see_may_be_kept_a_minute(client: httpx.AsyncClient) -> None:
    del client.headers["X-API-Key"]
    response = await client.get("/v1/catalogue/asyncapi.json")
    assert (response.status_code, response.headers["cache-control"]) == (200, "public, max-age=60")


async def test_a_known_document_is_not_sent_again_until_it_changes(client: httpx.AsyncClient, face: Face) -> None:
    path = "/v1/catalogue/xregistry.json"
    first = await client.get(path)
    etag = first.headers["etag"]
    for known in (etag, f'W/{etag}, "other"', "*"):
        response = await client.get(path, headers={"If-None-Match": known})
        assert (response.status_code, response.content) == (304, b"")
        assert (response.headers["etag"], response.headers["vary"]) == (etag, "X-API-Key")
        assert response.headers["cache-control"] == "private, no-cache"
    face.catalogues[DocumentFormat.XREGISTRY, ""] = CatalogueDocument(b"{}", is_public=True)
    response = await client.get(path, headers={"If-None-Match": etag})
    assert (response.status_code, response.content) == (200, b"{}")


async def test_the_head_alone_can_be_asked_for(client: httpx.AsyncClient) -> None:
    response = await client.head("/v1/catalogue/asyncapi.json")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == str(len(ASYNCAPI.body))


async def test_what_is_too_large_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/catalogue/xregistry.json?namePrefix=a.")
    assert response.status_code == 429
    assert (response.json()["code"], response.headers["cache-control"]) == ("LIMIT_EXCEEDED", "no-store")
    response = await client.get(f"/v1/catalogue/xregistry.json?namePrefix={'a' * 201}")
    assert response.status_code == 400
    assert response.json()["detail"] == "namePrefix has at most 200 characters, not 201."
