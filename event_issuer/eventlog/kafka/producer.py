"""The idempotent producer: batches of records to partitions, acknowledged by all replicas, and an exact outcome.

What was never sent was not written, and says so; what was sent and not answered may have been. Within the time that a
write has, a batch is sent again under the same number, which the brokers recognise. Once an outcome is unknown, the
producer's identity is given up: no batch of it is ever sent again. Knows no events.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, TypeAlias

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    DuplicateSequenceNumber,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTimestampError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    OutOfOrderSequenceNumber,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownProducerId,
    for_code,
)
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from event_issuer.domain.errors import LimitExceeded, OutcomeUnknown, Unavailable
from event_issuer.eventlog.groups import PartlyAway
from event_issuer.eventlog.kafka.client import Acknowledged, KafkaClient, Place, away

BATCH_BYTES: Final = 900_000  # brokers take 1 MiB where they are not told otherwise; a larger record goes alone
AGAIN_S: Final = 0.1  # before a batch is sent again
ELECTION_S: Final = 3.0  # for a partition to have a leader again; then producers are told, and at once from then on
_SEQUENCES: Final = 2**31
_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)
_IDENTITY_LOST: Final = (OutOfOrderSequenceNumber, UnknownProducerId, InvalidProducerEpoch, InvalidProducerIdMapping)
# Answers that say so for sure. That the leader is elsewhere does not: it may have become so after the write.
_NOT_WRITTEN: Final = (
    *_TOO_LARGE,
    *_IDENTITY_LOST,
    InvalidTopicError,
    InvalidTimestampError,
    NotEnoughReplicasError,
    PolicyViolationError,
    TopicAuthorizationFailedError,
    ClusterAuthorizationFailedError,
)

Identity: TypeAlias = tuple[int, int]
Record: TypeAlias = tuple[int, bytes | None, bytes | None, Sequence[tuple[str, bytes]]]
"""Timestamp in milliseconds, key, value, headers."""


@dataclass(slots=True)
class Batch:
    """Records for one partition, in order. `base_offset` is that of the first, once it is acknowledged."""

    place: Place
    records: list[Record] = field(default_factory=list)
    base_offset: int | None = None
    timestamp_ms: int = -1  # the brokers' own, where the topic is set to have it
    is_sent: bool = False  # it may be written, then
    identity: Identity | None = None  # under which it was numbered
    numbered: bytes = b""


class Producer:
    def __init__(self, client: KafkaClient, timeout_s: float) -> None:
        self._client, self._timeout_s = client, timeout_s
        self._identity: Identity | None = None
        self._sequences: dict[Place, int] = defaultdict(int)
        self._leaderless: set[Place] = set()  # for so long that nobody waits for them

    async def write(self, batches: Sequence[Batch]) -> None:
        """Writes them all, those of one partition in their order; their outcomes are in them, then.

        Raises Unavailable (PartlyAway where other partitions can be written) or LimitExceeded when nothing was written,
        and OutcomeUnknown when some of it may have been: what has a `base_offset` has been.
        """
        queues: dict[Place, deque[Batch]] = defaultdict(deque)
        for batch in batches:
            queues[batch.place].append(batch)
        try:
            await self._write(queues)
        except BaseException as problem:
            if not any(batch.is_sent for batch in batches):
                raise
            self._give_up()
            if isinstance(problem, OutcomeUnknown) or not isinstance(problem, Exception):
                raise
            if isinstance(problem, Unavailable | LimitExceeded):
                raise OutcomeUnknown(f"What was asked for may be in the log, or a part of it: {problem}") from None
            raise OutcomeUnknown("What was asked for may be in the log, or a part of it.") from problem

    def _give_up(self) -> None:
        self._identity = None
        self._sequences.clear()

    async def _write(self, queues: dict[Place, deque[Batch]]) -> None:
        await self._wait_for_leaders(list(queues))
        deadline = monotonic() + self._timeout_s
        anew = False
        while queues:
            if self._identity is None:
                self._identity = await self._client.new_producer()
            if self._identity is None:
                if monotonic() > deadline:
                    raise Unavailable("Kafka does not answer: it cannot give a producer its id now.")
                await asyncio.sleep(AGAIN_S)
                continue
            by, nobody = await self._client.leaders(list(queues), anew=anew)
            sends = [self._send(node, [queues[place][0] for place in places]) for node, places in by.items()]
            problems = await _all_of(sends)
            for place in list(queues):
                if queues[place][0].base_offset is not None:
                    queues[place].popleft()
                    if not queues[place]:
                        del queues[place]
            anew = bool(problems or nobody)
            if not anew:
                continue
            if monotonic() > deadline or not await self._client.is_reachable():
                raise Unavailable(problems[0] if problems else _leaderless(nobody[0]))
            await asyncio.sleep(AGAIN_S)

    async def _wait_for_leaders(self, places: Sequence[Place]) -> None:
        """Nothing is sent before: so a partition that nobody leads costs the others no exact outcome."""
        begun_s = monotonic()
        is_known = not self._leaderless.isdisjoint(places)
        anew = is_known
        while True:
            _, nobody = await self._client.leaders(places, anew=anew)
            self._leaderless.difference_update(set(places).difference(nobody))
            if not nobody:
                return
            if is_known or monotonic() > begun_s + ELECTION_S:
                self._leaderless.update(nobody)
                raise PartlyAway(_leaderless(nobody[0]))
            await asyncio.sleep(AGAIN_S)
            anew = True

    async def _send(self, node: int, batches: Sequence[Batch]) -> str | None:
        """Sends one batch per partition to the node that leads them; why some of them must go again, if so."""
        if not await self._client.is_ready(node):
            return "Kafka does not answer: there is no connection to the partition's leader."
        if self._identity is None:  # another node's answer has cost it meanwhile: nothing goes without a number
            return "Kafka has forgotten this producer."
        contents = {batch.place: self._numbered(batch) for batch in batches}
        resent = {batch.place for batch in batches if batch.is_sent}
        for batch in batches:
            batch.is_sent = True
        try:
            answers = await self._client.produce(node, contents)
        except (KafkaError, OSError, TimeoutError) as problem:
            return away(problem).detail
        waiting = {batch.place: batch for batch in batches}
        for answer in answers:
            if not answer.error:
                self._note(waiting[answer.place], answer)
        refused = [answer for answer in answers if answer.error]
        for answer in refused:
            if isinstance(for_code(answer.error)(), _NOT_WRITTEN):
                waiting[answer.place].is_sent = answer.place in resent
        problems = [self._refused(waiting[one.place], one.error, one.place in resent) for one in refused]
        return next(iter(problems), None)

    def _numbered(self, batch: Batch) -> bytes:
        """The batch as it goes over the wire; the same again, so that a broker that has it recognises it."""
        if batch.identity is None:
            producer_id, epoch = batch.identity = self._identity or (-1, -1)
            sequence = self._sequences[batch.place]
            builder = DefaultRecordBatchBuilder(2, 0, 0, producer_id, epoch, sequence, 2 * BATCH_BYTES)
            for number, record in enumerate(batch.records):
                builder.append(number, *record)
            batch.numbered = bytes(builder.build())
        return batch.numbered

    def _note(self, batch: Batch, answer: Acknowledged) -> None:
        batch.base_offset, batch.timestamp_ms, batch.numbered = answer.base_offset, answer.timestamp_ms, b""
        if batch.identity == self._identity:
            self._sequences[batch.place] = (self._sequences[batch.place] + len(batch.records)) % _SEQUENCES

    def _refused(self, batch: Batch, error: int, is_resent: bool) -> str:
        """Why the batch must go again. Raises what ends the write."""
        problem = for_code(error)()
        if isinstance(problem, DuplicateSequenceNumber):
            raise OutcomeUnknown("Kafka has the events already, and does not say where.")
        if isinstance(problem, _TOO_LARGE):
            raise LimitExceeded(f"Kafka takes no records as large as these in topic {batch.place.topic}: {problem}")
        if isinstance(problem, _IDENTITY_LOST) and not is_resent:
            self._give_up()
            batch.identity = None
        elif not problem.retriable:
            raise away(problem)
        return away(problem).detail


async def _all_of(sends: Sequence[Coroutine[None, None, str | None]]) -> list[str]:
    """What they returned, once all have ended: what one raises takes no outcome from the others."""
    ended = await asyncio.gather(*sends, return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException):
            raise one
    return [one for one in ended if isinstance(one, str)]


def batched(place: Place, records: Sequence[Record]) -> list[Batch]:
    """The records in batches that brokers take."""
    batches: list[Batch] = []
    size = 0
    for record in records:
        weight = _weight(record)
        if not batches or size + weight > BATCH_BYTES:
            batches.append(Batch(place))
            size = 0
        batches[-1].records.append(record)
        size += weight
    return batches


def _weight(record: Record) -> int:
    _, key, value, headers = record
    return 40 + len(key or b"") + len(value or b"") + sum(len(name) + len(text) + 10 for name, text in headers)


def _leaderless(place: Place) -> str:
    return f"Kafka has no leader for partition {place.number} of topic {place.topic} now, or no such partition."
