"""The whole issuer on Kafka: contract, event, webhook; topics that are made, and such as are there already."""

import uuid
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.partitioner import DefaultPartitioner

from event_issuer.app import Issuer
from event_issuer.eventlog.kafka.log import KafkaLog
from event_issuer.security.sealing import new_sealing_key
from event_issuer.settings import Settings, load_settings
from tests.api.partners import TYPE, Partner, Refused, event
from tests.api.webhooks import TAKES, header, settled
from tests.egress.receiver import Receivers
from tests.kafka.outsiders import add_partitions, admin_of, everything_in

once = pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # where the database has no part in it

KEYS = ["a", "b", "c"]
SHOWN = ["cleanup.policy", "retention.ms", "retention.bytes", "message.timestamp.type"]


@pytest.fixture
def prefix() -> str:
    """Topics of one test: the broker is shared."""
    return f"api{uuid.uuid4().hex[:12]}."


@pytest.fixture
def settings(database_url: str, kafka_address: str, prefix: str) -> Settings:
    return settings_on(database_url, kafka_address, prefix)


def settings_on(database_url: str, address: str, prefix: str, **more: Any) -> Settings:
    return load_settings(
        database_url=database_url,
        log_url=f"kafka://{address}",
        kafka_topic=prefix + "{event_type}",
        sealing_key=new_sealing_key(),
        http_allowed=True,
        allowed_networks=["127.0.0.0/8"],
        verification_optional=True,
        grace_s=1,
        **more,
    )


async def topics_in(address: str, prefix: str) -> list[str]:
    async with admin_of(address) as admin:
        return sorted(topic for topic in await admin.list_topics() if topic.startswith(prefix))


async def settings_in(address: str, topic: str) -> dict[str, str]:
    """What somebody has set for this topic."""
    async with admin_of(address) as admin:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {name: value for name, value, _, source, *_ in answer.resources[0][4] if source == 1}


async def set_in(address: str, topic: str, settings: dict[str, str]) -> None:
    async with admin_of(address) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])


async def make_topic(address: str, topic: str, partitions: int) -> None:
    async with admin_of(address) as admin:
        await admin.create_topics([NewTopic(topic, partitions, 1)])


async def test_from_contract_to_webhook(
    operator: Partner, receivers: Receivers, kafka_address: str, prefix: str
) -> None:
    receiver = await receivers(TAKES)
    made = await operator.create_type(partitions=3)
    assert made["partitions"] == 3
    subscribed = await operator.subscribe(receiver.url, verification="NONE")
    events = [event(str(n), partitionkey=KEYS[n % 3]) for n in range(9)]
    produced = await operator.produce(*events)
    assert (produced["persisted"], produced["duplicates"], produced["rejected"]) == (9, 0, 0)
    again = await operator.produce(events[4], event("4", partitionkey="b", data={"train": "1"}))
    assert [found["status"] for found in again["results"]] == ["DUPLICATE", "REJECTED"]
    assert again["results"][0]["event"] == produced["results"][4]["event"]
    await receiver.asked(9)
    got = [(header(request, "ce-partitionkey"), header(request, "ce-id")) for request in receiver.requests]
    assert {key: [id_ for its, id_ in got if its == key] for key in KEYS} == {
        "a": ["0", "3", "6"],
        "b": ["1", "4", "7"],
        "c": ["2", "5", "8"],
    }
    lag = (await settled(operator, subscribed["webhookSubscription"]["id"]))["lag"]
    assert (lag["events"], lag["parked"]) == (0, 0)
    records = await everything_in(kafka_address, prefix + TYPE, 3)
    chosen = DefaultPartitioner()
    assert sorted((one.key, one.partition) for one in records) == [
        (key.encode(), chosen(key.encode(), [0, 1, 2], [0, 1, 2])) for key in KEYS for _ in range(3)
    ]
    assert dict(records[0].headers)["ce_type"] == TYPE.encode()
    assert records[0].value == b'{"train":"4521"}'


@once
async def test_a_topic_that_is_there_keeps_its_partitions(operator: Partner, kafka_address: str, prefix: str) -> None:
    await make_topic(kafka_address, prefix + TYPE, 5)
    assert (await operator.create_type(partitions=2))["partitions"] == 5
    produced = await operator.produce(*(event(str(n), partitionkey=f"k{n}") for n in range(20)))
    assert produced["persisted"] == 20
    assert len({one.partition for one in await everything_in(kafka_address, prefix + TYPE, 5)}) == 5


@once
async def test_a_topic_is_as_its_event_type_says(operator: Partner, kafka_address: str, prefix: str) -> None:
    await operator.create_type(retentionSeconds=3600, retentionBytes=2_000_000, compacts=True)
    before = await settings_in(kafka_address, prefix + TYPE)
    assert {name: before[name] for name in SHOWN} == {
        "cleanup.policy": "compact,delete",
        "retention.ms": "3600000",
        "retention.bytes": "2000000",
        "message.timestamp.type": "LogAppendTime",
    }
    before |= {"segment.ms": "123456", "cleanup.policy": "compact", "max.message.bytes": "5000000"}
    await set_in(kafka_address, prefix + TYPE, before)
    update = """mutation ($input: UpdateEventTypeInput!) { updateEventType(input: $input) { eventType { name } } }"""
    await operator.ask(update, input={"eventType": TYPE, "retentionSeconds": 7200, "retentionBytes": None})
    while (after := await settings_in(kafka_address, prefix + TYPE))["retention.ms"] == before[
        "retention.ms"
    ]:  # a broker hears of it a moment later
        pass
    assert after == before | {"retention.ms": "7200000", "retention.bytes": "-1"}


@once
async def test_what_is_refused_makes_no_topic(operator: Partner, kafka_address: str, prefix: str) -> None:
    await operator.create_type()
    with pytest.raises(Refused, match=r"CONFLICT: There is an event type .* already"):
        await operator.create_type(partitions=4)
    with pytest.raises(Refused, match="BAD_USER_INPUT: An event type has 1 to 64 partitions, not 65"):
        await operator.create_type("other.type.v1", partitions=65)
    assert await topics_in(kafka_address, prefix) == [prefix + TYPE]


@once
async def test_an_event_in_kafka_cannot_be_expunged(operator: Partner) -> None:
    await operator.create_type()
    (result,) = (await operator.produce(event("1")))["results"]
    query = "mutation ($input: ExpungeEventInput!) { expungeEvent(input: $input) { excerptsRemoved } }"
    with pytest.raises(Refused, match=r"CONFLICT: Records in Kafka cannot be changed\."):
        await operator.ask(query, input={"id": result["event"]["id"], "reason": "a name in it"})
    found = await operator.ask("query ($id: ID!) { event(id: $id) { cloudEvent } }", id=result["event"]["id"])
    assert found["event"]["cloudEvent"]["data"] == {"train": "4521"}


async def test_partitions_that_somebody_adds_are_taken_over(
    issuer: Issuer, operator: Partner, receivers: Receivers, kafka_address: str, prefix: str
) -> None:
    receiver = await receivers(TAKES)
    await operator.create_type()
    await operator.subscribe(receiver.url, verification="NONE")
    await operator.produce(event("before"))
    await receiver.asked(1)
    await add_partitions(kafka_address, prefix + TYPE, 3)
    log = issuer.log
    assert isinstance(log, KafkaLog)
    assert await log.reconcile() == 2
    assert await log.reconcile() == 0
    used: set[int] = set()
    sent = {"before"}
    while used != {0, 1, 2}:  # a process hears within a second of what another, or a loop, has changed
        ids = [str(len(sent) + n) for n in range(12)]
        assert (await operator.produce(*(event(id_, partitionkey=id_) for id_ in ids)))["persisted"] == 12
        sent |= set(ids)
        used = {one.partition for one in await everything_in(kafka_address, prefix + TYPE, 3)}
    await receiver.asked(len(sent))
    assert {header(request, "ce-id") for request in receiver.requests} == sent
    assert (await operator.ask("query ($n: String!) { eventType(name: $n) { partitions } }", n=TYPE)) == {
        "eventType": {"partitions": 3}
    }


@once
async def test_what_others_write_is_delivered_and_what_is_no_event_is_passed(
    operator: Partner, receivers: Receivers, kafka_address: str, prefix: str
) -> None:
    receiver = await receivers(TAKES)
    await operator.create_type(plainJsonSource="/elsewhere")
    subscribed = await operator.subscribe(receiver.url, verification="NONE")
    ours = {"ce_specversion": "1.0", "ce_id": "theirs", "ce_source": "/another", "ce_type": TYPE}
    data = b'{"train":"1"}'
    written: list[tuple[bytes | None, dict[str, str]]] = [
        (data, ours),
        (b"\x00\x01", {}),  # no JSON
        (data, ours | {"ce_specversion": "0.3"}),
        (b'{"train":NaN}', {}),
        (b'{"train":7}', ours | {"ce_id": "broken"}),  # against its contract
        (None, {}),  # a tombstone
        (data, {}),
    ]
    producer = AIOKafkaProducer(bootstrap_servers=kafka_address)
    await producer.start()
    for value, headers in written:
        encoded = [(name, text.encode()) for name, text in headers.items()]
        await producer.send_and_wait(prefix + TYPE, value, key=b"k", headers=encoded)
    await producer.stop()
    await operator.produce(event("last", partitionkey="k"))
    await receiver.asked(3)
    got = [(header(request, "ce-id"), header(request, "ce-source")) for request in receiver.requests]
    assert got == [
        ("theirs", "/another"),
        (f"{prefix}{TYPE}-0-6", "/elsewhere"),
        ("last", "/banenor/tests"),
    ]
    assert {header(request, "ce-partitionkey") for request in receiver.requests} == {"k"}
    lag = (await settled(operator, subscribed["webhookSubscription"]["id"]))["lag"]
    assert (lag["events"], lag["parked"], lag["deadLettered"]) == (0, 0, 0)


@once
async def test_a_foreign_transaction_counts_when_it_is_committed(
    operator: Partner, receivers: Receivers, kafka_address: str, prefix: str
) -> None:
    receiver = await receivers(TAKES)
    await operator.create_type(plainJsonSource="/elsewhere")
    subscribed = await operator.subscribe(receiver.url, verification="NONE")
    producer = AIOKafkaProducer(bootstrap_servers=kafka_address, transactional_id=prefix)
    await producer.start()
    for train, is_committed in ((b"1", True), (b"2", False), (b"3", True)):
        await producer.begin_transaction()
        await producer.send_and_wait(prefix + TYPE, b'{"train":"%s"}' % train)
        await (producer.commit_transaction() if is_committed else producer.abort_transaction())
    await producer.stop()
    await operator.produce(event("last"))
    await receiver.asked(3)
    assert [header(request, "ce-id") for request in receiver.requests] == [
        f"{prefix}{TYPE}-0-0",
        f"{prefix}{TYPE}-0-4",
        "last",
    ]
    assert (await settled(operator, subscribed["webhookSubscription"]["id"]))["lag"]["events"] == 0
