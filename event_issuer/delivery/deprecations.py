"""Which partitions hold events of a deprecated type, in memory: asked for each attempt, read when a type changes.

What was known before holds until a change is read, some milliseconds after the feed has told of it. Knows no events.
"""

import asyncio
from typing import Final

import structlog

from event_issuer.db import event_types as sql
from event_issuer.db.changes import ChangeFeed, Topic
from event_issuer.db.database import Database
from event_issuer.domain.deprecation import Deprecation
from event_issuer.domain.errors import Unavailable

AWAY_PAUSE_S: Final = 1.0  # while the database cannot answer

logger = structlog.get_logger(__name__)


class Deprecations:
    def __init__(self, database: Database, feed: ChangeFeed) -> None:
        self._database = database
        self.by_partition: dict[int, Deprecation] = {}
        self._partitions: dict[int, list[int]] = {}  # of each deprecated type
        self._changed: set[int] = set()
        self._awake = asyncio.Event()
        feed.listen(self._note)

    def _note(self, topic: Topic, event_type_id: int) -> None:
        if topic is Topic.EVENT_TYPE:
            self._changed.add(event_type_id)
            self._awake.set()

    async def load(self) -> None:
        """Reads all deprecated types: before the first attempt. Raises Unavailable."""
        for event_type_id, partition_id, *columns in await self._database.read(sql.deprecated_partitions()):
            self._set(event_type_id, partition_id, Deprecation(*columns))

    async def run(self) -> None:
        while True:
            await self._awake.wait()
            try:
                await self.step()
            except Unavailable as problem:
                logger.warning("deprecations not read", problem=problem.detail)
                await asyncio.sleep(AWAY_PAUSE_S)

    async def step(self) -> int:
        """Reads the types that have changed; their number. Raises Unavailable, and then reads them the next time."""
        self._awake.clear()
        changed, self._changed = self._changed, set()
        done = 0
        try:
            for event_type_id in sorted(changed):
                rows = await self._database.read(sql.deprecated_partitions(event_type_id))
                for partition_id in self._partitions.pop(event_type_id, ()):
                    del self.by_partition[partition_id]
                for _, partition_id, *columns in rows:
                    self._set(event_type_id, partition_id, Deprecation(*columns))
                done += 1
        except BaseException:
            self._changed |= changed
            self._awake.set()
            raise
        return done

    def _set(self, event_type_id: int, partition_id: int, deprecation: Deprecation) -> None:
        self._partitions.setdefault(event_type_id, []).append(partition_id)
        self.by_partition[partition_id] = deprecation
