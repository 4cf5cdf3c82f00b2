"""The catalogue as documents, of what each caller may see: the same on both stores."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from event_issuer.app import Issuer
from event_issuer.domain.access import ANONYMOUS, Action, Policy
from event_issuer.domain.errors import BadInput, LimitExceeded
from event_issuer.resolvers.catalogue import TYPES_AT_ONCE, CatalogueExport, DocumentFormat
from tests.api.partners import SCHEMA, Partner, Partners
from tests.db.rows import execute
from tests.domain import asyncapi_rules, xregistry_rules

ASYNCAPI, XREGISTRY = (f"/v1/catalogue/{format_}.json" for format_ in DocumentFormat)
URL = "https://events.example.com"


async def document(http: httpx.AsyncClient, path: str, partner: Partner | None = None) -> Any:
    headers = {} if partner is None else {"X-API-Key": partner.key}
    response = await http.get(path, headers=headers)
    assert response.status_code == 200, response.text
    return json.loads(response.content)


def operations(asyncapi: Any) -> list[str]:
    assert asyncapi_rules.faults(asyncapi) == []
    return list(asyncapi["operations"])


def versions(xregistry: Any) -> dict[str, list[str]]:
    assert xregistry_rules.faults(xregistry) == []
    groups = xregistry["schemagroups"].values()
    assert [list(group["schemas"]) for group in groups] == [
        list(group["messages"]) for group in xregistry["messagegroups"].values()
    ]
    return {name: list(schema["versions"]) for group in groups for name, schema in group["schemas"].items()}


@pytest.fixture
async def catalogue(operator: Partner, issuer: Issuer) -> None:
    await operator.create_type("rail.b.v1", audience="OPEN", example={"train": "4521"})
    await operator.create_type("rail.a-b.v1", audience="OPEN")
    await operator.create_type("rail.c.v1", audience="TENANT")
    await operator.create_type("rail.d.v1", audience="GRANTED")
    await execute(
        issuer.database,
        "INSERT INTO schema_versions (event_type_id, version, definition, example, created_at_us) "
        "SELECT id, 2, $1, $2, 1800000000000000 FROM event_types WHERE name = 'rail.b.v1'",
        (json.dumps({"type": "object", "maxProperties": 10**30}), '{"delay": 7}'),
    )


@pytest.mark.usefixtures("catalogue")
async def test_anybody_gets_what_is_open(http: httpx.AsyncClient) -> None:
    assert operations(await document(http, ASYNCAPI)) == ["receive.rail.a-b.v1", "receive.rail.b.v1"]
    assert versions(await document(http, XREGISTRY)) == {"rail.a-b.v1": ["1"], "rail.b.v1": ["1", "2"]}
    response = await http.get(ASYNCAPI)
    assert response.headers["cache-control"] == "public, max-age=60"


@pytest.mark.usefixtures("catalogue")
async def test_a_partner_gets_what_it_may_see_and_what_it_may_do(
    http: httpx.AsyncClient, operator: Partner, partners: Partners
) -> None:
    acme = await partners.invite("acme", Policy(Action.PRODUCE, "rail.d.v1"), Policy(Action.PRODUCE, "rail.b.v1"))
    found = await document(http, ASYNCAPI, acme)
    assert operations(found) == [
        "receive.rail.a-b.v1",
        "receive.rail.b.v1",
        "send.rail.b.v1",
        "send.rail.d.v1",
    ]
    assert list(found["components"]["messages"]) == ["rail.a-b.v1", "rail.b.v1", "rail.d.v1"]
    assert list(versions(await document(http, XREGISTRY, acme))) == ["rail.a-b.v1", "rail.b.v1", "rail.d.v1"]
    assert len(operations(await document(http, ASYNCAPI, operator))) == 8
    stranger = await partners.invite("umbrella")
    assert operations(await document(http, ASYNCAPI, stranger)) == ["receive.rail.a-b.v1", "receive.rail.b.v1"]
    response = await http.get(ASYNCAPI, headers={"X-API-Key": acme.key})
    assert response.headers["cache-control"] == "private, no-cache"


@pytest.mark.usefixtures("catalogue")
async def test_the_documents_say_what_was_registered(http: httpx.AsyncClient, operator: Partner) -> None:
    message = (await document(http, ASYNCAPI, operator))["components"]["messages"]["rail.b.v1"]
    assert message["payload"]["schema"] == {"type": "object", "maxProperties": 10**30}
    assert message["examples"] == [{"name": "example", "payload": {"delay": 7}}]
    assert (message["x-dataschema"], message["x-schema-version"]) == (f"{URL}/v1/schemas/rail.b.v1/2", 2)
    assert message["tags"][0]["name"] == "owner:banenor"
    registry = await document(http, XREGISTRY, operator)
    found = registry["schemagroups"]["banenor"]["schemas"]["rail.b.v1"]["versions"]
    assert [version["schema"] for version in found.values()] == [
        SCHEMA,
        {"type": "object", "maxProperties": 10**30},
    ]
    assert found["2"]["createdat"] == "2027-01-15T08:00:00.000000Z"


@pytest.mark.usefixtures("catalogue")
async def test_a_part_can_be_asked_for(http: httpx.AsyncClient, operator: Partner) -> None:
    found = await document(http, f"{XREGISTRY}?namePrefix=rail.a", operator)
    assert list(versions(found)) == ["rail.a-b.v1"]
    assert versions(await document(http, f"{XREGISTRY}?namePrefix=nowhere.", operator)) == {}


@pytest.mark.usefixtures("catalogue")
async def test_a_tag_changes_with_what_is_seen(http: httpx.AsyncClient, operator: Partner) -> None:
    for path in (ASYNCAPI, XREGISTRY):
        anybody, mine = await http.get(path), await http.get(path, headers={"X-API-Key": operator.key})
        assert anybody.headers["etag"] != mine.headers["etag"]
        headers = {"X-API-Key": operator.key, "If-None-Match": mine.headers["etag"]}
        assert (await http.get(path, headers=headers)).status_code == 304
        await operator.create_type(f"rail.new-{path[14]}.v1", audience="GRANTED")
        assert (await http.get(path, headers=headers)).status_code == 200
        assert (await http.get(path, headers={"If-None-Match": anybody.headers["etag"]})).status_code == 304


async def test_a_wrong_key_is_refused(http: httpx.AsyncClient) -> None:
    response = await http.get(ASYNCAPI, headers={"X-API-Key": "eik_wrong"})
    assert (response.status_code, response.json()["code"]) == (401, "UNAUTHENTICATED")


async def test_every_page_of_types_is_there_once(http: httpx.AsyncClient, operator: Partner, issuer: Issuer) -> None:
    await operator.create_type("a.a.v1", audience="OPEN")
    names = [f"b.n{number:03}.v1" for number in range(TYPES_AT_ONCE)]
    for name in reversed(names):
        await execute(
            issuer.database,
            "INSERT INTO event_types (name, tenant_id, description, audience, compatibility, validation, status, "
            "partition_count, deduplicates, created_at_us) SELECT $1, tenant_id, description, audience, compatibility, "
            "validation, status, partition_count, deduplicates, created_at_us FROM event_types WHERE name = 'a.a.v1'",
            (name,),
        )
    await execute(
        issuer.database,
        "INSERT INTO schema_versions (event_type_id, version, definition, created_at_us) "
        "SELECT id, 1, '{}', created_at_us FROM event_types WHERE name LIKE 'b.%'",
    )
    assert operations(await document(http, ASYNCAPI)) == [f"receive.{name}" for name in ["a.a.v1", *names]]
    assert list(versions(await document(http, XREGISTRY))) == ["a.a.v1", *names]


@pytest.mark.usefixtures("catalogue")
async def test_a_catalogue_that_is_too_large_is_refused(issuer: Issuer) -> None:
    three = CatalogueExport(issuer.database, URL, versions_max=3)
    assert b"rail.b.v1" in (await three.document(ANONYMOUS, DocumentFormat.XREGISTRY)).body
    two = CatalogueExport(issuer.database, URL, versions_max=2)
    with pytest.raises(LimitExceeded, match=r"at most 2 schema versions of 8000000 characters together; ask for parts"):
        await two.document(ANONYMOUS, DocumentFormat.XREGISTRY)
    assert b"rail.a-b.v1" in (await two.document(ANONYMOUS, DocumentFormat.XREGISTRY, "rail.a")).body
    assert b"rail.b.v1" in (await two.document(ANONYMOUS, DocumentFormat.ASYNCAPI)).body
    latest = len('{"type": "object", "maxProperties": 1%s}{"delay": 7}' % ("0" * 30))
    short = CatalogueExport(issuer.database, URL, characters_max=latest)
    assert b"rail.b.v1" in (await short.document(ANONYMOUS, DocumentFormat.ASYNCAPI, "rail.b")).body
    with pytest.raises(LimitExceeded):
        await short.document(ANONYMOUS, DocumentFormat.XREGISTRY, "rail.b")
    with pytest.raises(LimitExceeded):
        await CatalogueExport(issuer.database, URL, characters_max=latest - 1).document(
            ANONYMOUS, DocumentFormat.ASYNCAPI, "rail.b"
        )
    with pytest.raises(BadInput):
        await short.document(ANONYMOUS, DocumentFormat.ASYNCAPI, "rail\0")


@pytest.mark.usefixtures("catalogue")
async def test_many_ask_at_once(http: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(http.get(path) for path in (ASYNCAPI, XREGISTRY) * 10))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 2
