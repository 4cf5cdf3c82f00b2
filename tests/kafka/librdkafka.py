"""Confluent's client, on librdkafka: it shares no line with ours, and writes and reads as programs elsewhere do."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, Message, Producer, TopicPartition

Header = tuple[str, bytes]
ANSWER_S: Final = 30.0


class Written(NamedTuple):
    """What somebody puts into a topic; no partition leaves the choice to the client."""

    value: bytes | None
    headers: Sequence[Header] = ()
    key: bytes | None = None
    partition: int | None = None


class Lying(NamedTuple):
    """What lies there."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


async def write(address: str, topic: str, *records: Written) -> list[tuple[int, int]]:
    """Partition and offset of each, once the broker has them."""
    return await asyncio.to_thread(_write, address, topic, records)


def _write(address: str, topic: str, records: Sequence[Written]) -> list[tuple[int, int]]:
    told: dict[int, tuple[int, int]] = {}

    def tell(index: int, problem: object, message: Message) -> None:
        assert problem is None, problem
        told[index] = _number(message.partition()), _number(message.offset())

    producer = Producer({"bootstrap.servers": address, "partitioner": "murmur2_random", "linger.ms": 0})
    for index, record in enumerate(records):
        place: dict[str, Any] = {} if record.partition is None else {"partition": record.partition}
        producer.produce(
            topic,
            value=record.value,
            key=record.key,
            headers=list(record.headers),
            on_delivery=partial(tell, index),
            **place,
        )
    assert producer.flush(ANSWER_S) == 0
    return [told[index] for index in range(len(records))]


async def read(address: str, topic: str, count: int) -> list[Lying]:
    """The first `count` records, by partition."""
    return await asyncio.to_thread(_read, address, topic, count)


def _read(address: str, topic: str, count: int) -> list[Lying]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "others", "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found: list[Lying] = []
        while len(found) < count:
            messages = consumer.consume(count - len(found), ANSWER_S)
            assert messages, f"{len(found)} lie there"
            found += [_lying(message) for message in messages]
    finally:
        consumer.close()
    return sorted(found)


def _lying(message: Message) -> Lying:
    assert message.error() is None, message.error()
    headers: Any = message.headers() or []  # declared as wider than they come
    _, timestamp_ms = message.timestamp()
    place = _number(message.partition()), _number(message.offset())
    return Lying(*place, timestamp_ms, _bytes(message.key()), _bytes(message.value()), headers)


def _number(value: int | None) -> int:
    assert value is not None
    return value


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
