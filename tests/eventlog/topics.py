"""A topic's partition in memory: records as others write them, read as a log without a broker."""

from collections.abc import Sequence

from event_issuer.contracts.judging import OutsideJudge
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.kafka_binding import KafkaRecord
from event_issuer.domain.records import Appended, NewRecord
from event_issuer.domain.time import Instant
from event_issuer.eventlog.outsiders import judge_outsiders, records_of
from event_issuer.eventlog.protocol import Bounds, HeadListener, Loop, Page, TypeStorage

PAGE_RECORDS = 16


class TopicLog:
    """Implements `EventLog` for one partition that nobody appends to through it."""

    can_expunge = False
    keeps_itself = True

    def __init__(self, log_id: str, partition_id: int, judge: OutsideJudge) -> None:
        self.log_id, self.partition_id = log_id, partition_id
        self._judge = judge
        self.lying: list[KafkaRecord] = []

    def write(self, *records: KafkaRecord) -> None:
        """At the offsets that come next."""
        for record in records:
            self.lying.append(record._replace(offset=len(self.lying)))

    async def read(self, partition_id: int, offset: int) -> Page:
        assert partition_id == self.partition_id
        fetched = self.lying[offset : offset + PAGE_RECORDS]
        records = records_of(partition_id, fetched, await self._judge.record_rules(partition_id))
        await judge_outsiders(partition_id, records, self._judge.verdicts)
        return Page(records, offset + len(fetched))

    async def bounds(self, partition_ids: Sequence[int]) -> dict[int, Bounds]:
        return {id_: Bounds(0, len(self.lying)) for id_ in partition_ids}

    async def append(self, records: Sequence[NewRecord]) -> Sequence[Appended]:
        raise Unavailable("Nobody appends here.")

    async def offset_at(self, partition_id: int, instant: Instant) -> int:
        raise Unavailable("Nobody asks for a time here.")

    async def remembered(self, identities: Sequence[bytes]) -> list[tuple[Instant, int, int]]:
        return []

    async def trim(self, partition_id: int, before_offset: int) -> int:
        return 0

    def watch(self, listener: HeadListener) -> None:
        """The head never moves by itself."""

    def loops(self) -> Sequence[Loop]:
        return []

    async def step(self) -> int:
        return 0

    async def answers(self) -> None:
        """It always does."""

    async def prepare(self, storage: TypeStorage) -> int:
        raise Unavailable("Nobody makes event types here.")

    async def retain(self, storage: TypeStorage) -> None:
        raise Unavailable("Nobody changes event types here.")

    def partition_of(self, event: CloudEvent, partition_ids: Sequence[int]) -> int:
        return self.partition_id

    def known_head(self, partition_id: int) -> int | None:
        return len(self.lying)

    async def notice(self, partition_ids: Sequence[int]) -> int:
        return 0

    async def note_heads(self, partition_ids: Sequence[int]) -> None:
        """The database has none."""

    def reload(self, partition_id: int) -> None:
        """Nothing is kept."""
