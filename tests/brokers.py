"""Fixtures for tests that need Kafka: `kafka_address`, a broker that all tests of a run share.

A test that stops its broker makes one of its own, with `new_broker`. Where none can run, these tests are skipped and
say why.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka.kinds import is_apache, new_broker
from tests.kafka.process import Broker, NoKafka
from tests.kafka.shared import shared_broker


@pytest.fixture(scope="session")
def kafka_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # the one of the whole run
    try:
        with shared_broker(folder / "kafka") as (_, address):
            yield address
    except NoKafka as problem:
        pytest.skip(f"no Kafka: {problem}")


@pytest.fixture
def apache_only() -> None:
    """For a test of what only the real thing does."""
    if not is_apache():
        pytest.skip("Apache Kafka alone keeps what it has when it is killed, and refuses topics that are gone")


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that the tests of one module may stop, kill and freeze; they leave it running."""
    folder: Path = tmp_path_factory.mktemp("kafka")
    try:
        broker = new_broker(folder)
        broker.start()
    except NoKafka as problem:
        pytest.skip(f"no Kafka: {problem}")
    try:
        yield broker
    finally:
        broker.kill()
