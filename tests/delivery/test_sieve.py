"""Filters in delivery: what does not pass is settled without an attempt, and equal filters are evaluated once."""

import json
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from event_issuer.contracts.versions import Versions
from event_issuer.delivery.pins import Pin, Pins
from event_issuer.delivery.sieve import Filtered, Sieve, Sieves, stored_filter
from event_issuer.domain.contracts import Contract
from event_issuer.domain.dataschemas import SchemaUrls
from event_issuer.domain.errors import BadInput
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.filters import parse_filter
from event_issuer.eventlog.filtering import JUDGED_MAX, Documents, FilterTable
from event_issuer.eventlog.protocol import NOT_PARSED, LogRecord, weight_bytes
from tests.delivery.rig import Rig
from tests.delivery.senders import ScriptedSender, answer
from tests.delivery.world import ORIGIN, SETTINGS, World

LANES = "SELECT next_offset, settled_above, filtered_count, last_filtered FROM lanes ORDER BY id"
COUNTS = "SELECT (SELECT COUNT(*) FROM attempts), (SELECT COUNT(*) FROM parked_events)"


def sieve(value: Any, table: FilterTable | None = None, pin: Pin | None = None) -> Sieve:
    filter_ = parse_filter(value)
    return Sieve(filter_, (table or FilterTable()).shared(filter_), pin)


def record(data: bytes | None = b"{}", offset: int = 12, **attributes: str) -> LogRecord:
    return LogRecord(3, offset, 0, None, CloudEvent({"id": "e1", "type": "t", **attributes}, data))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"any": [{"exact": {"id": "e2"}}, {"exact": {"id": "e4"}}]}, "/any: none of its 2 filters takes the event."),
        ({"sql": "id IN ('e2', 'e4')"}, "/sql: the expression is false."),
        (
            {"not": {"any": [{"data": {"/n": n}} for n in (1, 3, 5)]}},
            "/not: the filter inside takes the event.",
        ),
    ],
)
async def test_what_does_not_pass_is_settled_without_an_attempt(
    world: World, rig: Rig, sender: ScriptedSender, value: Any, reason: str
) -> None:
    (partition_id,) = await world.partitions()
    rig.sieves[partition_id] = sieve(value)
    await rig.open(await world.subscribe([partition_id]))
    await world.produce(partition_id, "a", "a", "b", None, None)
    await rig.settle_down()
    assert sorted(sender.event_ids) == ["e2", "e4"]
    assert await world.rows(LANES) == [(5, "[]", 3, f"The event at offset 4 does not pass the filter at {reason}")]
    assert await world.rows(COUNTS) == [(2, 0)]


async def test_a_blocked_key_goes_on_behind_what_does_not_pass(world: World, rig: Rig, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    rig.sieves[partition_id] = sieve({"not": {"sql": "id IN ('e2', 'e4')"}})
    sender.script = lambda sent: answer(500) if sent.event_id == "e1" and sent.number == 1 else answer(200)
    await rig.open(await world.subscribe([partition_id]))
    await world.produce(partition_id, "a", "a", "a", "a", "a")
    await rig.settle_down()
    world.clock.advance(10)
    await rig.settle_down()
    assert sender.event_ids == ["e1", "e1", "e3", "e5"]
    assert [row[:3] for row in await world.rows(LANES)] == [(5, "[]", 2)]


async def test_a_parked_event_is_judged_by_the_filter_that_holds_when_it_is_due(
    world: World, rig: Rig, sender: ScriptedSender
) -> None:
    (partition_id,) = await world.partitions()
    id_ = await world.subscribe([partition_id])
    rig.sieves[partition_id] = sieve({"exact": {"source": "/tests"}})
    sender.script = lambda sent: answer(500) if sent.number == 1 and sent.event_id == "e1" else answer(200)
    await rig.open(id_)
    await world.produce(partition_id, "a", "a")
    await rig.settle_down()
    await rig.crash()
    again = Rig(await world.restarted(), sender, "again")
    again.sieves[partition_id] = sieve({"exact": {"id": "e2"}})
    await again.open(id_)
    world.clock.advance(10)
    await again.settle_down()
    assert sender.event_ids == ["e1", "e2"]
    assert await world.rows(COUNTS) == [(2, 0)]
    reason = 'The event at offset 0 does not pass the filter at /exact/id: the attribute id is not "e2".'
    assert await world.rows(LANES) == [(2, "[]", 1, reason)]


async def test_equal_filters_are_evaluated_once_and_data_parsed_once(
    world: World, rig: Rig, sender: ScriptedSender
) -> None:
    """A hundred subscriptions, of which ninety ask for the same in different words, and ten for something else."""
    (partition_id,) = await world.partitions()
    table = FilterTable()
    same = [{"data": {"/n": 7, "": {"n": 7}}}, {"data": {"": {"n": 7.0}, "/n": 7}}]
    first = parse_filter(same[0])
    shared = table.shared(first)
    for number in range(90):
        rig.sieves[partition_id] = sieve(same[number % 2], table)
        await rig.open(await world.subscribe([partition_id]))
    others = [{"data": {"/n": number}} for number in range(10)]
    kept = [table.shared(parse_filter(value)) for value in others]
    for value in others:
        rig.sieves[partition_id] = sieve(value, table)
        await rig.open(await world.subscribe([partition_id]))
    await world.produce(partition_id, *[None] * 20)
    await rig.settle_down()
    assert shared.evaluations == 20
    assert [one.evaluations for one in kept] == [20] * 10
    assert table.documents.parses == 20
    assert sorted(sender.event_ids) == sorted(["e7"] * 90 + [f"e{n}" for n in range(1, 10)])
    assert sum(row[2] for row in await world.rows(LANES)) == 100 * 20 - 99


def test_a_filter_that_nobody_shares_leaves_nothing_on_the_record() -> None:
    one, table = record(), FilterTable()
    alone = table.shared(parse_filter({"exact": {"id": "e1"}}))
    assert (alone.passes(one), one.judged) == (True, None)


def test_verdicts_on_one_record_are_bounded() -> None:
    one, table = record(), FilterTable()
    filters = [parse_filter({"exact": {"id": f"e{n}"}}) for n in range(JUDGED_MAX + 5)]
    pairs = [(table.shared(filter_), table.shared(filter_)) for filter_ in filters]
    assert [[half.passes(one) for half in pair] for pair in pairs] == [
        [number == 1] * 2 for number in range(JUDGED_MAX + 5)
    ]
    assert len(one.judged or {}) == JUDGED_MAX
    assert [pair[0].evaluations for pair in pairs] == [1] * JUDGED_MAX + [2] * 5


def test_a_filter_goes_with_the_last_who_has_it() -> None:
    table = FilterTable()
    filter_ = parse_filter({"exact": {"id": "e1"}})
    first = table.shared(filter_)
    assert table.shared(filter_) is first
    assert first.is_shared
    del first
    assert not table.shared(filter_).is_shared


def test_parsed_data_are_bounded() -> None:
    one, other, text = record(b'{"n": 1}'), record(b'{"n": 2}'), record(b"x", datacontenttype="text/plain")
    documents = Documents(weight_bytes(one.event) + 1)
    assert documents.of(one) == {"n": 1}
    assert documents.of(one) is documents.of(one)
    documents.of(text)
    assert (documents.parses, one.document) == (1, {"n": 1})
    documents.of(other)
    assert (one.document, other.document) == (NOT_PARSED, {"n": 2})
    assert documents.of(one) == {"n": 1}
    assert documents.parses == 3


async def test_the_filter_comes_before_the_pin() -> None:
    judged: list[object] = []

    class Counting(Contract):
        def accepts(self, document: object) -> bool:
            judged.append(document)
            return super().accepts(document)

    pin = Pin(4, Counting({"required": ["n"]}))
    both = sieve({"data": {"/m": 1}}, pin=pin)
    records = [record(b'{"m": 2}', 1), record(b'{"m": 1}', 2), record(b'{"m": 1, "n": 1}', 3)]
    await both.judge(records)
    assert judged == [{"m": 1}, {"m": 1, "n": 1}]
    assert [both.takes(one) for one in records] == [False, False, True]
    assert len(judged) == 2
    assert both.why_not(records[0]) == (
        'The event at offset 1 does not pass the filter at /data/~1m: the data do not have 1 at "/m".'
    )
    assert both.why_not(records[1]) == "The event at offset 2 breaks schema version 4."


async def test_a_page_is_filtered_before_it_is_taken_where_that_takes_long() -> None:
    table = FilterTable()
    heavy, light = sieve({"sql": "id = 'e1'"}, table), sieve({"exact": {"id": "e2"}}, table)
    records = [record(offset=n) for n in range(40)]
    for one in (heavy, light):
        await one.judge(records)
    assert [sum(one.takes(record) for record in records) for one in (heavy, light)] == [40, 0]
    evaluated = [table.shared(parse_filter(v)).evaluations for v in ({"sql": "id = 'e1'"}, {"exact": {"id": "e2"}})]
    assert evaluated == [40, 40]


def test_a_fault_of_ours_takes_no_event_from_anybody() -> None:
    structlog.reset_defaults()
    broken = LogRecord(3, 12, 0, None, CloudEvent({}, None))
    broken.event.attributes = None  # type: ignore[assignment] # what no event has
    with capture_logs() as lines:
        assert sieve({"exact": {"id": "e1"}}).takes(broken) is True
    assert [(line["event"], line["partition"], line["offset"]) for line in lines] == [
        ("an event could not be filtered", 3, 12)
    ]


def test_the_words_for_the_last_one_are_found_when_they_are_asked_for() -> None:
    filtered = Filtered(3, "an older one")
    assert filtered.last == "an older one"
    filtered.note(record(), sieve({"exact": {"id": "e2"}}))
    assert filtered.count == 4
    wanted = 'The event at offset 12 does not pass the filter at /exact/id: the attribute id is not "e2".'
    assert (filtered.last, filtered.last) == (wanted, wanted)


async def test_sieves_are_made_for_each_partition_of_a_subscription(world: World) -> None:
    partition_ids = await world.partitions(2)
    sieves = Sieves(Pins(world.database, Versions(world.feed, SchemaUrls(ORIGIN))))
    assert await sieves.of(None, SETTINGS, partition_ids) == {}
    found = await sieves.of(stored_filter('{"exact":{"id":"e1"}}'), SETTINGS, partition_ids)
    assert {id_: one.takes(record()) for id_, one in found.items()} == dict.fromkeys(partition_ids, True)
    with pytest.raises(BadInput, match="no filter dialect"):
        stored_filter(json.dumps({"like": 1}))
    assert stored_filter(None) is None
