"""A broker of our own as a process that can be stopped, killed and frozen. Knows no kind of broker."""

import os
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Final

START_MAX_S: Final = 60
STOP_MAX_S: Final = 20
LOOK_S: Final = 0.05


class NoKafka(Exception):
    """This machine cannot run such a broker; says why."""


class Broker(ABC):
    """Listens on a free loopback port, always the same; all its files are in `folder`."""

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @abstractmethod
    def prepare(self) -> Sequence[str | Path]:
        """Writes what it reads at its start; the command that starts it in its folder."""

    def start(self) -> None:
        """Returns when it listens. What was written before is there again. Raises NoKafka."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = self.prepare()
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is the tests', which stop it themselves
            )
        self._wait_until_it_listens(self._process)

    def _wait_until_it_listens(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = monotonic() + START_MAX_S
        while monotonic() < deadline and not _ends_within(LOOK_S, process):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
        self.kill()
        raise NoKafka(f"{self.name} does not start; see {self.folder}/output")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As when its machine dies."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """It keeps its connections and says nothing any more, until `thaw`."""
        self._send(signal.SIGSTOP)
        if self._process is not None:
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)  # until its last thread has heard of it

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, what: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(what)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(how)
        try:
            process.wait(STOP_MAX_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ends_within(seconds: float, process: "subprocess.Popen[bytes]") -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
