"""The demo's client: what it sends, and what it makes of answers that are none."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from event_issuer.demo.client import ApiError, Client, Result, Subscription, Violation
from tests.egress.receiver import Receiver, Receivers, answer, answer_and_close

KEY = "eik_demo"


def http(body: object, status: int = 200) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%b" % (status, len(content), content)


@pytest.fixture
async def receivers() -> AsyncIterator[Receivers]:
    async with Receivers() as receivers:
        yield receivers


def sent(receiver: Receiver) -> tuple[str, Any]:
    """The head of the one request, in lower case, and its variables."""
    (request,) = receiver.requests
    head, _, body = request.partition(b"\r\n\r\n")
    return head.decode().lower(), json.loads(body)["variables"]


async def test_it_creates_event_types_with_its_key(receivers: Receivers) -> None:
    api = await receivers(answer(http({"data": {"createEventType": {"eventType": {"name": "a.b"}}}})))
    async with Client(api.url, KEY) as client:
        await client.create_event_type(name="a.b", schema={"type": "object"})
    head, variables = sent(api)
    assert f"\r\nx-api-key: {KEY}\r\n" in f"{head}\r\n"
    assert variables == {"input": {"name": "a.b", "schema": {"type": "object"}}}


async def test_it_subscribes_and_keeps_the_secret_out_of_sight(receivers: Receivers) -> None:
    created = {"webhookSubscription": {"id": "s1"}, "signingSecret": {"secret": "whsec_x"}}
    api = await receivers(answer(http({"data": {"createWebhookSubscription": created}})))
    async with Client(api.url, KEY) as client:
        subscription = await client.subscribe(url="http://a.example/")
    assert subscription == Subscription("s1", "whsec_x")
    assert "whsec_x" not in repr(subscription)


@pytest.mark.parametrize(("errors", "status"), [([], ("RUNNING", "")), ([{"errorMessage": "no"}], ("RUNNING", "no"))])
async def test_it_reads_a_status(receivers: Receivers, errors: list[object], status: tuple[str, str]) -> None:
    api = await receivers(answer(http({"data": {"webhookSubscription": {"status": "RUNNING", "errors": errors}}})))
    async with Client(api.url, KEY) as client:
        assert await client.status(Subscription("s1", "")) == status
    assert sent(api)[1] == {"id": "s1"}


async def test_it_produces_and_reads_one_result_per_event(receivers: Receivers) -> None:
    broken = {"path": "/a", "rule": "type", "message": "wrong"}
    problem = {"code": "CONTRACT_BROKEN", "detail": "wrong, at /a"}
    results = [
        {"status": "PERSISTED", "violations": [], "problem": None},
        {"status": "REJECTED", "violations": [broken], "problem": problem},
    ]
    api = await receivers(answer(http({"data": {"produceEvents": {"results": results}}})))
    async with Client(api.url, KEY) as client:
        assert await client.produce([{"id": "1"}, {"id": "2"}]) == [
            Result("PERSISTED"),
            Result("REJECTED", "CONTRACT_BROKEN", "wrong, at /a", (Violation("/a", "type", "wrong"),)),
        ]
    assert sent(api)[1] == {"events": [{"id": "1"}, {"id": "2"}]}


REFUSED = {
    "message": "The schema is none",
    "extensions": {"code": "SCHEMA_INVALID", "violations": [{"path": "/type", "rule": "enum", "message": "wrong"}]},
}


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (
            http({"data": {"produceEvents": None}, "errors": [REFUSED, {"message": "and more"}]}),
            "SCHEMA_INVALID: The schema is none\n  /type enum: wrong\n200: and more",
        ),
        (http({"errors": [{"message": "No key"}]}, 401), "401: No key"),
        (http({"data": None}), "The API answers 200 with neither data nor errors: {'data': None}"),
        (http([], 500), "The API answers 500 with neither data nor errors: []"),
        (http(b"<html>", 502), "{url} answers 502 without JSON: <html>"),
    ],
)
async def test_an_answer_that_is_none_is_said_clearly(receivers: Receivers, response: bytes, message: str) -> None:
    api = await receivers(answer(response))
    async with Client(api.url, KEY) as client:
        with pytest.raises(ApiError) as refusal:
            await client.produce([])
    assert str(refusal.value) == message.replace("{url}", api.url)


async def test_an_api_that_hangs_up_is_said_clearly(receivers: Receivers) -> None:
    api = await receivers(answer_and_close())
    async with Client(api.url, KEY) as client:
        with pytest.raises(ApiError) as refusal:
            await client.produce([])
    assert str(refusal.value) == f"{api.url} does not answer: Server disconnected without sending a response."
