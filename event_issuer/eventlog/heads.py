"""The watch over heads: how the lanes of this process hear of what other processes append, within a second.

Knows nothing of lanes: whoever runs it says which partitions matter.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from event_issuer.domain.errors import Unavailable
from event_issuer.eventlog.protocol import EventLog

LOOK_S: Final = 0.25
AWAY_PAUSE_S: Final = 1.0  # while the database cannot answer

logger = structlog.get_logger(__name__)


class HeadWatch:
    def __init__(self, log: EventLog, partition_ids: Callable[[], Sequence[int]]) -> None:
        self._log, self._partition_ids = log, partition_ids

    async def step(self) -> int:
        """Looks once; the number of heads that have moved."""
        return await self._log.notice(self._partition_ids())

    async def run(self) -> None:
        while True:
            try:
                await self.step()
                pause_s = LOOK_S
            except Unavailable as problem:
                logger.warning("heads not seen", problem=problem.detail)
                pause_s = AWAY_PAUSE_S
            await asyncio.sleep(pause_s)
