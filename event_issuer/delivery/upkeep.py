"""Upkeep: removes what delivery has written and nobody needs any more, in small transactions between the others'.

Knows nothing of the log: how long events are kept is the log's business.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

import structlog

from event_issuer.db import upkeep as sql
from event_issuer.db.database import Database
from event_issuer.db.work import Statement
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.time import SECOND_US, Clock

EVERY_S: Final = 10.0
DAY_S: Final = 24 * 3600
BATCH: Final = 1_000  # rows of one transaction: some milliseconds, so that settling never waits for long
SUBSCRIPTIONS: Final = 50  # looked at in one step; the next step goes on with the next ones
DELETED_KEPT_S: Final = 300  # longer than a request and its settling can still be under way
ATTEMPTS_KEPT_S: Final = 30 * DAY_S  # a month of history for an owner who asks what happened
ATTEMPTS_KEPT: Final = 10_000  # of each subscription: a busy one would fill the disk within the month
DEAD_LETTERS_KEPT_S: Final = 30 * DAY_S  # longer than their events are in the log by default
DEAD_LETTERS_KEPT: Final = 10_000  # of each subscription
ERRORS_KEPT: Final = 100  # of each subscription: the last ones tell what is wrong now

logger = structlog.get_logger(__name__)


class Upkeep:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._subscription_id = 0  # the last one that was looked at

    async def run(self) -> None:
        """Steps every `EVERY_S`, or at once while a step finds that more is to be removed."""
        while True:
            removed = 0
            try:
                removed = await self.step()
            except Unavailable as problem:
                logger.warning("upkeep waits", problem=problem.detail)
            await asyncio.sleep(0 if removed >= BATCH else EVERY_S)

    async def step(self) -> int:
        """One round of bounded batches; the number of rows removed, `BATCH` or more where more may be left."""
        removed = 0
        before = self._clock() - DELETED_KEPT_S * SECOND_US
        for (subscription_id,) in await self._database.read(sql.deleted_subscriptions(before, SUBSCRIPTIONS)):
            removed += await self._database.run(sql.remove_subscription(subscription_id, BATCH))
        work = sql.remove_attempts_before(self._clock() - ATTEMPTS_KEPT_S * SECOND_US, BATCH)
        removed += await self._database.run(work)
        for subscription_id in await self._next_subscriptions():
            for table, newest in self._excesses(subscription_id):
                for (id_,) in await self._database.read(newest):
                    if id_ is not None:
                        removed += await self._database.run(sql.remove_up_to(table, subscription_id, id_, BATCH))
        return removed

    async def _next_subscriptions(self) -> list[int]:
        rows = await self._database.read(sql.subscriptions_after(self._subscription_id, SUBSCRIPTIONS))
        ids = [row[0] for row in rows]
        self._subscription_id = ids[-1] if len(ids) == SUBSCRIPTIONS else 0
        return ids

    def _excesses(self, subscription_id: int) -> Iterator[tuple[str, Statement]]:
        """For each table, the question for the newest row that may go: nearly always there is none, and no write."""
        yield "attempts", sql.newest_beyond("attempts", subscription_id, ATTEMPTS_KEPT)
        yield "subscription_errors", sql.newest_beyond("subscription_errors", subscription_id, ERRORS_KEPT)
        yield "parked_events", sql.newest_beyond("parked_events", subscription_id, DEAD_LETTERS_KEPT)
        dead_before = self._clock() - DEAD_LETTERS_KEPT_S * SECOND_US
        yield "parked_events", sql.newest_dead_letter(subscription_id, dead_before)
