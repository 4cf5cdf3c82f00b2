"""What is asked about a schema before it is registered, in a worker process that is killed when it takes too long.

Can it serve as a contract, may it follow an earlier version, and what would keep it? Even a checked schema may hold
the interpreter for long, and what holds one in C code cannot be interrupted from inside. One question is answered at a
time; the worker is started when first needed and kept. How the answer is found is the worker's business; what is done
with it is the caller's.
"""

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

from event_issuer.contracts import comparing, worker
from event_issuer.domain.compatibility import COMPATIBLE, Comparison, CompatibilityMode, undecided
from event_issuer.domain.contracts import encode_definition, encode_example
from event_issuer.domain.errors import LimitExceeded, SchemaInvalid, Unavailable, Violation
from event_issuer.domain.violations import refusal

# Interpreter and libraries take some 60 MB of address space; compiling the largest schema, another hundred.
MEMORY_BYTES = 512 * 1024 * 1024
# Questions that wait for the one under way: with the default timeout the last of them has to wait for half a minute.
WAITING_MAX = 16
# To start Python and load the validator on a very busy machine.
START_TIMEOUT_S = 20.0
# One answer: at most 100 violations of at most some KiB each, or 40 witnesses of 20 KB.
ANSWER_BYTES_MAX = 1024 * 1024
# The worker ends itself so long after it should have been killed, in case the server died first.
_ALARM_AFTER_S = 1.0

_PACKAGES = Path(__file__).parents[2]


class SchemaTrial:
    """Tries and compares schemas in a process of their own. Belongs to one event loop; close it in the end."""

    def __init__(
        self, *, timeout_s: float = 2.0, memory_bytes: int = MEMORY_BYTES, waiting_max: int = WAITING_MAX
    ) -> None:
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._waiting_max = waiting_max
        self._waiting = 0
        self._turn = asyncio.Lock()
        self._worker: Process | None = None
        self._killed: list[Process] = []  # to be waited for, at the next start or in the end
        self._closed = False

    @property
    def worker_pid(self) -> int | None:
        """The process id of the worker; None if there is none at the moment."""
        return self._worker.pid if self._worker else None

    async def try_schema(self, definition: object, example: object | None = None) -> None:
        """Return if the schema can be registered and `example`, where there is one, keeps it.

        Raises `SchemaInvalid` (with violations; also when the schema takes longer than `timeout_s` or kills the
        worker), `LimitExceeded` when too many trials wait already, `Unavailable` when no worker can be started.
        """
        request = b'{"definition": %b, "example": %b}\n' % (
            encode_definition(definition),
            encode_example(example),
        )
        answer = await self._answer(request)
        if answer is None:
            message = f"The trial of the schema takes longer than {self._timeout_s} s; make it smaller or simpler"
            raise refusal("expense", message)
        if not answer:
            raise refusal("expense", "The schema ended the process that tried it; it may need too much memory")
        _raise_refusal(json.loads(answer))

    async def compare(self, old: object, new: object, mode: CompatibilityMode) -> Comparison:
        """Whether the schema `new` may follow `old`. UNDECIDED, with the reason, is also what is no schema or too
        large, what takes longer than `timeout_s` and what ends the worker.

        Raises `LimitExceeded` and `Unavailable` like `try_schema`.
        """
        if mode is CompatibilityMode.NONE:
            return COMPATIBLE
        try:
            request = comparing.question(old, new, mode)
        except SchemaInvalid as problem:
            return undecided(f"One of the versions cannot serve as a contract: {problem.detail}")
        answer = await self._answer(request)
        if answer is None:
            return undecided(f"To compare the versions takes longer than {self._timeout_s} s")
        if not answer:
            return undecided("The versions ended the process that compared them; it may need too much memory")
        return comparing.comparison(answer)

    async def sample(self, definition: object) -> str | None:
        """A document, as JSON, that keeps this schema of ours; None where none was found in time.

        Raises `LimitExceeded` and `Unavailable` like `try_schema`.
        """
        answer = await self._answer(b'{"sampled": %b}\n' % encode_definition(definition))
        sample = json.loads(answer)["sample"] if answer else None
        return None if sample is None else str(sample)

    async def close(self) -> None:
        """End the worker. A question under way or asked later gets `Unavailable`."""
        self._closed = True
        self._kill()
        async with self._turn:
            await self._reap()

    async def _answer(self, request: bytes) -> bytes | None:
        """The worker's answer when it is this request's turn; nothing if the worker died of it, None if it is late."""
        if self._waiting > self._waiting_max:
            raise LimitExceeded(f"{self._waiting_max} schemas are waiting for their trial; try again later")
        self._waiting += 1
        try:
            async with self._turn:
                answer = await self._ask(request)
                # A worker may have died of something else, so that a schema is only blamed for the second one.
                return await self._ask(request) if answer == b"" else answer
        finally:
            self._waiting -= 1

    async def _ask(self, request: bytes) -> bytes | None:
        """Without an answer the worker is killed: the next would be belated."""
        process = await self._running_worker()
        answer = b""
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await _exchange(process, request)
        except TimeoutError:
            return None
        finally:
            if not answer:
                self._kill()
        return answer

    async def _running_worker(self) -> Process:
        self._refuse_if_closed()
        if self._worker is None or self._worker.returncode is not None:
            self._kill()
            await self._reap()
            self._worker = await self._start()
            if self._closed:  # meanwhile, when there was no worker to kill yet
                self._kill()
                self._refuse_if_closed()
        return self._worker

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise Unavailable("Schemas are no longer tried here: the server is shutting down")

    async def _start(self) -> Process:
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", worker.__name__),
                *(str(self._memory_bytes), str(self._timeout_s + _ALARM_AFTER_S)),
                stdin=PIPE,
                stdout=PIPE,
                env=_bare_environment(),
                start_new_session=True,  # Ctrl-C is for the server
                limit=ANSWER_BYTES_MAX,
            )
        except OSError as problem:  # no memory, process or file descriptor left
            raise Unavailable(f"The process that tries schemas does not start: {problem.strerror}") from problem
        ready = False
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                ready = await _read_line(process) == worker.READY
        except TimeoutError:
            pass
        finally:
            if not ready:
                self._killed.append(process)
                _kill(process)
        if not ready:
            raise Unavailable("The process that tries schemas does not start")
        return process

    def _kill(self) -> None:
        if self._worker is not None:
            _kill(self._worker)
            self._killed.append(self._worker)
            self._worker = None

    async def _reap(self) -> None:
        while self._killed:
            await self._killed[-1].communicate()
            self._killed.pop()


async def _exchange(process: Process, request: bytes) -> bytes:
    assert process.stdin is not None
    try:
        process.stdin.write(request)
        await process.stdin.drain()
    except ConnectionError:
        return b""
    return await _read_line(process)


async def _read_line(process: Process) -> bytes:
    """A whole line, or nothing: what a dying process leaves is no answer."""
    assert process.stdout is not None
    line = await process.stdout.readline()
    return line if line.endswith(b"\n") else b""


def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()


def _bare_environment() -> dict[str, str]:
    """The same modules as here, and nothing else: the server's environment has keys and passwords."""
    return {"PYTHONPATH": os.pathsep.join([str(_PACKAGES), *filter(None, sys.path)]), "PYTHONUTF8": "1"}


def _raise_refusal(answer: dict[str, Any]) -> None:
    if answer:
        raise SchemaInvalid(answer["detail"], violations=[Violation(*found) for found in answer["violations"]])
