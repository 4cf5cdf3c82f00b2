"""Changes: how one process tells the others that something they hold in memory is no longer so.

A change is a row, written in the transaction that makes it true. Other processes look for rows that are new to them:
at once on PostgreSQL, where a trigger notifies them of each row, every `POLL_S` on SQLite. Identity order is not commit
order on PostgreSQL, so every `LOOK_BACK_S` a look goes back `OVERLAP_S` and leaves out what was seen; the others begin
behind the last one seen, so that many changes do not cost the square of their number.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Final, TypeAlias

import structlog

from event_issuer.db.database import Database
from event_issuer.db.work import Statement, Work
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.time import SECOND_US, Clock, Instant

POLL_S: Final = 0.25  # a change takes effect within a second
NOTIFIED_POLL_S: Final = 0.5  # with NOTIFY polling is the net below it, and sees what was committed late
LOOK_BACK_S: Final = 0.4  # less than a poll, so that each poll looks back
OVERLAP_S: Final = 60  # from the instant of a change to its commit: waits for a connection and for locks, and clocks
AWAY_PAUSE_S: Final = 1.0  # while the database cannot answer
KEPT_S: Final = 3600
PRUNE_EVERY_S: Final = 60
PRUNE_MAX: Final = 1_000
CHANNEL: Final = "event_issuer_changes"  # the trigger's, in the first migration

logger = structlog.get_logger(__name__)


class Topic(StrEnum):
    SUBSCRIPTION = "subscription"
    ACCESS = "access"
    EVENT_TYPE = "event_type"
    VERDICT = "verdict"  # of events in a partition; pages of it are read anew
    TEST_DELIVERY = "test_delivery"
    REPLAY = "replay"  # one that was asked for, or has ended
    PROCESS = "process"  # one that delivers has come or gone, or gave back partitions; the id says nothing


ChangeListener: TypeAlias = Callable[[Topic, int], None]


def announce(topic: Topic, object_id: int, now: Instant) -> Work[None]:
    yield Statement("INSERT INTO changes (topic, object_id, at_us) VALUES ($1, $2, $3)", (topic.value, object_id, now))


class ChangeFeed:
    """Tells listeners of changes, those of this process too. A listener is called in the event loop and only notes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._listeners: list[ChangeListener] = []
        self._seen: dict[int, Instant] = {}
        self._hurry = asyncio.Event()
        self._since = self._pruned_at = clock() - OVERLAP_S * SECOND_US
        self._is_in_order = database.dialect == "sqlite"  # it has one writer, and gives no number twice
        self._last: int | None = None  # the highest that was seen
        self._looked_back_at: Instant = 0

    def listen(self, listener: ChangeListener) -> None:
        self._listeners.append(listener)

    def hurry(self) -> None:
        """Looks at once: this process has just announced something, or PostgreSQL said that another one has."""
        self._hurry.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._database.listen(CHANNEL, lambda _: self.hurry()))
            group.create_task(self._look_again_and_again())

    async def _look_again_and_again(self) -> None:
        poll_s = NOTIFIED_POLL_S if self._database.dialect == "postgresql" else POLL_S
        while True:
            try:
                await self.step()
                await self._prune_now_and_then()
                pause_s = poll_s
            except Unavailable as problem:
                logger.warning("changes not seen", problem=problem.detail)
                pause_s = AWAY_PAUSE_S
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):  # wait_for may swallow a cancellation before Python 3.12
                    await self._hurry.wait()

    async def step(self) -> int:
        """Passes on what is new; the number of changes."""
        self._hurry.clear()
        looked_at = self._clock()
        looks_back = self._looks_back(looked_at)
        rows = await self._database.read(_rows_since(self._since) if looks_back else _rows_behind(self._last or 0))
        fresh = [row for row in rows if row[0] not in self._seen]
        for row in fresh:
            self._last = max(self._last or 0, row[0])
            if not self._is_in_order:
                self._seen[row[0]] = row[3]
            self._tell(row[1], row[2])
        if looks_back:
            self._looked_back_at = looked_at
            self._since = looked_at - OVERLAP_S * SECOND_US
            self._seen = {id_: at for id_, at in self._seen.items() if at >= self._since}
        return len(fresh)

    def _looks_back(self, now: Instant) -> bool:
        if self._last is None:
            return True
        return not self._is_in_order and not 0 <= now - self._looked_back_at < LOOK_BACK_S * SECOND_US

    def _tell(self, topic: str, object_id: int) -> None:
        try:
            known = Topic(topic)
        except ValueError:  # a newer program on the same database speaks of what this one does not have
            return
        for listener in self._listeners:
            try:
                listener(known, object_id)
            except Exception:  # one listener's fault is not the others'
                logger.exception("a listener failed", topic=topic, object=object_id)

    async def _prune_now_and_then(self) -> None:
        now = self._clock()
        if not 0 <= now - self._pruned_at < PRUNE_EVERY_S * SECOND_US and await self.prune() < PRUNE_MAX:
            self._pruned_at = now  # else there is more, for the next round

    async def prune(self) -> int:
        """Forgets changes that every process has long seen, in bounded batches."""
        return await self._database.run(_prune(self._clock() - KEPT_S * SECOND_US))


def _rows_since(instant: Instant) -> Statement:
    return Statement("SELECT id, topic, object_id, at_us FROM changes WHERE at_us >= $1 ORDER BY id", (instant,))


def _rows_behind(id_: int) -> Statement:
    return Statement("SELECT id, topic, object_id, at_us FROM changes WHERE id > $1 ORDER BY id", (id_,))


def _prune(before: Instant) -> Work[int]:
    rows = yield Statement(
        "DELETE FROM changes WHERE id IN (SELECT id FROM changes WHERE at_us < $1 ORDER BY at_us LIMIT $2) RETURNING 1",
        (before, PRUNE_MAX),
    )
    return len(rows)
