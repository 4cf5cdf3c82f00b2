"""The Kafka cluster of a run: the blows that it takes, and what an outsider finds in it when all is over."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.kafka.cluster import KafkaCluster
from tests.kafka.outsiders import add_partitions, everything_in, partitions_in
from tests.kafka.process import Broker

Delivery: TypeAlias = tuple[str, int]
"""Type and key, and the event's number: as endpoints note it."""


@dataclass
class Written:
    """What lies in the topics. `heads` is by type and partition; `found` has an event's partitions, one for each time
    that it was written."""

    heads: dict[tuple[str, int], int] = field(default_factory=dict)
    found: dict[Delivery, list[int]] = field(default_factory=lambda: defaultdict(list))
    _order: dict[tuple[str, int], list[int]] = field(default_factory=lambda: defaultdict(list))

    def note(self, type_: str, partition: int, key: str, number: int) -> None:
        event = f"{type_}/{key}", number
        if partition not in self.found[event]:
            self._order[event[0], partition].append(number)
        self.found[event].append(partition)

    @property
    def repeats(self) -> int:
        return sum(len(partitions) - 1 for partitions in self.found.values())

    def out_of_order(self, taken: Iterable[Delivery]) -> list[Delivery]:
        """First deliveries that came after one that lies behind them, of the same key in the same partition.

        An event that lies in two partitions has no place in either.
        """
        places = {
            (key, number): (partition, place)
            for (key, partition), numbers in self._order.items()
            for place, number in enumerate(numbers)
            if len(set(self.found[key, number])) == 1
        }
        latest: dict[tuple[str, int], int] = {}
        wrong = []
        for delivery in dict.fromkeys(taken):
            if delivery in places:
                partition, place = places[delivery]
                if place < latest.get((delivery[0], partition), -1):
                    wrong.append(delivery)
                latest[delivery[0], partition] = max(place, latest.get((delivery[0], partition), -1))
        return wrong


@dataclass
class Backbone:
    """`blows` are struck one after the other, where a run strikes them at all. Topics begin with `prefix`."""

    addresses: str
    prefix: str
    blows: Sequence[Callable[[], None]] = ()

    def settings(self) -> dict[str, str]:
        """The environment of those that use it."""
        return {
            "EVENT_ISSUER_LOG_URL": f"kafka://{self.addresses}",
            "EVENT_ISSUER_KAFKA_TOPIC": f"{self.prefix}.{{event_type}}",
        }

    async def strike(self, number: int) -> None:
        await asyncio.to_thread(self.blows[number])

    async def widen(self, type_: str) -> int:
        """Somebody else adds a partition; its number."""
        number = await partitions_in(self.addresses, self._topic(type_))
        await add_partitions(self.addresses, self._topic(type_), number + 1)
        return number

    async def written(self, types: Sequence[str]) -> Written:
        written = Written()
        for type_ in types:
            count = await partitions_in(self.addresses, self._topic(type_))
            written.heads |= {(type_, number): 0 for number in range(count)}
            for record in await everything_in(self.addresses, self._topic(type_), count):
                number = int(dict(record.headers)["ce_id"])
                written.note(type_, record.partition, record.key.decode(), number)
                written.heads[type_, record.partition] = record.offset + 1
        return written

    def _topic(self, type_: str) -> str:
        return f"{self.prefix}.{type_}"


def blows_to(broker: Broker) -> list[Callable[[], None]]:
    """It is restarted, and later killed and started."""

    def restart() -> None:
        broker.stop()
        broker.start()

    def kill() -> None:
        broker.kill()
        broker.start()

    return [restart, kill]


def blows_to_one_of(cluster: KafkaCluster) -> list[Callable[[], None]]:
    """One node is killed, and comes back later. Each of them leads some partitions."""
    return [cluster.nodes[0].kill, cluster.nodes[0].start]
