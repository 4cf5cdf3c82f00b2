"""Open connections: who may open one, which are idle, which make room. Knows no names, no TLS, no HTTP."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from event_issuer.egress.connection import Connection, Key


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Bounds of one pool. A request that finds all `open_max` connections busy waits within its deadline."""

    # Above the requests in flight at a time, and well below the usual limit of 1024 open files.
    open_max: int = 512
    # One subscription's burst; more would keep the receiver's file descriptors for nothing.
    idle_per_origin_max: int = 64
    # Below nginx's keep-alive (75 s). Servers with a shorter one (Node, uvicorn: 5 s) close first.
    idle_timeout_s: float = 30.0
    # So that a busy connection, too, follows a name to its new address.
    age_max_s: float = 300.0


class Pool:
    """Every connection holds one of `open_max` slots, from before it is opened until its loss is reported."""

    def __init__(self, limits: PoolLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._closed = False
        self._slots_taken = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._connections: set[Connection] = set()
        self._idle: dict[Key, list[Connection]] = {}  # the most recently used last
        self._emptied = asyncio.Event()

    @property
    def is_closed(self) -> bool:
        return self._closed

    @property
    def open_count(self) -> int:
        """Connections open or being opened."""
        return self._slots_taken

    @property
    def idle_count(self) -> int:
        return sum(map(len, self._idle.values()))

    def take(self, key: Key) -> Connection | None:
        """The idle connection used last: the others may then grow old and be closed."""
        idle = self._idle.get(key)
        while idle:
            connection = idle.pop()
            if not connection.closed:
                return connection
        return None

    def give_back(self, connection: Connection) -> None:
        now = self._clock()
        idle = self._idle.setdefault(connection.key, [])
        if (
            connection.reusable
            and not connection.closed
            and not self._waiters
            and len(idle) < self._limits.idle_per_origin_max
            and now - connection.opened_at < self._limits.age_max_s
        ):
            connection.rest(now, self._limits.idle_timeout_s)
            idle.append(connection)
        else:
            connection.abort()

    async def reserve_slot(self) -> None:
        """Take a slot; if none is free, close the connection that has rested longest, or wait."""
        if self._slots_taken < self._limits.open_max:
            self._slots_taken += 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._close_longest_idle()
        try:
            await waiter
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)
            if not waiter.cancelled():  # the slot had just been handed over
                self.free_slot()
            raise

    def free_slot(self) -> None:
        """Give a slot back: to the first who waits, so that nobody overtakes."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._slots_taken -= 1

    def adopt(self, connection: Connection) -> None:
        """Keep track of a connection that was opened in a reserved slot; losing it frees the slot."""
        self._connections.add(connection)
        connection.on_lost = self._forget
        if connection.closed:
            self._forget(connection)
        elif self._closed:
            connection.abort()

    async def close(self) -> None:
        """Abort every connection, busy ones too, and wait until all are gone."""
        self._closed = True
        for connection in self._connections:
            connection.abort()
        while self._connections:
            self._emptied.clear()
            await self._emptied.wait()

    def _forget(self, connection: Connection) -> None:
        connection.on_lost = None
        self._connections.discard(connection)
        idle = self._idle.get(connection.key, [])
        if connection in idle:
            idle.remove(connection)
        if not idle:
            self._idle.pop(connection.key, None)
        self.free_slot()
        if not self._connections:
            self._emptied.set()

    def _close_longest_idle(self) -> None:
        resting = [idle for idle in self._idle.values() if idle]
        if resting:
            min(resting, key=lambda idle: idle[0].idle_since).pop(0).abort()
