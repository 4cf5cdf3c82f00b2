"""Expunging through the API: what goes, what stays, and who may do it, on both stores."""

import json
from typing import Any

import pytest

from event_issuer.app import Issuer
from event_issuer.db.work import Row
from event_issuer.domain.access import EVERYTHING, Action, Policy
from tests.api.partners import TYPE, Partner, Partners, Refused, event
from tests.api.webhooks import TAKES, header, read, settled
from tests.db.rows import select
from tests.egress.receiver import Receivers, answer

EXPUNGE = """mutation ($id: ID!, $reason: String!) { expungeEvent(input: {id: $id, reason: $reason}) {
  event { id eventId source expungedAt cloudEvent } excerptsRemoved } }"""
EVENT = "query ($id: ID!) { event(id: $id) { eventId expungedAt cloudEvent } }"
LOG = "query ($types: [String!]!) { events(eventTypes: $types) { nodes { id eventId expungedAt cloudEvent } } }"
BUSY = answer(b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nwas: 4521")
STORED = "SELECT log_offset, data, expunged_at_us IS NOT NULL FROM log_records ORDER BY log_offset"
ONCE = {"retry": {"delaysSeconds": [3600]}}


async def expunge(partner: Partner, id_: str, reason: str = "A name was in it.") -> Any:
    return (await partner.ask(EXPUNGE, id=id_, reason=reason))["expungeEvent"]


async def stored(issuer: Issuer) -> list[Row]:
    rows = await select(issuer.database, STORED)
    return [(offset, None if data is None else bytes(data), bool(gone)) for offset, data, gone in rows]


async def produced(partner: Partner, *events: dict[str, object]) -> list[str]:
    return [result["event"]["id"] for result in (await partner.produce(*events))["results"]]


async def test_an_expunged_event_has_no_data_any_more(operator: Partner, issuer: Issuer) -> None:
    await operator.create_type()
    ids = await produced(operator, event("1"), event("2", data={"train": "7"}, subject="7"), event("3"))
    (kept_bytes,) = (await select(issuer.database, "SELECT kept_bytes FROM log_heads"))[0]
    found = await expunge(operator, ids[1])
    expunged_at = found["event"]["expungedAt"]
    assert expunged_at is not None
    attributes = {name: value for name, value in event("2", subject="7").items() if name != "data"}
    shown = {"eventId": "2", "expungedAt": expunged_at, "cloudEvent": attributes}
    assert found == {"event": {"id": ids[1], "source": "/banenor/tests"} | shown, "excerptsRemoved": 0}

    assert (await operator.ask(EVENT, id=ids[1]))["event"] == shown
    nodes = (await operator.ask(LOG, types=[TYPE]))["events"]["nodes"]
    assert [(node["eventId"], "data" in node["cloudEvent"], node["expungedAt"]) for node in nodes] == [
        ("1", True, None),
        ("2", False, expunged_at),
        ("3", True, None),
    ]
    train = b'{"train":"4521"}'
    assert await stored(issuer) == [(0, train, False), (1, None, True), (2, train, False)]
    assert await select(issuer.database, "SELECT kept_bytes FROM log_heads") == [(kept_bytes - 13,)]
    audit = await select(
        issuer.database, "SELECT action, object_kind, detail FROM audit_entries ORDER BY id DESC LIMIT 1"
    )
    assert audit[0][:2] == ("expunge", "event of partition")
    assert json.loads(audit[0][2]) == {
        "offset": 1,
        "eventId": "2",
        "source": "/banenor/tests",
        "reason": "A name was in it.",
        "again": False,
    }
    # It is known still: the same event is a duplicate.
    assert (await operator.produce(event("2", data={"train": "7"}, subject="7")))["duplicates"] == 1
    again = await expunge(operator, ids[1])
    assert again["event"]["expungedAt"] == expunged_at
    assert await select(issuer.database, "SELECT kept_bytes FROM log_heads") == [(kept_bytes - 13,)]


async def test_a_parked_delivery_becomes_a_dead_letter_and_its_key_goes_on(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    await operator.create_type()
    receiver = await receivers(BUSY, TAKES)
    id_ = (await operator.subscribe(receiver.url, verification="NONE", delivery=ONCE))["webhookSubscription"]["id"]
    first, _ = await produced(operator, event("1", partitionkey="a"), event("2", partitionkey="a"))
    while not (found := await settled(operator, id_))["parkedEvents"]["nodes"]:
        pass
    assert found["attempts"]["nodes"][0]["responseExcerpt"] == "was: 4521"
    assert (await expunge(operator, first))["excerptsRemoved"] == 1
    await receiver.asked(2)
    assert [header(request, "ce-id") for request in receiver.requests] == ["1", "2"]
    while len((found := await read(operator, id_))["attempts"]["nodes"]) < 2:
        pass
    (dead,) = found["parkedEvents"]["nodes"]
    assert dead["lastError"] == "EXPUNGED: the operator removed the event's data."
    assert dead["deadLetteredAt"] is not None
    assert dead["event"] == {"eventId": "1"}
    assert [one["responseExcerpt"] for one in found["attempts"]["nodes"]] == [None, None]


async def test_what_is_not_yet_delivered_is_passed_over(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    await operator.create_type()
    ids = await produced(operator, event("1"), event("2"))
    await expunge(operator, ids[0])
    receiver = await receivers(TAKES)
    made = await operator.subscribe(receiver.url, verification="NONE", startFrom={"at": "EARLIEST"})
    await receiver.asked(1)
    found = await settled(operator, made["webhookSubscription"]["id"])
    assert [header(request, "ce-id") for request in receiver.requests] == ["2"]
    assert found["parkedEvents"]["nodes"] == []


async def test_only_the_operator_may_expunge(operator: Partner, issuer: Issuer, partners: Partners) -> None:
    await operator.create_type()
    (id_,) = await produced(operator, event("1"))
    before = await stored(issuer)
    others = [action for action in Action if action is not Action.MANAGE_ACCESS]
    owner = await partners.invite("banenor", *(Policy(action, EVERYTHING) for action in others), principal="owner")
    some = await partners.invite("vy", Policy(Action.MANAGE_ACCESS, "cloud.*"))
    for partner in (owner, some):
        for which in (id_, "nonsense"):
            with pytest.raises(Refused, match="FORBIDDEN"):
                await expunge(partner, which)
    audits = await select(issuer.database, "SELECT COUNT(*) FROM audit_entries WHERE action = 'expunge'")
    assert await stored(issuer) == before
    assert audits == [(0,)]


async def test_what_cannot_be_expunged_is_refused(operator: Partner, issuer: Issuer) -> None:
    await operator.create_type()
    (id_,) = await produced(operator, event("1"))
    tombstone = """mutation ($type: String!) { produceTombstone(input: {
      eventType: $type, partitionkey: "k", id: "2", source: "/t"}) { event { id } } }"""
    gone = (await operator.ask(tombstone, type=TYPE))["produceTombstone"]["event"]["id"]
    before = await stored(issuer)
    for which, reason, code in (
        (gone, "Why not.", "CONFLICT"),
        ("nonsense", "Why not.", "NOT_FOUND"),
        (id_, "", "BAD_USER_INPUT"),
        (id_, "x" * 1025, "BAD_USER_INPUT"),
    ):
        with pytest.raises(Refused, match=code):
            await expunge(operator, which, reason)
    assert await stored(issuer) == before
    assert await select(issuer.database, "SELECT COUNT(*) FROM audit_entries WHERE action = 'expunge'") == [(0,)]
