"""Where Kafka has our partitions: by their id in our database, the topic and the partition's number there."""

from collections.abc import Collection

from event_issuer.db import kafka_log as sql
from event_issuer.db.database import Database
from event_issuer.domain.errors import NotFound
from event_issuer.eventlog.kafka.client import Place
from event_issuer.eventlog.kafka.topics import TopicRules


class Places:
    """What is known once holds: neither an event type's name nor a partition's number ever changes."""

    def __init__(self, database: Database, rules: TopicRules) -> None:
        self._database, self._rules = database, rules
        self._places: dict[int, Place] = {}

    async def known(self, partition_ids: Collection[int]) -> dict[int, Place]:
        """Of those among the partitions that there are. Raises Unavailable."""
        missing = [id_ for id_ in partition_ids if id_ not in self._places]
        if missing:
            for id_, event_type, number in await self._database.read(sql.places(missing)):
                self._places[id_] = Place(self._rules.topic_of(event_type), number)
        return {id_: self._places[id_] for id_ in partition_ids if id_ in self._places}

    async def all_of(self, partition_ids: Collection[int]) -> dict[int, Place]:
        """Raises NotFound where one is not there, and Unavailable."""
        known = await self.known(partition_ids)
        for id_ in partition_ids:
            if id_ not in known:
                raise NotFound(f"There is no partition {id_}.")
        return known

    async def of(self, partition_id: int) -> Place:
        return (await self.all_of([partition_id]))[partition_id]
