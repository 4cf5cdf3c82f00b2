"""Loading pages from Kafka: a fetch at any place, and of what it brought the rest, for the page that follows."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import structlog

from event_issuer.domain import kafka_binding as binding
from event_issuer.eventlog.kafka.client import Fetched, KafkaClient
from event_issuer.eventlog.kafka.places import Places
from event_issuer.eventlog.protocol import Bounds, Judge, LogRecord

FETCH_BYTES: Final = 1024 * 1024  # a batch of the size that brokers take comes whole
AHEAD_MAX: Final = 16  # partitions of which the rest of a fetch is kept: some 16 MiB

logger = structlog.get_logger(__name__)


class Loader:
    """`judge` is asked of records that say no schema version: they came by another way than the API."""

    def __init__(self, client: KafkaClient, places: Places, judge: Judge | None) -> None:
        self._client, self._places, self._judge = client, places, judge
        self._ahead: OrderedDict[int, Fetched] = OrderedDict()

    async def load(
        self, partition_id: int, offset: int, before_offset: int
    ) -> tuple[list[LogRecord], int, Bounds] | None:
        """Records from `offset` on, where they end, and the partition's bounds; None where it has no such offset."""
        fetched = self._ahead.pop(partition_id, None)
        if fetched is None or not fetched.records or fetched.records[0].offset > offset:
            fetched = await self._client.fetch(await self._places.of(partition_id), offset, FETCH_BYTES)
        if fetched.records is None:
            return None
        self._keep_ahead(partition_id, fetched, before_offset)
        page = [record for record in fetched.records if offset <= record.offset < before_offset]
        records = await self._judged(partition_id, records_of(partition_id, page))
        return records, min(fetched.end, before_offset), Bounds(fetched.first, fetched.head, fetched.first)

    def forget(self, partition_id: int) -> None:
        self._ahead.pop(partition_id, None)

    def _keep_ahead(self, partition_id: int, fetched: Fetched, before_offset: int) -> None:
        rest = [record for record in fetched.records or () if record.offset >= before_offset]
        if rest:
            self._ahead[partition_id] = Fetched(rest, fetched.end, fetched.first, fetched.head)
            if len(self._ahead) > AHEAD_MAX:
                self._ahead.popitem(last=False)

    async def _judged(self, partition_id: int, records: list[LogRecord]) -> list[LogRecord]:
        outside = {record.offset: record.event for record in records if record.schema_version is None}
        if outside and self._judge is not None:
            found = await self._judge(partition_id, outside)
            for record in records:
                record.verdict = found.get(record.offset)
        return records


def records_of(partition_id: int, fetched: Sequence[binding.KafkaRecord]) -> list[LogRecord]:
    """What can be read of these; tombstones that say nothing but their key are passed over."""
    records: list[LogRecord] = []
    for one in fetched:
        found = binding.from_kafka(one, None)
        if isinstance(found, binding.ReadRecord):
            records.append(LogRecord(partition_id, one.offset, one.timestamp, found.schema_version, found.event))
        elif found is not None:
            logger.warning("a record cannot be read", partition=partition_id, offset=one.offset, reason=found.reason)
    return records
