"""A tenant's schema registry in the API: setting it, what it is shown, and who may use it."""

import json

import pytest

from event_issuer.app import Issuer
from event_issuer.domain.access import EVERYTHING, Action, Policy
from tests.api.partners import Partner, Partners, Refused
from tests.api.registries import (
    COUNTS,
    FIRST,
    GET,
    REMOVE,
    SECOND,
    import_one,
    import_subjects,
    registered,
    set_registry,
    text,
)
from tests.db.rows import select
from tests.egress.receiver import Receivers
from tests.egress.registry import Registry

CREDENTIALS: list[tuple[dict[str, object], str, str, str]] = [
    ({"basic": {"username": "user", "password": "s3cret"}}, "BASIC", "Basic dXNlcjpzM2NyZXQ=", "s3cret"),
    ({"bearer": "t0ken.s3cret"}, "BEARER", "Bearer t0ken.s3cret", "t0ken.s3cret"),
]


@pytest.mark.parametrize(("credentials", "kind", "shown", "secret"), CREDENTIALS)
async def test_credentials_are_shown_to_the_registry_and_to_nobody_else(
    operator: Partner,
    issuer: Issuer,
    receivers: Receivers,
    capfd: pytest.CaptureFixture[str],
    credentials: dict[str, object],
    kind: str,
    shown: str,
    secret: str,
) -> None:
    registry = await Registry.start(receivers, shown)
    registry.add("orders-value", text(FIRST), schemaType="JSON")
    made = await set_registry(operator, registry.url, **credentials)
    assert made == {"url": registry.url, "credentialsKind": kind}
    assert registry.receiver.requests == []
    answers = [made, await operator.ask(GET), await import_subjects(operator)]
    assert answers[2]["subjects"][0]["outcome"] == "CREATED"
    await set_registry(operator, registry.url, bearer="an0ther.s3cret")
    answers.append(await import_one(operator, "orders-value"))
    assert answers[3]["problem"] == {
        "code": "BAD_USER_INPUT",
        "detail": "The schema registry answered 401: User cannot access the resource. "
        "Its credentials are wrong, or allow too little.",
        "retryable": False,
    }
    rows = [await select(issuer.database, f"SELECT * FROM {table}") for table in ("audit_entries", "schema_registries")]
    output = capfd.readouterr()
    for place in (json.dumps(answers), repr(rows), output.out, output.err):
        assert secret not in place
        assert "s3cret" not in place


async def test_a_key_in_a_header_is_shown_too(operator: Partner, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    made = await set_registry(operator, registry.url, apiKey={"header": "X-Registry-Key", "key": "s3cret"})
    assert made["credentialsKind"] == "API_KEY"
    assert (await import_subjects(operator))["subjects"] == []
    assert b"\r\nx-registry-key: s3cret\r\n" in registry.receiver.requests[0].lower()


async def test_a_registry_is_set_and_taken_away(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    assert await operator.ask(GET) == {"schemaRegistry": None}
    assert await operator.ask(REMOVE) == {"removeSchemaRegistry": {"removed": False}}
    await set_registry(operator, registry.url + "/", bearer="t0ken")
    assert (await operator.ask(GET))["schemaRegistry"]["url"] == registry.url
    made = await set_registry(operator, "https://registry.example.com/prefix")
    assert made == {"url": "https://registry.example.com/prefix", "credentialsKind": None}
    assert await operator.ask(REMOVE) == {"removeSchemaRegistry": {"removed": True}}
    assert await operator.ask(GET) == {"schemaRegistry": None}
    with pytest.raises(Refused) as refused:
        await import_subjects(operator)
    assert (refused.value.code, refused.value.message) == (
        "NOT_FOUND",
        "Your tenant has no schema registry; name one with setSchemaRegistry.",
    )
    audit = "SELECT action, detail FROM audit_entries WHERE object_kind = 'schema registry' ORDER BY id"
    assert await select(issuer.database, audit) == [
        ("set", f'{{"origin": "{registry.url}", "credentials": "BEARER"}}'),
        ("set", '{"origin": "https://registry.example.com", "credentials": null}'),
        ("remove", "{}"),
    ]
    assert registry.receiver.requests == []


@pytest.mark.parametrize(
    ("url", "credentials", "message"),
    [
        ("http://10.0.0.1:8081", {}, "is no public network (private)"),
        ("ftp://registry.example.com", {}, "The URL's scheme is 'ftp'"),
        ("https://user:pass@registry.example.com", {}, "carries user information"),
        ("https://registry.example.com/?a=b", {}, "The URL of a schema registry has no query"),
        ("https://registry.example.com", {"bearer": "two words"}, "A bearer token is 1 to 4096 letters"),
        ("https://registry.example.com", {"apiKey": {"header": "Host", "key": "k"}}, "The header Host is set by us"),
    ],
)
async def test_a_bad_registry_is_refused(
    operator: Partner, issuer: Issuer, url: str, credentials: dict[str, object], message: str
) -> None:
    with pytest.raises(Refused) as refused:
        await set_registry(operator, url, **credentials)
    assert refused.value.code == "BAD_USER_INPUT"
    assert message in refused.value.message
    assert await select(issuer.database, "SELECT COUNT(*) FROM schema_registries") == [(0,)]


async def test_only_who_manages_all_event_types_sets_it(
    operator: Partner, partners: Partners, issuer: Issuer, receivers: Receivers
) -> None:
    registry = await Registry.start(receivers)
    some = await partners.invite("banenor", Policy(Action.MANAGE_EVENT_TYPES, "acme.*"), principal="some")
    none = await partners.invite("banenor", principal="none")
    for partner in (some, none):
        with pytest.raises(Refused) as refused:
            await set_registry(partner, registry.url)
        assert refused.value.code == "FORBIDDEN"
        with pytest.raises(Refused) as refused:
            await partner.ask(REMOVE)
        assert refused.value.code == "FORBIDDEN"
    with pytest.raises(Refused) as refused:
        await none.ask(GET)
    assert refused.value.code == "FORBIDDEN"
    assert await select(issuer.database, "SELECT COUNT(*) FROM schema_registries") == [(0,)]
    await set_registry(operator, registry.url)
    assert (await some.ask(GET))["schemaRegistry"]["url"] == registry.url
    with pytest.raises(Refused) as refused:
        await import_subjects(none)
    assert refused.value.code == "FORBIDDEN"
    registry.add("orders-value", text(FIRST), schemaType="JSON")
    other = await import_one(some, "orders-value", eventTypeName="other.{topic}")
    assert (other["outcome"], other["problem"]["code"]) == ("REFUSED", "FORBIDDEN")
    assert registry.receiver.requests == []
    assert (await import_one(some, "orders-value"))["outcome"] == "CREATED"


async def test_another_tenant_sees_and_uses_nothing_of_it(
    operator: Partner, partners: Partners, issuer: Issuer, receivers: Receivers
) -> None:
    registry = await Registry.start(receivers)
    registry.add("orders-value", text(FIRST), schemaType="JSON")
    await set_registry(operator, registry.url)
    await import_one(operator, "orders-value", audience="OPEN")
    before = await select(issuer.database, COUNTS)
    requests = len(registry.receiver.requests)
    foreigner = await partners.invite("acme", Policy(Action.MANAGE_EVENT_TYPES, EVERYTHING))
    assert await foreigner.ask(GET) == {"schemaRegistry": None}
    assert await foreigner.ask(REMOVE) == {"removeSchemaRegistry": {"removed": False}}
    assert await registered(foreigner, "acme.orders") == []
    with pytest.raises(Refused, match="Your tenant has no schema registry"):
        await import_subjects(foreigner)
    assert len(registry.receiver.requests) == requests
    theirs = await Registry.start(receivers)
    theirs.add("orders-value", text(SECOND), schemaType="JSON")
    await set_registry(foreigner, theirs.url)
    found = await import_one(foreigner, "orders-value")
    assert (found["outcome"], found["problem"]["code"]) == ("REFUSED", "CONFLICT")
    assert found["problem"]["detail"] == "There is an event type acme.orders already; take another name."
    assert theirs.receiver.requests == []
    assert await select(issuer.database, COUNTS) == before
    assert await registered(operator, "acme.orders") == [(1, "orders-value", 1, 1)]
