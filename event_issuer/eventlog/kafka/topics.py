"""Topics: how event types are called in Kafka, and making and setting them where the operator allows it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from aiokafka.errors import TopicAlreadyExistsError, for_code
from aiokafka.protocol.admin import CreateTopicsRequest

from event_issuer.domain.errors import Conflict, SettingsInvalid, Unavailable
from event_issuer.eventlog.kafka.client import KafkaClient, Place, away
from event_issuer.eventlog.kafka.incremental import SetTopicSettings
from event_issuer.eventlog.protocol import TypeStorage

PLACEHOLDER: Final = "{event_type}"
AFFIX_LENGTH_MAX: Final = 49  # with the longest name of an event type Kafka's 249 characters
BROKERS_BYTES: Final = 1_048_588  # what a broker takes for a batch where nobody says otherwise
OVERHEAD_BYTES: Final = 64 * 1024  # of a record with all its attributes beside its data
LOOK_AGAIN_S: Final = 0.05
ASKED_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class TopicRules:
    """`template` names an event type's topic. `managed`: topics are made and set by us, in `replicas` copies
    (-1: as many as the brokers say); else they must be there, and stay as they are."""

    template: str = PLACEHOLDER
    managed: bool = True
    replicas: int = -1
    retention_s: int | None = None
    retention_bytes: int | None = None
    data_bytes_max: int = 1_000_000
    structured: bool = False  # our records are written in structured mode; those of either mode are read
    brokers_time: bool = True  # records have the time of their append, so that it never goes backwards

    def __post_init__(self) -> None:
        prefix, placeholder, suffix = self.template.partition(PLACEHOLDER)
        affixes = prefix + suffix
        is_plain = affixes.isascii() and all(letter.isalnum() or letter in "._-" for letter in affixes)
        if not placeholder or not is_plain or len(affixes) > AFFIX_LENGTH_MAX:
            raise SettingsInvalid(
                f"topics cannot be named {self.template[:80]!r}: {PLACEHOLDER} with up to {AFFIX_LENGTH_MAX} letters, "
                "digits, dots, underscores and hyphens around it."
            )

    def topic_of(self, event_type: str) -> str:
        return self.template.replace(PLACEHOLDER, event_type)

    def settings_of(self, storage: TypeStorage) -> dict[str, str]:
        """The settings of a topic that is made, as Kafka has them."""
        return self.retention_of(storage) | {
            "cleanup.policy": "compact,delete" if storage.compacts else "delete",
            "message.timestamp.type": "LogAppendTime" if self.brokers_time else "CreateTime",
            "max.message.bytes": str(max(BROKERS_BYTES, self.data_bytes_max + OVERHEAD_BYTES)),
        }

    def retention_of(self, storage: TypeStorage) -> dict[str, str]:
        seconds = self.retention_s if storage.retention_s is None else storage.retention_s
        size = self.retention_bytes if storage.retention_bytes is None else storage.retention_bytes
        return {
            "retention.ms": "-1" if seconds is None else str(seconds * 1000),
            "retention.bytes": "-1" if size is None else str(size),
        }


class Topics:
    def __init__(self, client: KafkaClient, rules: TopicRules, timeout_s: float) -> None:
        self._client, self.rules, self._timeout_s = client, rules, timeout_s

    async def ensure(self, storage: TypeStorage) -> int:
        """The number of partitions of the event type's topic, which is made where there is none.

        Raises Unavailable, and Conflict where there is none and it may not or cannot be made.
        """
        topic = self.rules.topic_of(storage.event_type)
        counts = await self._client.partition_counts([topic])
        if topic in counts:
            return counts[topic]
        if not self.rules.managed:
            raise Conflict(f"Kafka has no topic {topic}, and this server makes none: have it made first.")
        await self._create(topic, storage)
        return await self._settled(topic)

    async def _create(self, topic: str, storage: TypeStorage) -> None:
        settings = list(self.rules.settings_of(storage).items())
        wanted: tuple[object, ...] = (topic, storage.partitions, self.rules.replicas, [], settings)
        answer = await self._client.admin(CreateTopicsRequest([wanted], self._timeout_ms, False))
        ((_, error, message),) = answer.topic_errors
        _raise_for(error, message, f"Kafka does not make topic {topic}", but=TopicAlreadyExistsError.errno)

    async def _settled(self, topic: str) -> int:
        """Waits until every partition of a new topic has a leader; how many there are."""
        deadline = monotonic() + self._timeout_s
        while monotonic() < deadline:
            count = (await self._client.partition_counts([topic])).get(topic, 0)
            places = [Place(topic, number) for number in range(count)]
            if count and not (await self._client.leaders(places, anew=True))[1]:
                return count
            await asyncio.sleep(LOOK_AGAIN_S)
        raise Unavailable(f"Kafka makes topic {topic}, but it is not there yet; try again.")

    async def configure(self, storage: TypeStorage) -> None:
        """Sets the topic's retention as the event type says; all else stays: somebody else may have made it.

        Raises Unavailable, and Conflict where Kafka refuses it.
        """
        if not self.rules.managed:
            return
        topic = self.rules.topic_of(storage.event_type)
        answer = await self._client.admin(SetTopicSettings(topic, self.rules.retention_of(storage)))
        ((error, message, *_),) = answer.responses
        _raise_for(error, message, f"Kafka does not change the settings of topic {topic}")

    async def counts(self, event_types: Sequence[str]) -> dict[str, int]:
        """The number of partitions that Kafka has, of those event types that have a topic. Raises Unavailable."""
        found: dict[str, int] = {}
        for start in range(0, len(event_types), ASKED_AT_ONCE):
            names = {self.rules.topic_of(name): name for name in event_types[start : start + ASKED_AT_ONCE]}
            counts = await self._client.partition_counts(list(names))
            found |= {names[topic]: count for topic, count in counts.items()}
        return found

    @property
    def _timeout_ms(self) -> int:
        return round(self._timeout_s * 1000)


def _raise_for(error: int, message: str | None, what: str, *, but: int = 0) -> None:
    if error in (0, but):
        return
    problem: Any = for_code(error)()
    if problem.retriable:
        raise away(problem)
    raise Conflict(f"{what}: {message or problem}")
