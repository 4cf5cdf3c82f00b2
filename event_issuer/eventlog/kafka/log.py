"""The log on Kafka: `EventLog` over topics, with deduplication and a mirror of the heads in our database.

Concurrent appends share a write, and pages come through the cache that the embedded log has, too. While Kafka is away
everything is refused at once; one look a second tells when it is back.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Final

import structlog
from aiokafka.errors import for_code
from aiokafka.protocol.admin import DeleteRecordsRequest

from event_issuer.db import kafka_log as sql
from event_issuer.db import partitions
from event_issuer.db.database import Database
from event_issuer.db.log import log_identity
from event_issuer.domain import kafka_binding as binding
from event_issuer.domain.errors import SettingsInvalid, Unavailable
from event_issuer.domain.records import Appended, NewRecord
from event_issuer.domain.time import Clock, Instant
from event_issuer.eventlog.cached import CachedLog
from event_issuer.eventlog.kafka.appending import MS_US, Appender
from event_issuer.eventlog.kafka.client import EARLIEST, LATEST, KafkaClient, away
from event_issuer.eventlog.kafka.connection import KafkaConnection
from event_issuer.eventlog.kafka.loading import Loader, RulesOf
from event_issuer.eventlog.kafka.places import Places
from event_issuer.eventlog.kafka.producer import Producer
from event_issuer.eventlog.kafka.topics import TopicRules, Topics
from event_issuer.eventlog.pages import Loaded
from event_issuer.eventlog.protocol import Bounds, Judge, Loop, TypeStorage
from event_issuer.telemetry.metrics import Metrics

ID_PREFIX: Final = "k"  # no id of an embedded log, which is hexadecimal, begins with it
UPKEEP_S: Final = 1.0
PING_MAX_S: Final = 2.0  # for a broker that keeps its connections and says nothing
RECONCILE_S: Final = 30.0  # after so long a partition that somebody has added is known here

logger = structlog.get_logger(__name__)


class KafkaLog(CachedLog):
    """Implements `EventLog`."""

    can_expunge = False
    keeps_itself = True

    def __init__(
        self,
        database: Database,
        client: KafkaClient,
        topics: Topics,
        clock: Clock,
        record_rules: RulesOf,
        log_id: str,
        *,
        timeout_s: float,
        cache_bytes_max: int,
        judge: Judge | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        super().__init__(database, clock, log_id, cache_bytes_max=cache_bytes_max, judge=judge, metrics=metrics)
        self._client, self._topics = client, topics
        self._places = Places(database, topics.rules)
        producer = Producer(client, timeout_s)
        parts = (database, producer, self._places, self._identities, clock, self._publish)
        self._appender = Appender(*parts, structured=topics.rules.structured)
        self._loader = Loader(client, self._places, record_rules, judge)
        self._moved: set[int] = set()
        self._away: str | None = None
        self._suspected = asyncio.Event()
        self._reconciled_s = -RECONCILE_S

    def loops(self) -> Sequence[Loop]:
        return [("log", self.run), ("backbone", self.keep_up)]

    async def close(self) -> None:
        await self._client.close()

    async def answers(self) -> None:
        if self._away is not None:
            raise Unavailable(self._away)

    async def append(self, records: Sequence[NewRecord]) -> Sequence[Appended]:
        await self.answers()
        return await super().append(records)

    def _number_of(self, key: str, count: int) -> int:
        """As other clients of Kafka choose it."""
        return binding.partition_of(key.encode(), count)

    async def _write(self, records: Sequence[NewRecord]) -> Sequence[Appended]:
        await self.answers()
        try:
            return await self._appender.append(records)
        except Unavailable:
            self._suspected.set()
            raise

    def _announce(self, partition_id: int, next_offset: int) -> None:
        self._moved.add(partition_id)
        super()._announce(partition_id, next_offset)

    async def bounds(self, partition_ids: Sequence[int]) -> dict[int, Bounds]:
        return await self._bounds(partition_ids, all_of_them=True)

    async def _bounds(self, partition_ids: Sequence[int], *, all_of_them: bool) -> dict[int, Bounds]:
        await self.answers()
        places = await self._places.known(partition_ids)
        if not places:
            return {}
        try:
            first, head = await asyncio.gather(
                self._client.offsets(dict.fromkeys(places.values(), EARLIEST), all_of_them=all_of_them),
                self._client.offsets(dict.fromkeys(places.values(), LATEST), all_of_them=all_of_them),
            )
        except Unavailable:
            self._suspected.set()
            raise
        seen = {id_: at for id_, at in places.items() if at in first and at in head}
        return {id_: Bounds(first[at], max(head[at], first[at]), first[at]) for id_, at in seen.items()}

    async def notice(self, partition_ids: Sequence[int]) -> int:
        """A partition that has no leader, or no topic any more, hides no other."""
        return self._notice(await self._bounds(partition_ids, all_of_them=False))

    async def note_heads(self, partition_ids: Sequence[int]) -> None:
        await self._mirror(await self.bounds(partition_ids))

    async def _mirror(self, found: Mapping[int, Bounds]) -> None:
        heads = [(id_, bounds.first, bounds.next) for id_, bounds in found.items()]
        if heads:
            await self._database.run(sql.mirror(self._database.dialect, heads))

    async def offset_at(self, partition_id: int, instant: Instant) -> int:
        await self.answers()
        place = await self._places.of(partition_id)
        found = (await self._client.offsets({place: -(-instant // MS_US)}))[place]
        return found if found >= 0 else (await self._client.offsets({place: LATEST}))[place]

    def reload(self, partition_id: int) -> None:
        self._loader.forget(partition_id)
        self._pages.forget_all(partition_id)

    async def _load(self, partition_id: int, offset: int, before_offset: int) -> Loaded:
        await self.answers()
        try:
            found = await self._loader.load(partition_id, offset, before_offset)
        except Unavailable:
            self._suspected.set()
            raise
        if found is None:
            return Loaded([], offset, (await self.bounds([partition_id]))[partition_id])
        return found

    async def prepare(self, storage: TypeStorage) -> int:
        await self.answers()
        return await self._topics.ensure(storage)

    async def retain(self, storage: TypeStorage) -> None:
        await self.answers()
        await self._topics.configure(storage)

    async def trim(self, partition_id: int, before_offset: int) -> int:
        """Kafka does it at once, however many; where records had gaps between them, the number is too high."""
        place = await self._places.of(partition_id)
        was = (await self.bounds([partition_id]))[partition_id]
        goal = min(before_offset, was.next)
        if goal > was.first:
            wanted = [(place.topic, [(place.number, goal)])]
            answer = await self._client.ask_leader(place, DeleteRecordsRequest(wanted, round(PING_MAX_S * 1000)))
            ((_, ((_, _, error, *_),), *_),) = answer.topics
            if error:
                raise away(for_code(error)())
        now = (await self.bounds([partition_id]))[partition_id]
        self._loader.forget(partition_id)
        await self._forget(partition_id, now)
        return now.first - was.first

    async def keep_up(self) -> None:
        """Watches whether Kafka answers, and keeps up what the database says of it; until cancelled."""
        while True:
            await self.keep_up_step()
            with suppress(TimeoutError):
                async with asyncio.timeout(UPKEEP_S):
                    await self._suspected.wait()

    async def keep_up_step(self) -> None:
        await self._look_whether_it_answers()
        if self._away is not None:
            return
        try:
            if self._moved:
                await self._mirror_moved()
            if monotonic() - self._reconciled_s >= RECONCILE_S:
                await self.reconcile()
                self._reconciled_s = monotonic()
        except Unavailable as problem:
            logger.warning("what the database says of Kafka is late", problem=problem.detail)

    async def _mirror_moved(self) -> None:
        waiting, self._moved = self._moved, set()
        try:
            found = await self._bounds(sorted(waiting), all_of_them=False)
            await self._mirror(found)
            waiting.difference_update(found)
        finally:
            self._moved |= waiting  # the next step writes them down

    async def _look_whether_it_answers(self) -> None:
        self._suspected.clear()
        try:
            async with asyncio.timeout(PING_MAX_S):
                await self._client.ping()
        except (Unavailable, TimeoutError) as problem:
            if self._away is None:
                logger.warning("Kafka is away", problem=str(problem))
            self._away = "Kafka does not answer; nothing was written, try again."
        else:
            if self._away is not None:
                logger.info("Kafka is back")
            self._away = None

    async def reconcile(self) -> int:
        """Takes over partitions that topics have and we do not know; how many."""
        known = {row[1]: row for row in await self._database.read(sql.partition_counts())}
        added = 0
        for event_type, count in (await self._topics.counts(list(known))).items():
            event_type_id, _, known_count = known[event_type]
            if count > known_count:
                work = partitions.grow(self._database.dialect, event_type_id, count, self._clock())
                added += await self._database.run(work)
        return added


async def open_kafka_log(
    database: Database,
    connection: KafkaConnection,
    rules: TopicRules,
    clock: Clock,
    record_rules: RulesOf,
    *,
    cache_bytes_max: int,
    judge: Judge | None = None,
    metrics: Metrics | None = None,
) -> KafkaLog:
    """Raises Unavailable while Kafka cannot be reached; SettingsInvalid where the database is that of another log."""
    client = KafkaClient(connection)
    await client.open()
    try:
        wanted = f"{ID_PREFIX}{client.cluster_id}"
        log_id = await database.run(log_identity(wanted))
        if log_id != wanted:
            raise SettingsInvalid(
                f"The database belongs to the log {log_id}, and this Kafka cluster is {wanted}: a position in one is "
                "none in the other. Each log has a database of its own."
            )
    except BaseException:
        await client.close()
        raise
    return KafkaLog(
        database,
        client,
        Topics(client, rules, connection.timeout_s),
        clock,
        record_rules,
        log_id,
        timeout_s=connection.timeout_s,
        cache_bytes_max=cache_bytes_max,
        judge=judge,
        metrics=metrics,
    )
