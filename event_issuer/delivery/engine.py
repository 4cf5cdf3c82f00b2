"""The engine: opens a lane for each delivering subscription on each partition this process leases, and closes it again.

Reacts to changes of subscriptions and leases. One subscription is opened or closed at a time by one task; a change
that comes meanwhile is noted and done next. Knows nothing of how lanes deliver.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

import structlog

from event_issuer.db import lanes as sql
from event_issuer.db.changes import ChangeFeed, Topic
from event_issuer.db.database import Database
from event_issuer.db.tables import Subscription
from event_issuer.db.work import Work
from event_issuer.delivery.active import ActiveSubscription
from event_issuer.delivery.attempt import Courier
from event_issuer.delivery.exposure import Exposure
from event_issuer.delivery.lane import Lane
from event_issuer.delivery.leases import Leaser
from event_issuer.delivery.parked import Parked
from event_issuer.delivery.settle import Settler
from event_issuer.domain.cursor import Cursor
from event_issuer.domain.errors import IssuerError
from event_issuer.domain.subscriptions import DELIVERING, Command, Status
from event_issuer.domain.time import Clock
from event_issuer.eventlog.protocol import EventLog

RESTART_PAUSE_S: Final = 1.0  # before a lane whose step raised is run again

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Open:
    subscription: ActiveSubscription
    settings_version: int
    served: frozenset[int]
    lanes: list[Lane]
    runs: list["asyncio.Task[None]"]


class Engine:
    def __init__(
        self,
        database: Database,
        log: EventLog,
        feed: ChangeFeed,
        leaser: Leaser,
        courier: Courier,
        activate: Callable[[Subscription], ActiveSubscription],
        clock: Clock,
        random: Random,
        *,
        exposure_max: int,
    ) -> None:
        self._database, self._log, self._feed = database, log, feed
        self._leaser, self._courier, self._activate = leaser, courier, activate
        self._clock, self._random = clock, random
        self.exposure = Exposure(exposure_max)
        self.settler = Settler(database, leaser.owner, leaser.held, self.exposure, clock, self._lose)
        self._open: dict[int, _Open] = {}
        self._changed: set[int] = set()
        self._reopening: dict[int, asyncio.Task[None]] = {}
        self._served: frozenset[int] = frozenset()
        self._by_partition: dict[int, list[Lane]] = {}
        self._awake = asyncio.Event()
        feed.listen(self._note)
        log.watch(self._wake_lanes)

    def _note(self, topic: Topic, object_id: int) -> None:
        if topic is Topic.SUBSCRIPTION:
            self._changed.add(object_id)
            self._awake.set()

    def _wake_lanes(self, partition_id: int, next_offset: int) -> None:
        for lane in self._by_partition.get(partition_id, ()):
            lane.wake()

    def _lose(self, partition_ids: frozenset[int]) -> None:
        self._served -= partition_ids
        self._awake.set()

    async def run(self) -> None:
        """Runs until cancelled. `stop` ends the deliveries cleanly."""
        settling = asyncio.create_task(self.settler.run())
        try:
            while True:
                await self.step()
                try:
                    await asyncio.wait_for(self._awake.wait(), self._leaser.renew_every_s)
                except TimeoutError:
                    continue
        finally:
            settling.cancel()

    async def step(self) -> None:
        """Renews leases, then opens and closes what has changed."""
        self._awake.clear()
        held = frozenset(await self._leaser.step())
        if held != self._served:
            self._served = held
            rows = await self._database.read(sql.delivering([*sorted(DELIVERING), Status.STOPPING]))
            self._changed.update(row[0] for row in rows)
        for subscription_id in sorted(self._changed - self._reopening.keys()):
            self._changed.discard(subscription_id)
            self._reopening[subscription_id] = asyncio.create_task(self._guarded(subscription_id))

    async def caught_up(self) -> None:
        """Returns when no subscription is being opened or closed."""
        while self._reopening:
            await asyncio.wait(self._reopening.values())

    async def _guarded(self, subscription_id: int) -> None:
        """A task of its own: one subscription that is slow to drain holds up neither the others nor the leases."""
        try:
            await self._reopen(subscription_id)
        except Exception:
            logger.exception("subscription could not be opened", subscription=subscription_id)
            self._changed.add(subscription_id)  # again at the next step
        finally:
            del self._reopening[subscription_id]
            if subscription_id in self._changed:
                self._awake.set()

    async def stop(self, grace_s: float) -> None:
        """No request starts any more; those under way may end within `grace_s`, the rest will be repeated."""
        for opened in self._open.values():
            opened.subscription.is_open = False
        for reopening in list(self._reopening.values()):
            reopening.cancel()
        await self.caught_up()
        closing = [asyncio.create_task(self._close(id_)) for id_ in list(self._open)]
        if closing:
            _, late = await asyncio.wait(closing, timeout=grace_s)
            for opened in self._open.values():
                for lane in opened.lanes:
                    lane.abandon()
            if late:
                await asyncio.wait(late)
        await self.settler.flush()
        await self._leaser.release()

    async def _reopen(self, subscription_id: int) -> None:
        wanted = (Subscription.id == subscription_id) & Subscription.deleted_at_us.is_null()
        row = await Subscription.objects().where(wanted).first()
        if self._is_current(row):
            return
        await self._close(subscription_id)
        if row is None:
            return
        status = Status(row.status)
        if status is Status.STOPPING:
            await self._move(subscription_id, Command.DRAINED)
        elif status in DELIVERING:
            await self._open_lanes(row)

    def _is_current(self, row: Subscription | None) -> bool:
        """A change of state alone, such as the one to RUNNING that we made ourselves, reopens nothing."""
        opened = self._open.get(row.id) if row is not None else None
        if row is None or opened is None:
            return False
        return (
            row.status == Status.RUNNING
            and opened.subscription.is_open
            and opened.settings_version == row.settings_version
            and opened.served == self._served
        )

    async def _close(self, subscription_id: int) -> None:
        """Lets what is under way finish and be written, then forgets the lanes."""
        opened = self._open.get(subscription_id)
        if opened is None:
            return
        opened.subscription.is_open = False
        for run in opened.runs:
            run.cancel()
        for lane in opened.lanes:
            await lane.drain()
        await self.settler.flush()
        for lane in opened.lanes:
            self._by_partition[lane.partition_id].remove(lane)
        del self._open[subscription_id]

    async def _open_lanes(self, row: Subscription) -> None:
        try:
            subscription = self._activate(row)
        except IssuerError as problem:
            await self._refuse(row.id, problem)
            return
        rows = await self._database.read(sql.lanes_of(row.id))
        waiting = [sql.ParkedRow(*parked) for parked in await self._database.read(sql.parked_of(row.id))]
        lanes = []
        for lane_row in (sql.LaneRow(*found) for found in rows):
            if lane_row.partition_id in self._served:
                mine = [_parked(one, lane_row) for one in waiting if one.lane_id == lane_row.id]
                lanes.append(self._lane(lane_row, subscription, mine))
        for lane in lanes:
            self._by_partition.setdefault(lane.partition_id, []).append(lane)
        runs = [asyncio.create_task(_run(lane)) for lane in lanes]
        self._open[row.id] = _Open(subscription, row.settings_version, self._served, lanes, runs)
        if row.status != Status.RUNNING:
            await self._move(row.id, Command.OPENED)

    def _lane(self, row: sql.LaneRow, subscription: ActiveSubscription, parked: list[Parked]) -> Lane:
        return Lane(
            row.id,
            subscription,
            row.partition_id,
            Cursor.parse(row.next_offset, row.settled_above),
            parked,
            log=self._log,
            courier=self._courier,
            settler=self.settler,
            exposure=self.exposure,
            clock=self._clock,
            random=self._random,
        )

    async def _refuse(self, subscription_id: int, problem: IssuerError) -> None:
        def failing() -> Work[None]:
            if (yield from sql.move(subscription_id, Command.FAIL, self._clock())):
                yield from sql.record_error(subscription_id, problem.detail, None, None, self._clock())

        await self._database.run(failing())

    async def _move(self, subscription_id: int, command: Command) -> None:
        await self._database.run(sql.move(subscription_id, command, self._clock()))


async def _run(lane: Lane) -> None:
    """A lane whose step raises is a fault of ours: it is run again after a pause, and the fault is in the log."""
    while True:
        try:
            await lane.run()
        except Exception:
            logger.exception("lane failed", lane=lane.id)
            await asyncio.sleep(RESTART_PAUSE_S)
            lane.wake()


def _parked(row: sql.ParkedRow, lane: sql.LaneRow) -> Parked:
    return Parked(
        lane_id=row.lane_id,
        subscription_id=lane.subscription_id,
        partition_id=lane.partition_id,
        offset=row.log_offset,
        key=row.partitionkey if row.blocks_key else None,
        attempts=row.attempts,
        parked_at=row.parked_at_us,
        next_attempt_at=row.next_attempt_at_us,
        last_outcome=row.last_outcome,
        last_error=row.last_error,
        followers_from=row.followers_from,
        id=row.id,
        blocks_key=bool(row.blocks_key),
    )
