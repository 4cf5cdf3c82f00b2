"""The leaser: keeps this process's leases alive, and knows when they can no longer be trusted.

Knows nothing of lanes. Leases that could not be renewed lapse `MARGIN_S` before they expire: whoever takes over then
finds nobody sending.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, TypeAlias

import structlog

from event_issuer.db.database import Database
from event_issuer.db.leases import claim_and_renew, release
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.time import SECOND_US, Clock, Instant

Lease: TypeAlias = tuple[int, int]  # partition and epoch

RENEWALS_PER_LEASE: Final = 4  # three renewals in a row may fail before a lease is given up
MARGIN_S: Final = 0.5

logger = structlog.get_logger(__name__)


class Leaser:
    def __init__(self, database: Database, owner: str, clock: Clock, *, lease_s: float) -> None:
        self.owner = owner
        self.renew_every_s = lease_s / RENEWALS_PER_LEASE
        self._database, self._clock = database, clock
        self._lease_us = round(lease_s * SECOND_US)
        self._epochs: Mapping[int, int] = {}
        self.good_until: Instant = 0
        self._asking = asyncio.Lock()
        self._is_released = False

    def epochs(self) -> Mapping[int, int]:
        """Partition → epoch as last claimed. Enough for writing, where the database compares the epochs."""
        return self._epochs

    def is_good(self) -> bool:
        """Whether the leases can be trusted now: enough for sending."""
        return self._clock() < self.good_until

    def held(self) -> Mapping[int, int]:
        """Partition → epoch of the leases that can be trusted now."""
        return self._epochs if self.is_good() else {}

    def next_step_s(self) -> float:
        """Seconds until the next renewal, or until the leases lapse if that is sooner."""
        left_s = (self.good_until - self._clock()) / SECOND_US
        return min(self.renew_every_s, left_s) if left_s > 0 else self.renew_every_s

    async def step(self) -> Mapping[int, int]:
        """Renews and claims; what is held afterwards."""
        async with self._asking:
            if not self._is_released:
                await self._renew()
        return self.held()

    async def release(self) -> None:
        """Gives everything back at once, for good, so that another process need not wait for the expiry."""
        self._is_released = True
        async with self._asking:  # a renewal that is under way must not come after it
            self._epochs, self.good_until = {}, 0
            await self._database.run(release(self.owner))

    async def _renew(self) -> None:
        now = self._clock()
        expires_at = now + self._lease_us
        try:
            async with asyncio.timeout(self.next_step_s()):
                work = claim_and_renew(self._database.dialect, self.owner, now, expires_at)
                self._epochs = await self._database.run(work)
            self.good_until = expires_at - round(MARGIN_S * SECOND_US)
        except (TimeoutError, Unavailable) as problem:
            logger.warning("leases not renewed", problem=str(problem) or "no answer in time")
