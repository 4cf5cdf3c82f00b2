"""What is of Kafka alone: gaps, open transactions, records that it does not take, topics that are gone."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from event_issuer.db.database import open_database
from event_issuer.domain.errors import LimitExceeded, NotFound, OutcomeUnknown, Unavailable
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.kafka_binding import to_kafka
from event_issuer.domain.records import AppendStatus
from event_issuer.eventlog.protocol import Bounds, Page
from tests.db.rows import select
from tests.eventlog.kafka_logs import KafkaLogs
from tests.eventlog.records import ids, record

PERSISTED = AppendStatus.PERSISTED

pytestmark = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


@pytest.fixture
async def logs(database_url: str, kafka_address: str) -> AsyncIterator[KafkaLogs]:
    database = await open_database(database_url)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        logs = KafkaLogs(database, database_url, stack, kafka_address)
        logs.log = await logs.open_kafka(database)
        yield logs


def theirs(id_: str) -> CloudEvent:
    return CloudEvent({"specversion": "1.0", "id": id_, "source": "/theirs", "type": "train.arrived"}, b"{}")


async def test_events_are_written_in_structured_mode_where_that_is_asked_for(logs: KafkaLogs) -> None:
    partition_id = await logs.partition()
    logs.rules = replace(logs.rules, structured=True)
    log = await logs.open_kafka(logs.database)
    new = record(partition_id, "a", b'{"n": 1.0}', key="k")
    await log.append([new])
    consumer = AIOKafkaConsumer(bootstrap_servers=logs.address)
    await consumer.start()
    place = TopicPartition(await logs.topic_of(partition_id), 0)
    consumer.assign([place])
    await consumer.seek_to_beginning(place)
    found = await consumer.getone()
    await consumer.stop()
    assert (found.key, dict(found.headers)["content-type"]) == (b"k", b"application/cloudevents+json; charset=utf-8")
    assert json.loads(found.value) == {**new.event.attributes, "data": {"n": 1.0}}
    (read,) = (await logs.kafka.read(partition_id, 0)).records
    assert (read.event, read.schema_version) == (new.event, 1)


async def test_what_is_behind_an_open_transaction_comes_when_it_ends(logs: KafkaLogs) -> None:
    log = logs.kafka
    partition_id = await logs.partition()
    topic = await logs.topic_of(partition_id)
    producer = AIOKafkaProducer(bootstrap_servers=logs.address, transactional_id=uuid.uuid4().hex)
    await producer.start()
    await producer.begin_transaction()
    _, value, headers = to_kafka(theirs("theirs"), None)
    await producer.send_and_wait(topic, value, headers=headers)
    await log.append([record(partition_id, "ours")])
    heads: list[int] = []
    log.watch(lambda _, head: heads.append(head))
    assert await log.read(partition_id, 0) == Page((), 0)
    assert await log.bounds([partition_id]) == {partition_id: Bounds(0, 0)}
    await producer.commit_transaction()
    await producer.stop()
    while not await log.notice([partition_id]):  # the answer comes before the end of the transaction is written
        pass
    assert heads == [3]
    assert await ids(log, partition_id) == ["theirs", "ours"]
    assert await log.read(partition_id, 2) == Page([], 3)  # the end of the transaction is a record of Kafka's own


async def test_an_event_that_kafka_does_not_take_is_refused_alone(logs: KafkaLogs) -> None:
    log = logs.kafka
    here, there = await logs.partitions(2)
    with pytest.raises(LimitExceeded, match="Kafka takes no records as large as these"):
        await log.append([record(here, "large", b"x" * 2_000_000)])
    large = [record(there, n, b"x" * 400_000) for n in range(6)]
    assert [one.offset for one in await log.append([record(here, "a"), *large])] == [0, *range(6)]
    assert await ids(log, here) == ["a"]
    assert await ids(await logs.another(), there) == [str(n) for n in range(6)]


async def test_one_that_kafka_refuses_takes_no_answer_from_its_neighbours(logs: KafkaLogs) -> None:
    """Whatever comes first in Kafka's answer, what was written is remembered."""
    log = logs.kafka
    first, refused, last = [await logs.partition() for _ in range(3)]
    large = record(refused, "large", b"x" * 2_000_000)
    with pytest.raises(OutcomeUnknown):
        await log.append([record(first, "a"), large, record(last, "b")])
    again = await log.append([record(first, "a"), record(last, "b")])
    assert [(one.status, one.offset) for one in again] == [(AppendStatus.DUPLICATE, 0)] * 2
    other = await logs.another()
    assert [await ids(other, partition_id) for partition_id in (first, refused, last)] == [["a"], [], ["b"]]


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
async def test_what_others_have_compressed_is_read(logs: KafkaLogs, compression: str) -> None:
    partition_id = await logs.partition()
    producer = AIOKafkaProducer(bootstrap_servers=logs.address, compression_type=compression)
    await producer.start()
    _, value, headers = to_kafka(theirs("theirs"), None)
    await producer.send_and_wait(await logs.topic_of(partition_id), value, headers=headers)
    await producer.stop()
    assert await ids(logs.log, partition_id) == ["theirs"]


@pytest.mark.usefixtures("apache_only")
async def test_a_topic_that_is_gone_hides_no_other(logs: KafkaLogs) -> None:
    log = logs.kafka
    gone, here = await logs.partition(), await logs.partition()
    await log.append([record(gone, 1), record(here, 2)])
    admin = AIOKafkaAdminClient(bootstrap_servers=logs.address)
    await admin.start()
    await admin.delete_topics([await logs.topic_of(gone)])
    await admin.close()
    other = await logs.another()
    await other.append([record(here, 3)])
    assert await log.notice([gone, here]) == 1
    assert await ids(log, here) == ["2", "3"]
    with pytest.raises(Unavailable):
        await log.bounds([gone, here])
    with pytest.raises(Unavailable, match="Kafka has no leader for partition 0 of topic"):
        await log.append([record(gone, 4)])
    assert [one.status for one in await log.append([record(here, 5)])] == [PERSISTED]


async def test_the_database_knows_the_heads(logs: KafkaLogs) -> None:
    log = logs.kafka
    here, there = await logs.partitions(2)
    await log.append([record(here, n) for n in range(5)])
    await log.keep_up_step()
    heads = "SELECT partition_id, first_offset, next_offset, trimmed_to FROM log_heads ORDER BY partition_id"
    assert await select(logs.database, heads) == [(here, 0, 5, 0), (there, 0, 0, 0)]
    await log.append([record(there, "a")])
    await log.trim(here, 3)
    await log.note_heads([here, there, 999])
    assert await select(logs.database, heads) == [(here, 3, 5, 3), (there, 0, 1, 0)]


async def test_a_partition_of_a_key_is_the_one_of_the_java_client(logs: KafkaLogs) -> None:
    event = theirs("a")
    event.attributes["partitionkey"] = "21"
    assert logs.log.partition_of(event, [10, 11, 12, 13]) == 10 + (-973932308 & 0x7FFFFFFF) % 4
    with pytest.raises(NotFound, match=r"There is no partition 999\."):
        await logs.log.trim(999, 1)
