"""Child processes of a measurement: started with a JSON argument, ready when they print a JSON line.

A child ends when its standard input does, so none outlives the bench, however that ends. Knows nothing of what a
child does.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from select import select
from types import TracebackType
from typing import Any, Final, Self

READY_WAIT_S: Final = 30.0
STOP_WAIT_S: Final = 10.0
_ROOT: Final = Path(__file__).parents[1]


class BenchFailed(Exception):
    """A measurement that would mean nothing: a call was refused, a delivery is missing, a process has ended."""


class Child:
    """`python -m module '{"…": …}'`. What it printed when it was ready is in `ready`."""

    def __init__(self, module: str, argument: Mapping[str, object]) -> None:
        self.module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(argument)],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.ready: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        if self._process.poll() is not None:
            raise BenchFailed(f"{self.module} has ended with status {self._process.returncode}")

    def __enter__(self) -> Self:
        self.ready = self._first_line()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self._process.returncode:
            raise BenchFailed(f"{self.module} has ended with status {self._process.returncode}")

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _first_line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        deadline = time.monotonic() + READY_WAIT_S
        readable, _, _ = select([self._process.stdout], [], [], deadline - time.monotonic())
        line = self._process.stdout.readline() if readable else b""
        if not line:
            self.stop()
            raise BenchFailed(f"{self.module} was not ready within {READY_WAIT_S:g} s")
        ready: dict[str, Any] = json.loads(line)
        return ready


def argument() -> dict[str, Any]:
    """What the parent gave this child."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


def say_ready(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


async def parent_left() -> None:
    """Returns when the parent closes our standard input, or has died."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(0, "rb"))
    await reader.read()
