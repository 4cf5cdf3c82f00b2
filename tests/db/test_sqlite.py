"""What only SQLite can get wrong: its pragmas, its one writer, other processes, the disk."""

import asyncio
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent
from threading import Event

import pytest

from event_issuer.db.sqlite import SQLiteDatabase
from event_issuer.db.sqlite_connection import numbered
from event_issuer.db.work import Statement, Work
from event_issuer.domain.errors import SettingsInvalid, Unavailable
from tests.db.notes import CREATE, add, add_all, create, ids

SHORT_WAIT_S = 0.05


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "issuer.db"


@pytest.fixture
async def notes(path: Path) -> AsyncIterator[SQLiteDatabase]:
    database = SQLiteDatabase(path, wait_s=SHORT_WAIT_S)
    await database.open()
    await database.run(create(CREATE))
    yield database
    await database.close()


def pragmas(*names: str) -> Work[dict[str, object]]:
    values = {}
    for name in names:
        values[name] = (yield Statement(f"PRAGMA {name}"))[0][0]
    return values


async def test_what_the_writer_commits_is_synced(notes: SQLiteDatabase) -> None:
    assert await notes.run(pragmas("journal_mode", "synchronous", "foreign_keys", "busy_timeout")) == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": int(SHORT_WAIT_S * 1000),
    }


async def test_each_commit_is_one_fdatasync_of_the_wal(tmp_path: Path) -> None:
    """Counted by strace in a process of its own: 20 commits more are 20 calls more."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    few, many = (wal_syncs(tmp_path / f"{commits}.db", commits) for commits in (5, 25))
    assert many - few == 20


def wal_syncs(path: Path, commits: int) -> int:
    program = f"""
        import asyncio
        from pathlib import Path
        from event_issuer.db.sqlite import SQLiteDatabase
        from tests.db.notes import CREATE, add_all, create

        async def main():
            database = SQLiteDatabase(Path({str(path)!r}), checkpoint_pause_s=3600)  # it syncs the WAL, too
            await database.open()
            await database.run(create(CREATE))
            for number in range({commits}):
                await database.run(add_all([number]))
            os._exit(0)  # without the checkpoint of a clean end

        asyncio.run(main())
    """
    trace = path.with_suffix(".trace")
    strace = ["strace", "-f", "-y", "-e", "trace=fdatasync,fsync", "-o", str(trace)]
    done = subprocess.run(
        [*strace, sys.executable, "-c", "import os" + dedent(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    return len(re.findall(rf"f(?:data)?sync\(\d+<{re.escape(str(path))}-wal>", trace.read_text()))


async def test_the_file_is_for_its_owner_alone(notes: SQLiteDatabase, path: Path) -> None:
    files = sorted(path.parent.glob("issuer.db*"))
    assert [file.name for file in files] == ["issuer.db", "issuer.db-shm", "issuer.db-wal"]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3


async def test_closing_leaves_one_file(notes: SQLiteDatabase, path: Path) -> None:
    await notes.run(add_all([1]))
    await notes.close()
    assert os.listdir(path.parent) == ["issuer.db"]


async def test_a_file_of_another_kind_is_refused_and_kept(path: Path) -> None:
    path.write_text("a letter, not a database" * 100)
    database = SQLiteDatabase(path)
    with pytest.raises(SettingsInvalid, match="file is not a database"):
        await database.open()
    await database.close()
    assert path.read_text() == "a letter, not a database" * 100


async def test_reading_cannot_write(notes: SQLiteDatabase) -> None:
    with pytest.raises(sqlite3.OperationalError, match="attempt to write a readonly database"):
        await notes.read(add(1, ""))
    assert await ids(notes) == []


async def test_a_file_that_another_process_writes_is_unavailable_and_then_free(
    notes: SQLiteDatabase, path: Path
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="database is locked"):
        await notes.run(add_all([1]))
    with pytest.raises(Unavailable, match="database is locked"):
        async with notes.transaction():
            pytest.fail("the transaction began")
    assert await ids(notes) == []
    other.execute("ROLLBACK")
    other.close()
    assert await notes.run(add_all([1])) == 1


async def test_a_writer_that_keeps_its_turn_makes_the_others_unavailable(notes: SQLiteDatabase) -> None:
    held, done = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with notes.transaction():
            held.set()
            await done.wait()

    holder = asyncio.create_task(hold())
    await held.wait()
    with pytest.raises(Unavailable, match=r"not free within 0\.05 s"):
        await notes.run(add_all([1]))
    waiting = asyncio.create_task(notes.run(add_all([2])))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await ids(notes) == []
    done.set()
    await holder
    assert await notes.run(add_all([3])) == 1


async def test_a_work_that_runs_is_not_broken_off_by_a_cancellation(notes: SQLiteDatabase) -> None:
    started, go_on = Event(), Event()

    def work() -> Work[None]:
        yield add(1, "")
        started.set()
        go_on.wait()
        yield add(2, "")

    task = asyncio.create_task(notes.run(work()))
    await asyncio.to_thread(started.wait)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await ids(notes) == [1, 2]
    assert await notes.run(add_all([3])) == 3


async def test_a_cancelled_read_is_broken_off(notes: SQLiteDatabase) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    for _ in range(3):  # more often than there are readers
        task = asyncio.create_task(notes.read(Statement(endless)))
        await ids(notes)  # meanwhile the other reader answers
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await ids(notes) == []


async def test_a_read_that_is_cancelled_before_it_starts_is_broken_off_too(path: Path) -> None:
    """The reader's thread is busy, so the interrupt comes before there is a statement to be interrupted."""
    database = SQLiteDatabase(path, readers=1)
    await database.open()
    (reader,) = database._readers
    started, go_on = Event(), Event()

    def hold(_: sqlite3.Connection) -> None:
        started.set()
        go_on.wait()

    holder = asyncio.create_task(reader.do(hold))
    await asyncio.to_thread(started.wait)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    task = asyncio.create_task(database.read(Statement(endless)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    await holder
    with pytest.raises(asyncio.CancelledError):
        await task
    await database.close()


async def test_a_failed_commit_leaves_the_writer_usable(notes: SQLiteDatabase) -> None:
    await notes.run(create("CREATE TABLE replies (note BIGINT REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED)"))
    orphan = Statement("INSERT INTO replies VALUES ($1)", (1,))

    def work() -> Work[None]:
        yield orphan

    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await notes.run(work())
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        async with notes.transaction():
            await notes.run(work())
    assert await notes.read(Statement("SELECT * FROM replies")) == []
    assert await notes.run(add_all([1])) == 1


async def test_a_full_disk_is_unavailable_and_changes_nothing(notes: SQLiteDatabase) -> None:
    await notes.run(add_all([1]))
    (pages,) = (await notes.run(pragmas("page_count"))).values()
    await notes.run(pragmas(f"max_page_count = {pages}"))

    def work() -> Work[None]:
        yield add(2, "small")
        yield add(3, "large" * 10_000)

    with pytest.raises(Unavailable, match="database or disk is full"):
        await notes.run(work())
    with pytest.raises(Unavailable, match="no transaction is active"):  # noqa: PT012 - leaving the block raises
        async with notes.transaction():
            await notes.run(add_all([4]))
            with pytest.raises(Unavailable, match="database or disk is full"):
                await notes.run(work())  # SQLite ends the whole transaction, so it cannot be committed
    assert await ids(notes) == [1]
    await notes.run(pragmas("max_page_count = 1000000"))
    assert await notes.run(add_all([2])) == 2


def test_parameters_are_numbered_the_way_of_sqlite() -> None:
    assert (
        numbered("SELECT $1, $12 FROM t WHERE a = $2 AND b = '$'") == "SELECT ?1, ?12 FROM t WHERE a = ?2 AND b = '$'"
    )
