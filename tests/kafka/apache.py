"""Apache Kafka for tests: one KRaft node on free loopback ports, whose files are all in one folder.

Maven brings it once, into a folder of the user's cache. A broker is formatted by writing the one file that a Java
program would write, which saves the start of a second one.
"""

import base64
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final

POM: Final = Path(__file__).with_name("pom.xml")
DOWNLOAD_MAX_S: Final = 1200
START_MAX_S: Final = 60
STOP_MAX_S: Final = 20
LOOK_S: Final = 0.05
JAVA: Final = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # small, and it starts in three seconds


class NoKafka(Exception):
    """This machine cannot run Apache Kafka; says why."""


def jars() -> Path:
    """The folder of Kafka's programs, which is filled when it is asked for the first time. Raises NoKafka."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise NoKafka(f"{tool} is not installed")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "event-issuer-kafka"
    folder = cache / hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several test processes one downloads
        if not folder.is_dir():
            _download(folder)
    return folder


def _download(folder: Path) -> None:
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = ["mvn", "--batch-mode", "--quiet", "--file", str(POM), "dependency:copy-dependencies"]
    try:
        subprocess.run(
            [*command, f"-DoutputDirectory={partial}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=DOWNLOAD_MAX_S,
        )
    except subprocess.SubprocessError as error:
        raise NoKafka(f"Maven does not bring Apache Kafka: {error}") from error
    partial.rename(folder)


@dataclass
class ApacheKafka:
    """A broker of our own. `settings` are further lines of its properties file."""

    jars: Path
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    name = "Apache Kafka"

    def __post_init__(self) -> None:
        self.port, self._controller_port = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def listeners(self) -> str:
        return f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{self._controller_port}"

    def start(self) -> None:
        """Returns when it listens. What was written before is there again."""
        data = self.folder / "data"
        if not data.exists():
            data.mkdir(parents=True)
            identities = f"version=1\ncluster.id={_uuid()}\nnode.id=1\ndirectory.id={_uuid()}\n"
            (data / "meta.properties").write_text(identities)
            (self.folder / "log4j2.properties").write_text(_LOGGING)
        lines = [f"{name}={value}\n" for name, value in (self._properties() | self.settings).items()]
        (self.folder / "server.properties").write_text("".join(lines))
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                ["java", *JAVA, *_LOG4J, "-cp", f"{self.jars}/*", "kafka.Kafka", "server.properties"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is the tests', which stop it themselves
            )
        self._wait_until_it_listens(self._process)

    def _properties(self) -> dict[str, str]:
        return _PROPERTIES | {
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": self.listeners,
            "log.dirs": str(self.folder / "data"),
        }

    def _wait_until_it_listens(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = monotonic() + START_MAX_S
        while monotonic() < deadline and not self._ends_within(LOOK_S, process):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
        raise NoKafka(f"Apache Kafka does not start; see {self.folder}/output")

    def _ends_within(self, seconds: float, process: "subprocess.Popen[bytes]") -> bool:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

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


def _uuid() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


_PROPERTIES: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "broker.session.timeout.ms": "3000",  # a broker that was killed is waited for so long
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.cleaner.backoff.ms": "100",
}
_LOG4J: Final = ("-Dlog4j2.configurationFile=log4j2.properties",)
_LOGGING: Final = """
rootLogger.level = WARN
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c %m%n
rootLogger.appenderRef.console.ref = console
"""
