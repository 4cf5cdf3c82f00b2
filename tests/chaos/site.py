"""A site: several real processes of the program on one database, each of which can be killed, stopped and continued."""

import asyncio
import os
import resource
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path

from event_issuer.security.sealing import new_sealing_key
from tests.acceptance.server import NOTHING, free_port

LEASE_S = 2  # the least that the settings allow: a takeover is what is waited for
UNSETTLED_MAX = 500  # of each process: what a kill may repeat
RETRIES = 40


class Site:
    """Logs go to `folder`, one file for each member. A member is named by who starts it.

    `more` is further environment.
    """

    def __init__(self, database_url: str, folder: Path, more: Mapping[str, str] = NOTHING) -> None:
        self.database_url, self.folder = database_url, folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.members: dict[str, Process] = {}
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("EVENT_ISSUER_")},
            "EVENT_ISSUER_DATABASE_URL": database_url,
            "EVENT_ISSUER_PORT": str(self.port),
            "EVENT_ISSUER_HEALTH_PORT": "0",
            "EVENT_ISSUER_METRICS_PORT": "0",
            "EVENT_ISSUER_SEALING_KEY": new_sealing_key(),
            "EVENT_ISSUER_HTTP_ALLOWED": "true",
            "EVENT_ISSUER_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
            "EVENT_ISSUER_LEASE_S": str(LEASE_S),
            "EVENT_ISSUER_UNSETTLED_MAX": str(UNSETTLED_MAX),
            "EVENT_ISSUER_RETRY_DELAYS_S": str([0.2] * RETRIES),
            "EVENT_ISSUER_LOG_LEVEL": "warning",
            **more,
        }

    async def run(self, *arguments: str) -> str:
        """Another command of the program, on the same database; what it prints."""
        process = await asyncio.create_subprocess_exec(*_program(), *arguments, env=self._environment, stdout=PIPE)
        output, _ = await process.communicate()
        assert process.returncode == 0, arguments
        return output.decode().strip()

    async def start(self, member: str, *arguments: str) -> None:
        """Returns when it serves."""
        with self._log_path(member).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *_program(), *arguments, env=self._environment, stdout=PIPE, stderr=log
            )
        self.members[member] = process
        assert process.stdout is not None
        assert await process.stdout.readline(), self.log(member)

    def log(self, member: str) -> str:
        return self._log_path(member).read_text()

    def _log_path(self, member: str) -> Path:
        return self.folder / f"{member}.log"

    async def kill(self, member: str) -> None:
        """SIGKILL: it gets no chance to write anything down."""
        process = self.members.pop(member)
        process.kill()
        await process.wait()

    def kill_worker(self, member: str, number: int) -> None:
        """SIGKILL to one of its workers, by their order; where one is being started anew there is one less."""
        workers = self.workers(member)
        os.kill(workers[number % len(workers)], signal.SIGKILL)

    def workers(self, member: str) -> list[int]:
        pid = self.members[member].pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children]

    def pause(self, member: str) -> None:
        self.members[member].send_signal(signal.SIGSTOP)

    def resume(self, member: str) -> None:
        self.members[member].send_signal(signal.SIGCONT)

    def limit_files(self, size_bytes: int) -> None:
        """No file of any member grows beyond this: a full disk, as far as a process without a disk of its own can have
        one."""
        for process in self.members.values():
            _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size_bytes, hard))

    async def stop(self) -> list[int]:
        """SIGTERM to all; their exit statuses."""
        for process in self.members.values():
            process.terminate()
        statuses = [await process.wait() for process in self.members.values()]
        self.members.clear()
        return statuses

    async def close(self) -> None:
        for member in list(self.members):
            await self.kill(member)


def _program() -> list[str]:
    return [sys.executable, "-c", "from event_issuer.cli import main; main()"]
