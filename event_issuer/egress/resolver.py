"""From a host to addresses that were vetted: the system's resolver behind a small cache.

Whoever connects uses these addresses and never the name again; otherwise a name that answers differently the
second time (DNS rebinding) slips through. This module opens no connection.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Protocol

from event_issuer.egress.addresses import Address, AddressRules, literal_address, vet

# The system's resolver does not tell the record's TTL. Half a minute spares it the lookups of a burst of
# connections and follows a failover soon enough. Failures are kept as long, so that a dead name cannot occupy
# its few threads.
ANSWER_TTL_S: Final = 30.0
ANSWERS_MAX: Final = 4096  # hosts; an answer is a few hundred bytes
# More addresses of one name are not tried: each costs a part of the deadline.
ADDRESSES_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Unresolved:
    """The name has no address, or nobody could say."""

    reason: str


@dataclass(frozen=True, slots=True)
class Forbidden:
    """At least one of the name's addresses may not be contacted, so none is."""

    reason: str


Answer = tuple[Address, ...] | Unresolved


class Resolver(Protocol):
    async def resolve(self, host: str) -> Answer:
        """All addresses of `host`, best first."""


class SystemResolver:
    """`getaddrinfo` of the running loop, which asks the operating system in a thread."""

    async def resolve(self, host: str) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        except socket.gaierror as error:
            return Unresolved(error.strerror or "the lookup failed")
        except (OSError, UnicodeError) as error:
            return Unresolved(f"the lookup failed: {type(error).__name__}")
        addresses = tuple(ip_address(sockaddr[0]) for *_, sockaddr in found)
        return addresses or Unresolved("it has no address")


class CachingResolver:
    """Keeps another resolver's answers for `ttl_s`, and asks it once however many want the same host."""

    def __init__(
        self, inner: Resolver, *, ttl_s: float = ANSWER_TTL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._inner = inner
        self._ttl_s = ttl_s
        self._clock = clock
        self._answers: dict[str, tuple[float, Answer]] = {}  # host: (good until, answer), oldest first
        self._lookups: dict[str, asyncio.Task[Answer]] = {}

    async def resolve(self, host: str) -> Answer:
        kept = self._answers.get(host)
        if kept and self._clock() < kept[0]:
            return kept[1]
        lookup = self._lookups.get(host)
        if lookup is None:
            lookup = self._lookups[host] = asyncio.create_task(self._look_up(host))
        # Shielded: one caller's cancellation or deadline is not the others'.
        return await asyncio.shield(lookup)

    async def _look_up(self, host: str) -> Answer:
        try:
            answer = await self._inner.resolve(host)
        finally:
            del self._lookups[host]
        self._answers.pop(host, None)
        if len(self._answers) >= ANSWERS_MAX:
            del self._answers[next(iter(self._answers))]
        self._answers[host] = (self._clock() + self._ttl_s, answer)
        return answer


async def vetted_addresses(
    resolver: Resolver, host: str, rules: AddressRules
) -> tuple[Address, ...] | Unresolved | Forbidden:
    """The addresses of `host`, all of which `rules` allow; an address in `host` itself is only vetted."""
    literal = literal_address(host)
    answer = (literal,) if literal else await resolver.resolve(host)
    if isinstance(answer, Unresolved):
        return answer
    for address in answer:
        objection = vet(address, rules)
        if objection:
            return Forbidden(objection)
    return answer[:ADDRESSES_MAX]
