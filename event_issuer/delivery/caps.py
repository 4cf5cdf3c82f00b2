"""Caps: how many requests may be under way to one host, or for one tenant. Who waits gets one request in turn.

Knows nothing of subscriptions but that they can be woken.
"""

from collections.abc import Hashable
from typing import Final, Protocol
from weakref import WeakValueDictionary


class Waiter(Hashable, Protocol):
    def wake(self) -> None:
        """There may be room."""
        ...


class Cap:
    """While there is room and nobody waits, everybody is admitted. Else those that wait are called one by one, in the
    order in which they came; who was called and takes nothing passes its turn."""

    def __init__(self, count_max: int) -> None:
        self.count = 0
        self._count_max = count_max
        self._queue: dict[Waiter, None] = {}
        self._called: Waiter | None = None

    def admits(self, who: Waiter) -> bool:
        """Whether `who` may start a request now; if not, it waits from now on."""
        if self.count < self._count_max and (not self._queue or who is self._called):
            return True
        self._queue.setdefault(who)
        return False

    def take(self, who: Waiter) -> None:
        self.count += 1
        if self._queue:
            self.leave(who)

    def release(self) -> None:
        self.count -= 1
        if self._queue:
            self._call()

    def leave(self, who: Waiter) -> None:
        """It has what it waited for, or wants nothing any more."""
        self._queue.pop(who, None)
        if who is self._called:
            self._called = None
            self._call()

    def pass_turn(self, who: Waiter) -> None:
        """It was called, if it was, and could not make use of it."""
        if who is self._called:
            self.leave(who)

    def _call(self) -> None:
        if self._called is None and self._queue and self.count < self._count_max:
            self._called = next(iter(self._queue))
            self._called.wake()


UNCAPPED: Final = 1 << 62


class Caps:
    """The caps of this process, by host and by tenant; one that nobody holds any more is forgotten."""

    def __init__(self, host_requests_max: int, tenant_requests_max: int) -> None:
        self._host_requests_max, self._tenant_requests_max = host_requests_max, tenant_requests_max
        self._hosts: WeakValueDictionary[str, Cap] = WeakValueDictionary()
        self._tenants: WeakValueDictionary[int, Cap] = WeakValueDictionary()

    def of_host(self, host: str) -> Cap:
        cap = self._hosts.get(host)
        if cap is None:
            cap = self._hosts[host] = Cap(self._host_requests_max)
        return cap

    def of_tenant(self, tenant_id: int) -> Cap:
        cap = self._tenants.get(tenant_id)
        if cap is None:
            cap = self._tenants[tenant_id] = Cap(self._tenant_requests_max)
        return cap
