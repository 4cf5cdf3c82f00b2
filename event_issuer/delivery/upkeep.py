"""Upkeep: removes what delivery has written and nobody needs any more, in small transactions between the others'.

After each it rests for a multiple of what it took, so that whoever delivers has the database nearly to themselves,
however slow the machine is. Knows nothing of the log: how long events are kept is the log's business.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Final

import structlog

from event_issuer.db import upkeep as sql
from event_issuer.db.database import Database
from event_issuer.db.work import Work
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.time import SECOND_US, Clock

EVERY_S: Final = 10.0
BATCH: Final = 500  # rows of one transaction: some milliseconds, so that settling never waits for long
RESTS: Final = (
    9  # times the duration of a transaction: a tenth of the time at most, and still faster than deliveries come
)
SUBSCRIPTIONS: Final = 50  # looked at in one step; the next step goes on with the next ones
DELETED_KEPT_S: Final = 300  # longer than a request and its settling can still be under way
ERRORS_KEPT: Final = 100  # of each subscription: the last ones tell what is wrong now
DROP_EVERY_S: Final = 1.0  # dead letters are counted so often while they come in
_ANY_ID: Final = 2**62

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HistoryBounds:
    """For how long attempts and dead letters are kept, and how many of each subscription."""

    attempts_s: int
    attempts_max: int
    dead_letters_s: int
    dead_letters_max: int


class Upkeep:
    """`rest(seconds)` lets others work."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        bounds: HistoryBounds,
        *,
        monotonic_s: Callable[[], float] = monotonic,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database, self._clock, self._bounds = database, clock, bounds
        self._monotonic_s, self._rest = monotonic_s, rest
        self._subscription_id = 0  # the last one that was looked at
        self._with_dead_letters: set[int] = set()
        self._heard = asyncio.Event()

    def hear(self, subscription_ids: Iterable[int]) -> None:
        """These have new dead letters: whether they are too many is looked at soon, not when their turn comes."""
        self._with_dead_letters.update(subscription_ids)
        if self._with_dead_letters:
            self._heard.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._look_round())
            loops.create_task(self._drop_soon())

    async def _look_round(self) -> None:
        while True:
            try:
                await self.step()
            except Unavailable as problem:
                logger.warning("upkeep waits", problem=problem.detail)
            await self._rest(EVERY_S)

    async def _drop_soon(self) -> None:
        while True:
            await self._heard.wait()
            await self._rest(DROP_EVERY_S)
            try:
                await self.drop()
            except Unavailable as problem:
                logger.warning("dead letters stay for now", problem=problem.detail)

    async def step(self) -> int:
        """One round, in bounded batches until nothing is left to be removed of what it looks at; how many rows went."""
        dialect, removed = self._database.dialect, 0
        before = self._clock() - DELETED_KEPT_S * SECOND_US
        for (subscription_id,) in await self._database.read(sql.deleted_subscriptions(before, SUBSCRIPTIONS)):
            removed += await self._remove_all(partial(sql.remove_subscription, dialect, subscription_id, BATCH))
        before = self._clock() - self._bounds.attempts_s * SECOND_US
        removed += await self._remove_all(partial(sql.remove_attempts_before, dialect, before, BATCH))
        for subscription_id in await self._next_subscriptions():
            for table, kept in (("attempts", self._bounds.attempts_max), ("subscription_errors", ERRORS_KEPT)):
                # Nearly always there is none, and no write.
                for (id_,) in await self._database.read(sql.newest_beyond(table, subscription_id, kept)):
                    oldest = partial(sql.remove_up_to, dialect, table, subscription_id, id_, BATCH)
                    removed += await self._remove_all(oldest)
            removed += await self._drop_all(subscription_id)
        return removed

    async def drop(self) -> int:
        """Drops the dead letters that are too many or too old, of the subscriptions that were heard of; how many."""
        heard, self._with_dead_letters = self._with_dead_letters, set()
        self._heard.clear()
        dropped = 0
        try:
            for subscription_id in sorted(heard):
                dropped += await self._drop_all(subscription_id)
        except Unavailable:
            self.hear(heard)
            raise
        return dropped

    async def _drop_all(self, subscription_id: int) -> int:
        oldest = await self._database.read(sql.oldest_dead_letter(subscription_id))
        if not oldest:
            return 0
        up_to = (self._clock() - self._bounds.dead_letters_s * SECOND_US - 1, _ANY_ID)
        excess = sql.newest_dead_letter_beyond(subscription_id, self._bounds.dead_letters_max)
        for row in await self._database.read(excess):
            up_to = max(up_to, (row[0], row[1]))
        if (oldest[0][0], oldest[0][1]) > up_to:
            return 0
        return await self._remove_all(lambda: sql.drop_dead_letters(subscription_id, up_to, BATCH, self._clock()))

    async def _remove_all(self, batch: Callable[[], Work[int]]) -> int:
        """Batch after batch, with a rest after each."""
        removed = 0
        while True:
            began_s = self._monotonic_s()
            count = await self._database.run(batch())
            if count:
                await self._rest((self._monotonic_s() - began_s) * RESTS)
            removed += count
            if count < BATCH:
                return removed

    async def _next_subscriptions(self) -> list[int]:
        rows = await self._database.read(sql.subscriptions_after(self._subscription_id, SUBSCRIPTIONS))
        ids = [row[0] for row in rows]
        self._subscription_id = ids[-1] if len(ids) == SUBSCRIPTIONS else 0
        return ids
