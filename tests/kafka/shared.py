"""One broker for all test processes of a run: the first that needs it starts it, and it ends with the last.

Run as a program it is the broker's keeper: it waits for a lock that every user shares, which it gets when they have all
gone, however they went.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kafka.kinds import new_broker
from tests.kafka.process import NoKafka


@contextmanager
def shared_broker(folder: Path) -> Iterator[tuple[str, str]]:
    """Its name and address. Raises NoKafka."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "users").open("w") as users:
        with (folder / "starting").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)  # waits for a keeper that is just ending its broker
            if not (folder / "address").exists():
                _start_keeper(folder)
        name, _, address = (folder / "address").read_text().rpartition(" ")
        yield name, address


def _start_keeper(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.kafka.shared", str(folder)]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if ended.returncode or not (folder / "address").exists():
        raise NoKafka(ended.stdout.strip() or "the broker's keeper failed")


def keep(folder: Path) -> None:
    """Returns in the process that was started as soon as the broker listens; another one stays with the broker."""
    ready, told = os.pipe()
    if os.fork():
        os.close(told)
        with os.fdopen(ready) as reader:
            problem = reader.read()
        sys.stdout.write(problem)
        return
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    _stay(folder, told)


def _stay(folder: Path, told: int) -> None:
    try:
        broker = new_broker(folder / "broker")
        broker.start()
    except NoKafka as problem:
        os.write(told, str(problem).encode())
        return
    (folder / "address").write_text(f"{broker.name} {broker.address}")
    os.close(told)
    with (folder / "users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        broker.kill()
        shutil.rmtree(folder / "broker", ignore_errors=True)
        (folder / "address").unlink()


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
