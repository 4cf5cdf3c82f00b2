"""Records of a topic that are no events, as the owner of their type sees them: listed, discarded, never released."""

from typing import Any

import pytest

from event_issuer.app import Issuer
from event_issuer.db.event_types import partitions_of
from event_issuer.db.work import Statement
from event_issuer.domain.kafka_binding import KafkaRecord
from tests.api.explanations import EXPLAIN
from tests.api.partners import TYPE, Partner, Refused
from tests.api.webhooks import TAKES
from tests.db.rows import select
from tests.domain.kafka_rows import lying
from tests.egress.receiver import Receivers
from tests.eventlog.topics import TopicLog

LIST = """query ($type: String!) { quarantinedEvents(eventType: $type) { nodes {
  id standing unreadable violations { path rule message } event { id eventId cloudEvent } } } }"""
UPDATE = "mutation ($input: UpdateEventTypeInput!) { updateEventType(input: $input) { eventType { id } } }"
PARKED = "SELECT log_offset FROM parked_events"
DECIDED = "SELECT action FROM audit_entries WHERE object_kind = 'quarantined event'"
STAND_IN = {"specversion": "1.0", "source": "/", "type": TYPE}
NO_JSON = lying(b"secret")
PLAIN = lying(b'{"train": "4521"}')


def typed(id_: str, type_: str = TYPE) -> KafkaRecord:
    headers = {"ce_specversion": b"1.0", "ce_id": id_.encode(), "ce_source": b"/s", "ce_type": type_.encode()}
    return lying(b'{"train": "4521"}', *headers.items())


async def topic_of(operator: Partner, issuer: Issuer, *records: KafkaRecord, source: str | None = None) -> TopicLog:
    """Quarantine and explanations read it instead of the issuer's own log. All that lies there has been read once."""
    await operator.create_type(validation="QUARANTINE", plainJsonSource=source)
    quarantine = issuer.operations.quarantine
    ((type_id,),) = await issuer.database.read(Statement("SELECT id FROM event_types WHERE name = $1", (TYPE,)))
    rows = await issuer.database.read(partitions_of(type_id))
    topic = TopicLog(issuer.operations.log_id, rows[0][0], quarantine._judge)
    quarantine._log = issuer.operations.explaining._log = topic
    topic.write(*records)
    await topic.read(topic.partition_id, 0)
    return topic


async def quarantined(operator: Partner) -> list[Any]:
    nodes: list[Any] = (await operator.ask(LIST, type=TYPE))["quarantinedEvents"]["nodes"]
    return nodes


async def decide(operator: Partner, what: str, **selection: object) -> Any:
    query = f"""mutation ($input: QuarantineSelectionInput!) {{ {what}QuarantinedEvents(input: $input) {{
      count stillBroken {{ unreadable }} }} }}"""
    asked = {"eventType": TYPE, "selection": selection}
    return (await operator.ask(query, input=asked))[f"{what}QuarantinedEvents"]


async def test_they_are_listed_with_their_reason_and_without_their_bytes(operator: Partner, issuer: Issuer) -> None:
    await topic_of(operator, issuer, NO_JSON, typed("1"), lying(NO_JSON.value, ("ce_id", b"\xff")))
    plain, headers = await quarantined(operator)
    assert plain == {
        "id": plain["id"],
        "standing": "HELD",
        "unreadable": "NO_PLAIN_RULE",
        "violations": [
            {
                "path": "",
                "rule": "NO_PLAIN_RULE",
                "message": "The record is no CloudEvent, and its event type has no rule for plain JSON.",
            }
        ],
        "event": {"id": plain["event"]["id"], "eventId": "trains-2-0", "cloudEvent": {**STAND_IN, "id": "trains-2-0"}},
    }
    assert (headers["unreadable"], headers["event"]["cloudEvent"]) == (
        "HEADER_NOT_UTF8",
        {**STAND_IN, "id": "trains-2-2"},
    )
    assert "secret" not in str([plain, headers])


async def test_an_event_that_breaks_its_contract_has_no_such_reason(operator: Partner, issuer: Issuer) -> None:
    await topic_of(operator, issuer, typed("1", "another.type"))
    (one,) = await quarantined(operator)
    assert (one["unreadable"], one["violations"][0]["path"], one["event"]["eventId"]) == (None, "/type", "1")


async def test_none_of_them_is_released(operator: Partner, issuer: Issuer) -> None:
    await topic_of(operator, issuer, NO_JSON, typed("1", "another.type"), source="/trains")
    bad, other = await quarantined(operator)
    with pytest.raises(Refused) as refused:
        await decide(operator, "release", ids=[other["id"], bad["id"]])
    assert refused.value.code == "CONFLICT"
    assert refused.value.message.startswith(
        "The record at offset 0 cannot be released, for it is no event that could be delivered (DATA): data is not JSON"
    )
    assert refused.value.message.endswith(" Discard it.")
    assert await decide(operator, "release", all=True) == {
        "count": 0,
        "stillBroken": [{"unreadable": "DATA"}, {"unreadable": None}],
    }
    assert [one["standing"] for one in await quarantined(operator)] == ["HELD", "HELD"]
    assert await select(issuer.database, PARKED) == []
    assert await select(issuer.database, DECIDED) == []


async def test_why_they_are_not_delivered_is_explained(operator: Partner, issuer: Issuer, receivers: Receivers) -> None:
    await topic_of(operator, issuer, NO_JSON)
    (one,) = await quarantined(operator)
    subscription = await operator.subscribe((await receivers(TAKES)).url, verification="NONE")
    asked = {"id": subscription["webhookSubscription"]["id"], "eventId": one["event"]["id"]}
    found = (await operator.ask(EXPLAIN, **asked))["explainDelivery"]
    assert (found["verdict"], found["reason"], found["waitsFor"]) == (
        "QUARANTINED",
        "Its record is no event that could be delivered (NO_PLAIN_RULE), and is passed.",
        None,
    )


async def test_they_are_discarded(operator: Partner, issuer: Issuer) -> None:
    await topic_of(operator, issuer, NO_JSON, NO_JSON)
    first, _ = await quarantined(operator)
    assert await decide(operator, "discard", ids=[first["id"]]) == {"count": 1, "stillBroken": []}
    assert await decide(operator, "discard", all=True) == {"count": 1, "stillBroken": []}
    assert [one["standing"] for one in await quarantined(operator)] == ["DISCARDED", "DISCARDED"]


async def test_one_that_has_become_an_event_is_released(operator: Partner, issuer: Issuer) -> None:
    topic = await topic_of(operator, issuer, PLAIN)
    (one,) = await quarantined(operator)
    await operator.ask(UPDATE, input={"eventType": TYPE, "plainJsonSource": "/trains"})
    while (await topic.read(topic.partition_id, 0)).records[0].unreadable is not None:
        pass  # until the catalogue has heard of the rule
    assert await decide(operator, "release", ids=[one["id"]]) == {"count": 1, "stillBroken": []}
    (now,) = await quarantined(operator)
    assert (now["standing"], now["unreadable"]) == ("RELEASED", "NO_PLAIN_RULE")
    assert now["event"]["cloudEvent"]["data"] == {"train": "4521"}
