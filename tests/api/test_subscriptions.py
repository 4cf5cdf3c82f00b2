"""Subscriptions through the API, with real endpoints: from the handshake to the signed webhook, and every command."""

import base64
import json
from typing import Any

import pytest
from standardwebhooks import Webhook

from event_issuer.db.access import Audit
from event_issuer.db.work import Statement
from event_issuer.domain.access import Action, Policy
from tests.api.partners import TYPE, Partner, Partners, Refused, event
from tests.api.webhooks import AGREES, TAKES, body, command, delete, header, reached, read, settled, update
from tests.egress.receiver import Receivers, answer

LIST = """query ($status: WebhookSubscriptionStatus) {
  webhookSubscriptions(filter: {status: $status}) { nodes { id status } } }"""
NONE = {"verification": "NONE"}


async def test_events_reach_a_signed_webhook(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(AGREES, TAKES)
    await operator.create_type()
    made = await operator.subscribe(receiver.url)
    subscription = made["webhookSubscription"]
    assert subscription["status"] == "INITIALIZING"
    await operator.produce(event("1", partitionkey="4521"))
    await receiver.asked(2)
    handshake, delivery = receiver.requests
    assert handshake.startswith(b"OPTIONS /hook HTTP/1.1\r\n")
    assert header(handshake, "WebHook-Request-Origin") == "events.example.com"
    assert delivery.startswith(b"POST /hook HTTP/1.1\r\n")
    assert {name: header(delivery, name) for name in ("ce-id", "ce-source", "ce-type", "ce-partitionkey")} == {
        "ce-id": "1",
        "ce-source": "/banenor/tests",
        "ce-type": TYPE,
        "ce-partitionkey": "4521",
    }
    signed = {name: header(delivery, name) or "" for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    Webhook(made["signingSecret"]["secret"]).verify(body(delivery), signed)
    assert json.loads(body(delivery)) == {"train": "4521"}
    found = await settled(operator, subscription["id"])
    assert found["status"] == "RUNNING"
    (attempt,) = found["attempts"]["nodes"]
    assert (attempt["kind"], attempt["number"], attempt["outcome"]) == ("DELIVERY", 1, "DELIVERED")
    assert (attempt["httpStatusCode"], attempt["error"], attempt["event"]) == (200, None, {"eventId": "1"})
    assert header(delivery, "traceparent") is not None
    assert attempt["traceId"] in (header(delivery, "traceparent") or "")


async def test_nothing_is_sent_before_the_endpoint_agrees(operator: Partner, receivers: Receivers) -> None:
    refuses = answer(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")
    receiver = await receivers(refuses)
    await operator.create_type()
    id_ = (await operator.subscribe(receiver.url))["webhookSubscription"]["id"]
    await operator.produce(event("1"))
    await receiver.asked(1)
    assert await command(operator, "stop", id_) == "STOPPED"
    assert [request[:7] for request in receiver.requests] == [b"OPTIONS"]
    assert (await read(operator, id_))["attempts"]["nodes"] == []


async def test_a_subscription_begins_where_it_says(operator: Partner, receivers: Receivers) -> None:
    await operator.create_type()
    await operator.produce(event("1"), event("2"))
    first = "query ($t: [String!]!) { events(eventTypes: $t, first: 1) { pageInfo { endCursor } } }"
    cursor = (await operator.ask(first, t=[TYPE]))["events"]["pageInfo"]["endCursor"]
    for start, ids in ((None, ["3"]), ({"at": "EARLIEST"}, ["1", "2", "3"]), ({"cursor": cursor}, ["2", "3"])):
        receiver = await receivers(TAKES)
        id_ = (await operator.subscribe(receiver.url, startFrom=start, **NONE))["webhookSubscription"]["id"]
        if start is None:
            await operator.produce(event("3"))
        await receiver.asked(len(ids))
        await settled(operator, id_)
        assert [header(request, "ce-id") for request in receiver.requests] == ids
        await delete(operator, id_)


async def test_credentials_go_out_and_are_never_shown(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    await operator.create_type()
    basic = {"basic": {"username": "user", "password": "pass:word"}}
    made = await operator.subscribe(
        receiver.url, apiKey={"header": "X-Partner-Key", "key": "s3cret"}, authentication=basic, **NONE
    )
    subscription = made["webhookSubscription"]
    assert (subscription["apiKeyHeader"], subscription["authentication"]) == ("X-Partner-Key", {"kind": "basic"})
    await operator.produce(event("1"))
    await receiver.asked(1)
    assert header(receiver.requests[0], "X-Partner-Key") == "s3cret"
    assert header(receiver.requests[0], "Authorization") == "Basic " + base64.b64encode(b"user:pass:word").decode()
    shown = json.dumps(await settled(operator, subscription["id"]))
    assert "s3cret" not in shown
    assert "pass:word" not in shown


async def test_stopping_keeps_the_place_and_starting_goes_on(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    await operator.create_type()
    id_ = (await operator.subscribe(receiver.url, **NONE))["webhookSubscription"]["id"]
    await operator.produce(event("1"))
    await settled(operator, id_)
    await reached(operator, id_, "RUNNING")
    assert await command(operator, "stop", id_) in ("STOPPING", "STOPPED")
    await reached(operator, id_, "STOPPED")
    await operator.produce(event("2"), event("3"))
    stopped = await read(operator, id_)
    assert stopped["lag"]["events"] == 2
    assert stopped["lag"]["seconds"] > 0
    with pytest.raises(Refused, match="CONFLICT: A subscription that is STOPPED cannot take stop"):
        await command(operator, "stop", id_)
    assert await command(operator, "start", id_) in ("STARTING", "RUNNING")
    await settled(operator, id_)
    assert [header(request, "ce-id") for request in receiver.requests] == ["1", "2", "3"]


async def test_a_changed_url_is_verified_before_it_gets_an_event(operator: Partner, receivers: Receivers) -> None:
    first, second = await receivers(AGREES, TAKES), await receivers(AGREES, TAKES)
    await operator.create_type()
    key = {"header": "X-Partner-Key", "key": "s3cret"}
    id_ = (await operator.subscribe(first.url, apiKey=key))["webhookSubscription"]["id"]
    await operator.produce(event("1"))
    await settled(operator, id_)
    await reached(operator, id_, "RUNNING")
    with pytest.raises(Refused, match="BAD_USER_INPUT: The new URL is of another origin: give apiKey again"):
        await update(operator, id_, url=second.url)
    assert (await read(operator, id_))["url"] == first.url
    changed = await update(operator, id_, url=second.url, apiKey={"header": "X-Key", "key": "other"})
    assert (changed["url"], changed["apiKeyHeader"]) == (second.url, "X-Key")
    assert changed["status"] in ("INITIALIZING", "STARTING", "RUNNING")
    await operator.produce(event("2"))
    await second.asked(2)
    assert second.requests[0].startswith(b"OPTIONS")
    assert header(second.requests[1], "ce-id") == "2"
    assert header(second.requests[1], "X-Key") == "other"
    assert header(second.requests[1], "X-Partner-Key") is None
    assert len(first.requests) == 2


async def test_settings_change_while_running(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    await operator.create_type()
    id_ = (await operator.subscribe(receiver.url, **NONE))["webhookSubscription"]["id"]
    await reached(operator, id_, "RUNNING")
    delivery = {"maxInFlight": 3, "retry": {"delaysSeconds": [1, 2]}}
    changed = await update(operator, id_, applicationId="other", ordering="NONE", delivery=delivery)
    assert (changed["applicationId"], changed["ordering"]) == ("other", "NONE")
    assert changed["status"] in ("RESTART", "RUNNING")
    assert changed["delivery"] == {"maxInFlight": 3, "timeoutSeconds": 15.0, "retry": {"delaysSeconds": [1.0, 2.0]}}
    await reached(operator, id_, "RUNNING")
    assert (await update(operator, id_, delivery=None))["delivery"]["maxInFlight"] == 16
    await reached(operator, id_, "RUNNING")
    assert (await update(operator, id_, applicationId="same"))["status"] == "RUNNING"
    await operator.produce(event("1"))
    await receiver.asked(1)


async def test_event_types_come_and_go(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    await operator.create_type()
    await operator.create_type("a.second.v1", schema={"type": "object"})
    id_ = (await operator.subscribe(receiver.url, **NONE))["webhookSubscription"]["id"]
    await operator.produce(event("old", type="a.second.v1"))
    changed = await update(operator, id_, eventTypes=["a.second.v1", TYPE])
    assert changed["eventTypes"] == ["a.second.v1", TYPE]
    await operator.produce(event("1"), event("2", type="a.second.v1"))
    await receiver.asked(2)
    assert {header(request, "ce-id") for request in receiver.requests} == {"1", "2"}
    await settled(operator, id_)
    await reached(operator, id_, "RUNNING")
    assert (await update(operator, id_, eventTypes=["a.second.v1"]))["eventTypes"] == ["a.second.v1"]
    await operator.produce(event("3"), event("4", type="a.second.v1"))
    await receiver.asked(3)
    await settled(operator, id_)
    assert header(receiver.requests[2], "ce-id") == "4"
    assert len(receiver.requests) == 3


async def test_an_endpoint_that_is_gone_fails_the_subscription(operator: Partner, receivers: Receivers) -> None:
    gone = answer(b"HTTP/1.1 410 Gone\r\nContent-Length: 3\r\n\r\nbye")
    receiver = await receivers(AGREES, gone, AGREES, TAKES)
    await operator.create_type()
    id_ = (await operator.subscribe(receiver.url))["webhookSubscription"]["id"]
    await operator.produce(event("1", partitionkey="k"), event("2", partitionkey="k"))
    failed = await reached(operator, id_, "FAILED")
    assert failed["errors"][0]["httpStatusCode"] == 410
    with pytest.raises(Refused, match="CONFLICT"):
        await command(operator, "stop", id_)
    assert await command(operator, "start", id_) in ("INITIALIZING", "STARTING", "RUNNING")
    found = await settled(operator, id_)
    assert [attempt["outcome"] for attempt in found["attempts"]["nodes"]] == ["GONE", "DELIVERED", "DELIVERED"]
    sent = [header(request, "ce-id") for request in receiver.requests if request.startswith(b"POST")]
    assert sent == ["1", "1", "2"]


async def test_a_failing_event_is_parked_and_shown(operator: Partner, receivers: Receivers) -> None:
    breaks = answer(b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops")
    receiver = await receivers(breaks)
    await operator.create_type()
    id_ = (await operator.subscribe(receiver.url, **NONE))["webhookSubscription"]["id"]
    await operator.produce(event("1", partitionkey="k"), event("2", partitionkey="k"))
    found = await settled(operator, id_)
    assert found["lag"] == {"events": 0, "seconds": 0.0, "parked": 1, "deadLettered": 0}
    (parked,) = found["parkedEvents"]["nodes"]
    assert (parked["partitionkey"], parked["followersWaiting"], parked["attempts"]) == ("k", True, 1)
    assert (parked["lastOutcome"], parked["lastError"]) == ("RETRY", "The endpoint answered 500.")
    assert (parked["event"], parked["deadLetteredAt"]) == ({"eventId": "1"}, None)
    (attempt,) = found["attempts"]["nodes"]
    assert (attempt["outcome"], attempt["responseExcerpt"]) == ("RETRY", "oops")
    nodes = "query ($a: ID!, $p: ID!) { a: node(id: $a) { __typename } p: node(id: $p) { __typename } }"
    assert await operator.ask(nodes, a=attempt["id"], p=parked["id"]) == {
        "a": {"__typename": "DeliveryAttempt"},
        "p": {"__typename": "ParkedEvent"},
    }


async def test_subscriptions_are_listed_by_status_and_deleted(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    await operator.create_type()
    ids = [(await operator.subscribe(receiver.url, **NONE))["webhookSubscription"]["id"] for _ in range(3)]
    for id_ in ids:
        await reached(operator, id_, "RUNNING")
    await command(operator, "stop", ids[1])
    await reached(operator, ids[1], "STOPPED")
    nodes = (await operator.ask(LIST, status="RUNNING"))["webhookSubscriptions"]["nodes"]
    assert [node["id"] for node in nodes] == [ids[0], ids[2]]
    many = """mutation { deleteWebhookSubscriptions(status: RUNNING) { deletedIds } }"""
    assert (await operator.ask(many))["deleteWebhookSubscriptions"]["deletedIds"] == [ids[0], ids[2]]
    assert await delete(operator, ids[1]) == [ids[1]]
    assert (await operator.ask(LIST))["webhookSubscriptions"]["nodes"] == []
    with pytest.raises(Refused, match="NOT_FOUND: There is no such subscription"):
        await delete(operator, ids[1])
    await operator.produce(event("1"))
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        ({"url": "ftp://example.com/"}, "BAD_USER_INPUT", "The URL's scheme is 'ftp'"),
        ({"url": "https://10.0.0.1/"}, "BAD_USER_INPUT", "10.0.0.0/8 is no public network"),
        ({"url": "https://user@example.com/"}, "BAD_USER_INPUT", "The URL carries user information"),
        ({"eventTypes": []}, "BAD_USER_INPUT", "Name 1 to 100 event types, not 0."),
        ({"eventTypes": ["no.such.v1"]}, "NOT_FOUND", "There is no event type 'no.such.v1' that you may consume."),
        ({"applicationId": ""}, "BAD_USER_INPUT", "applicationId has 1 to 255 characters, not 0."),
        ({"delivery": {"maxInFlight": 0}}, "BAD_USER_INPUT", "maxInFlight is 1 to 256, not 0."),
        ({"delivery": {"timeoutSeconds": 61}}, "BAD_USER_INPUT", "timeoutSeconds is 0.1 to 60.0, not 61.0."),
        ({"apiKey": {"header": "Host", "key": "k"}}, "BAD_USER_INPUT", "The header Host is set by us"),
        ({"apiKey": {"header": "X-A", "key": "a\r\nb: c"}}, "BAD_USER_INPUT", "An API key is 1 to 4096 printable"),
        ({"startFrom": {"cursor": "nonsense"}}, "BAD_USER_INPUT", "'nonsense' is no cursor of the log"),
        ({"startFrom": {"time": "2026-01-31"}}, "BAD_USER_INPUT", "A DateTime is RFC 3339 with an offset"),
    ],
)
async def test_a_bad_subscription_is_refused(operator: Partner, spec: dict[str, Any], code: str, message: str) -> None:
    await operator.create_type()
    with pytest.raises(Refused) as refused:
        await operator.subscribe(**{"url": "https://example.com/", **spec})
    assert (refused.value.code, message in refused.value.message) == (code, True), refused.value.message
    assert (await operator.ask(LIST))["webhookSubscriptions"]["nodes"] == []


async def test_a_foreign_subscription_looks_like_none(
    partners: Partners, operator: Partner, receivers: Receivers
) -> None:
    receiver = await receivers(TAKES)
    await operator.create_type(audience="OPEN")
    id_ = (await operator.subscribe(receiver.url, **NONE))["webhookSubscription"]["id"]
    other = await partners.invite("acme", Policy(Action.MANAGE_SUBSCRIPTIONS, "*"))
    assert await read(other, id_) is None
    assert (await other.ask(LIST))["webhookSubscriptions"]["nodes"] == []
    for act in (delete(other, id_), command(other, "stop", id_), update(other, id_, applicationId="mine")):
        with pytest.raises(Refused, match="NOT_FOUND: There is no such subscription"):
            await act
    assert (await reached(operator, id_, "RUNNING"))["applicationId"] == "tests"
    assert (await other.subscribe(receiver.url, **NONE))["webhookSubscription"]["eventTypes"] == [TYPE]


async def test_subscribing_needs_policies(partners: Partners, operator: Partner) -> None:
    await operator.create_type()
    reader = await partners.invite("acme", Policy(Action.CONSUME, TYPE))
    with pytest.raises(Refused, match="FORBIDDEN: tester needs a policy for MANAGE_SUBSCRIPTIONS"):
        await reader.subscribe("https://example.com/")
    manager = await partners.invite("acme", Policy(Action.MANAGE_SUBSCRIPTIONS, "other.*"), principal="manager")
    with pytest.raises(Refused, match="NOT_FOUND"):
        await manager.subscribe("https://example.com/")
    with pytest.raises(Refused, match="FORBIDDEN"):
        await reader.ask(LIST)


async def test_changes_are_audited_without_secrets(operator: Partner, partners: Partners, receivers: Receivers) -> None:
    receiver = await receivers(TAKES)
    await operator.create_type()
    key = {"header": "X-Key", "key": "s3cret"}
    id_ = (await operator.subscribe(receiver.url, apiKey=key, **NONE))["webhookSubscription"]["id"]
    await reached(operator, id_, "RUNNING")
    await update(operator, id_, apiKey={"header": "X-Key", "key": "an0ther"})
    await delete(operator, id_)
    rows = await partners.issuer.database.read(
        Statement("SELECT action, object_kind, principal_id > 0, detail FROM audit_entries ORDER BY id")
    )
    entries = [Audit(0, int(row[2]), row[0], row[1], 0, json.loads(row[3])) for row in rows]
    assert [(entry.action, entry.object_kind) for entry in entries if entry.principal_id] == [
        ("create", "event type"),
        ("create", "subscription"),
        ("update", "subscription"),
        ("delete", "subscription"),
    ]
    assert entries[-2].detail == {"status": "RESTART", "api_key_header": "X-Key", "authentication_kind": None}
    assert "s3cret" not in str(rows)
    assert "an0ther" not in str(rows)
