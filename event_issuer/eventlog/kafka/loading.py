"""Loading pages from Kafka: a fetch at any place, and of what it brought the rest, for the page that follows."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from event_issuer.domain.kafka_binding import RecordRules
from event_issuer.eventlog.kafka.client import Fetched, KafkaClient
from event_issuer.eventlog.kafka.places import Places
from event_issuer.eventlog.outsiders import judge_outsiders, records_of
from event_issuer.eventlog.pages import Loaded
from event_issuer.eventlog.protocol import Bounds, Judge

FETCH_BYTES: Final = 1024 * 1024  # a batch of the size that brokers take comes whole
AHEAD_MAX: Final = 16  # partitions of which the rest of a fetch is kept: some 16 MiB


RulesOf: TypeAlias = Callable[[int], Awaitable[RecordRules]]
"""How records of a partition are read. Raises NotFound, Unavailable."""


class Loader:
    """`judge` is asked of records that say no schema version: they came by another way than the API."""

    def __init__(self, client: KafkaClient, places: Places, rules_of: RulesOf, judge: Judge | None) -> None:
        self._client, self._places, self._rules_of, self._judge = client, places, rules_of, judge
        self._ahead: OrderedDict[int, tuple[int, Fetched]] = OrderedDict()  # what is known from an offset on

    async def load(self, partition_id: int, offset: int, before_offset: int) -> Loaded | None:
        """Records from `offset` on; None where the partition has no such offset.

        What lies behind the beginning of a transaction that is still open is held back, ours too.
        """
        begin, fetched = self._ahead.pop(partition_id, (offset, None))
        if fetched is None or not begin <= offset < fetched.end:
            fetched = await self._client.fetch(await self._places.of(partition_id), offset, FETCH_BYTES)
        if fetched.records is None:
            return None
        self._keep_ahead(partition_id, fetched, before_offset)
        page = [record for record in fetched.records if offset <= record.offset < before_offset]
        records = records_of(partition_id, page, await self._rules_of(partition_id))
        if self._judge is not None:
            await judge_outsiders(partition_id, records, self._judge)
        bounds = Bounds(fetched.first, fetched.head, fetched.first)
        holds_back = fetched.end == offset and not fetched.records
        return Loaded(records, min(fetched.end, before_offset), bounds, holds_back)

    def forget(self, partition_id: int) -> None:
        self._ahead.pop(partition_id, None)

    def _keep_ahead(self, partition_id: int, fetched: Fetched, before_offset: int) -> None:
        if fetched.end > before_offset:
            rest = [record for record in fetched.records or () if record.offset >= before_offset]
            self._ahead[partition_id] = before_offset, Fetched(rest, fetched.end, fetched.first, fetched.head)
            if len(self._ahead) > AHEAD_MAX:
                self._ahead.popitem(last=False)
