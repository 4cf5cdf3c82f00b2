"""The parent of `serve --workers`: it keeps small programs going that stand in for servers."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from event_issuer.domain.errors import Unavailable
from event_issuer.workers import Workers

SERVES = "import os, signal; print('serves', flush=True); signal.pause()"
NEVER_SERVES = "raise SystemExit(3)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('serves', flush=True); signal.pause()"
WAIT_S = 30


class Crew:
    """Workers, the programs they run by number, and what was heard of them."""

    def __init__(self, listener: socket.socket, folder: Path, *programs: str, stop_wait_s: float = WAIT_S) -> None:
        self._folder, self._programs = folder, programs
        self.started: list[tuple[int, str]] = []
        self.buried: list[str] = []
        self.greetings = 0
        self.news = asyncio.Event()
        self.workers = Workers(
            self.command, len(programs), listener, self.bury, stop_wait_s=stop_wait_s, delays_s=(0.0, 0.01)
        )

    def command(self, number: int, owner: str) -> Sequence[str]:
        self.started.append((number, owner))
        program = f"import os; open({str(self._pid_file(owner))!r}, 'w').write(str(os.getpid())); "
        return [sys.executable, "-c", program + self._programs[number]]

    def _pid_file(self, owner: str) -> Path:
        return self._folder / owner

    def pid(self, owner: str) -> int:
        return int(self._pid_file(owner).read_text())

    async def bury(self, owner: str) -> None:
        self.buried.append(owner)
        self.news.set()

    def greet(self) -> None:
        self.greetings += 1
        self.news.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not is_so():
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def listener() -> AsyncIterator[socket.socket]:
    with socket.socket() as listener:
        yield listener


async def test_they_are_greeted_once_when_all_serve_and_end_on_stop(listener: socket.socket, tmp_path: Path) -> None:
    crew = Crew(listener, tmp_path, SERVES, SERVES)
    running = asyncio.create_task(crew.workers.run(crew.greet))
    await crew.until(lambda: crew.greetings == 1)
    assert [number for number, _ in crew.started] == [0, 1]
    crew.workers.stop()
    await running
    assert (crew.greetings, crew.buried, len(crew.started)) == (1, [], 2)
    for _, owner in crew.started:
        with pytest.raises(ProcessLookupError):
            os.kill(crew.pid(owner), 0)


async def test_one_that_dies_is_buried_and_started_again_under_its_number(
    listener: socket.socket, tmp_path: Path
) -> None:
    crew = Crew(listener, tmp_path, SERVES, SERVES)
    running = asyncio.create_task(crew.workers.run(crew.greet))
    await crew.until(lambda: crew.greetings == 1)
    first = [owner for _, owner in crew.started]
    os.kill(crew.pid(first[1]), signal.SIGKILL)
    await crew.until(lambda: crew.buried == [first[1]])
    while len(crew.started) < 3:  # noqa: ASYNC110 - after a pause of no time
        await asyncio.sleep(0)
    assert crew.started[2][0] == 1
    assert crew.started[2][1] not in first
    crew.workers.stop()
    await running
    assert (crew.greetings, crew.buried) == (1, [first[1]])


async def test_where_one_never_serves_all_end(listener: socket.socket, tmp_path: Path) -> None:
    crew = Crew(listener, tmp_path, SERVES, NEVER_SERVES)
    with pytest.raises(Unavailable, match="Worker 1 has ended with status 3 before it served"):
        await crew.workers.run(crew.greet)
    assert (crew.greetings, crew.buried, len(crew.started)) == (0, [], 2)


async def test_one_that_does_not_end_in_time_is_killed(listener: socket.socket, tmp_path: Path) -> None:
    crew = Crew(listener, tmp_path, SERVES, STUBBORN, stop_wait_s=0.2)
    running = asyncio.create_task(crew.workers.run(crew.greet))
    await crew.until(lambda: crew.greetings == 1)
    crew.workers.stop()
    await running
    with pytest.raises(ProcessLookupError):
        os.kill(crew.pid(crew.started[1][1]), 0)
