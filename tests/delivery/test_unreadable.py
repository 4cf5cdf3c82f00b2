"""Records that are no events, in a topic that others write to: quarantined with a reason, counted, passed by lanes."""

import json

import pytest

from event_issuer.contracts.catalogue import Catalogue
from event_issuer.contracts.judging import OutsideJudge
from event_issuer.db.access import ensure_tenant
from event_issuer.db.event_types import NewEventType, alter, insert, partitions_of
from event_issuer.domain.errors import NotFound
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.kafka_binding import DATA_BYTES_MAX, INSTANT_MAX, KafkaRecord, PlainRule, RecordRules
from event_issuer.domain.unreadable import UnreadableReason as Reason
from event_issuer.domain.verdicts import Standing, Verdict
from event_issuer.eventlog.outsiders import judge_outsiders, records_of
from event_issuer.telemetry.metrics import Metrics
from tests.db.rows import execute
from tests.delivery.rig import Rig
from tests.delivery.senders import ScriptedSender
from tests.delivery.world import LOG_ID, World
from tests.domain.kafka_others_rows import OTHERS_ROWS
from tests.domain.kafka_rows import BINARY_ROWS, HEADERS, STRUCTURED_ROWS, TIME, Bad, lying
from tests.eventlog.topics import TopicLog

TYPE = "a.b"
SOURCE = "//kafka/trains"
LANES = "SELECT next_offset, settled_above FROM lanes ORDER BY id"
VERDICTS = "SELECT log_offset, standing, unreadable FROM verdicts ORDER BY log_offset"
BAD = [
    row for row in BINARY_ROWS + STRUCTURED_ROWS + OTHERS_ROWS if isinstance(row.expected, Bad) and row.rule is not None
]
TOO_LARGE = lying(b'"' + b"x" * DATA_BYTES_MAX + b'"')
WITHHELD = Verdict(Standing.DEAD_LETTERED)
PLAIN = lying(b'{"a":1}')
RULES = RecordRules(TYPE, PlainRule(TYPE, SOURCE))


def good(id_: str, **changed: str) -> KafkaRecord:
    headers = {**HEADERS, "ce_id": id_, **changed}
    return lying(b'{"a":1}', *((name, text.encode()) for name, text in headers.items()))


class Topic:
    """An event type whose topic others write to, and what is found out about it."""

    def __init__(self, world: World, event_type_id: int, partition_id: int) -> None:
        self.world, self.event_type_id, self.partition_id = world, event_type_id, partition_id
        self.metrics = Metrics()
        catalogue = Catalogue(world.database, world.feed)
        self.judge = OutsideJudge(
            world.database, catalogue, world.clock, data_bytes_max=DATA_BYTES_MAX, metrics=self.metrics
        )
        self.log = TopicLog(LOG_ID, partition_id, self.judge)

    def counted(self, reason: str) -> float | None:
        return self.metrics.registry.get_sample_value("event_issuer_events_quarantined_total", {"reason": reason})

    async def set_source(self, source: str | None) -> None:
        owner = await self.world.rows("SELECT tenant_id FROM event_types WHERE id = $1", self.event_type_id)
        changing = alter(
            self.world.database.dialect,
            owner[0][0],
            TYPE,
            lambda current: {"plain_json_source": source},
            self.world.clock.now,
        )
        await self.world.database.run(changing)
        await self.world.feed.step()


async def topic_of(world: World, validation: str = "QUARANTINE", source: str | None = SOURCE) -> Topic:
    await world.feed.step()
    tenant_id = await world.database.run(ensure_tenant("acme", 0, world.clock.now))
    definition = json.dumps({"type": "object", "properties": {"a": {"const": 1}}})
    new = NewEventType(
        TYPE, tenant_id, "", "OPEN", "NONE", validation, 1, False, definition, None, plain_json_source=source
    )
    event_type_id = await world.database.run(insert(new, world.clock.now))
    assert event_type_id is not None
    rows = await world.database.read(partitions_of(event_type_id))
    return Topic(world, event_type_id, rows[0][0])


async def test_lanes_pass_every_kind_of_poison(world: World, rig: Rig, sender: ScriptedSender) -> None:
    topic = await topic_of(world)
    for number, row in enumerate(BAD):
        topic.log.write(row.record, good(f"good-{number}", ce_partitionkey=str(number % 3)))
    topic.log.write(TOO_LARGE, lying(None, key=b"deleted"), good("last"))
    rig.log = topic.log
    await rig.open(await world.subscribe([topic.partition_id]))
    await rig.settle_down()
    assert sorted(sender.event_ids) == sorted(["last", *(f"good-{number}" for number in range(len(BAD)))])
    assert await world.rows(LANES) == [(len(topic.log.lying), "[]")]  # no lag is left
    reasons = [row.expected.reason for row in BAD if isinstance(row.expected, Bad)]
    assert await world.rows(VERDICTS) == [
        *((2 * number, "HELD", reason.value) for number, reason in enumerate(reasons)),
        (2 * len(BAD), "HELD", "TOO_LARGE"),
    ]
    assert {reason: topic.counted(reason) for reason in Reason} == {
        **{reason: reasons.count(reason) or None for reason in Reason},
        Reason.TOO_LARGE: 1,
    }
    assert len(set(reasons)) >= 10


async def test_what_was_found_is_counted_once_and_holds(world: World) -> None:
    topic = await topic_of(world, source=None)
    topic.log.write(PLAIN, good("1"), good("2", ce_type="another.type"))
    for _ in range(2):
        page = await topic.log.read(topic.partition_id, 0)
        assert [record.verdict for record in page.records] == [Verdict(Standing.HELD), None, Verdict(Standing.HELD)]
    assert await world.rows(VERDICTS) == [(0, "HELD", "NO_PLAIN_RULE"), (2, "HELD", None)]
    assert (topic.counted("NO_PLAIN_RULE"), topic.counted("CONTRACT")) == (1, 1)


@pytest.mark.parametrize(
    ("validation", "standing", "wrong_type"),
    [("ENFORCED", "DEAD_LETTERED", True), ("QUARANTINE", "HELD", True), ("OFF", "DEAD_LETTERED", False)],
)
async def test_what_is_no_event_goes_to_nobody_whatever_its_type_says(
    world: World, validation: str, standing: str, wrong_type: bool
) -> None:
    topic = await topic_of(world, validation)
    topic.log.write(lying(b"no JSON"), good("1", ce_type="another.type"))
    page = await topic.log.read(topic.partition_id, 0)
    withheld = Verdict(Standing(standing))
    assert [record.verdict for record in page.records] == [withheld, withheld if wrong_type else None]
    assert await world.rows(VERDICTS) == [(0, standing, "DATA"), *([(1, standing, None)] if wrong_type else [])]


async def test_the_reason_is_written_down_in_words(world: World) -> None:
    topic = await topic_of(world)
    topic.log.write(lying(b"{}", ("ce_id", b"\xff")))
    await topic.log.read(topic.partition_id, 0)
    ((text,),) = await world.rows("SELECT violations FROM verdicts")
    assert json.loads(text)[0] == ["/id", "HEADER_NOT_UTF8", "The header ce_id is not UTF-8 (Kafka binding §3.2.3)."]
    assert [one[0] for one in json.loads(text)] == ["/id", "/specversion", "/source", "/type"]


async def test_a_rule_that_comes_or_goes_changes_what_is_read_and_no_verdict(world: World) -> None:
    topic = await topic_of(world, source=None)
    topic.log.write(PLAIN)
    await topic.log.read(topic.partition_id, 0)
    await topic.set_source(SOURCE)
    topic.log.write(PLAIN)
    old, new = (await topic.log.read(topic.partition_id, 0)).records
    assert (old.verdict, old.unreadable, old.event.data) == (Verdict(Standing.HELD), None, b'{"a":1}')
    assert (new.verdict, new.event.id, new.event.source) == (None, "trains-2-1", SOURCE)
    await topic.set_source(None)
    again = (await topic.log.read(topic.partition_id, 0)).records[1]  # was found good, and cannot be delivered now
    assert (again.verdict, again.event.data) == (WITHHELD, None)
    assert await world.rows(VERDICTS) == [(0, "HELD", "NO_PLAIN_RULE")]


async def test_a_released_record_that_cannot_be_read_any_more_is_withheld(world: World) -> None:
    topic = await topic_of(world)
    topic.log.write(lying(b'{"a":2}'))
    await topic.log.read(topic.partition_id, 0)
    await execute(world.database, "UPDATE verdicts SET standing = 'RELEASED'")
    assert (await topic.log.read(topic.partition_id, 0)).records[0].verdict == Verdict(Standing.RELEASED)
    await topic.set_source(None)
    assert (await topic.log.read(topic.partition_id, 0)).records[0].verdict == WITHHELD


async def test_rules_are_those_of_a_partition_that_is_there(world: World) -> None:
    topic = await topic_of(world)
    assert await topic.judge.record_rules(topic.partition_id) == RecordRules(
        TYPE, PlainRule(TYPE, SOURCE), DATA_BYTES_MAX
    )
    with pytest.raises(NotFound, match="There is no partition 999"):
        await topic.judge.record_rules(999)


# Without a store


def test_what_cannot_be_read_stands_in_its_place_without_its_data() -> None:
    (record,) = records_of(5, [lying(b"secret", key=b"secret")], RecordRules(TYPE))
    assert (record.partition_id, record.offset, record.recorded_at, record.schema_version) == (5, 7, TIME, None)
    assert record.event == CloudEvent({"specversion": "1.0", "id": "trains-2-7", "source": "/", "type": TYPE}, None)
    assert record.verdict == WITHHELD
    assert record.unreadable is not None
    assert record.unreadable.reason is Reason.NO_PLAIN_RULE


def test_a_version_counts_only_in_the_topic_of_its_type() -> None:
    ours = good("1")._replace(headers=[*good("1").headers, ("ei_schemaversion", b"4")])
    assert [record.schema_version for record in records_of(5, [ours], RULES)] == [4]
    assert [record.schema_version for record in records_of(5, [ours], RecordRules("another.type"))] == [None]


def test_a_deletion_is_a_gap() -> None:
    fetched = [good("1")._replace(offset=3), lying(None, key=b"k")._replace(offset=4), good("2")._replace(offset=9)]
    assert [(record.offset, record.event.id) for record in records_of(5, fetched, RULES)] == [(3, "1"), (9, "2")]


@pytest.mark.parametrize(("written", "recorded"), [(-1000, 0), (2**62, INSTANT_MAX), (TIME, TIME)])
def test_a_writers_time_is_kept_within_what_can_be_told(written: int, recorded: int) -> None:
    (record,) = records_of(5, [good("1")._replace(timestamp=written)], RULES)
    assert record.recorded_at == recorded


def test_a_fault_of_ours_is_the_outcome_of_one_record() -> None:
    broken = lying(b"{}")._replace(headers=[("ce_id", 7)])  # type: ignore[list-item]
    first, second = records_of(5, [broken, good("1")], RULES)
    assert first.unreadable is not None
    assert (first.unreadable.reason, second.unreadable) == (Reason.INTERNAL, None)


async def test_where_all_say_a_version_nobody_is_asked() -> None:
    async def judge(partition_id: int, outsiders: object) -> dict[int, Verdict]:
        raise AssertionError("asked")

    ours = good("1")._replace(headers=[*good("1").headers, ("ei_schemaversion", b"4")])
    records = records_of(5, [ours], RULES)
    await judge_outsiders(5, records, judge)
    assert records[0].verdict is None
