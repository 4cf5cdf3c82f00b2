"""The few requests that we make of Kafka, typed: what stands between us and aiokafka's client, which has no types.

Its client rather than its producer and its consumer: the producer tries again for ever and cannot say whether a record
has ever left, and the consumer reads one place of a partition at a time, while we read pages at any place.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from aiokafka import AIOKafkaClient
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from event_issuer.domain.errors import Unavailable
from event_issuer.domain.kafka_binding import KafkaRecord
from event_issuer.eventlog.kafka.connection import KafkaConnection

EARLIEST: Final = -2
LATEST: Final = -1
READ_COMMITTED: Final = 1  # of other producers' transactions only what was committed is in the log
ALL_REPLICAS: Final = -1
NO_TIMEOUT_MS: Final = 2**31 - 1
READING: Final = "reading"  # connections of their own, so that no append waits behind a page
ATTEMPTS: Final = 4  # at a question whose answer is that the leader is elsewhere
ATTEMPTS_FOR_SOME: Final = 2  # where the others shall not wait for those that have no leader
PAUSE_S: Final = 0.1


class Place(NamedTuple):
    """A partition as Kafka knows it."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records from the asked offset up to `end`; what is missing between is no record of the log. `records` is None
    where the offset lies outside of what the partition has."""

    records: list[KafkaRecord] | None
    end: int
    first: int
    head: int


class Acknowledged(NamedTuple):
    """`error` is Kafka's code, 0 for success; `timestamp_ms` is -1 where the records' own counts."""

    place: Place
    error: int
    base_offset: int
    timestamp_ms: int


By: TypeAlias = dict[int, list[Place]]


class KafkaClient:
    """Raises Unavailable for whatever keeps Kafka from answering, but where it says otherwise."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._options = connection.options()
        self._timeout_s = connection.timeout_s
        self._client: Any = None
        self._opening = asyncio.Lock()
        self.cluster_id: str | None = None

    async def open(self) -> None:
        """Connects, if it is not connected; the cluster's id is known then."""
        async with self._opening:
            if self._client is not None:
                return
            client = AIOKafkaClient(**self._options)
            try:
                async with asyncio.timeout(self._timeout_s):
                    await client.bootstrap()
                    answer = await client.send(client.get_random_node(), MetadataRequest([], False))
            except BaseException as problem:
                await client.close()
                if isinstance(problem, KafkaError | OSError | TimeoutError):
                    raise Unavailable(f"Kafka cannot be reached: {problem or 'no answer in time'}") from None
                raise
            self.cluster_id, self._client = answer.cluster_id, client

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def ping(self) -> None:
        """Raises Unavailable unless a broker answers, whichever does."""
        await self.open()
        try:
            await self._ask(MetadataRequest([], False))
        except Unavailable:  # the one that was asked may be dead, and the others well
            if not await self.is_reachable():
                raise

    async def partition_counts(self, topics: Sequence[str]) -> dict[str, int]:
        """Of those among the topics that there are. Never makes one, whatever the brokers are set to do."""
        await self.open()
        if not topics:
            return {}
        answer = await self._ask(MetadataRequest(list(topics), False))
        counts = {topic[1]: len(topic[-1]) for topic in answer.topics if topic[0] == 0}
        for topic in counts:
            self._client.add_topic(topic)
        return counts

    async def leaders(self, places: Sequence[Place], *, anew: bool = False) -> tuple[By, list[Place]]:
        """The places by the node that leads them, and those that nobody leads now. `anew`: asks Kafka again."""
        await self.open()
        cluster = self._client.cluster
        unknown = {place.topic for place in places if cluster.partitions_for_topic(place.topic) is None}
        if unknown:
            await self.partition_counts(sorted(unknown))
        if unknown or anew:
            await self._client.force_metadata_update()
        by: By = defaultdict(list)
        nobody: list[Place] = []
        for place in places:
            leader = cluster.leader_for_partition(TopicPartition(*place))
            if leader is None or leader < 0:
                nobody.append(place)
            else:
                by[leader].append(place)
        return by, nobody

    async def is_reachable(self) -> bool:
        """Whether any broker answers now."""
        return self._client is not None and bool(await self._client.force_metadata_update())

    async def is_ready(self, node: int) -> bool:
        """Whether there is a connection to the node: else nothing that is sent to it has left."""
        return bool(await self._client.ready(node))

    async def produce(self, node: int, batches: Mapping[Place, bytes]) -> list[Acknowledged]:
        """Raises KafkaError or TimeoutError where it is not known what became of them."""
        topics: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        for place, batch in batches.items():
            topics[place.topic].append((place.number, batch))
        request = ProduceRequest(None, ALL_REPLICAS, round(self._timeout_s * 1000), list(topics.items()))
        answer = await self._client.send(node, request)
        return [
            Acknowledged(Place(topic, number), error, offset, timestamp)
            for topic, partitions in answer.topics
            for number, error, offset, timestamp, *_ in partitions
        ]

    async def new_producer(self) -> tuple[int, int] | None:
        """A fresh producer id and its epoch; None while the brokers cannot give one, as just after their start."""
        await self.open()
        answer = await self._ask(InitProducerIdRequest(None, NO_TIMEOUT_MS))
        if answer.error_code:
            problem = for_code(answer.error_code)()
            if problem.retriable:
                return None
            raise away(problem)
        return answer.producer_id, answer.producer_epoch

    async def offsets(self, times_ms: Mapping[Place, int], *, all_of_them: bool = True) -> dict[Place, int]:
        """The first offset at or after each time; -1 where there is none. `EARLIEST` and `LATEST` are times, too.

        Places that give no answer are left out, if not all of them must; not if none gives one.
        """

        async def ask(node: int, places: list[Place]) -> dict[Place, tuple[int, int]]:
            topics: dict[str, list[tuple[int, int]]] = defaultdict(list)
            for place in places:
                topics[place.topic].append((place.number, times_ms[place]))
            answer = await self._client.send(node, OffsetRequest(-1, READ_COMMITTED, list(topics.items())))
            return {
                Place(topic, number): (error, offset)
                for topic, partitions in answer.topics
                for number, error, _, offset in partitions
            }

        return await self._of_leaders(list(times_ms), ask, all_of_them=all_of_them)

    async def fetch(self, place: Place, offset: int, bytes_max: int) -> Fetched:
        """What the partition has from `offset` on, up to about `bytes_max`, at once. One batch at least, if there is
        one."""

        async def ask(node: int, _: list[Place]) -> dict[Place, tuple[int, Fetched]]:
            wanted = [(place.topic, [(place.number, offset, bytes_max)])]
            request = FetchRequest(0, 1, bytes_max, READ_COMMITTED, wanted)
            answer = await self._client.send(node, request, group=READING)
            ((_, ((_, error, _, stable, first, *rest),)),) = answer.topics
            if error == OffsetOutOfRangeError.errno:
                return {place: (0, Fetched(None, offset, first, stable))}
            if error:
                return {place: (error, Fetched(None, offset, 0, 0))}
            return {place: (0, _parsed(place, offset, first, stable, rest[0], rest[-1]))}

        fetched: Fetched = (await self._of_leaders([place], ask))[place]
        return fetched

    async def admin(self, request: object) -> Any:
        """Sends to the controller, as changes of topics want it."""
        await self.open()
        if self._client.cluster.controller is None:
            await self._client.force_metadata_update()
        controller = self._client.cluster.controller
        return await self._ask(request, None if controller is None else controller.nodeId)

    async def ask_leader(self, place: Place, request: object) -> Any:
        by, _ = await self.leaders([place])
        if not by:
            raise Unavailable(f"Nobody leads partition {place.number} of topic {place.topic} now; try again.")
        return await self._ask(request, next(iter(by)))

    async def _ask(self, request: object, node: int | None = None) -> Any:
        try:
            return await self._client.send(self._client.get_random_node() if node is None else node, request)
        except (KafkaError, OSError, TimeoutError) as problem:
            raise away(problem) from None

    async def _of_leaders(
        self,
        places: Sequence[Place],
        ask: Callable[[int, list[Place]], Awaitable[dict[Place, tuple[int, Any]]]],
        *,
        all_of_them: bool = True,
    ) -> dict[Place, Any]:
        """Asks each place's leader, again where another one leads by now."""
        found: dict[Place, Any] = {}
        waiting, problem = list(places), None
        for attempt in range(ATTEMPTS if all_of_them else ATTEMPTS_FOR_SOME):
            if attempt:
                await asyncio.sleep(PAUSE_S)
            by, _ = await self.leaders(waiting, anew=attempt > 0)
            answers = await asyncio.gather(*(ask(*one) for one in by.items()), return_exceptions=True)
            for answer in answers:
                if isinstance(answer, BaseException):
                    if not isinstance(answer, KafkaError | OSError | TimeoutError):
                        raise answer
                    problem = answer
                    continue
                for place, (error, value) in answer.items():
                    if not error:
                        found[place] = value
                    elif (raised := for_code(error)()).retriable or not all_of_them:
                        problem = raised
                    else:
                        raise away(raised)
            waiting = [place for place in waiting if place not in found]
            if not waiting:
                return found
            if not await self.is_reachable():
                break
        if found and not all_of_them:
            return found
        if problem is not None:
            raise away(problem)
        raise Unavailable(f"Kafka has no topic {waiting[0].topic} with a partition {waiting[0].number} now.")


def away(problem: BaseException) -> Unavailable:
    """The reason as callers may hear it: no address of a broker is in it."""
    return Unavailable(f"Kafka does not answer as it should ({type(problem).__name__}); try again.")


def _parsed(
    place: Place, offset: int, first: int, head: int, aborted: Sequence[tuple[int, int]] | None, batches: bytes
) -> Fetched:
    records = PartitionRecords(
        TopicPartition(*place), MemoryRecords(batches), aborted, offset, None, None, True, READ_COMMITTED
    )
    found = [
        KafkaRecord(place.topic, place.number, one.offset, one.timestamp * 1000, one.key, one.value, one.headers)
        for one in records
    ]
    return Fetched(found, records.next_fetch_offset, first, head)
