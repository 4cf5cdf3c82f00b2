"""Trials in real worker processes: what is tried, killed, replaced, bounded and closed."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from event_issuer.contracts import worker
from event_issuer.contracts.trial import MEMORY_BYTES, SchemaTrial
from event_issuer.domain.errors import LimitExceeded, SchemaInvalid, Unavailable, Violation
from tests.domain.schemas import ARRIVAL, CLOSURE, TRACK_STATE, TRAIN_ARRIVED, Schema, doubling_chain

PATIENT_S = 30.0  # for trials that are to end by themselves, on however busy a machine
SHORT_S = 0.2  # for workers that are stopped anyway

# Each of these patterns takes some 3 MB and some milliseconds to compile.
GREEDY: Schema = {"properties": {f"p{n}": {"pattern": rf"^[\p{{L}} ]{{1,50}}{n}$"} for n in range(200)}}


@pytest.fixture
async def trial() -> AsyncIterator[SchemaTrial]:
    made = SchemaTrial(timeout_s=PATIENT_S)
    yield made
    await made.close()


async def refusal_of(trial: SchemaTrial, definition: object, example: object = None) -> SchemaInvalid:
    with pytest.raises(SchemaInvalid) as raised:
        await trial.try_schema(definition, example)
    return raised.value


async def started(trial: SchemaTrial) -> int:
    """The process id of a worker that has stood its first trial."""
    await trial.try_schema({})
    assert trial.worker_pid is not None
    return trial.worker_pid


async def under_way(coroutine: asyncio.Task[None]) -> None:
    """Lets a trial come to where it waits for the worker's answer."""
    for _ in range(20):
        await asyncio.sleep(0)
    assert not coroutine.done()


def is_alive(pid: int) -> bool:
    """Whether there is such a process that has not ended; one that nobody has waited for yet is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def facts(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


async def test_one_worker_tries_one_schema_after_the_other(trial: SchemaTrial) -> None:
    assert trial.worker_pid is None
    await trial.try_schema(TRAIN_ARRIVED, ARRIVAL)
    pid = trial.worker_pid
    await trial.try_schema(TRACK_STATE, CLOSURE)
    await trial.try_schema({"title": "Blåbær\n\U0001f686", "enum": [10**30, None]}, 10**30)
    refusal = await refusal_of(trial, TRAIN_ARRIVED, ARRIVAL | {"delaySeconds": "sein"})
    assert refusal.detail == 'The example breaks the schema: "sein" is not of type "integer"'
    assert refusal.violations == (Violation("/delaySeconds", "type", '"sein" is not of type "integer"'),)
    refusal = await refusal_of(trial, {"$ref": "#/$defs/s0", "$defs": doubling_chain(26)})
    assert [found.rule for found in refusal.violations] == ["expense"]
    assert trial.worker_pid == pid is not None


async def test_what_is_too_large_never_reaches_the_worker(trial: SchemaTrial) -> None:
    assert (await refusal_of(trial, True)).violations[0].rule == "type"
    assert (await refusal_of(trial, {"title": "x" * 300_000})).violations[0].rule == "size"
    assert (await refusal_of(trial, {}, "x" * 70_000)).violations[0].rule == "size"
    assert (await refusal_of(trial, {}, float("nan"))).violations[0].rule == "json"
    assert trial.worker_pid is None


async def test_a_schema_that_holds_the_worker_is_refused_and_the_next_one_is_tried() -> None:
    trial = SchemaTrial(timeout_s=SHORT_S)
    pid = await started(trial)
    os.kill(pid, signal.SIGSTOP)  # held, as by a schema that never ends
    message = "The trial of the schema takes longer than 0.2 s; make it smaller or simpler"
    assert (await refusal_of(trial, {})).violations == (Violation("", "expense", message),)
    assert trial.worker_pid is None
    assert await started(trial) != pid
    assert not is_alive(pid)
    await trial.close()


async def test_a_worker_that_was_killed_while_idle_is_replaced(trial: SchemaTrial) -> None:
    pid = await started(trial)
    os.kill(pid, signal.SIGKILL)
    assert await started(trial) != pid


async def test_a_schema_is_not_blamed_for_what_killed_its_worker(trial: SchemaTrial) -> None:
    pid = await started(trial)
    os.kill(pid, signal.SIGSTOP)
    trying = asyncio.create_task(trial.try_schema(TRAIN_ARRIVED, ARRIVAL))
    await under_way(trying)
    os.kill(pid, signal.SIGKILL)
    await trying
    assert trial.worker_pid not in (None, pid)


async def test_a_schema_that_needs_too_much_memory_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    trial = SchemaTrial(timeout_s=PATIENT_S, memory_bytes=100 * 1024 * 1024)
    message = "The schema ended the process that tried it; it may need too much memory"
    assert (await refusal_of(trial, GREEDY)).violations == (Violation("", "expense", message),)
    await trial.try_schema(TRAIN_ARRIVED, ARRIVAL)
    await trial.close()
    assert "memory" in capfd.readouterr().err.lower()


async def test_a_worker_has_few_rights_and_no_secrets(trial: SchemaTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENT_ISSUER_SEALING_KEY", "not for a stranger's schema")
    pid = await started(trial)
    environment = dict(line.split("=", 1) for line in facts(pid, "environ").rstrip("\0").split("\0"))
    assert environment.keys() == {"PYTHONPATH", "PYTHONUTF8"}
    limits = {line[:26].strip(): line[26:].split()[:2] for line in facts(pid, "limits").splitlines()}
    assert limits["Max core file size"] == ["0", "0"]
    soft, hard = limits["Max address space"]
    assert soft == hard
    assert MEMORY_BYTES < int(soft) < MEMORY_BYTES + 400 * 1024 * 1024
    fields = facts(pid, "stat").rpartition(")")[2].split()
    assert int(fields[16]) == os.nice(0) + 10
    assert int(fields[3]) == pid  # a session of its own: Ctrl-C does not reach it


async def test_trials_wait_for_their_turn_within_a_bound() -> None:
    trial = SchemaTrial(timeout_s=PATIENT_S, waiting_max=2)
    pid = await started(trial)
    os.kill(pid, signal.SIGSTOP)
    accepted = [asyncio.create_task(trial.try_schema({"title": str(n)})) for n in range(3)]
    await under_way(accepted[-1])
    with pytest.raises(LimitExceeded) as raised:
        await trial.try_schema({})
    assert raised.value.detail == "2 schemas are waiting for their trial; try again later"
    os.kill(pid, signal.SIGCONT)
    await asyncio.gather(*accepted)
    assert trial.worker_pid == pid
    await trial.try_schema({})
    await trial.close()


async def test_a_cancelled_trial_leaves_no_answer_to_the_next(trial: SchemaTrial) -> None:
    pid = await started(trial)
    os.kill(pid, signal.SIGSTOP)
    cancelled = asyncio.create_task(trial.try_schema({"type": "no type"}))
    await under_way(cancelled)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await trial.try_schema({})
    assert trial.worker_pid not in (None, pid)
    assert not is_alive(pid)


async def test_who_is_cancelled_while_waiting_takes_no_room() -> None:
    trial = SchemaTrial(timeout_s=PATIENT_S, waiting_max=1)
    pid = await started(trial)
    os.kill(pid, signal.SIGSTOP)
    first = asyncio.create_task(trial.try_schema({}))
    await under_way(first)
    for _ in range(5):
        waiting = asyncio.create_task(trial.try_schema({}))
        await under_way(waiting)
        waiting.cancel()
        await asyncio.wait([waiting])
    os.kill(pid, signal.SIGCONT)
    await first
    await trial.close()


async def test_closing_ends_the_worker() -> None:
    trial = SchemaTrial(timeout_s=PATIENT_S)
    pid = await started(trial)
    await trial.close()
    assert not is_alive(pid)
    assert trial.worker_pid is None
    with pytest.raises(Unavailable) as raised:
        await trial.try_schema({})
    assert raised.value.detail == "Schemas are no longer tried here: the server is shutting down"
    assert trial.worker_pid is None
    await trial.close()


async def test_closing_ends_a_trial_under_way() -> None:
    trial = SchemaTrial(timeout_s=PATIENT_S)
    pid = await started(trial)
    os.kill(pid, signal.SIGSTOP)
    trying = asyncio.create_task(trial.try_schema({}))
    await under_way(trying)
    await trial.close()
    with pytest.raises(Unavailable):
        await trying
    assert not is_alive(pid)


async def test_closing_ends_a_worker_that_is_just_starting() -> None:
    trial = SchemaTrial(timeout_s=PATIENT_S)
    trying = asyncio.create_task(trial.try_schema({}))
    await under_way(trying)
    await trial.close()
    with pytest.raises(Unavailable):
        await trying
    assert trial.worker_pid is None
    assert own_workers() == []


def own_workers() -> list[int]:
    """The workers that are children of this process and have not ended."""
    children = [int(pid) for pid in facts(os.getpid(), f"task/{os.getpid()}/children").split()]
    return [pid for pid in children if is_alive(pid) and worker.__name__ in facts(pid, "cmdline")]


async def test_a_worker_that_does_not_start_is_no_fault_of_the_schema(capfd: pytest.CaptureFixture[str]) -> None:
    trial = SchemaTrial(timeout_s=PATIENT_S, memory_bytes=10**30)
    with pytest.raises(Unavailable) as raised:
        await trial.try_schema({})
    assert raised.value.detail == "The process that tries schemas does not start"
    assert "OverflowError" in capfd.readouterr().err
    await trial.close()
    assert own_workers() == []


async def test_a_machine_without_room_for_a_process_is_no_fault_of_the_schema(trial: SchemaTrial) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")), limits[1]))
    try:
        with pytest.raises(Unavailable) as raised:
            await trial.try_schema({})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert raised.value.detail == "The process that tries schemas does not start: Too many open files"
    await trial.try_schema({})


def test_a_worker_ends_itself_when_nobody_else_does() -> None:
    """Its server died: no more input; or it is held and the alarm goes off."""
    command = [sys.executable, "-m", worker.__name__, str(MEMORY_BYTES)]
    idle = subprocess.run([*command, "60"], input=b"", capture_output=True, timeout=PATIENT_S, check=True)
    assert idle.stdout == worker.READY
    request = b'{"definition": {"patternProperties": {%b}}, "example": null}\n' % b", ".join(
        rb'"^[\\p{L} ]{1,50}%d$": true' % n for n in range(100)
    )
    held = subprocess.run([*command, "0.05"], input=request, capture_output=True, timeout=PATIENT_S, check=False)
    assert (held.returncode, held.stdout) == (-signal.SIGALRM, worker.READY)
