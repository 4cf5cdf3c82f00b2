"""One attempt: what goes out, byte for byte, and that receivers can verify it."""

import json
import random
from collections.abc import Mapping
from types import MappingProxyType

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook, WebhookVerificationError

from event_issuer.db.tables import Subscription
from event_issuer.delivery.attempt import INTERNAL, Courier
from event_issuer.delivery.outcome import Outcome, OutcomeKind
from event_issuer.domain.credentials import ApiKeyHeader, BasicCredentials, Credentials
from event_issuer.domain.deprecation import Deprecation
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.subscriptions import ContentMode
from event_issuer.domain.time import SECOND_US, Instant, system_clock
from event_issuer.egress.messages import Failure, Outgoing, Response
from event_issuer.eventlog.protocol import LogRecord
from event_issuer.security.sealing import CREDENTIALS, SIGNING_SECRET, Sealer
from event_issuer.security.signing_secrets import shown_secret
from tests.delivery.senders import OK
from tests.delivery.world import ORIGIN, SETTINGS, SIGNING_KEY, STARTED_AT, Clock, activated

ATTRIBUTES = {"specversion": "1.0", "id": "42", "source": "/trains", "type": "train.arrived.v1", "partitionkey": "ä 1"}


class Recorder:
    """Remembers one request."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.request: Outgoing

    async def send(self, request: Outgoing) -> Response | Failure:
        self.request = request
        self._clock.advance(0.5)
        return OK

    async def close(self) -> None: ...


class Unable(Recorder):
    async def send(self, request: Outgoing) -> Response | Failure:
        raise ValueError("a fault of ours")


def subscription(
    credentials: Credentials | None = None, content_mode: ContentMode = ContentMode.BINARY
) -> Subscription:
    sealer = Sealer(bytes(32))
    return Subscription(
        id=7,
        url="http://127.0.0.1:9/hook",
        ordering="PER_KEY",
        content_mode=content_mode.value,
        delivery=SETTINGS.to_json(),
        sealed_signing_secret=sealer.seal(SIGNING_KEY, purpose=SIGNING_SECRET),
        sealed_credentials=credentials and sealer.seal(credentials.encode(), purpose=CREDENTIALS),
    )


def courier(sender: Recorder, clock: Clock) -> Courier:
    return Courier(sender, "0123456789abcdef", clock, clock.monotonic_s, random.Random(1), {})


def record(data: bytes | None, **attributes: str) -> LogRecord:
    return LogRecord(3, 12, STARTED_AT, None, CloudEvent(ATTRIBUTES | attributes, data))


def headers_of(request: Outgoing) -> dict[str, str]:
    lines = request.head.decode("latin-1").removesuffix("\r\n").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert len(headers) == len(lines)
    return headers


async def sent(
    data: bytes | None,
    attributes: Mapping[str, str] = MappingProxyType({}),
    *,
    credentials: Credentials | None = None,
    content_mode: ContentMode = ContentMode.BINARY,
    began_at: Instant = STARTED_AT,
) -> Outgoing:
    clock = Clock()
    clock.now = began_at
    sender = Recorder(clock)
    row = subscription(credentials, content_mode)
    await courier(sender, clock).attempt(activated(row), record(data, **attributes), 1)
    return sender.request


async def test_a_request_has_these_headers_and_the_data_as_it_came() -> None:
    request = await sent(b'{ "n":1.0e2 }')
    headers = headers_of(request)
    assert request.body == b'{ "n":1.0e2 }'
    assert request.target.origin == "http://127.0.0.1:9"
    assert request.timeout_s == SETTINGS.timeout_s
    signature, trace = headers.pop("webhook-signature"), headers.pop("traceparent")
    assert headers == {
        "user-agent": "event-issuer",
        "webhook-request-origin": ORIGIN,
        "ce-specversion": "1.0",
        "ce-id": "42",
        "ce-source": "/trains",
        "ce-type": "train.arrived.v1",
        "ce-partitionkey": "%C3%A4%201",
        "content-type": "application/json",
        "webhook-id": "msg_01234567_3_12",
        "webhook-timestamp": str(STARTED_AT // SECOND_US),
    }
    assert signature.startswith("v1,")
    version, trace_id, span_id, flags = trace.split("-")
    assert (version, len(trace_id), len(span_id), flags) == ("00", 32, 16, "01")


async def test_in_structured_mode_the_whole_event_is_the_body_and_its_data_stay_as_they_came() -> None:
    request = await sent(b'{ "n":1.0e2 }', content_mode=ContentMode.STRUCTURED)
    headers = headers_of(request)
    assert request.body == (
        b'{"id":"42","partitionkey":"\xc3\xa4 1","source":"/trains","specversion":"1.0",'
        b'"type":"train.arrived.v1","data":{ "n":1.0e2 }}'
    )
    assert [name for name in headers if name.startswith("ce-")] == []
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert headers["webhook-id"] == "msg_01234567_3_12"


@pytest.mark.parametrize("content_mode", [ContentMode.BINARY, ContentMode.STRUCTURED])
@pytest.mark.parametrize("data", [b'{"a":"\xc3\xa4"}', b"[1, 2]", None])
async def test_receivers_verify_the_signature_with_the_standard_package(
    data: bytes | None, content_mode: ContentMode
) -> None:
    request = await sent(data, content_mode=content_mode, began_at=system_clock())
    webhook = Webhook(shown_secret(SIGNING_KEY))
    assert webhook.verify(request.body, headers_of(request)) == json.loads(request.body)
    with pytest.raises(WebhookVerificationError, match="No matching signature found"):
        webhook.verify(request.body + b" ", headers_of(request))


@pytest.mark.parametrize("content_mode", [ContentMode.BINARY, ContentMode.STRUCTURED])
@pytest.mark.parametrize(
    ("data", "attributes", "expected"),
    [
        (b'{"n":1}', {}, {"n": 1}),
        (b"plain", {"datacontenttype": "text/plain"}, "plain"),
        (b"\xff\x00", {"datacontenttype": "application/octet-stream"}, b"\xff\x00"),
        (None, {}, None),
    ],
)
async def test_the_official_sdk_reads_what_is_sent(
    data: bytes | None, attributes: Mapping[str, str], expected: object, content_mode: ContentMode
) -> None:
    request = await sent(data, attributes, content_mode=content_mode)
    event = from_http_event(HTTPMessage(headers=headers_of(request), body=request.body))
    assert (event.get_id(), event.get_source(), event.get_type()) == ("42", "/trains", "train.arrived.v1")
    assert event.get_extension("partitionkey") == "ä 1"
    assert event.get_data() == expected
    assert request.body != b""


async def test_credentials_are_shown_to_the_endpoint_and_in_no_repr() -> None:
    credentials = Credentials(ApiKeyHeader("X-Key", "k3y"), BasicCredentials("user", "pass"))
    request = await sent(b"{}", credentials=credentials)
    headers = headers_of(request)
    assert headers["x-key"] == "k3y"
    assert headers["authorization"] == "Basic dXNlcjpwYXNz"
    assert "k3y" not in repr(activated(subscription(credentials))) + repr(request)


async def test_an_attempt_tells_when_it_began_how_long_it_took_and_how_it_ended() -> None:
    clock = Clock()
    sender = Recorder(clock)
    attempt = await courier(sender, clock).attempt(activated(subscription()), record(b"{}"), 3)
    assert (attempt.subscription_id, attempt.number, attempt.started_at) == (7, 3, STARTED_AT)
    assert attempt.duration_us == 500_000
    assert attempt.outcome == Outcome(OutcomeKind.DELIVERED, 200)
    assert attempt.trace_id == headers_of(sender.request)["traceparent"].split("-")[1]


async def test_our_own_fault_is_the_outcome_of_this_event() -> None:
    clock = Clock()
    attempt = await courier(Unable(clock), clock).attempt(activated(subscription()), record(b"{}"), 1)
    assert attempt.outcome is INTERNAL


async def test_an_event_is_rendered_once_for_all_lanes() -> None:
    clock = Clock()
    sender = Recorder(clock)
    event = record(b"{}")
    await courier(sender, clock).attempt(activated(subscription()), event, 1)
    wire = event.wire
    await courier(sender, clock).attempt(activated(subscription()), event, 1)
    assert wire is not None
    assert event.wire is wire


async def test_each_event_of_a_batch_says_that_its_type_is_deprecated() -> None:
    clock = Clock()
    sender = Recorder(clock)
    known = {3: Deprecation(STARTED_AT)}
    carrier = Courier(sender, "0123456789abcdef", clock, clock.monotonic_s, random.Random(1), known)
    row = subscription(content_mode=ContentMode.BATCH)
    others = [record(None), record(b"\xff", datacontenttype="application/octet-stream")]
    done = await carrier.attempt(activated(row), record(b"{}"), 1, others)
    members = json.loads(sender.request.body)
    assert [member["deprecated"] for member in members] == ["true"] * 3
    assert [(member.get("data"), member.get("data_base64")) for member in members] == [
        ({}, None),
        (None, None),
        (None, "/w=="),
    ]
    assert done.event_count == 3


async def test_an_event_of_a_deprecated_type_says_so() -> None:
    clock = Clock()
    sender = Recorder(clock)
    deprecations: dict[int, Deprecation] = {4: Deprecation(0)}
    carrier = Courier(sender, "0123456789abcdef", clock, clock.monotonic_s, random.Random(1), deprecations)
    event = record(b"{}")

    async def said() -> list[tuple[str, str]]:
        await carrier.attempt(activated(subscription()), event, 1)
        return [one for one in sorted(headers_of(sender.request).items()) if one[0].startswith("ce-deprecat")]

    assert await said() == []
    deprecations[3] = Deprecation(STARTED_AT)
    since = ("ce-deprecationfrom", "2025-10-09T08:53:20.000000Z")
    assert await said() == [("ce-deprecated", "true"), since]
    wire = event.wire
    assert await said() == [("ce-deprecated", "true"), since]
    assert event.wire is wire
    deprecations[3] = Deprecation(STARTED_AT, STARTED_AT + SECOND_US)
    sunset = ("ce-deprecationsunset", "2025-10-09T08:53:21.000000Z")
    assert await said() == [("ce-deprecated", "true"), since, sunset]
    del deprecations[3]
    assert await said() == []
