"""A real `event-issuer serve` in a process of its own, which can be killed and started again."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from event_issuer.security.sealing import new_sealing_key

LEASE_S = 2  # after a kill the next process waits so long
NOTHING: Mapping[str, str] = MappingProxyType({})


class Server:
    """One database, one port, one process at a time, or `workers` of them. The log goes to `log_path`.

    `more` is further environment.
    """

    def __init__(
        self, database_url: str, log_path: Path, *, workers: int = 1, more: Mapping[str, str] = NOTHING
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = log_path
        self._process: Process | None = None
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("EVENT_ISSUER_")},
            "EVENT_ISSUER_DATABASE_URL": database_url,
            "EVENT_ISSUER_PORT": str(self.port),
            "EVENT_ISSUER_METRICS_PORT": "0",
            "EVENT_ISSUER_SEALING_KEY": new_sealing_key(),
            "EVENT_ISSUER_HTTP_ALLOWED": "true",
            "EVENT_ISSUER_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
            "EVENT_ISSUER_LEASE_S": str(LEASE_S),
            "EVENT_ISSUER_LOG_LEVEL": "warning",
            "EVENT_ISSUER_WORKERS": str(workers),
            **more,
        }

    async def run(self, *arguments: str) -> str:
        """Another command of the program, on the same database; what it prints."""
        process = await asyncio.create_subprocess_exec(*_program(), *arguments, env=self._environment, stdout=PIPE)
        output, _ = await process.communicate()
        assert process.returncode == 0, arguments
        return output.decode().strip()

    async def start(self) -> None:
        """Returns when it serves."""
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_program(), "serve", env=self._environment, stdout=PIPE, stderr=log
            )
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode()
        assert line.startswith(f"Serving on {self.url}"), self.log_path.read_text()

    async def kill(self) -> None:
        """SIGKILL: it gets no chance to write anything down."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(number)
        return await process.wait()

    async def close(self) -> None:
        if self._process is not None:
            await self.kill()


def _program() -> list[str]:
    return [sys.executable, "-c", "from event_issuer.cli import main; main()"]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
