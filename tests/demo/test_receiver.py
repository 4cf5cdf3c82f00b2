"""The demo's receiver: the handshake, signatures that the official library makes, and what it remembers."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from standardwebhooks import Webhook

from event_issuer.demo.receiver import BODY_BYTES_MAX, Received, Receiver, read_event, receiving, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW_S = 1_795_500_000
BODY = '{"station":"SKØ"}'.encode()
HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "/a",
    "ce-type": "a.b",
    "content-type": "application/json",
}


def signed(body: bytes, at_s: int = NOW_S, secret: str = SECRET) -> dict[str, str]:
    signature = Webhook(secret).sign("msg_1", datetime.fromtimestamp(at_s, UTC), body.decode())
    return {"webhook-id": "msg_1", "webhook-timestamp": str(at_s), "webhook-signature": signature}


@pytest.mark.parametrize("age_s", [0, 300, -300])
def test_a_signature_of_the_official_library_is_good(age_s: int) -> None:
    assert verify(SECRET, signed(BODY, NOW_S - age_s), BODY, NOW_S) is True


def test_one_good_signature_among_others_is_enough() -> None:
    headers = signed(BODY)
    headers["webhook-signature"] = f"v1a,AAAA {headers['webhook-signature']} v1,AAAA"
    assert verify(SECRET, headers, BODY, NOW_S) is True


@pytest.mark.parametrize(
    ("headers", "body", "secret"),
    [
        pytest.param(signed(BODY), BODY + b" ", SECRET, id="changed body"),
        pytest.param(signed(BODY, NOW_S - 301), BODY, SECRET, id="too old"),
        pytest.param(signed(BODY, NOW_S + 301), BODY, SECRET, id="too far ahead"),
        pytest.param(signed(BODY, secret="whsec_AAAA"), BODY, SECRET, id="another secret"),
        pytest.param(signed(BODY), BODY, "", id="no secret yet"),
        pytest.param(signed(BODY) | {"webhook-id": "msg_2"}, BODY, SECRET, id="another id"),
        pytest.param(signed(BODY) | {"webhook-timestamp": "soon"}, BODY, SECRET, id="no timestamp"),
        pytest.param(signed(BODY) | {"webhook-signature": "v1,Ø"}, BODY, SECRET, id="no base64"),
        pytest.param({}, BODY, SECRET, id="no headers"),
    ],
)
def test_a_bad_signature_is_found(headers: dict[str, str], body: bytes, secret: str) -> None:
    assert verify(secret, headers, body, NOW_S) is False


def test_a_binary_event_is_read_with_its_percent_encoded_attributes() -> None:
    headers = {"ce-id": "1", "ce-subject": "SK%C3%98", "content-type": "application/json", "host": "localhost"}
    assert read_event(headers, BODY) == ({"id": "1", "subject": "SKØ"}, {"station": "SKØ"})


def test_a_structured_event_is_read() -> None:
    headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
    body = json.dumps({"id": "1", "source": "/a", "data": [1]}).encode()
    assert read_event(headers, body) == ({"id": "1", "source": "/a"}, [1])
    assert read_event(headers, b'{"id":"1"}') == ({"id": "1"}, None)


@pytest.fixture
def told() -> list[Received]:
    return []


@pytest.fixture
async def receiver(told: list[Received]) -> AsyncIterator[Receiver]:
    async with receiving(told.append) as receiver:
        receiver.secret = SECRET
        receiver.clock_s = lambda: NOW_S
        yield receiver


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


async def test_the_handshake_agrees_with_whoever_asks(receiver: Receiver, client: httpx.AsyncClient) -> None:
    assert not receiver.agreed.is_set()
    asked = {"WebHook-Request-Origin": "issuer.example", "WebHook-Request-Rate": "120"}
    response = await client.options(receiver.url, headers=asked)
    assert response.status_code == 200
    assert response.headers["WebHook-Allowed-Origin"] == "issuer.example"
    assert response.headers["WebHook-Allowed-Rate"] == "*"
    assert receiver.agreed.is_set()
    assert list(receiver.received) == []


async def test_events_are_remembered_and_told_in_order(
    receiver: Receiver, client: httpx.AsyncClient, told: list[Received]
) -> None:
    for number in ("1", "2", "3"):
        body = json.dumps({"n": number}).encode()
        response = await client.post(receiver.url, headers=HEADERS | {"ce-id": number} | signed(body), content=body)
        assert (response.status_code, response.content) == (204, b"")
    assert [(one.attribute("id"), one.data, one.is_signed) for one in told] == [
        ("1", {"n": "1"}, True),
        ("2", {"n": "2"}, True),
        ("3", {"n": "3"}, True),
    ]
    assert list(receiver.received) == told
    assert [one.at_s for one in told] == sorted(one.at_s for one in told)


async def test_a_forged_event_is_refused_and_told_as_such(
    receiver: Receiver, client: httpx.AsyncClient, told: list[Received]
) -> None:
    response = await client.post(receiver.url, headers=HEADERS | signed(BODY, secret="whsec_AAAA"), content=BODY)
    assert response.status_code == 401
    assert [one.is_signed for one in told] == [False]


async def test_at_the_other_path_signatures_are_not_checked(
    receiver: Receiver, client: httpx.AsyncClient, told: list[Received]
) -> None:
    response = await client.post(receiver.unchecked_url, headers=HEADERS, content=BODY)
    assert response.status_code == 204
    assert [(one.is_signed, one.data) for one in told] == [(None, {"station": "SKØ"})]


async def test_what_is_no_event_is_refused_and_not_told(
    receiver: Receiver, client: httpx.AsyncClient, told: list[Received]
) -> None:
    no_json = await client.post(receiver.url, headers=HEADERS | signed(b"<x/>"), content=b"<x/>")
    structured = {"content-type": "application/cloudevents+json"} | signed(b"[]")
    no_object = await client.post(receiver.url, headers=structured, content=b"[]")
    read = await client.get(receiver.url)
    elsewhere = await client.post(receiver.origin, headers=HEADERS | signed(BODY), content=BODY)
    answers = [no_json, no_object, read, elsewhere]
    assert [response.status_code for response in answers] == [400, 400, 405, 404]
    assert told == []


async def test_a_body_that_is_too_large_ends_the_connection(
    receiver: Receiver, client: httpx.AsyncClient, told: list[Received]
) -> None:
    body = b" " * (BODY_BYTES_MAX + 1)
    with pytest.raises(httpx.TransportError):
        await client.post(receiver.url, headers=HEADERS | signed(body), content=body)
    assert told == []


async def test_it_hangs_up_and_stops_listening_at_the_end(client: httpx.AsyncClient, told: list[Received]) -> None:
    async with receiving(told.append) as receiver:
        assert (await client.get(receiver.url)).status_code == 405
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
        await client.get(receiver.url)  # on the connection that was kept
    with pytest.raises(httpx.ConnectError):
        await client.get(receiver.url)


def test_its_repr_shows_no_secret(told: list[Received]) -> None:
    assert SECRET not in repr(Receiver(told.append, secret=SECRET))
