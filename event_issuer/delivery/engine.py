"""The engine: opens a lane for each delivering subscription on each partition this process leases, and closes it again.

Reacts to changes of subscriptions and leases. One subscription is opened or closed at a time by one task; a change
that comes meanwhile is noted and done next. Knows nothing of how lanes deliver.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
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
from event_issuer.delivery.leases import Lease, Leaser
from event_issuer.delivery.opened import Opened
from event_issuer.delivery.opening import Crew, sieves_of, stored_lanes
from event_issuer.delivery.position_losses import PositionLosses
from event_issuer.delivery.reopening import RESTART_PAUSE_S, Faults, Openings
from event_issuer.delivery.settle import Settler
from event_issuer.delivery.sieve import Sieves, stored_filter
from event_issuer.domain.errors import BadInput, IssuerError, Unavailable
from event_issuer.domain.explaining import Progress
from event_issuer.domain.sharing import divided
from event_issuer.domain.subscriptions import DELIVERING, Command, Status
from event_issuer.domain.time import Clock
from event_issuer.eventlog.protocol import EventLog
from event_issuer.telemetry.metrics import Metrics

OPENING_MAX: Final = 8  # subscriptions that read their lanes at a time: below the database's connections
FLUSH_MAX_S: Final = 5.0  # at the end; what is not written by then is repeated by the next process

logger = structlog.get_logger(__name__)


class Engine:
    def __init__(
        self,
        database: Database,
        log: EventLog,
        feed: ChangeFeed,
        leaser: Leaser,
        courier: Courier,
        activate: Callable[[Subscription], ActiveSubscription],
        sieves: Sieves,
        clock: Clock,
        random: Random,
        *,
        exposure_max: int,
        metrics: Metrics | None = None,
    ) -> None:
        self._database, self._log = database, log
        self._leaser, self._courier, self._activate, self._sieves = leaser, courier, activate, sieves
        self._clock, self._random = clock, random
        self.exposure = Exposure(exposure_max)
        self.settler = Settler(database, leaser.owner, leaser.epochs, self.exposure, clock, self._lose, metrics)
        self._losses = PositionLosses(database, log, leaser.owner, clock)
        self._open: dict[int, Opened] = {}
        self._changed: set[int] = set()
        self._changed_again: set[int] = set()  # while they are being opened or closed: looked at once that has ended
        self._reopening: dict[int, asyncio.Task[bool]] = {}
        self._served: Mapping[int, int] = {}
        self._by_partition: dict[int, set[Lane]] = {}
        self._awake = asyncio.Event()
        self._renewing = asyncio.Event()
        self._opening = asyncio.Semaphore(OPENING_MAX)
        self._is_stopping = False
        self._faults, self._openings = Faults(), Openings(random)
        told = (leaser.is_good, self._fault, self._overtaken)
        self._crew = Crew(log, courier, self.settler, self.exposure, *told, clock, random)
        feed.listen(self._note)
        log.watch(self._wake_lanes)

    async def run(self) -> None:
        """Runs until cancelled. `stop` ends the deliveries cleanly; it comes first."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self.settler.run())
            loops.create_task(self._keep_leases())
            loops.create_task(self._keep_open())

    async def step(self) -> None:
        """Renews leases, then opens and closes what has changed."""
        await self.renew()
        self.react()

    def lanes(self) -> Iterator[Lane]:
        """Those that are open now."""
        return (lane for opened in self._open.values() for lane in opened.lanes)

    async def caught_up(self) -> None:
        """Returns when no subscription is being opened or closed."""
        while self._reopening:
            await asyncio.wait(self._reopening.values())

    async def stop(self, grace_s: float, *, flush_max_s: float = FLUSH_MAX_S) -> None:
        """No request starts any more; those under way may end within `grace_s`, the rest will be repeated."""
        self._is_stopping = True
        self._leaser.retire()
        for opened in self._open.values():
            opened.shut()
        for reopening in list(self._reopening.values()):
            reopening.cancel()
        await self.caught_up()
        lanes = list(self.lanes())
        draining = [asyncio.create_task(lane.drain()) for lane in lanes]
        if draining:
            await asyncio.wait(draining, timeout=grace_s)
            for lane in lanes:
                lane.abandon()
            await asyncio.wait(draining)
        try:
            async with asyncio.timeout(flush_max_s):
                await self.settler.flush()
            await self._leaser.release()
        except (TimeoutError, Unavailable) as problem:
            logger.warning("stopped without a last settle", problem=str(problem), exposed=self.exposure.count)

    def progress_of(self, subscription_id: int, partition_id: int, offset: int) -> Progress:
        """What this process has in memory of an event; the database knows the rest."""
        opened = self._open.get(subscription_id)
        for lane in opened.lanes if opened is not None else ():
            if lane.partition_id == partition_id and lane.is_live:
                return lane.progress_of(offset)
        return Progress.NONE

    # What happens elsewhere

    def _note(self, topic: Topic, object_id: int) -> None:
        if topic is Topic.SUBSCRIPTION:
            self._changed.add(object_id)
            self._awake.set()
        elif topic in (Topic.EVENT_TYPE, Topic.PROCESS):  # there may be partitions that nobody leases, or others' share
            self._renewing.set()

    def _wake_lanes(self, partition_id: int, next_offset: int) -> None:
        for lane in self._by_partition.get(partition_id, ()):
            lane.wake()

    def _wake_all(self) -> None:
        for lanes in self._by_partition.values():
            for lane in lanes:
                lane.wake()

    def _lose(self, leases: frozenset[Lease]) -> None:
        """Lanes under these leases stop at once; they are opened anew when the partitions are leased again."""
        served = leases & self._served.items()
        for partition_id, epoch in leases:
            for lane in self._by_partition.get(partition_id, ()):
                if lane.lease == (partition_id, epoch):
                    lane.lose()
                    self._restart(lane.subscription.id)
        if served:
            logger.warning("leases lost", partitions=len(served))
            self._served = {id_: epoch for id_, epoch in self._served.items() if (id_, epoch) not in served}
            self._renewing.set()

    def _fault(self, lane: Lane, fault: BaseException) -> None:
        """A lane that raised is a fault of ours. What it holds in memory is in doubt: its subscription is closed, and
        opened again from what is written down."""
        pause_s = self._faults.pause_s(lane.subscription.id, self._clock())
        logger.error("lane failed", lane=lane.id, subscription=lane.subscription.id, again_in_s=pause_s, exc_info=fault)
        opened = self._open.get(lane.subscription.id)
        if opened is not None and not opened.is_stale:
            opened.is_stale = True
            lane.subscription.shut()
            again = (Topic.SUBSCRIPTION, lane.subscription.id)
            asyncio.get_running_loop().call_later(pause_s, self._note, *again)

    def _overtaken(self, lane: Lane) -> None:
        """Retention was faster than the lane: opening it anew finds where it goes on."""
        self._restart(lane.subscription.id)

    def _restart(self, subscription_id: int) -> None:
        opened = self._open.get(subscription_id)
        if opened is not None:
            opened.is_stale = True
        self._changed.add(subscription_id)
        self._awake.set()

    # Leases

    async def _keep_leases(self) -> None:
        while True:
            self._renewing.clear()
            await self.renew()
            with suppress(TimeoutError):  # not wait_for, which before Python 3.12 may swallow a cancellation
                async with asyncio.timeout(self._leaser.next_step_s()):
                    await self._renewing.wait()

    async def renew(self) -> None:
        """Renews and claims leases; lanes whose lease has lapsed stop before the database is asked."""
        if not self._leaser.is_good():
            self._lose(self._leases())
        await self._give_back()
        ours, good_until = self._leases(), self._leaser.good_until
        held = await self._leaser.step()
        if self._clock() >= good_until:  # lanes that wanted to send while the database was asked found no good lease
            self._wake_all()
        leaving = frozenset(self._leaser.leaving().items())
        self._lose(ours - held.items() - leaving)
        self._leave(leaving & self._served.items())
        if held.keys() - self._served.keys():
            try:
                rows = await self._database.read(sql.delivering([*sorted(DELIVERING), Status.STOPPING]))
            except Unavailable as problem:
                logger.warning("subscriptions not read", problem=problem.detail)
                return
            self._served = dict(held)
            self._changed.update(row[0] for row in rows)
            self._awake.set()

    def _leases(self) -> frozenset[Lease]:
        """Those under which lanes are open: served, or about to be given back."""
        return frozenset(self._served.items()) | frozenset(self._leaser.leaving().items())

    def _leave(self, leases: frozenset[Lease]) -> None:
        """Another process is to have these: their lanes close when what is under way is written, the others of their
        subscriptions open again."""
        if not leases:
            return
        self._served = {id_: epoch for id_, epoch in self._served.items() if (id_, epoch) not in leases}
        for partition_id, _ in leases:
            self._changed.update(lane.subscription.id for lane in self._by_partition.get(partition_id, ()))
        self._awake.set()
        self._renewing.set()  # those without a lane can be given back at once

    async def _give_back(self) -> None:
        """No lane of these is open, and none will be opened: they are not served any more."""
        closed = [id_ for id_ in self._leaser.leaving() if not self._by_partition.get(id_)]
        if closed:
            try:
                await self._leaser.give_back(closed)
            except Unavailable as problem:
                logger.warning("leases not given back", problem=problem.detail)

    # Opening and closing

    async def _keep_open(self) -> None:
        while True:
            await self._awake.wait()
            self.react()

    def react(self) -> None:
        """Begins to open and close what has changed."""
        self._awake.clear()
        if self._is_stopping:
            return
        changed, self._changed = self._changed, set()  # each is met once, however many subscriptions wait to open
        for subscription_id in sorted(changed):
            if subscription_id in self._reopening:
                self._changed_again.add(subscription_id)
                continue
            task = asyncio.create_task(self._guarded(subscription_id))
            self._reopening[subscription_id] = task
            # Not at the end of the task: one that is cancelled before its first step runs no line of its own.
            task.add_done_callback(partial(self._reopened, subscription_id))

    async def _guarded(self, subscription_id: int) -> bool:
        """A task of its own: one subscription that is slow to drain holds up neither the others nor the leases. False:
        it is to be tried again."""
        try:
            await self._reopen(subscription_id)
            return True
        except IssuerError as problem:
            logger.warning("subscription not opened", subscription=subscription_id, problem=problem.detail)
        except Exception:
            logger.exception("subscription not opened", subscription=subscription_id)
        return False

    def _reopened(self, subscription_id: int, task: "asyncio.Task[bool]") -> None:
        del self._reopening[subscription_id]
        if self._leaser.leaving():
            self._renewing.set()
        if subscription_id in self._changed or subscription_id in self._changed_again:
            self._changed_again.discard(subscription_id)
            self._changed.add(subscription_id)
            self._awake.set()
        elif not task.cancelled() and not task.result():
            asyncio.get_running_loop().call_later(RESTART_PAUSE_S, self._note, Topic.SUBSCRIPTION, subscription_id)

    async def _reopen(self, subscription_id: int) -> None:
        state = await self._state(subscription_id)
        if self._is_current(subscription_id, state):
            return
        if subscription_id in self._open:
            await self._close(subscription_id)
            state = await self._state(subscription_id)  # closing takes as long as a request: more may have changed
        if state is None:
            return
        if state[0] is Status.STOPPING:
            await self._move(subscription_id, Command.DRAINED)
        elif state[0] in DELIVERING:
            await self._openings.wait()
            row = await self._read(subscription_id)
            if row is not None and Status(row.status) in DELIVERING:
                await self._open_lanes(row)

    async def _state(self, subscription_id: int) -> tuple[Status, int] | None:
        """Its status and the version of its settings: all that is read on each change."""
        async with self._opening:
            rows = await self._database.read(sql.state_of(subscription_id))
        return (Status(rows[0][0]), rows[0][1]) if rows else None

    async def _read(self, subscription_id: int) -> Subscription | None:
        wanted = (Subscription.id == subscription_id) & Subscription.deleted_at_us.is_null()
        async with self._opening:
            return await Subscription.objects().where(wanted).first()

    def _is_current(self, subscription_id: int, state: tuple[Status, int] | None) -> bool:
        """A change of state alone, such as the one to RUNNING that we made ourselves, reopens nothing."""
        opened = self._open.get(subscription_id)
        return (
            opened is not None
            and state == (Status.RUNNING, opened.settings_version)
            and not opened.is_stale
            and opened.served == self._served_of(opened.partition_ids)
        )

    def _served_of(self, partition_ids: frozenset[int]) -> dict[int, int]:
        return {id_: self._served[id_] for id_ in partition_ids if id_ in self._served}

    async def _close(self, subscription_id: int) -> None:
        """Lets what is under way finish and be written, then forgets the lanes."""
        opened = self._open[subscription_id]
        opened.shut()
        for lane in opened.lanes:
            await lane.drain()
        await self.settler.flush()
        for lane in opened.lanes:
            self._by_partition[lane.partition_id].remove(lane)
        del self._open[subscription_id]

    async def _open_lanes(self, row: Subscription) -> None:
        try:
            subscription, filter_ = self._activate(row), stored_filter(row.filter)
        except BadInput as problem:  # its URL or filter is not allowed any more; all else is the operator's to repair
            await self._refuse(row.id, problem)
            return
        served = self._served
        async with self._opening:
            stored = await stored_lanes(self._database, row.id, served, subscription.now())
            if await self._losses.settle(row.id, subscription.settings.on_position_lost, stored.lanes):
                self._changed.add(row.id)
                return
            sieves = await sieves_of(self._sieves, filter_, subscription.settings, stored.lanes)
        here = {lane.lease[0]: lane.lease[1] for lane in stored.lanes}
        if self._is_stopping or here != self._served_of(stored.partition_ids):
            self._changed.add(row.id)  # a lease came or went while we read
            return
        subscription.share(divided(subscription.settings.max_in_flight, len(here), len(stored.partition_ids)))
        lanes = [self._crew.lane(lane, subscription, sieves.get(lane.id)) for lane in stored.lanes]
        for lane in lanes:
            self._by_partition.setdefault(lane.partition_id, set()).add(lane)
        runs = [asyncio.create_task(self._run(lane)) for lane in lanes]
        self._open[row.id] = Opened(subscription, row.settings_version, stored.partition_ids, here, lanes, runs)
        if lanes and row.status != Status.RUNNING:
            await self._move(row.id, Command.OPENED)

    async def _run(self, lane: Lane) -> None:
        try:
            await lane.run()
        except Exception as fault:
            self._fault(lane, fault)
        else:
            self._forget(lane)

    def _forget(self, lane: Lane) -> None:
        """It is over: nothing wakes it any more."""
        opened = self._open.get(lane.subscription.id)
        if opened is not None and lane in opened.lanes:
            opened.lanes.remove(lane)
            self._by_partition[lane.partition_id].discard(lane)

    async def _refuse(self, subscription_id: int, problem: IssuerError) -> None:
        def failing() -> Work[None]:
            if (yield from sql.move(subscription_id, Command.FAIL, self._clock())):
                yield from sql.record_error(subscription_id, problem.detail, None, None, self._clock())

        await self._database.run(failing())

    async def _move(self, subscription_id: int, command: Command) -> None:
        await self._database.run(sql.move(subscription_id, command, self._clock()))
