"""Apache Kafka for tests: one KRaft node, whose programs Maven brings once, into a folder of the user's cache.

It is formatted by writing the one file that a Java program would write, which saves the start of a second one.
"""

import base64
import fcntl
import hashlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.kafka.process import Broker, NoKafka, free_port

POM: Final = Path(__file__).with_name("pom.xml")
TOOLS: Final = ("java", "mvn")
DOWNLOAD_MAX_S: Final = 1200
JAVA: Final = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # small, and it starts in three seconds


def missing_tools() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def jars() -> Path:
    """The folder of Kafka's programs, which is filled when it is asked for the first time. Raises NoKafka."""
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


class ApacheKafka(Broker):
    """`settings` are further lines of its properties file, or others than it would have."""

    name = "Apache Kafka"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._jars, self._controller_port = jars(), free_port()
        self.settings: dict[str, str] = {}

    @property
    def listeners(self) -> str:
        return f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{self._controller_port}"

    def prepare(self) -> Sequence[str | Path]:
        data = self.folder / "data"
        if not data.exists():
            data.mkdir()
            identities = f"version=1\ncluster.id={_uuid()}\nnode.id=1\ndirectory.id={_uuid()}\n"
            (data / "meta.properties").write_text(identities)
            (self.folder / "log4j2.properties").write_text(_LOGGING)
        lines = [f"{name}={value}\n" for name, value in (self._properties() | self.settings).items()]
        (self.folder / "server.properties").write_text("".join(lines))
        return ["java", *JAVA, _LOG4J, "-cp", f"{self._jars}/*", "kafka.Kafka", "server.properties"]

    def run(self, program: str, *arguments: str) -> None:
        """One of Kafka's own programs, to its end."""
        command = ["java", *JAVA, _LOG4J, "-cp", f"{self._jars}/*", program, *arguments]
        subprocess.run(command, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, check=True)

    def _properties(self) -> dict[str, str]:
        return _PROPERTIES | {
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": self.listeners,
            "log.dirs": str(self.folder / "data"),
        }


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
_LOG4J: Final = "-Dlog4j2.configurationFile=log4j2.properties"
_LOGGING: Final = """
rootLogger.level = WARN
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c %m%n
rootLogger.appenderRef.console.ref = console
"""
