"""The load generator of everything that is asked over HTTP: the product's API, and limits L4 and L5.

Closed loop: each connection calls again when it is answered, but no more events are out than `outstanding_max` beyond
what the receiver has got. Open loop: calls at a fixed rate, whether or not earlier ones were answered. An answer that
is not the expected one counts as failed.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.client import Connection
from bench.counters import DONE, FAILED, SENT, Counters
from bench.processes import argument, parent_left, say_ready
from bench.traffic import Events, batch_body, http_batch_body, single_body

TICK_S: Final = 0.001  # of the open loop, and of the wait for the receiver: the resolution of uvloop's timers
LAST_ANSWERS_S: Final = 8.0  # so that at the end it is known what was accepted
WAITING_MAX: Final = 10_000  # calls that wait for a connection; the open loop ends there, and the rate shows it


@dataclass
class Load:
    """What to call. `events` is the number in one call; 0 asks for the mutation with a single event. A right answer has
    `expected` as often as `expected_count` says."""

    host: str
    port: int
    path: str
    headers: dict[str, str]
    types: list[str]
    first: int
    events: int
    connections: int
    expected: str
    counters: str
    calls_per_s: float | None = None
    receiver: str | None = None
    received_before: int = 0
    fan_out: int = 1
    outstanding_max: int = 0
    expected_count: int = 1
    is_graphql: bool = True


class Caller(Connection):
    def __init__(self, generator: "Generator") -> None:
        super().__init__()
        self._generator = generator

    def connected(self) -> None:
        self._generator.idle.append(self)

    def answered(self, status: int, body: bytes) -> None:
        self._generator.answered(self, status, body)


class Generator:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._counters = Counters(Path(load.counters))
        self._receiver = Counters(Path(load.receiver)) if load.receiver else None
        self._events = Events(load.types, load.first)
        self._weight = max(1, load.events)
        self._expected = load.expected.encode()
        lines = [f"POST {load.path} HTTP/1.1", f"Host: {load.host}:{load.port}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in load.headers.items()]
        self._head = "\r\n".join(lines).encode() + b"\r\nContent-Length: %d\r\n\r\n"
        self.idle: deque[Caller] = deque()  # in turn, so that none rests until the server closes it
        self._waiting: deque[bytes] = deque()
        self._is_ending = False
        self._all_idle = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self._load.connections):
            await loop.create_connection(partial(Caller, self), self._load.host, self._load.port)
        say_ready()
        going = asyncio.create_task(self._call_at_rate() if self._load.calls_per_s else self._call_in_turn())
        await parent_left()
        going.cancel()
        self._is_ending = True
        self._waiting.clear()  # a rate that the server could not hold has left calls that were never made
        if len(self.idle) == self._load.connections:
            self._all_idle.set()
        async with asyncio.timeout(LAST_ANSWERS_S):
            await self._all_idle.wait()

    def answered(self, caller: Caller, status: int, body: bytes) -> None:
        found = body.replace(b" ", b"").count(self._expected)
        is_right = status == 200 and found == self._load.expected_count
        self._counters.words[DONE if is_right else FAILED] += self._weight
        if not is_right and self._counters.words[FAILED] == self._weight:
            print(f"unexpected answer {status}: {body[:300]!r}", flush=True)
        if self._waiting:
            caller.send(self._waiting.popleft())
        elif self._load.calls_per_s is None and self._has_room() and not self._is_ending:
            caller.send(self._request())
        else:
            self.idle.append(caller)
            if self._is_ending and len(self.idle) == self._load.connections:
                self._all_idle.set()

    async def _call_in_turn(self) -> None:
        while True:
            while self.idle and self._has_room():
                self.idle.popleft().send(self._request())
            await asyncio.sleep(TICK_S)

    async def _call_at_rate(self) -> None:
        """An event's age counts from here, also when its call must wait for a connection."""
        started_at, calls, rate = time.monotonic(), 0, self._load.calls_per_s or 0.0
        while len(self._waiting) < WAITING_MAX:
            due = int((time.monotonic() - started_at) * rate)
            for _ in range(due - calls):
                if self.idle:
                    self.idle.popleft().send(self._request())
                else:
                    self._waiting.append(self._request())
            calls = due
            await asyncio.sleep(TICK_S)

    def _has_room(self) -> bool:
        if self._receiver is None:
            return True
        received = (self._receiver.words[DONE] - self._load.received_before) // self._load.fan_out
        return self._counters.words[SENT] + self._weight - received <= self._load.outstanding_max

    def _request(self) -> bytes:
        self._counters.words[SENT] += self._weight
        body = self._body(self._load.events)
        return self._head % len(body) + body

    def _body(self, events: int) -> bytes:
        if not events:
            return single_body(self._events)
        return batch_body(self._events, events) if self._load.is_graphql else http_batch_body(self._events, events)


if __name__ == "__main__":
    given: dict[str, Any] = argument()
    uvloop.run(Generator(Load(**given)).run())
