"""Filters through the API: what subscriptions get by them, what is refused and where, and the log through one."""

import json
from typing import Any

import pytest

from event_issuer.app import Issuer
from event_issuer.resolvers import events
from tests.api.partners import TYPE, Partner, Refused, event
from tests.api.test_schemas import register
from tests.api.webhooks import AGREES, TAKES, header, reached, settled
from tests.db.rows import select
from tests.egress.receiver import Receivers

READ = """query ($id: ID!) { webhookSubscription(id: $id) { filter lag { events parked filtered lastFiltered } } }"""
UPDATE = """mutation ($input: UpdateWebhookSubscriptionInput!) { updateWebhookSubscription(input: $input) {
  webhookSubscription { filter } } }"""
EVENTS = """query ($types: [String!]!, $first: Int, $after: String, $filter: EventFilterInput) {
  events(eventTypes: $types, first: $first, after: $after, filter: $filter) {
    nodes { eventId } pageInfo { hasNextPage endCursor } } }"""
STORED = "SELECT filter, event_types.name, settings_version FROM subscriptions "
STORED += "JOIN subscription_event_types ON subscription_id = subscriptions.id "
STORED += "JOIN event_types ON event_types.id = event_type_id ORDER BY name"
URL = "http://127.0.0.1:9/hook"
LATE: dict[str, Any] = {"all": [{"data": {"/delay": 3}}, {"not": {"sql": "subject LIKE 'Oslo%'"}}]}
CLOSED = {"type": "object", "additionalProperties": False}
NO_PASS = "does not pass the filter at"


async def read(partner: Partner, id_: str) -> Any:
    return (await partner.ask(READ, id=id_))["webhookSubscription"]


async def change(partner: Partner, id_: str, **changes: object) -> Any:
    answer = await partner.ask(UPDATE, input={"id": id_, **changes})
    return answer["updateWebhookSubscription"]["webhookSubscription"]["filter"]


async def subscribed(partner: Partner, url: str, filter_: object, *types: str) -> str:
    made = await partner.subscribe(url, *types, filter=filter_)
    id_: str = made["webhookSubscription"]["id"]
    return id_


@pytest.fixture(autouse=True)
async def types(operator: Partner) -> None:
    await operator.create_type(compatibility="NONE")
    await operator.create_type("a.empty", schema=CLOSED)


def train(id_: str, delay: int, **more: object) -> dict[str, object]:
    return event(id_, data={"train": "4521", "delay": delay}, **more)


async def test_a_subscription_gets_what_passes_its_filter(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(AGREES, TAKES)
    id_ = await subscribed(operator, receiver.url, LATE)
    await reached(operator, id_, "RUNNING")
    sent = [train("1", 3), train("2", 4), train("3", 3, subject="Oslo S"), train("4", 3, subject="Bodø"), event("5")]
    await operator.produce(*sent)
    await settled(operator, id_)
    assert sorted(str(header(request, "ce-id")) for request in receiver.requests[1:]) == ["1", "4"]
    reason = f'The event at offset 4 {NO_PASS} /all/0/data/~1delay: the data do not have 3 at "/delay".'
    assert await read(operator, id_) == {
        "filter": LATE,
        "lag": {"events": 0, "parked": 0, "filtered": 3, "lastFiltered": reason},
    }
    assert await change(operator, id_, filter={"exact": {"id": "7"}}) == {"exact": {"id": "7"}}
    await reached(operator, id_, "RUNNING")
    await operator.produce(train("6", 3), train("7", 0))
    await receiver.asked(4)
    assert await change(operator, id_, filter=None) is None
    await reached(operator, id_, "RUNNING")
    await operator.produce(train("8", 0))
    await receiver.asked(5)
    assert [header(request, "ce-id") for request in receiver.requests[3:]] == ["7", "8"]
    assert (await settled(operator, id_))["lag"]["events"] == 0
    assert (await read(operator, id_))["lag"]["filtered"] == 4


async def test_a_filter_stays_as_it_was_written_when_other_things_change(operator: Partner, issuer: Issuer) -> None:
    written = {"data": {"/train": "4521", "/delay": 12345678901234567890}}
    id_ = await subscribed(operator, URL, written)
    assert await change(operator, id_, delivery={"maxInFlight": 3}) == written
    assert await change(operator, id_, applicationId="other") == written
    assert await select(issuer.database, STORED) == [(json.dumps(written, separators=(",", ":")), TYPE, 2)]
    answer = await operator.send(
        json.dumps(
            {"query": f'{{ webhookSubscription(id: "{id_}") {{ filter }} }}'},
        ).encode()
    )
    assert b'"filter":{"data":{"/train":"4521","/delay":12345678901234567890}}' in answer.content


REFUSED: list[tuple[Any, str, str, str]] = [
    ({"sql": "id = "}, "/sql", "sql", "column 6: Here stands the end, where an attribute"),
    ({"all": [{"exact": {"Subject": "x"}}]}, "/all/0/exact/Subject", "attribute", '"Subject" is no attribute'),
    ({"prefix": "x"}, "/prefix", "type", "an object of attributes and their values, not a string. At /prefix."),
    ({"any": []}, "/any", "type", "an array of filters, not an empty one."),
    ({"data": {"train": 1}}, "/data/train", "pointer", "A JSON Pointer is empty or begins with /"),
    ({"not": {"data": {"/tarin": "1"}}}, "/not/data/~1tarin", "pointer", 'of the event types has a value at "/tarin".'),
    ({"data": {"/train/0": "4"}}, "/data/~1train~10", "pointer", 'has a value at "/train/0".'),
    ({"sql": "id = '" + "x" * 4096 + "'"}, "", "size", "A filter has at most 4096 bytes"),
    (
        {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"sql": "TRUE"}}}}}}}}},
        "/not" * 8,
        "depth",
        "at most 8 levels",
    ),
]


@pytest.mark.parametrize(("filter_", "place", "rule", "message"), REFUSED, ids=[case[1] for case in REFUSED])
async def test_what_is_refused_and_where(
    operator: Partner, issuer: Issuer, filter_: Any, place: str, rule: str, message: str
) -> None:
    with pytest.raises(Refused) as refused:
        await operator.subscribe(URL, filter=filter_)
    assert refused.value.code == "BAD_USER_INPUT"
    assert message in refused.value.message
    (violation,) = refused.value.error["extensions"]["violations"]
    assert (violation["path"], violation["rule"]) == (place, rule)
    assert await select(issuer.database, STORED) == []
    with pytest.raises(Refused) as refused:
        await operator.ask(EVENTS, types=[TYPE], filter=filter_)
    assert refused.value.code == "BAD_USER_INPUT"
    id_ = await subscribed(operator, URL, LATE)
    before = await select(issuer.database, STORED)
    with pytest.raises(Refused) as refused:
        await change(operator, id_, filter=filter_)
    assert (refused.value.code, message in refused.value.message) == ("BAD_USER_INPUT", True)
    assert await select(issuer.database, STORED) == before


@pytest.mark.parametrize("filter_", [{}, {"exact": None}, {"exact": {"id": "1"}, "sql": "TRUE"}, {"like": 1}, []])
async def test_exactly_one_dialect(operator: Partner, issuer: Issuer, filter_: Any) -> None:
    with pytest.raises(Refused):
        await operator.subscribe(URL, filter=filter_)
    assert await select(issuer.database, STORED) == []


async def test_a_pointer_that_any_version_of_any_type_allows_is_taken(operator: Partner, issuer: Issuer) -> None:
    with pytest.raises(Refused, match="No schema version"):
        await subscribed(operator, URL, {"data": {"/delay": 3}}, "a.empty")
    id_ = await subscribed(operator, URL, {"data": {"/delay": 3}}, TYPE, "a.empty")
    before = await select(issuer.database, STORED)
    with pytest.raises(Refused, match=r'BAD_USER_INPUT: The filter cannot be used: .* at "/delay"'):
        await change(operator, id_, eventTypes=["a.empty"])
    assert await select(issuer.database, STORED) == before
    assert await change(operator, id_, eventTypes=["a.empty"], filter=None) is None
    await register(operator, CLOSED)  # the first version of the other type still has it
    assert await change(operator, id_, eventTypes=[TYPE], filter={"data": {"/delay": 4}}) == {"data": {"/delay": 4}}


async def test_a_change_of_the_filter_is_in_the_audit_log(operator: Partner, issuer: Issuer) -> None:
    id_ = await subscribed(operator, URL, None)
    await change(operator, id_, filter={"exact": {"id": "1"}})
    rows = await select(issuer.database, "SELECT detail FROM audit_entries WHERE action = 'update'")
    assert [json.loads(row[0])["filter"] for row in rows] == ['{"exact":{"id":"1"}}']


async def found(partner: Partner, filter_: Any, **arguments: object) -> Any:
    page = (await partner.ask(EVENTS, types=[TYPE], filter=filter_, **arguments))["events"]
    return [node["eventId"] for node in page["nodes"]], page["pageInfo"]


async def test_the_log_is_read_through_a_filter(operator: Partner) -> None:
    await operator.produce(*[train(str(n), n % 3) for n in range(9)])
    wanted = {"data": {"/delay": 1}}
    ids, info = await found(operator, wanted, first=2)
    assert (ids, info["hasNextPage"]) == (["1", "4"], True)
    ids, info = await found(operator, wanted, first=2, after=info["endCursor"])
    assert (ids, info["hasNextPage"]) == (["7"], False)
    await operator.produce(train("9", 1))
    ids, info = await found(operator, wanted, after=info["endCursor"])
    assert (ids, info["hasNextPage"]) == (["9"], False)
    ids, info = await found(operator, {"exact": {"id": "x"}})
    assert (ids, info["hasNextPage"]) == ([], False)
    assert (await found(operator, None, after=info["endCursor"]))[0] == []
    assert (await found(operator, wanted, first=0))[0] == []


async def test_a_page_ends_where_enough_was_looked_at(operator: Partner) -> None:
    count = events.LOOKED_AT_MAX + 5
    for first in range(0, count, 1_000):
        part = [train(str(n), int(n == count - 1)) for n in range(first, min(count, first + 1_000))]
        assert (await operator.produce_counted(*part))["persisted"] == len(part)
    ids, info = await found(operator, {"data": {"/delay": 1}})
    assert (ids, info["hasNextPage"]) == ([], True)
    ids, info = await found(operator, {"data": {"/delay": 1}}, after=info["endCursor"])
    assert (ids, info["hasNextPage"]) == ([str(count - 1)], False)


@pytest.mark.parametrize("levels", [9, 100, 1_000, 5_000])
async def test_a_filter_nested_beyond_all_sense_is_refused(operator: Partner, issuer: Issuer, levels: int) -> None:
    text = '{"not":' * levels + '{"sql":"TRUE"}' + "}" * levels
    query = json.dumps(EVENTS)
    body = f'{{"query": {query}, "variables": {{"types": ["{TYPE}"], "filter": {text}}}}}'
    answer = json.loads((await operator.send(body.encode())).content)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]
