"""The leaser: keeps this process's leases alive, and knows when they can no longer be trusted.

Knows nothing of lanes. Leases that could not be renewed lapse `MARGIN_S` before they expire, and nobody takes them over
until `TAKEOVER_MARGIN_S` after that: whoever does finds nobody sending, also where the clocks of two machines differ.
What is more than this process's fair share is `leaving`: it is renewed until the engine has closed its lanes.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final, TypeAlias

import structlog

from event_issuer.db import leases as sql
from event_issuer.db.database import Database
from event_issuer.db.work import Dialect, Work
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.time import SECOND_US, Clock, Instant

Lease: TypeAlias = tuple[int, int]  # partition and epoch

RENEWALS_PER_LEASE: Final = 4  # three renewals in a row may fail before a lease is given up
MARGIN_S: Final = 0.5
TAKEOVER_MARGIN_S: Final = 1.0  # clocks that are set by NTP differ by less

logger = structlog.get_logger(__name__)


class Leaser:
    def __init__(self, database: Database, owner: str, clock: Clock, *, lease_s: float) -> None:
        self.owner = owner
        self.renew_every_s = lease_s / RENEWALS_PER_LEASE
        self._database, self._clock = database, clock
        self._lease_us = round(lease_s * SECOND_US)
        self._epochs: Mapping[int, int] = {}
        self._leaving: frozenset[int] = frozenset()
        self._is_first = False
        self._is_retiring = False
        self.good_until: Instant = 0
        self._asking = asyncio.Lock()
        self._is_released = False

    def epochs(self) -> Mapping[int, int]:
        """Partition → epoch as last claimed. Enough for writing, where the database compares the epochs."""
        return self._epochs

    def is_good(self) -> bool:
        """Whether the leases can be trusted now: enough for sending."""
        return self._clock() < self.good_until

    def is_first(self) -> bool:
        """Whether this is the oldest process that delivers."""
        return self._is_first and self.is_good()

    def held(self) -> Mapping[int, int]:
        """Partition → epoch of the leases that can be trusted now and are here to stay."""
        if not self.is_good():
            return {}
        return {id_: epoch for id_, epoch in self._epochs.items() if id_ not in self._leaving}

    def leaving(self) -> Mapping[int, int]:
        """Partition → epoch of the leases that are to be given back when nothing of them is under way."""
        return {id_: self._epochs[id_] for id_ in self._leaving}

    def next_step_s(self) -> float:
        """Seconds until the next renewal, or until the leases lapse if that is sooner."""
        left_s = (self.good_until - self._clock()) / SECOND_US
        return min(self.renew_every_s, left_s) if left_s > 0 else self.renew_every_s

    async def step(self) -> Mapping[int, int]:
        """Renews, and claims what is missing to the fair share; what is held afterwards."""
        async with self._asking:
            if not self._is_released:
                await self._renew()
        return self.held()

    async def give_back(self, partition_ids: Collection[int]) -> None:
        """Of these nothing is under way and nothing unwritten any more. Raises Unavailable."""
        async with self._asking:
            await self._database.run(sql.give_back(self._database.dialect, self.owner, partition_ids, self._clock()))
            self._epochs = {id_: epoch for id_, epoch in self._epochs.items() if id_ not in partition_ids}
            self._leaving -= frozenset(partition_ids)

    def retire(self) -> None:
        """From the next step on nothing new is claimed, and the others' shares grow; it comes before `release`."""
        self._is_retiring, self._leaving = True, frozenset()

    async def release(self) -> None:
        """Gives everything back at once, for good, so that another process need not wait for the expiry."""
        self._is_released = True
        async with self._asking:  # a renewal that is under way must not come after it
            self._epochs, self._leaving, self.good_until = {}, frozenset(), 0
            await self._database.run(sql.release(self.owner, self._clock()))

    async def _renew(self) -> None:
        now = self._clock()
        expires_at = now + self._lease_us
        try:
            async with asyncio.timeout(self.next_step_s()):
                held = await self._database.run(self._work(now, expires_at))
            self._epochs, self._is_first = held.epochs, held.is_first
            self._leaving = frozenset() if self._is_retiring else held.leaving
            self.good_until = expires_at - round(MARGIN_S * SECOND_US)
        except (TimeoutError, Unavailable) as problem:
            logger.warning("leases not renewed", problem=str(problem) or "no answer in time")

    def _work(self, now: Instant, expires_at: Instant) -> Work[sql.Held]:
        dialect = self._database.dialect
        if self._is_retiring:
            return _renew_only(dialect, self.owner, expires_at)
        expired_before = now - round(TAKEOVER_MARGIN_S * SECOND_US)
        return sql.claim_and_renew(dialect, self.owner, self._leaving, now, expires_at, expired_before)


def _renew_only(dialect: Dialect, owner: str, expires_at: Instant) -> Work[sql.Held]:
    yield from sql.retire(owner)
    return sql.Held((yield from sql.renew(dialect, owner, expires_at)))
