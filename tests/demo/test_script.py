"""The demo's script against an API that answers from a list: what stops it, and in which order it tells."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from graphql import parse, value_from_ast_untyped
from graphql.language import FieldNode, OperationDefinitionNode

from event_issuer.demo import traffic
from event_issuer.demo.client import ApiError, Client
from event_issuer.demo.receiver import Receiver
from event_issuer.demo.script import DELIVERY_TIMEOUT_S, DemoFailed, Script, example_mutation
from event_issuer.demo.show import Style
from event_issuer.demo.traffic import Outcome
from tests.demo.happenings import entry, received
from tests.egress.receiver import Peer, Receivers, answer


@pytest.fixture
async def receivers() -> AsyncIterator[Receivers]:
    async with Receivers() as receivers:
        yield receivers


def http(data: object, errors: object = None) -> bytes:
    content = json.dumps({"data": data, "errors": errors}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)


CREATED = answer(http({"createEventType": {"eventType": {"name": "a.b"}}}))
SECRET = {"secret": "whsec_x"}
SUBSCRIBED = answer(http({"createWebhookSubscription": {"webhookSubscription": {"id": "s1"}, "signingSecret": SECRET}}))


def status(name: str, *messages: str) -> bytes:
    errors = [{"errorMessage": message} for message in messages]
    return http({"webhookSubscription": {"status": name, "errors": errors}})


async def set_up(api_url: str, said: list[str]) -> Receiver:
    script = Script(said.append, Style(), 0, [])
    consumer = Receiver(script.on_received, origin="http://127.0.0.1:1")
    async with Client(api_url, "eik_demo") as client:
        await script.set_up(client, consumer)
    return consumer


async def test_it_sets_up_three_types_and_a_subscription(receivers: Receivers) -> None:
    api = await receivers(
        CREATED, CREATED, CREATED, SUBSCRIBED, answer(status("INITIALIZING")), answer(status("RUNNING"))
    )
    said: list[str] = []
    consumer = await set_up(api.url, said)
    assert said == [
        "event type    cloud.open.operational.track-possession-changed.v1",
        "event type    cloud.open.operational.train-arrived.v1",
        "event type    cloud.open.operational.train-departed.v1",
        "subscription  to http://127.0.0.1:1/hook, which agreed to receive",
    ]
    assert consumer.secret == "whsec_x"
    subscribe = json.loads(api.requests[3].partition(b"\r\n\r\n")[2])
    assert subscribe["variables"]["input"] == {
        "applicationId": "traffic-screens",
        "eventTypes": [one.name for one in traffic.event_types()],
        "url": "http://127.0.0.1:1/hook",
    }
    assert len(api.requests) == 6


async def test_a_subscription_that_fails_ends_the_demo(receivers: Receivers) -> None:
    api = await receivers(CREATED, CREATED, CREATED, SUBSCRIBED, answer(status("FAILED", "It never agreed")))
    with pytest.raises(DemoFailed, match=r"^The subscription has failed: It never agreed$"):
        await set_up(api.url, [])
    assert len(api.requests) == 5


async def test_a_refused_schema_ends_the_demo(receivers: Receivers) -> None:
    refused = {"message": "The schema is none", "extensions": {"code": "SCHEMA_INVALID"}}
    api = await receivers(answer(http({"createEventType": None}, [refused])))
    with pytest.raises(ApiError, match=r"^SCHEMA_INVALID: The schema is none$"):
        await set_up(api.url, [])
    assert len(api.requests) == 1


async def test_a_delivery_that_outruns_the_answer_is_told_after_it(receivers: Receivers) -> None:
    said: list[str] = []
    first = traffic.entries()[:1]
    script = Script(said.append, Style(), 0, first)
    delivered = asyncio.Event()

    async def deliver_first(peer: Peer) -> None:
        script.on_received(received(first[0], at_s=asyncio.get_running_loop().time()))
        delivered.set()
        await peer.write(
            http({"produceEvents": {"results": [{"status": "PERSISTED", "violations": [], "problem": None}]}})
        )

    api = await receivers(deliver_first)
    async with Client(api.url, "eik_demo") as client:
        await script.play(client)
    assert delivered.is_set()
    assert [line.split()[1] for line in said[2:]] == ["accepted", "delivered"]
    assert script.tally.verdict() == []


async def test_it_does_not_wait_when_nothing_was_accepted(receivers: Receivers) -> None:
    refused = {"status": "REJECTED", "violations": [], "problem": {"code": "CONFLICT", "detail": "Another has the id."}}
    api = await receivers(answer(http({"produceEvents": {"results": [refused]}})))
    script = Script(lambda _: None, Style(), 0, [entry(1, expected=Outcome("REJECTED", "CONFLICT"))])
    async with Client(api.url, "eik_demo") as client:
        async with asyncio.timeout(DELIVERY_TIMEOUT_S / 2):
            await script.play(client)
    assert script.tally.verdict() == []


def test_the_example_mutation_is_graphql_and_carries_the_example() -> None:
    (operation,) = parse(example_mutation()).definitions
    assert isinstance(operation, OperationDefinitionNode)
    (field,) = operation.selection_set.selections
    assert isinstance(field, FieldNode)
    (argument,) = field.arguments or ()
    (event,) = value_from_ast_untyped(argument.value)
    arrived = next(one for one in traffic.event_types() if one.name == event["type"])
    assert (field.name.value, event["data"]) == ("produceEvents", arrived.example)
