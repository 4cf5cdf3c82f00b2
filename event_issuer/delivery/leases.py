"""The leaser: keeps this process's leases alive, and knows when they can no longer be trusted.

Knows nothing of lanes. A lease that could not be renewed counts as lost `MARGIN_S` before it expires: whoever takes
over then finds nobody sending.
"""

from typing import Final

import structlog

from event_issuer.db.database import Database
from event_issuer.db.leases import claim_and_renew, release
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.time import SECOND_US, Clock, Instant

RENEWALS_PER_LEASE: Final = 4  # three renewals in a row may fail before a lease is given up
MARGIN_S: Final = 0.5

logger = structlog.get_logger(__name__)


class Leaser:
    def __init__(self, database: Database, owner: str, clock: Clock, *, lease_s: float) -> None:
        self.owner = owner
        self.renew_every_s = lease_s / RENEWALS_PER_LEASE
        self._database, self._clock = database, clock
        self._lease_us = round(lease_s * SECOND_US)
        self._held: dict[int, int] = {}
        self._expires_at: Instant = 0

    def held(self) -> dict[int, int]:
        """Partition → epoch of the leases that can be trusted now."""
        return self._held if self._clock() < self._expires_at - MARGIN_S * SECOND_US else {}

    async def step(self) -> dict[int, int]:
        """Renews and claims; what is held afterwards."""
        now = self._clock()
        expires_at = now + self._lease_us
        try:
            self._held = await self._database.run(claim_and_renew(self.owner, now, expires_at))
            self._expires_at = expires_at
        except Unavailable as problem:
            logger.warning("leases not renewed", problem=problem.detail)
        return self.held()

    async def release(self) -> None:
        self._held = {}
        await self._database.run(release(self.owner))
