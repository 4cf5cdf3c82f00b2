"""Logs on Kafka as tests open them: topics of their own, whose records have the time of the tests' clock."""

import uuid
from contextlib import AsyncExitStack

from event_issuer.db.database import Database
from event_issuer.db.event_types import partition_type
from event_issuer.domain.kafka_binding import DATA_BYTES_MAX, RecordRules
from event_issuer.eventlog.kafka.connection import KafkaConnection
from event_issuer.eventlog.kafka.log import KafkaLog, open_kafka_log
from event_issuer.eventlog.kafka.topics import TopicRules
from event_issuer.eventlog.protocol import EventLog, TypeStorage
from tests.eventlog.logs import CACHE_BYTES, Logs, running


async def record_rules(_: int) -> RecordRules:
    """The tests' records are all of this type."""
    return RecordRules("train.arrived", None, DATA_BYTES_MAX)


class KafkaLogs(Logs):
    """Its topics have a prefix of their own: the broker is shared."""

    def __init__(self, database: Database, url: str, stack: AsyncExitStack, address: str) -> None:
        super().__init__(database, url, stack)
        self.address = address
        self.rules = TopicRules(f"t{uuid.uuid4().hex[:12]}.{{event_type}}", brokers_time=False)
        self.connection = KafkaConnection([address], timeout_s=10.0)

    async def partitions(self, number: int) -> list[int]:
        ids = await super().partitions(number)
        await self.log.prepare(TypeStorage(await self._type_of(ids[0]), number))
        return ids

    async def topic_of(self, partition_id: int) -> str:
        return self.rules.topic_of(await self._type_of(partition_id))

    async def _type_of(self, partition_id: int) -> str:
        rows = await self.database.read(partition_type(partition_id))
        return str(rows[0][0])

    @property
    def kafka(self) -> KafkaLog:
        assert isinstance(self.log, KafkaLog)
        return self.log

    async def open(self, database: Database) -> EventLog:
        return await self.open_kafka(database)

    async def open_kafka(self, database: Database) -> KafkaLog:
        log = await open_kafka_log(
            database, self.connection, self.rules, self.clock, record_rules, cache_bytes_max=CACHE_BYTES
        )
        self._stack.push_async_callback(log.close)
        return await self._stack.enter_async_context(running(log))
