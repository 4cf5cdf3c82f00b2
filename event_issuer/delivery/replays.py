"""The keeper of replays: counts what they will deliver, sees when they have ended, and sweeps up behind them.

Works through the open replays a part at a time, and rests after each part for as long as it took, so that a long count
leaves room to delivery. What it has counted is written down: whoever does this next goes on from there. Knows no lanes
but in the database.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Final

import structlog

from event_issuer.db import replaying as sql
from event_issuer.db.changes import ChangeFeed, Topic
from event_issuer.db.database import Database
from event_issuer.db.replaying import Counted, Place
from event_issuer.db.tables import Subscription
from event_issuer.delivery.reading import ReadableLog
from event_issuer.delivery.replaying import LogUntil
from event_issuer.delivery.sieve import Sieve, Sieves, stored_filter
from event_issuer.domain.errors import IssuerError, Unavailable
from event_issuer.domain.replays import ReplayStatus, global_id
from event_issuer.domain.subscriptions import DeliverySettings
from event_issuer.domain.time import Clock
from event_issuer.eventlog.protocol import LogRecord

EVERY_S: Final = 1.0  # while nothing is to be counted: a replay whose last event was delivered has ended a second later
LOOKED_AT: Final = 50  # open replays in one step; the next step goes on with the next ones
COUNTED_AT_ONCE: Final = 2_000  # events of one replay in one step: some 50 ms with a plain filter
SWEPT_AT_ONCE: Final = 500  # rows of one transaction: some milliseconds, so that settling never waits for long

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Open:
    id: int
    subscription_id: int
    status: str
    filter: str | None
    log_id: str
    is_counted: bool


class ReplayKeeper:
    """`rest(seconds)` lets others work."""

    def __init__(
        self,
        database: Database,
        log: ReadableLog,
        log_id: str,
        sieves: Sieves,
        feed: ChangeFeed,
        clock: Clock,
        *,
        monotonic_s: Callable[[], float] = monotonic,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database, self._log, self._log_id = database, log, log_id
        self._sieves, self._clock = sieves, clock
        self._monotonic_s, self._rest = monotonic_s, rest
        self._replay_id = 0  # the last one that was looked at
        self._awake = asyncio.Event()
        feed.listen(self._note)

    def _note(self, topic: Topic, _: int) -> None:
        if topic is Topic.REPLAY:
            self._awake.set()

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            self._awake.clear()
            began_s, did = self._monotonic_s(), False
            try:
                did = await self.step()
            except Unavailable as problem:
                logger.warning("replays wait", problem=problem.detail)
            if did:
                await self._rest(self._monotonic_s() - began_s)
                continue
            with suppress(TimeoutError):  # wait_for may swallow a cancellation before Python 3.12
                async with asyncio.timeout(EVERY_S):
                    await self._awake.wait()

    async def step(self) -> bool:
        """One round, a bounded part of the work; whether there was any. Raises Unavailable."""
        found = [_Open(*row) for row in await self._database.read(sql.open_after(self._replay_id, LOOKED_AT))]
        self._replay_id = found[-1].id if len(found) == LOOKED_AT else 0
        did = False
        for replay in found:
            did |= await self._keep(replay)
        if await self._database.read(sql.sweepable()):
            did |= bool(await self._database.run(sql.sweep(self._database.dialect, SWEPT_AT_ONCE, self._clock())))
        return did

    async def _keep(self, replay: _Open) -> bool:
        try:
            if replay.log_id != self._log_id:
                return await self._fail(replay, "its log is another one now.")
            if not replay.is_counted:
                return await self._count(replay)
        except Unavailable:
            raise
        except IssuerError as problem:  # its filter, or what its subscription asks for, is not allowed any more
            return await self._fail(replay, problem.detail)
        if replay.status != ReplayStatus.RUNNING or await self._database.read(sql.unfinished(replay.id)):
            return False
        return await self._database.run(sql.complete(replay.id, self._clock()))

    async def _fail(self, replay: _Open, problem: str) -> bool:
        message = f"Replay {global_id(replay.id)} has failed: {problem}"
        logger.warning("replay failed", subscription=replay.subscription_id, replay=replay.id, problem=problem)
        return await self._database.run(sql.fail(self._database.dialect, replay.id, message, self._clock()))

    async def _count(self, replay: _Open) -> bool:
        """Counts a part, or finds that all is counted."""
        rows = await self._database.read(sql.uncounted(replay.id))
        if not rows:
            return await self._database.run(sql.end_counting(replay.id, self._clock()))
        partition_id, begin, end = rows[0]
        sieve = await self._sieve(replay, partition_id)
        counted = await _looked_through(LogUntil(self._log, end), replay.id, partition_id, begin, end, sieve)
        return await self._database.run(sql.note_counted(self._database.dialect, counted))

    async def _sieve(self, replay: _Open, partition_id: int) -> Sieve | None:
        row = await Subscription.objects().where(Subscription.id == replay.subscription_id).first()
        if row is None:
            raise Unavailable("The subscription has just been removed.")
        settings = DeliverySettings.from_json(row.delivery)
        found = await self._sieves.of(stored_filter(row.filter), settings, [partition_id])
        return self._sieves.narrowed(found.get(partition_id), stored_filter(replay.filter))


async def _looked_through(
    log: LogUntil, replay_id: int, partition_id: int, begin: int, end: int, sieve: Sieve | None
) -> Counted:
    offset, looked_at = begin, 0
    taken: list[LogRecord] = []
    while offset < end and looked_at < COUNTED_AT_ONCE:
        page = await log.read(partition_id, offset)
        if sieve is not None:
            await sieve.judge(page.records)
        taken += [record for record in page.records if _is_taken(record, sieve)]
        looked_at += len(page.records)
        offset = page.next_offset
        await asyncio.sleep(0)
    if not taken:
        return Counted(replay_id, partition_id, begin, offset)
    places = [Place(record.recorded_at, partition_id, record.offset) for record in (taken[0], taken[-1])]
    return Counted(replay_id, partition_id, begin, offset, len(taken), *places)


def _is_taken(record: LogRecord, sieve: Sieve | None) -> bool:
    if record.expunged_at is not None or (record.verdict is not None and record.verdict.is_withheld):
        return False
    return sieve is None or sieve.takes(record)
