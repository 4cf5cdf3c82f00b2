"""Comparisons in real worker processes: answered, killed, bounded; and what each of them leaves behind."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from event_issuer.contracts.trial import SchemaTrial
from event_issuer.domain.compatibility import (
    COMPATIBLE,
    Comparison,
    CompatibilityMode,
    CompatibilityProblem,
    CompatibilityVerdict,
)
from event_issuer.domain.errors import LimitExceeded, SchemaInvalid, Unavailable
from tests.domain.compatibility.hostile import HOSTILE
from tests.domain.schemas import ARRIVAL, TRAIN_ARRIVED, Schema

PATIENT_S = 30.0
SHORT_S = 0.2
BACKWARD, FORWARD, FULL = CompatibilityMode.BACKWARD, CompatibilityMode.FORWARD, CompatibilityMode.FULL

SHORT: Schema = {"type": "string", "maxLength": 2}
LONG: Schema = {"type": "string", "maxLength": 3}

# Each of these patterns takes some 3 MB to compile.
GREEDY: Schema = {"properties": {f"p{n}": {"pattern": rf"^[\p{{L}} ]{{1,50}}{n}$"} for n in range(200)}}


@pytest.fixture
async def trial() -> AsyncIterator[SchemaTrial]:
    made = SchemaTrial(timeout_s=PATIENT_S)
    yield made
    await made.close()


def undecided(reason: str) -> Comparison:
    return Comparison(CompatibilityVerdict.UNDECIDED, (CompatibilityProblem("", "undecided", reason),))


async def started(trial: SchemaTrial) -> int:
    """The process id of a worker that has answered."""
    await trial.try_schema({})
    assert trial.worker_pid is not None
    return trial.worker_pid


async def under_way(comparing: asyncio.Task[Comparison]) -> None:
    """Lets a comparison come to where it waits for the worker's answer."""
    for _ in range(20):
        await asyncio.sleep(0)
    assert not comparing.done()


async def test_one_worker_answers_both_kinds_of_question(trial: SchemaTrial) -> None:
    pid = await started(trial)
    assert await trial.compare(SHORT, LONG, BACKWARD) == COMPATIBLE
    await trial.try_schema(TRAIN_ARRIVED, ARRIVAL)
    message = 'The new version takes a document that the old version refuses: "aaa" is longer than 2 characters'
    problem = CompatibilityProblem("/maxLength", "maxLength", message, witnessed=True, witness="aaa")
    found = Comparison(CompatibilityVerdict.INCOMPATIBLE, (problem,))
    assert await trial.compare(SHORT, LONG, FORWARD) == found
    assert await trial.compare(SHORT, LONG, FULL) == found
    with pytest.raises(SchemaInvalid):
        await trial.try_schema({"type": "strin"})
    assert trial.worker_pid == pid


async def test_a_witness_comes_back_as_it_is(trial: SchemaTrial) -> None:
    for witness in (None, 12345678901234567890123, "Blåbær\n\U0001f686", {"å": [1.5, False]}):
        found = await trial.compare({"enum": [witness, 0]}, {"const": 0}, BACKWARD)
        (problem,) = found.problems
        assert (problem.path, problem.rule, problem.witnessed) == ("/const", "const", True)
        assert problem.witness == witness


async def test_nothing_is_asked_where_nothing_must_be_kept(trial: SchemaTrial) -> None:
    assert await trial.compare({"type": "string"}, {"type": "integer"}, CompatibilityMode.NONE) == COMPATIBLE
    assert trial.worker_pid is None


async def test_what_is_no_schema_is_undecided(trial: SchemaTrial) -> None:
    found = await trial.compare({}, [], FULL)
    reason = "A schema that can serve as a contract is a JSON object, not an array"
    assert found == undecided(f"One of the versions cannot serve as a contract: {reason}")
    assert trial.worker_pid is None
    found = await trial.compare({"type": "strin"}, {}, FULL)
    assert found.verdict is CompatibilityVerdict.UNDECIDED
    assert found.problems[0].message.startswith("One of the versions cannot serve as a contract: ")


async def test_a_comparison_that_takes_too_long_is_undecided_and_the_next_one_is_made() -> None:
    trial = SchemaTrial(timeout_s=SHORT_S)
    pid = await started(trial)
    os.kill(pid, signal.SIGSTOP)  # held, as by schemas that never end
    assert await trial.compare(SHORT, LONG, FULL) == undecided("To compare the versions takes longer than 0.2 s")
    assert await trial.compare(SHORT, SHORT, FULL) == COMPATIBLE
    assert trial.worker_pid not in (None, pid)
    await trial.close()


async def test_a_comparison_is_not_blamed_for_what_killed_its_worker(trial: SchemaTrial) -> None:
    pid = await started(trial)
    os.kill(pid, signal.SIGSTOP)
    comparing = asyncio.create_task(trial.compare(SHORT, LONG, BACKWARD))
    await under_way(comparing)
    os.kill(pid, signal.SIGKILL)
    assert await comparing == COMPATIBLE
    assert trial.worker_pid not in (None, pid)


async def test_versions_that_need_too_much_memory_are_undecided(capfd: pytest.CaptureFixture[str]) -> None:
    trial = SchemaTrial(timeout_s=PATIENT_S, memory_bytes=100 * 1024 * 1024)
    reason = "The versions ended the process that compared them; it may need too much memory"
    assert await trial.compare(GREEDY, GREEDY | {"title": "b"}, FULL) == undecided(reason)
    assert await trial.compare(SHORT, LONG, BACKWARD) == COMPATIBLE
    await trial.close()
    assert "memory" in capfd.readouterr().err.lower()


async def test_comparisons_wait_for_their_turn_within_the_bound_of_trials() -> None:
    trial = SchemaTrial(timeout_s=PATIENT_S, waiting_max=1)
    pid = await started(trial)
    os.kill(pid, signal.SIGSTOP)
    accepted = [asyncio.create_task(trial.compare(SHORT, LONG, BACKWARD)) for _ in range(2)]
    await under_way(accepted[-1])
    with pytest.raises(LimitExceeded):
        await trial.compare(SHORT, LONG, BACKWARD)
    os.kill(pid, signal.SIGCONT)
    assert await asyncio.gather(*accepted) == [COMPATIBLE, COMPATIBLE]
    await trial.close()
    with pytest.raises(Unavailable):
        await trial.compare(SHORT, LONG, BACKWARD)


async def test_hostile_versions_leave_the_worker_alive(trial: SchemaTrial) -> None:
    pid = await started(trial)
    for old, new in HOSTILE.values():
        found = await trial.compare(old, new, FULL)
        assert found.verdict in (CompatibilityVerdict.INCOMPATIBLE, CompatibilityVerdict.UNDECIDED)
    assert trial.worker_pid == pid


async def test_a_sample_is_made_by_the_same_worker(trial: SchemaTrial) -> None:
    pid = await started(trial)
    assert await trial.sample({"const": "ä"}) == '"ä"'
    assert await trial.sample({"enum": [None]}) == "null"
    assert await trial.sample({"not": {}}) is None
    assert trial.worker_pid == pid
