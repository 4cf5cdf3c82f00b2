"""The limits: what this machine allows to anyone who would do the same. Each is measured in processes of its own."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Final

from bench.calling import Load
from bench.counters import DONE, FAILED, SAMPLED, Counters
from bench.processes import BenchFailed, Child
from bench.stores import Store
from bench.traffic import BATCH_EVENTS
from bench.windows import Measured, Meter, Plan, measure

ENDPOINTS: Final = 200
SINGLE_CONNECTIONS: Final = 32  # concurrent producers: enough for group commit, and to keep a server busy
BATCH_CONNECTIONS: Final = 4
FIRST_WAIT_S: Final = 10.0  # for the first answer, before the warm-up begins
POLL_S: Final = 0.01


Roles = dict[str, int]  # who takes part, and its process
Checks = Sequence[Callable[[], None]]  # each raises BenchFailed when its process has ended


@dataclass
class Bench:
    """One run: how long to look, and a folder for counters and databases."""

    plan: Plan
    folder: Path

    def __post_init__(self) -> None:
        self._numbers = count(1)

    def counters(self) -> Counters:
        return Counters(self.folder / f"counters-{next(self._numbers)}")

    def watch(self, roles: Roles, checks: Checks, asked: Counters, done: Counters | None = None) -> Measured:
        """Measures a run that is going. `asked` counts the load's answers; `done` what was done, if that is another
        matter, and how late."""
        done = done or asked
        _await_first(checks, asked)
        meter = Meter(
            roles | {"bench": os.getpid()}, lambda: done.words[DONE], lambda: done.words[SAMPLED], done.samples
        )
        return measure(self.plan, meter, lambda: _check(checks, asked))


def _check(checks: Checks, asked: Counters) -> None:
    for check in checks:
        check()
    if asked.words[FAILED]:
        raise BenchFailed(f"{asked.words[FAILED]} answers were not the expected ones")


def _await_first(checks: Checks, asked: Counters) -> None:
    deadline = time.monotonic() + FIRST_WAIT_S
    while not asked.words[DONE]:
        _check(checks, asked)
        if time.monotonic() > deadline:
            raise BenchFailed(f"nothing was done within {FIRST_WAIT_S:g} s")
        time.sleep(POLL_S)


@dataclass
class Receiver:
    child: Child
    counters: Counters

    @property
    def ports(self) -> list[int]:
        return list(self.child.ready["ports"])


@contextmanager
def receiving(bench: Bench, *, endpoints: int = ENDPOINTS, is_timing: bool = False) -> Iterator[Receiver]:
    counters = bench.counters()
    given = {"endpoints": endpoints, "counters": str(counters.path), "is_timing": is_timing}
    with Child("bench.receiver", given) as child:
        yield Receiver(child, counters)


def posting(bench: Bench, client: str) -> Measured:
    """L1 (`bare`) or L1a (`aiohttp`): POSTs per second."""
    with receiving(bench) as receiver:
        counters = bench.counters()
        given = {"client": client, "ports": receiver.ports, "counters": str(counters.path)}
        with Child("bench.posting", given) as load:
            roles = {"load": load.pid, "receiver": receiver.child.pid}
            return bench.watch(roles, [load.check, receiver.child.check], counters)


def appending(bench: Bench, store: Store) -> Measured:
    """L2: rows per second."""
    counters = bench.counters()
    given = {"database_url": store.fresh_url("limit"), "counters": str(counters.path), "kafka": ""}
    if store.broker is not None:
        given["kafka"] = store.broker.address
    with Child("bench.appending", given) as load:
        roles = {"load": load.pid} | ({"database": store.pid} if store.pid else {})
        return bench.watch(roles, [load.check], counters)


def mutating(bench: Bench) -> Measured:
    """L4: no-op mutations per second."""
    return _calling(bench, "/graphql", 0, SINGLE_CONNECTIONS, '"status":"PERSISTED"')


def parsing(bench: Bench) -> Measured:
    """L5: events per second, parsed and forgotten."""
    return _calling(bench, "/batch", BATCH_EVENTS, BATCH_CONNECTIONS, f'"parsed":{BATCH_EVENTS}')


def _calling(bench: Bench, path: str, events: int, connections: int, expected: str) -> Measured:
    counters = bench.counters()
    with Child("bench.endpoints", {}) as server:
        port = server.ready["port"]
        types = [f"bench.train-arrived-{number}.v1" for number in range(20)]
        load = Load("127.0.0.1", port, path, {}, types, 0, events, connections, expected, str(counters.path))
        with Child("bench.calling", asdict(load)) as generator:
            roles = {"server": server.pid, "load": generator.pid}
            return bench.watch(roles, [server.check, generator.check], counters)
