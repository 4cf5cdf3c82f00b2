"""Which broker tests run against: Apache Kafka where there is Java and Maven, else one that a Python package brings.

The latter speaks Kafka's protocol and keeps its data, but is not the real thing: `broker_line` heads each test run.
`KAFKA_FOR_TESTS=noida-db` chooses it.
"""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tests.kafka.apache import ApacheKafka, missing_tools
from tests.kafka.process import Broker, NoKafka

VARIABLE = "KAFKA_FOR_TESTS"


class NoidaKafka(Broker):
    name = "noida-db"

    def prepare(self) -> Sequence[str | Path]:
        program = _noida()
        if program is None:
            raise NoKafka("the package noida-db is not installed")
        program.chmod(0o755)  # the wheel brings it as data
        return [program, "start", "--only", "kafka", "--kafka-port", str(self.port), "--data-dir", "data"]


def _noida() -> Path | None:
    package = find_spec("noida_db")
    return Path(str(package.origin)).with_name("noida-db") if package else None


def is_apache() -> bool:
    return not missing_tools() and os.environ.get(VARIABLE) != NoidaKafka.name


def new_broker(folder: Path) -> Broker:
    """Not started yet. Raises NoKafka."""
    if is_apache():
        return ApacheKafka(folder)
    if _noida() is not None:
        return NoidaKafka(folder)
    raise NoKafka(f"{' and '.join(missing_tools())} are not installed, nor is the package noida-db")


def broker_line() -> str:
    if is_apache():
        return f"kafka: {ApacheKafka.name}"
    return f"kafka: {NoidaKafka.name}, not the real thing" if _noida() is not None else "kafka: none"
