"""The client of a schema registry, against a small real one on loopback, and against what is none."""

from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from event_issuer.domain.credentials import BasicCredentials, Credentials
from event_issuer.domain.errors import (
    BadInput,
    IssuerError,
    LimitExceeded,
    NotFound,
    OutcomeUnknown,
    SchemaIncompatible,
    SchemaInvalid,
    Unavailable,
)
from event_issuer.egress.addresses import AddressRules
from event_issuer.egress.control import ControlClient
from event_issuer.egress.schema_registry import Reference, RegisteredSchema, SchemaRegistry
from tests.egress.names import Names
from tests.egress.receiver import Receivers, answer, reset
from tests.egress.registry import Registry

LOOPBACK = AddressRules(allowed_networks=(ip_network("127.0.0.0/8"),), http_allowed=True)
SUBJECT = "cloud.open.train-arrived.v1-value"
SCHEMA = '{"type": "object", "maximum": 12345678901234567890.123}'
OTHER = '{"type":"string"}'


@pytest.fixture
async def control(names: Names) -> AsyncIterator[ControlClient]:
    control = ControlClient(LOOPBACK, names)
    yield control
    await control.close()


def http(status: str, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


async def test_what_is_registered_is_read_as_it_was(control: ControlClient, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    client = SchemaRegistry(control, registry.url)
    assert await client.subjects() == []
    assert await client.register(SUBJECT, SCHEMA) == 1
    assert await client.register(SUBJECT, OTHER) == 2
    assert await client.register(SUBJECT, SCHEMA) == 1  # again: no third version
    assert await client.subjects() == [SUBJECT]
    assert await client.versions(SUBJECT) == [1, 2]
    assert await client.schema(SUBJECT, 1) == RegisteredSchema(SUBJECT, 1, 1, "JSON", SCHEMA)
    assert await client.schema(SUBJECT) == RegisteredSchema(SUBJECT, 2, 2, "JSON", OTHER)


async def test_the_requests_are_those_of_the_api(control: ControlClient, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    await SchemaRegistry(control, registry.url + "/").register("a/b å", OTHER)
    head, _, body = registry.receiver.requests[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /subjects/a%2fb%20%c3%a5/versions http/1.1"
    assert b"content-type: application/vnd.schemaregistry.v1+json" in lines
    assert b"accept: application/vnd.schemaregistry.v1+json, application/json;q=0.5" in lines
    assert not [line for line in lines if line.startswith(b"authorization")]
    assert body == b'{"schemaType":"JSON","schema":"{\\"type\\":\\"string\\"}"}'
    assert list(registry.subjects) == ["a/b å"]


async def test_other_kinds_of_schemas_and_references_are_told(control: ControlClient, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    registry.add("avro", '"string"')  # Avro is what does not say
    registry.add("json", "{}", schemaType="JSON", references=[{"name": "a.json", "subject": "a", "version": 3}])
    client = SchemaRegistry(control, registry.url)
    assert await client.schema("avro") == RegisteredSchema("avro", 1, 1, "AVRO", '"string"')
    assert (await client.schema("json")).references == (Reference("a.json", "a", 3),)


async def test_credentials_are_shown_and_never_told(control: ControlClient, receivers: Receivers) -> None:
    registry = await Registry.start(receivers, "Basic dXNlcjpzZWNyZXQ=")
    right = Credentials(basic=BasicCredentials("user", "secret"))
    assert await SchemaRegistry(control, registry.url, right).register(SUBJECT, SCHEMA) == 1
    wrong = SchemaRegistry(control, registry.url, Credentials(basic=BasicCredentials("user", "wrong-secret")))
    with pytest.raises(BadInput) as refused:
        await wrong.register(SUBJECT, OTHER)
    assert refused.value.detail == (
        "The schema registry answered 401: User cannot access the resource. "
        "Its credentials are wrong, or allow too little."
    )
    assert list(registry.ids) == [SCHEMA]


async def test_what_the_registry_refuses_is_refused(control: ControlClient, receivers: Receivers) -> None:
    registry = await Registry.start(receivers, sealed=frozenset({"sealed"}))
    client = SchemaRegistry(control, registry.url)
    with pytest.raises(NotFound, match=r"answered 404: Subject 'unknown' not found\."):
        await client.schema("unknown")
    with pytest.raises(NotFound, match=r"answered 404: Subject 'unknown' not found\."):
        await client.versions("unknown")
    await client.register(SUBJECT, SCHEMA)
    with pytest.raises(NotFound, match=r"answered 404: Version not found\."):
        await client.schema(SUBJECT, 2)
    with pytest.raises(SchemaIncompatible, match="answered 409: Schema being registered is incompatible"):
        await client.register("sealed", SCHEMA)
    with pytest.raises(SchemaInvalid, match=r"answered 422: Invalid schema\."):
        await client.register(SUBJECT, "syntax = proto3;")
    assert {name: len(versions) for name, versions in registry.subjects.items()} == {SUBJECT: 1}


@pytest.mark.parametrize(
    ("answered", "error", "detail"),
    [
        (http("429 Too Many Requests"), LimitExceeded, "The schema registry answered 429."),
        (http("500 Oops", b'{"error_code": 50001}'), Unavailable, "The schema registry answered 500."),
        (http("503 No", b"<html>"), Unavailable, "The schema registry answered 503."),
        (http("302 Found"), Unavailable, "The schema registry answered 302."),
        (http("500 Oops", b'{"message": "' + b"x" * 999 + b'"}'), Unavailable, "x … x"),
        (http("200 OK", b"<html>"), Unavailable, "something else than JSON"),
        (http("200 OK", b"{}"), Unavailable, "something else than a list of subjects; is this the address of one?"),
        (http("200 OK", b"[1]"), Unavailable, "something else than a list of subjects"),
        (http("200 OK", b"[" * 100_000), Unavailable, "something else than JSON"),
        (http("200 OK", b'"' + b"x" * 8 * 1024 * 1024 + b'"'), Unavailable, "longer than 8388608 bytes"),
    ],
)
async def test_what_is_no_answer_is_the_registrys_trouble(
    control: ControlClient, receivers: Receivers, answered: bytes, error: type[IssuerError], detail: str
) -> None:
    receiver = await receivers(answer(answered))
    with pytest.raises(error) as refused:
        await SchemaRegistry(control, f"http://127.0.0.1:{receiver.port}").subjects()
    assert type(refused.value) is error
    assert detail in refused.value.detail
    assert len(refused.value.detail) < 300


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"subject":"a","version":1,"id":1}',
        b'{"subject":"a","version":1,"id":1,"schema":{}}',
        b'{"subject":"a","version":"x","id":1,"schema":"{}"}',
        b'{"subject":"a","version":1,"id":1,"schema":"{}","references":{"a":1}}',
        b'{"subject":"a","version":1,"id":1,"schema":"{}","references":[7]}',
        b'{"subject":"a","version":1,"id":1,"schema":"{}","references":[{"name":"a"}]}',
    ],
)
async def test_a_schema_that_is_none_is_not_taken(control: ControlClient, receivers: Receivers, body: bytes) -> None:
    receiver = await receivers(answer(http("200 OK", body)))
    with pytest.raises(Unavailable, match="something else than a schema"):
        await SchemaRegistry(control, f"http://127.0.0.1:{receiver.port}").schema("a")


async def test_a_lost_answer_to_a_registration_is_an_unknown_outcome(
    control: ControlClient, receivers: Receivers
) -> None:
    receiver = await receivers(reset())
    client = SchemaRegistry(control, f"http://127.0.0.1:{receiver.port}")
    with pytest.raises(OutcomeUnknown, match="did not answer: the connection was closed"):
        await client.register(SUBJECT, SCHEMA)
    with pytest.raises(Unavailable) as refused:
        await client.subjects()
    assert type(refused.value) is Unavailable


async def test_an_address_that_is_not_allowed_is_not_contacted(names: Names, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    control = ControlClient(AddressRules(allowed_networks=(), http_allowed=True), names)
    with pytest.raises(BadInput, match="The schema registry cannot be asked"):
        await SchemaRegistry(control, registry.url).subjects()
    await control.close()
    assert registry.receiver.connections == 0


@pytest.mark.parametrize("subject", ["", ".", "..", "a\nb", "a" * 256])
async def test_a_subject_that_cannot_be_one_is_not_asked_for(
    control: ControlClient, receivers: Receivers, subject: str
) -> None:
    registry = await Registry.start(receivers)
    with pytest.raises(BadInput, match="A subject has 1 to 255 printable characters"):
        await SchemaRegistry(control, registry.url).register(subject, SCHEMA)
    assert registry.receiver.requests == []
