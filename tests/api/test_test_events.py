"""Test events through the API, with real endpoints: marked, signed, sent once, and of no consequence."""

import base64
import json
from typing import Any

import pytest
from standardwebhooks import Webhook

from event_issuer.app import Issuer
from event_issuer.db.test_deliveries import KEPT, RATE_MAX
from event_issuer.domain.access import EVERYTHING, Action, Policy
from event_issuer.domain.contracts import Contract
from tests.api.partners import SCHEMA, TYPE, Partner, Partners, Refused, event
from tests.api.test_explaining import revoke
from tests.api.test_schemas import WIDER
from tests.api.webhooks import AGREES, TAKES, body, command, header, reached, read, update
from tests.db.rows import execute, select
from tests.egress.receiver import Receivers, answer, hang

NONE = {"verification": "NONE"}
FIELDS = (
    "id eventType status requestedAt cloudEvent attempt { id kind number outcome httpStatusCode error event { id } }"
)
SEND = f"""mutation ($id: ID!, $type: String) {{ sendTestEvent(id: $id, eventType: $type) {{
  testDelivery {{ {FIELDS} }} }} }}"""
GET = f"query ($id: ID!) {{ testDelivery(id: $id) {{ {FIELDS} }} }}"
NODE = f"query ($id: ID!) {{ node(id: $id) {{ ... on TestDelivery {{ {FIELDS} }} }} }}"


@pytest.fixture(autouse=True)
async def event_type(operator: Partner) -> None:
    await operator.create_type(example={"train": "61", "delay": 5})


async def send(partner: Partner, id_: str, type_: str | None = None) -> Any:
    return (await partner.ask(SEND, id=id_, type=type_))["sendTestEvent"]["testDelivery"]


async def done(partner: Partner, id_: str) -> Any:
    while (found := (await partner.ask(GET, id=id_))["testDelivery"])["status"] != "DONE":
        assert found["attempt"] is None
    return found


async def verified(operator: Partner, url: str, *types: str, **more: object) -> Any:
    made = await operator.subscribe(url, *types, **NONE, **more)
    await reached(operator, made["webhookSubscription"]["id"], "RUNNING")
    return made


async def test_a_test_event_takes_the_real_path_and_is_marked(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    made = await verified(operator, receiver.url, apiKey={"header": "X-Key", "key": "k3y"})
    id_ = made["webhookSubscription"]["id"]
    asked = await send(operator, id_)
    await receiver.asked(1)
    (request,) = receiver.requests
    attributes = asked["cloudEvent"]
    assert {name: header(request, f"ce-{name}") for name in attributes if name not in ("datacontenttype", "data")} == {
        "specversion": "1.0",
        "id": attributes["id"],
        "source": "/event-issuer/test",
        "type": TYPE,
        "time": attributes["time"],
        "dataschema": f"https://events.example.com/v1/schemas/{TYPE}/1",
        "testevent": "true",
    }
    assert (header(request, "webhook-test"), header(request, "X-Key")) == ("true", "k3y")
    assert header(request, "content-type") == "application/json"
    signed = {name: header(request, name) or "" for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    Webhook(made["signingSecret"]["secret"]).verify(body(request), signed)
    assert json.loads(body(request)) == attributes["data"] == {"train": "61", "delay": 5}

    found = await done(operator, asked["id"])
    attempt = found.pop("attempt")
    assert found == {name: asked[name] for name in found} | {"status": "DONE", "eventType": TYPE}
    del attempt["id"]
    assert attempt == {
        "kind": "TEST",
        "number": 1,
        "outcome": "DELIVERED",
        "httpStatusCode": 200,
        "error": None,
        "event": None,
    }
    node = (await operator.ask(NODE, id=asked["id"]))["node"]
    assert (node["status"], node["attempt"]["kind"]) == ("DONE", "TEST")


async def test_it_is_not_in_the_log_and_fails_without_consequence(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    gone = answer(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
    receiver = await receivers(gone, TAKES)
    id_ = (await verified(operator, receiver.url))["webhookSubscription"]["id"]
    other = await receivers(TAKES)
    await verified(operator, other.url)
    found = await done(operator, (await send(operator, id_))["id"])
    assert (found["attempt"]["outcome"], found["attempt"]["httpStatusCode"]) == ("GONE", 410)
    shown = await read(operator, id_)
    assert (shown["status"], shown["errors"], shown["parkedEvents"]["nodes"]) == ("RUNNING", [], [])
    assert shown["lag"] == {"events": 0, "seconds": 0, "parked": 0, "deadLettered": 0}
    assert [one["kind"] for one in shown["attempts"]["nodes"]] == ["TEST"]
    assert await select(issuer.database, "SELECT COUNT(*) FROM log_records") == [(0,)]
    await operator.produce(event("1"))
    await receiver.asked(2)
    await other.asked(1)
    assert [header(one, "ce-id") for one in other.requests] == ["1"]
    assert header(receiver.requests[1], "webhook-test") is None
    assert header(receiver.requests[0], "webhook-id") != header(receiver.requests[1], "webhook-id")


async def test_without_an_example_the_data_are_made_up(operator: Partner, receivers: Receivers) -> None:
    await operator.create_type("b.made-up")
    await operator.create_type("b.impossible", schema={"type": "string", "pattern": "^a$", "minLength": 2})
    receiver = await receivers(TAKES)
    id_ = (await verified(operator, receiver.url, TYPE, "b.made-up", "b.impossible"))["webhookSubscription"]["id"]
    await done(operator, (await send(operator, id_, "b.made-up"))["id"])
    assert Contract(SCHEMA).accepts(json.loads(body(receiver.requests[0])))
    assert header(receiver.requests[0], "ce-type") == "b.made-up"
    with pytest.raises(Refused, match=r"CONFLICT: No event could be made up .* version 1 of b\.impossible"):
        await send(operator, id_, "b.impossible")
    with pytest.raises(Refused, match="BAD_USER_INPUT: The subscription has the event types"):
        await send(operator, id_, "b.other")
    assert len(receiver.requests) == 1


async def test_a_pinned_version_gives_the_example(operator: Partner, receivers: Receivers) -> None:
    await operator.create_type("c.pinned", compatibility="NONE", example={"train": "7"})
    query = """mutation ($i: RegisterSchemaInput!) { registerSchema(input: $i) { schemaVersion { version } } }"""
    newer = {"train": "8", "platform": 1}
    await operator.ask(query, i={"eventType": "c.pinned", "schema": WIDER, "example": newer})
    receiver = await receivers(TAKES)
    for version, data in ((1, {"train": "7"}), (2, newer)):
        made = await verified(operator, receiver.url, "c.pinned", delivery={"schemaVersion": version})
        await done(operator, (await send(operator, made["webhookSubscription"]["id"]))["id"])
        assert json.loads(body(receiver.requests[-1])) == data
        assert str(header(receiver.requests[-1], "ce-dataschema")).endswith(f"/c.pinned/{version}")


async def test_a_stopped_subscription_may_be_tried(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    id_ = (await verified(operator, receiver.url))["webhookSubscription"]["id"]
    await command(operator, "stop", id_)
    await reached(operator, id_, "STOPPED")
    found = await done(operator, (await send(operator, id_))["id"])
    assert found["attempt"]["outcome"] == "DELIVERED"
    assert (await read(operator, id_))["status"] == "STOPPED"


async def test_an_endpoint_that_has_not_agreed_gets_none(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    receiver = await receivers(hang())
    id_ = (await operator.subscribe(receiver.url))["webhookSubscription"]["id"]
    await receiver.asked(1)
    with pytest.raises(Refused, match=r"CONFLICT: The endpoint has not agreed .* \(the subscription is INITIALIZING\)"):
        await send(operator, id_)
    await command(operator, "stop", id_)
    with pytest.raises(Refused, match=r"CONFLICT: .* \(the subscription is STOPPED\)"):
        await send(operator, id_)
    agreed = await receivers(AGREES, answer(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"))
    failed = (await operator.subscribe(agreed.url))["webhookSubscription"]["id"]
    await operator.produce(event("1"))
    await reached(operator, failed, "FAILED")
    with pytest.raises(Refused, match=r"CONFLICT: .* \(the subscription is FAILED\)"):
        await send(operator, failed)
    assert await select(issuer.database, "SELECT COUNT(*) FROM test_deliveries") == [(0,)]
    assert (len(receiver.requests), len(agreed.requests)) == (1, 2)


async def test_only_so_many_are_sent_and_kept(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    id_ = (await verified(operator, receiver.url))["webhookSubscription"]["id"]
    rows = "INSERT INTO test_deliveries (subscription_id, event_type_id, partition_id, event, requested_at_us) VALUES "
    await execute(issuer.database, rows + ", ".join(["(1, 1, 1, '{}', 5)"] * (KEPT + 20)))
    for _ in range(RATE_MAX):
        await send(operator, id_)
    with pytest.raises(Refused, match=f"LIMIT_EXCEEDED: A subscription may ask for {RATE_MAX} test events in 60 s"):
        await send(operator, id_)
    assert await select(issuer.database, "SELECT COUNT(*) FROM test_deliveries") == [(KEPT,)]
    await receiver.asked(RATE_MAX)


async def test_others_see_nothing_of_it(
    operator: Partner, partners: Partners, issuer: Issuer, receivers: Receivers
) -> None:
    receiver = await receivers(TAKES)
    id_ = (await verified(operator, receiver.url))["webhookSubscription"]["id"]
    sent = (await send(operator, id_))["id"]
    stranger = await partners.invite("acme", Policy(Action.MANAGE_SUBSCRIPTIONS, EVERYTHING))
    assert (await stranger.ask(GET, id=sent))["testDelivery"] is None
    assert (await stranger.ask(NODE, id=sent))["node"] is None
    assert (await operator.ask(GET, id=id_))["testDelivery"] is None
    with pytest.raises(Refused) as refused:
        await send(stranger, id_)
    assert refused.value.code == "NOT_FOUND"

    granted = [Policy(action, EVERYTHING) for action in (Action.MANAGE_SUBSCRIPTIONS, Action.CONSUME)]
    consumer = await partners.invite("acme", *granted, principal="consumer")
    own = (await verified(consumer, receiver.url))["webhookSubscription"]["id"]
    await revoke(issuer, consumer, Action.CONSUME)
    with pytest.raises(Refused, match="NOT_FOUND: There is no event type"):
        await send(consumer, own)
    await receiver.asked(1)
    assert await select(issuer.database, "SELECT COUNT(*) FROM test_deliveries") == [(1,)]


async def test_it_is_audited(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    id_ = (await verified(operator, (await receivers(TAKES)).url))["webhookSubscription"]["id"]
    await send(operator, id_)
    rows = await select(
        issuer.database, "SELECT object_kind, object_id, detail FROM audit_entries WHERE action = 'test'"
    )
    assert rows == [("subscription", 1, json.dumps({"eventType": TYPE}))]


async def test_echoed_credentials_are_not_kept(operator: Partner, receivers: Receivers) -> None:
    """All that the endpoint was told goes back as an error page; none of it may be read in an attempt."""
    token = base64.b64encode(b"user:pa55w0rd").decode()
    page = f"no: X-Key=k3y-k3y-k3y authorization: Basic {token}\nbody pa55w0rd k3y-k3y-k3y {{}}\n".encode()

    def echo(secret: str) -> bytes:
        full = page + f"key {secret} or {secret[6:]}\n".encode()
        head = f"HTTP/1.1 500 No\r\nContent-Type: text/plain\r\nContent-Length: {len(full)}\r\n\r\n"
        return head.encode() + full

    pages: list[bytes] = []

    async def act(peer: Any) -> None:
        await peer.write(pages[0])

    receiver = await receivers(act)
    basic = {"basic": {"username": "user", "password": "pa55w0rd"}}
    made = await verified(
        operator, receiver.url, apiKey={"header": "X-Key", "key": "k3y-k3y-k3y"}, authentication=basic
    )
    id_ = made["webhookSubscription"]["id"]
    pages.append(echo(made["signingSecret"]["secret"]))
    await done(operator, (await send(operator, id_))["id"])
    await update(operator, id_, delivery={"retry": {"delaysSeconds": [3600]}})
    await operator.produce(event("1"))
    while len(shown := (await read(operator, id_))["attempts"]["nodes"]) < 2:
        pass
    for attempt in shown:
        excerpt = attempt["responseExcerpt"]
        assert excerpt.startswith("no: X-Key=[redacted]")
        for secret in ("k3y-k3y-k3y", "pa55w0rd", token, made["signingSecret"]["secret"][6:]):
            assert secret not in excerpt
