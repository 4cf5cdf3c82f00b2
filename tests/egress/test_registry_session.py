"""A session with a schema registry: whole schemas, until its time is over or the registry is away."""

import json
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from event_issuer.domain.compatibility import CompatibilityMode
from event_issuer.domain.errors import BadInput, Conflict, LimitExceeded, NotFound, SchemaInvalid, Unavailable
from event_issuer.domain.subjects import Theirs
from event_issuer.egress.addresses import AddressRules
from event_issuer.egress.control import ControlClient
from event_issuer.egress.registry_session import REFERENCES_MAX, RegistrySession
from event_issuer.egress.schema_registry import SchemaRegistry
from tests.egress.names import Names
from tests.egress.receiver import Receivers, answer
from tests.egress.registry import Registry

LOOPBACK = AddressRules(allowed_networks=(ip_network("127.0.0.0/8"),), http_allowed=True)
DRAFT_07 = "http://json-schema.org/draft-07/schema#"


@pytest.fixture
async def control(names: Names) -> AsyncIterator[ControlClient]:
    control = ControlClient(LOOPBACK, names)
    yield control
    await control.close()


def session_of(control: ControlClient, url: str, seconds: float = 10.0) -> RegistrySession:
    return RegistrySession(SchemaRegistry(control, url), url, seconds)


def http(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


async def test_a_schema_is_read_as_the_registry_means_it(control: ControlClient, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    registry.add("b", '{"items": [{}]}', schemaType="JSON")
    registry.add("a", '{"title": "a"}', schemaType="JSON")
    session = session_of(control, registry.url)
    assert await session.subjects() == ["a", "b"]
    assert (await session.versions("a"), await session.versions("c")) == ([1], [])
    assert await session.read("b", 1) == Theirs(1, 1, {"$schema": DRAFT_07, "items": [{}]})
    assert session.is_away is False


async def test_a_schema_that_many_refer_to_is_asked_for_once(control: ControlClient, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    registry.add("b", "{}", schemaType="JSON")
    to_b = [{"name": "b", "subject": "b", "version": 1}]
    for title in ("first", "second"):
        registry.add("a", json.dumps({"title": title, "$ref": "b"}), schemaType="JSON", references=to_b)
    session = session_of(control, registry.url)
    assert await session.versions("a") == [1, 2]
    for number in (1, 2):
        assert (await session.read("a", number)).definition["definitions"] == {"b@1": {}}
    asked = [request.split(b" ")[1] for request in registry.receiver.requests]
    assert asked == [b"/subjects/a/versions"] + [
        b"/subjects/%b/versions/%b" % pair for pair in ((b"a", b"1"), (b"b", b"1"), (b"a", b"2"))
    ]


async def test_references_are_bounded_and_may_go_round(control: ControlClient, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    count = REFERENCES_MAX + 1
    for number in range(count):
        to_next = [{"name": "next", "subject": f"s{(number + 1) % count}", "version": 1}]
        registry.add(f"s{number}", f'{{"title": "{number}"}}', schemaType="JSON", references=to_next)
    session = session_of(control, registry.url)
    with pytest.raises(SchemaInvalid, match="It refers to more than 50 other schemas"):
        await session.read("s0", 1)
    assert len(registry.receiver.requests) == REFERENCES_MAX + 1
    registry.subjects["s3"][0]["references"] = [{"name": "next", "subject": "s2", "version": 1}]
    found = await session_of(control, registry.url).read("s0", 1)
    assert list(found.definition["definitions"]) == ["s1@1", "s2@1", "s3@1"]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("status", "body", "mode"),
    [
        ("200 OK", b'{"compatibilityLevel": "FULL_TRANSITIVE"}', CompatibilityMode.FULL_TRANSITIVE),
        ("404 Not Found", b'{"error_code": 40408}', CompatibilityMode.BACKWARD),
    ],
)
async def test_the_mode_is_the_registrys(
    control: ControlClient, receivers: Receivers, status: str, body: bytes, mode: CompatibilityMode
) -> None:
    receiver = await receivers(answer(http(status, body)))
    assert await session_of(control, f"http://127.0.0.1:{receiver.port}").mode("a/b") is mode
    assert receiver.requests[0].startswith(b"GET /config/a%2Fb?defaultToGlobal=true HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("body", "refusal", "message"),
    [
        (b'{"compatibilityLevel": "SOME"}', BadInput, "asks for the compatibility 'SOME'; say which mode to take"),
        (b'{"compatibility": "FULL"}', Unavailable, "answered something else than a level of compatibility"),
    ],
)
async def test_a_mode_that_is_none_is_refused(
    control: ControlClient, receivers: Receivers, body: bytes, refusal: type[Exception], message: str
) -> None:
    receiver = await receivers(answer(http("200 OK", body)))
    with pytest.raises(refusal, match=message):
        await session_of(control, f"http://127.0.0.1:{receiver.port}").mode("a")


async def test_a_session_ends_when_its_time_is_over(control: ControlClient, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    session = session_of(control, registry.url, 0.0)
    with pytest.raises(Unavailable, match="The schema registry is slow: its answers have taken 0 s"):
        await session.subjects()
    assert session.is_away is True
    assert registry.receiver.requests == []


async def test_a_registry_that_wants_no_more_requests_is_away(control: ControlClient, receivers: Receivers) -> None:
    receiver = await receivers(answer(http("429 Too Many Requests", b"")))
    session = session_of(control, f"http://127.0.0.1:{receiver.port}")
    with pytest.raises(LimitExceeded, match="The schema registry answered 429"):
        await session.versions("a")
    assert session.is_away is True


async def test_what_is_registered_gets_a_number(control: ControlClient, receivers: Receivers) -> None:
    registry = await Registry.start(receivers)
    session = session_of(control, registry.url)
    assert await session.register("a", '{"title":"1"}') == (1, 1)
    assert await session.register("a", '{"title":"2"}') == (2, 2)
    with pytest.raises(Conflict, match="Others register schemas of a at the same time"):
        await session.register("a", '{"title":"1"}')
    with pytest.raises(NotFound):
        await session.read("a", 3)
    assert session.is_away is False
