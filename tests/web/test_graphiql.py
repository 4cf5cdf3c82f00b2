"""GraphiQL: a browser gets the page, its files are ours, and a query typed into it is answered by the server."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from event_issuer.web import graphiql_page
from tests.web.browser import find_chromium, opened
from tests.web.faces import API_KEY, Face, served

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FOLDER = Path(graphiql_page.__file__).parent / "graphiql"
BYTES_MAX = 2_500_000
EDITOR = "document.querySelector('.graphiql-query-editor .CodeMirror')"
QUERY = "query Who { hello who }"
RESULT = "document.querySelector('.result-window .CodeMirror').CodeMirror.getValue()"


async def test_a_browser_gets_the_page_without_a_key(client: httpx.AsyncClient, face: Face) -> None:
    del client.headers["X-API-Key"]
    response = await client.get("/graphql", headers={"Accept": BROWSER})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["vary"] == "Accept"
    (policy,) = response.headers.get_list("content-security-policy")
    assert "default-src 'none'; script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert face.contexts == 0


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html;q=0, */*", ""])
async def test_nobody_else_gets_the_page(client: httpx.AsyncClient, accept: str) -> None:
    response = await client.get("/graphql", headers={"Accept": accept})
    assert response.status_code in (400, 406)
    assert response.headers["content-type"] == "application/json; charset=utf-8"


async def test_a_query_in_the_address_is_answered_even_to_a_browser(client: httpx.AsyncClient) -> None:
    accept = f"{BROWSER}, application/json"
    response = await client.get("/graphql", params={"query": "{ hello }"}, headers={"Accept": accept})
    assert response.json() == {"data": {"hello": "hei"}}


async def test_the_files_of_the_page_may_be_kept_for_ever(client: httpx.AsyncClient) -> None:
    page = await client.get("/graphql", headers={"Accept": BROWSER})
    named = re.findall(r'"(graphiql/[^"]+)"', page.text)
    assert len(named) == 6
    for path in named:
        name, version = path.removeprefix("graphiql/").split("?")
        response = await client.get(f"/{path}")
        assert response.content == (FOLDER / name).read_bytes()
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["etag"] == f'"{version}"'
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        assert response.headers["content-type"] == f"{kind}; charset=utf-8"


@pytest.mark.parametrize("name", ["index.html", "README.md", "..%2fproblems.py", "%2e%2e/health.py", "nothing.js"])
async def test_no_other_file_is_served(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/graphiql/{name}")).status_code == 404


def test_the_files_are_few_and_name_no_source_map() -> None:
    files = list(FOLDER.iterdir())
    assert sum(file.stat().st_size for file in files) < BYTES_MAX
    assert [file.name for file in files if b"sourceMappingURL" in file.read_bytes()] == []


async def test_a_query_typed_into_a_real_browser_is_answered(face: Face) -> None:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("Chromium is not installed")
    async with served(face.app()) as port, opened(chromium) as page:
        await page.go(f"http://127.0.0.1:{port}/graphql")
        await page.until(f"{EDITOR}.CodeMirror && true")
        assert face.contexts == 0  # without a key the schema is not asked for
        await page.type_into("#key", API_KEY)
        async with page.loading():
            await page.click("#access button")
        # While GraphiQL comes up it overwrites its editor and ignores its button, so try until the result is there.
        result = await page.until(
            f"{RESULT}.includes('who') && {RESULT} || ({EDITOR}.CodeMirror.setValue('{QUERY}'), "
            "document.querySelector('.graphiql-execute-button').click(), null)",
            every_ms=1000,
        )
        assert re.sub(r"\s", "", result) == '{"data":{"hello":"hei","who":"eik_swordfish"}}'
        assert await page.evaluate("sessionStorage.getItem('event-issuer.api-key')") == API_KEY
        kept = await page.evaluate("JSON.stringify(localStorage)")
        assert "graphiql:query" in kept  # GraphiQL's own memory, without the key
        assert API_KEY not in kept
        assert {urlsplit(url).netloc for url in page.requested if not url.startswith("data:")} == {f"127.0.0.1:{port}"}
        assert page.said == []
    assert face.contexts >= 2  # the schema and the query
