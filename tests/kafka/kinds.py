"""Which broker tests run against: Apache Kafka where there is Java and Maven."""

from pathlib import Path

from tests.kafka.apache import ApacheKafka, jars


def new_broker(folder: Path) -> ApacheKafka:
    """Not started yet. Raises NoKafka."""
    return ApacheKafka(jars(), folder)
