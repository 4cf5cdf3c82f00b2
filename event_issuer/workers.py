"""Workers: `serve --workers N`, a process that binds the socket, starts N others that serve, and keeps them going.

One that dies is started again, at first at once and then ever later; its leases are freed, because nothing of it can
be under way any more. Knows nothing of what a worker does.
"""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Final

import structlog

from event_issuer.app import new_owner, open_database_of, sealer_of
from event_issuer.db.leases import release
from event_issuer.domain.errors import IssuerError, Unavailable
from event_issuer.domain.time import system_clock
from event_issuer.serving import OTHER_FILES, allow_open_files, listening_socket, local_url
from event_issuer.settings import Settings

RESTART_DELAYS_S: Final = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)  # after so many deaths in a row; the last one from then on
STEADY_S: Final = 60.0  # who lived so long did not die of its start
# Beyond the grace periods for answers and for deliveries, which a worker waits out one after the other: closing.
CLOSING_S: Final = 10.0
# Lets a worker pause after each connection it takes, so that the others get some of a burst (libuv).
ENVIRONMENT: Final = {"UV_TCP_SINGLE_ACCEPT": "1"}

logger = structlog.get_logger(__name__)


async def serve_by_workers(settings: Settings, count: int, say: Callable[[str], None]) -> None:
    """Returns after SIGTERM or Ctrl-C, when all have ended. Raises SettingsInvalid, Unavailable."""
    sealer_of(settings)  # refused here, once
    allow_open_files(settings.connections_max + OTHER_FILES)
    listener = listening_socket(settings.host, settings.port)
    with listener:
        async with open_database_of(settings):
            pass  # opening it migrates it: the workers find nothing to do

        async def buried(owner: str) -> None:
            async with open_database_of(settings) as database:
                await database.run(release(owner, system_clock()))

        def command(number: int, owner: str) -> Sequence[str]:
            arguments = ("--socket", str(listener.fileno()), "--number", str(number), "--owner", owner)
            return [sys.executable, "-P", "-m", "event_issuer.cli", "worker", *arguments]

        stop_wait_s = 2 * max(1.0, settings.grace_s) + CLOSING_S
        workers = Workers(command, count, listener, buried, stop_wait_s=stop_wait_s)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, workers.stop)
        url = local_url(listener)
        greeting = f"Serving on {url} by {count} workers; GraphiQL is at {url}/graphql."
        await workers.run(lambda: say(greeting))


class Workers:
    """`command(number, owner)` starts one, which prints a line when it serves. `buried(owner)` is called when a process
    has died on its own."""

    def __init__(
        self,
        command: Callable[[int, str], Sequence[str]],
        count: int,
        listener: socket.socket,
        buried: Callable[[str], Awaitable[None]],
        *,
        stop_wait_s: float,
        delays_s: Sequence[float] = RESTART_DELAYS_S,
    ) -> None:
        self._command, self._count, self._listener, self._buried = command, count, listener, buried
        self._stop_wait_s, self._delays_s = stop_wait_s, delays_s
        self._running: set[Process] = set()
        self._ready: set[int] = set()
        self._all_ready = asyncio.Event()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ends all of them cleanly; `run` returns when they have ended."""
        self._stopping.set()
        for process in self._running:
            with suppress(ProcessLookupError):
                process.terminate()

    async def run(self, on_ready: Callable[[], None]) -> None:
        """`on_ready` is called once, when all serve for the first time. Raises Unavailable where one never did; it has
        said why on standard error."""
        keepers = [asyncio.create_task(self._keep(number)) for number in range(self._count)]
        greeter = asyncio.create_task(self._greet(on_ready))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([stopping, *keepers], return_when=asyncio.FIRST_COMPLETED)
        self.stop()
        greeter.cancel()
        stopping.cancel()
        _, left = await asyncio.wait(keepers, timeout=self._stop_wait_s)
        if left:
            logger.warning("workers killed", workers=len(self._running))
            for process in self._running:
                with suppress(ProcessLookupError):
                    process.kill()
            await asyncio.wait(left)
        for keeper in keepers:
            keeper.result()

    async def _greet(self, on_ready: Callable[[], None]) -> None:
        await self._all_ready.wait()
        on_ready()

    async def _keep(self, number: int) -> None:
        """Starts one again and again, until it is to stop."""
        deaths = 0
        while not self._stopping.is_set():
            started_at, owner = monotonic(), f"{new_owner()}:{number}"
            status = await self._live(number, owner)
            if self._stopping.is_set():
                return
            if number not in self._ready:
                raise Unavailable(f"Worker {number} has ended with status {status} before it served.")
            deaths = 0 if monotonic() - started_at > STEADY_S else deaths + 1
            delay_s = self._delays_s[min(max(deaths - 1, 0), len(self._delays_s) - 1)]
            logger.error("worker died", worker=number, status=status, restart_in_s=delay_s)
            await self._bury(owner)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._stopping.wait()

    async def _live(self, number: int, owner: str) -> int:
        """One life; its exit status."""
        process = await asyncio.create_subprocess_exec(
            *self._command(number, owner),
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=[self._listener.fileno()],
            env=os.environ | ENVIRONMENT,
            start_new_session=True,  # Ctrl-C is for us, who pass it on
        )
        self._running.add(process)
        try:
            if self._stopping.is_set():
                process.terminate()
            assert process.stdout is not None
            if await process.stdout.readline():
                self._ready.add(number)
                if len(self._ready) == self._count:
                    self._all_ready.set()
            while await process.stdout.read(1 << 16):
                pass  # it says nothing more, but a pipe that nobody reads would stop it
            return await process.wait()
        finally:
            self._running.discard(process)

    async def _bury(self, owner: str) -> None:
        try:
            await self._buried(owner)
        except IssuerError as problem:  # the leases run out by themselves
            logger.warning("leases of a dead worker not freed", problem=problem.detail)
