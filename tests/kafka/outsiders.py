"""What others do to a cluster that is not theirs alone: administer it, and read what is there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions


async def everything_in(address: str, topic: str, partition_count: int) -> list[Any]:
    """What another client reads there, by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(partition_count)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        found: list[Any] = []
        while len(found) < sum(ends.values()):
            found += [one for ones in (await consumer.getmany(timeout_ms=1000)).values() for one in ones]
        return sorted(found, key=lambda one: (one.partition, one.offset))
    finally:
        await consumer.stop()


@asynccontextmanager
async def admin_of(address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Another administrator than the issuer."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def add_partitions(address: str, topic: str, count: int) -> None:
    async with admin_of(address) as admin:
        await admin.create_partitions({topic: NewPartitions(count)})


async def partitions_in(address: str, topic: str) -> int:
    async with admin_of(address) as admin:
        (found,) = await admin.describe_topics([topic])
    return len(found["partitions"])
