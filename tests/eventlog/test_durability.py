"""What was answered PERSISTED is there: after a kill, and, as far as system calls tell, after a power cut."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from event_issuer.db.database import open_database
from event_issuer.domain.records import AppendStatus
from tests.db.rows import add_partitions
from tests.eventlog.conftest import migrated
from tests.eventlog.logs import Logs
from tests.eventlog.records import read_all, record

ROOT = Path(__file__).parents[2]
MANY = 1_000_000


def writer(url: str, partition_id: int, count: int, *under: str) -> "subprocess.Popen[str]":
    program: Sequence[str] = [
        *under,
        sys.executable,
        "-m",
        "tests.eventlog.writing",
        url,
        str(partition_id),
        str(count),
    ]
    return subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("answers", [1, 30])
async def test_what_a_killed_process_had_answered_is_there(logs: Logs, database_url: str, answers: int) -> None:
    partition_id = await logs.partition()
    with writer(database_url, partition_id, MANY) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(answers)]
        process.kill()
        lines += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    answered = [tuple(map(int, line.split())) for line in lines if line.endswith("\n")]
    assert answered == [(n, n) for n in range(len(answered))]

    log = await logs.another()
    found = await read_all(log, partition_id)
    assert [(int(one.event.id), one.offset) for one in found] == [(n, n) for n in range(len(found))]
    assert len(answered) <= len(found) <= len(answered) + 1  # the last one may have been written, but not answered
    again = await log.append([record(partition_id, n) for n in range(len(answered))] + [record(partition_id, "next")])
    assert [(answer.status, answer.offset) for answer in again] == [
        *((AppendStatus.DUPLICATE, n) for n in range(len(answered))),
        (AppendStatus.PERSISTED, len(found)),
    ]


async def test_each_answer_of_sqlite_comes_after_a_sync(tmp_path: Path) -> None:
    """The system calls of a writer in their order: before each answer there is a new fdatasync of the WAL."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    path, trace = tmp_path / "issuer.db", tmp_path / "trace"
    url = f"sqlite:///{path}"
    await migrated(url)
    database = await open_database(url)
    (partition_id,) = await add_partitions(database, 1)
    await database.close()
    strace = ["strace", "-f", "-y", "-e", "trace=fdatasync,fsync,write", "-o", str(trace)]
    with writer(url, partition_id, 20, *strace) as process:
        output, errors = process.communicate()
    if "ptrace" in errors and "not permitted" in errors:
        pytest.skip(f"strace may not trace here: {errors.splitlines()[0]}")
    assert process.returncode == 0, errors
    assert output.splitlines() == [f"{n} {n}" for n in range(20)]

    sync, answer = rf"f(?:data)?sync\(\d+<{re.escape(str(path))}-wal>", r'write\(1<[^>]*>, "\d+ \d+\\n"'
    calls = re.findall(f"{sync}|{answer}", trace.read_text())
    kinds = "".join("s" if "sync" in call else "a" for call in calls)
    assert re.fullmatch("(s+a){20}s*", kinds), kinds
