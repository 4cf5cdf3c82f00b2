"""A lane: one subscription on one log partition. It reads, keeps order per key, starts attempts and takes outcomes.

The first deliveries of a key go out in log order, one at a time; other keys go on. An event that fails is parked and
blocks its key; its followers are passed over and read again from the log when their turn comes. An attempt that its
event has not spent, because the endpoint is down or asked for a pause, leaves no trace here: when nothing is under way
any more the lane reads again from its cursor. Knows nothing of HTTP or SQL: the courier sends, the settler writes. All
state changes happen between two awaits, so they need no lock.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from random import Random
from typing import Final

from event_issuer.delivery.active import ActiveSubscription
from event_issuer.delivery.alarm import Alarm
from event_issuer.delivery.attempt import Attempt, Courier
from event_issuer.delivery.exposure import Exposure
from event_issuer.delivery.failed import FailedEvents
from event_issuer.delivery.intake import Intake
from event_issuer.delivery.leases import Lease
from event_issuer.delivery.losses import EXPIRED, EXPUNGED
from event_issuer.delivery.outcome import OutcomeKind
from event_issuer.delivery.parked import Parked
from event_issuer.delivery.progress import progress_of
from event_issuer.delivery.reading import PartitionReader, ReadableLog
from event_issuer.delivery.settle import Settler
from event_issuer.delivery.sieve import Filtered, Sieve
from event_issuer.delivery.turns import Turns
from event_issuer.domain.cursor import Cursor
from event_issuer.domain.explaining import Progress
from event_issuer.domain.subscriptions import PARKED_MAX, Ordering
from event_issuer.domain.time import Clock, Instant
from event_issuer.eventlog.protocol import LogRecord

WINDOW: Final = 1_000  # how far a lane reads past its lowest unsettled event; bounds memory and the cursor's ranges
WAITING_MAX: Final = PARKED_MAX + WINDOW  # parked in one lane at most: what was read before the bound may fail too


class Lane:
    """`may_send()` says whether the lease can be trusted. `on_fault` hears of a delivery that raised: the lane's state
    is then in doubt, and whoever owns the lane opens it anew from what is written down. So too when `on_overtaken`
    hears that retention took what was to be read next.

    A live lane has no end. That of a replay, which is not live, counts what it has `delivered` and is over one day."""

    is_live = True
    is_over = False
    delivered = 0

    def __init__(
        self,
        id_: int,
        subscription: ActiveSubscription,
        lease: Lease,
        cursor: Cursor,
        parked: Iterable[Parked],
        filtered: Filtered,
        *,
        expired: int,
        sieve: Sieve | None,
        log: ReadableLog,
        courier: Courier,
        settler: Settler,
        exposure: Exposure,
        may_send: Callable[[], bool],
        on_fault: Callable[["Lane", BaseException], None],
        on_overtaken: Callable[["Lane"], None],
        clock: Clock,
        random: Random,
    ) -> None:
        self.id, self.subscription = id_, subscription
        self.lease, self.partition_id = lease, lease[0]
        self.cursor = cursor
        self.filtered, self.expired = filtered, expired
        self._sieve = sieve
        self._reader = PartitionReader(log, self.partition_id, sieve)
        self._intake = Intake(self._reader, cursor, self._touch)
        self._courier, self._settler, self._exposure = courier, settler, exposure
        self._may_send, self._on_fault, self._on_overtaken = may_send, on_fault, on_overtaken
        self._clock, self._random = clock, random
        self._is_per_key = subscription.ordering is not Ordering.NONE
        self._is_strict = subscription.ordering is Ordering.STRICT
        self._turns = Turns()
        self._failed = self._failed_events(parked, settler, clock, random)
        self._tasks: set[asyncio.Task[None]] = set()
        self._awake = asyncio.Event()
        self._awake.set()
        self.wake = self._awake.set
        subscription.join(self.wake)
        self._is_limited = False  # whether there may be more to read than there was room for
        self._must_rewind = False
        self._is_lost = False
        self._alarm = Alarm(self.wake, clock)

    def _failed_events(self, parked: Iterable[Parked], settler: Settler, clock: Clock, random: Random) -> FailedEvents:
        return FailedEvents(self, parked, self._reader, self._is_withheld, settler, clock, random)

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    @property
    def parked_count(self) -> int:
        return len(self._failed.parked)

    async def run(self) -> None:
        """Steps whenever there may be something to do, until it is over or cancelled."""
        try:
            while not self.is_over:
                await self._awake.wait()
                self._awake.clear()
                looked_at = self._clock()
                await self.step()
                # What was due then waits for room, which wakes the lane; so does a clock that goes on again.
                self._alarm.set(self._next_due_at(), looked_at)
        finally:
            self._alarm.stop()

    def _next_due_at(self) -> Instant | None:
        return self.subscription.wall(self._failed.next_due_at)

    async def step(self) -> int:
        """One round: retries that are due, events whose turn has come, new events. The number of attempts started."""
        self.subscription.pass_time()
        started = await self._start()
        self.subscription.pass_turns()
        return started

    async def _start(self) -> int:
        if not self._failed.is_ready:
            await self._failed.make_ready()
        if self._must_rewind:
            self._rewind()
        # Every other probe is a fresh event, where there is one: the oldest may be one that fails alone.
        if self.subscription.is_probing and self.subscription.health.record.probe_step % 2:
            started = self._start_ready() + await self._advance()
            return started + await self._start_due()
        started = await self._start_due() + self._start_ready()
        return started + await self._advance()

    def progress_of(self, offset: int) -> Progress:
        """What this process has in memory of the event. One that was put back has no request, nor one behind it."""
        if self._must_rewind and not self._failed.parked.holds(offset):
            return Progress.NONE
        return progress_of(offset, self.cursor, self._failed.parked, self._intake.offset, self._waiting())

    def _waiting(self) -> list[int]:
        """The offsets of those that were read and not yet sent."""
        return self._turns.waiting()

    async def drain(self) -> None:
        """Waits until no request is under way. The caller has closed the subscription or stopped `run`."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def abandon(self) -> None:
        """Gives up what is under way; it will be repeated by whoever has the lane next."""
        for task in self._tasks:
            task.cancel()

    def lose(self) -> None:
        """The lease is gone: nothing is sent any more, and what is under way is given up."""
        self._is_lost = True
        self.abandon()

    # What may start now

    def _has_room(self) -> bool:
        if not self.subscription.has_room():
            self.subscription.wake_when_room(self.wake)
            return False
        if not self._exposure.has_room():
            self._exposure.wake_when_room(self.wake)
            return False
        return not self._is_lost and not self._must_rewind and self._may_send()

    def _has_retry_room(self) -> bool:
        if not self.subscription.has_retry_room():
            self.subscription.wake_when_room(self.wake)
            return False
        return self._has_room()

    async def _start_due(self) -> int:
        started = 0
        while self._failed.is_due() and self._has_retry_room():
            parked = self._failed.take_due()
            record = await self._reader.record(parked.offset)
            if record is None or record.expunged_at is not None:
                await self._failed.expire(parked, EXPIRED if record is None else EXPUNGED)
            elif self._sieve is not None and not self._sieve.takes(record):
                self.filtered.note(record, self._sieve)  # the subscription was changed since the event failed
                await self._failed.drop(parked)
            elif self._has_retry_room():
                self._start_retry(parked, record)
                started += 1
            else:  # taken while the log was read
                self._failed.hold_again(parked)
        return started

    def _start_ready(self) -> int:
        started = 0
        while self._turns.ready and self._has_room():
            self._launch(self._deliver(self._turns.ready.popleft()), self._ended)
            started += 1
        return started

    async def _advance(self) -> int:
        """Takes new events while there is room for them."""
        self._is_limited = True
        started = self._take_from_page()
        while not self._intake.has_next() and self._may_take():  # there may be room again since the page was looked at
            if not await self._intake.turn():
                self._is_limited = False
                if self._intake.is_overtaken:
                    self._is_lost = True
                    self._on_overtaken(self)
                break
            started += self._take_from_page()
        return started

    def _take_from_page(self) -> int:
        """The same for the page in hand. Awaits nothing: an attempt that ends makes way for the next at once."""
        started = 0
        while self._intake.has_next() and self._may_take():
            record = self._intake.take()
            if self.cursor.is_settled(record.offset):
                continue
            if self._is_withheld(record):
                self._skip(record)
            else:
                started += self._take(record)
        return started

    def _may_take(self) -> bool:
        return not self._turns.ready and self._within_bounds() and self._has_room()

    def _within_bounds(self) -> bool:
        if self._is_strict and (self._tasks or self._failed.has_heads()):
            return False
        is_near = self._intake.offset - self.cursor.next_offset < WINDOW
        return is_near and self.subscription.parked < PARKED_MAX

    def _take(self, record: LogRecord) -> int:
        """Starts a fresh event, or lets it wait its turn. 1 if it was started."""
        key = record.event.partitionkey
        if key is not None:
            # Whatever the ordering is now, a key that was blocked stays so until its followers have gone.
            head = self._failed.head_of(key)
            if head is not None:
                self._pass_over(head, record)
                return 0
            if self._is_per_key and not self._turns.begin(key, record):
                return 0
        self._launch(self._deliver(record), self._ended)
        return 1

    def _is_withheld(self, record: LogRecord) -> bool:
        """It is expunged or breaks its contract, or was offered otherwise, or the subscription does not take it."""
        if self._is_kept_from_all(record):
            return True
        return self._sieve is not None and not self._sieve.takes(record)

    def _is_kept_from_all(self, record: LogRecord) -> bool:
        if record.expunged_at is not None:
            return True
        return record.verdict is not None and record.verdict.is_withheld_from(self.id)

    def _skip(self, record: LogRecord) -> None:
        if self._sieve is not None and not self._is_kept_from_all(record):
            self.filtered.note(record, self._sieve)
        self.cursor.settle(record.offset)
        self._touch()

    def _pass_over(self, head: Parked, record: LogRecord) -> None:
        """A follower of a blocked key leaves no row; the head remembers where its followers begin."""
        if head.followers_from is None:
            head.followers_from = record.offset
            self._settler.keep(self, head)
        self.cursor.settle(record.offset)
        self._touch()

    def _touch(self) -> None:
        self._settler.touch(self)

    # Requests under way

    def _launch(
        self, delivery: Coroutine[None, None, None], ended: Callable[[asyncio.Task[None]], None], count: int = 1
    ) -> None:
        """`count` events go with one request."""
        self.subscription.take()
        self._exposure.take(count)
        task = asyncio.get_running_loop().create_task(delivery)
        self._tasks.add(task)
        task.add_done_callback(ended)

    def _ended(self, task: asyncio.Task[None], count: int = 1) -> None:
        """However it ended: a delivery that was cancelled or raised has told the settler nothing."""
        self._tasks.discard(task)
        if not self._failed.parked:
            self.subscription.looks_itself(self.wake)  # below; what is parked is for a step to start
        self.subscription.release()
        fault = None if task.cancelled() else task.exception()
        if fault is not None or task.cancelled():
            self._exposure.give_back(count)
        if fault is not None:
            self._on_fault(self, fault)
        self._start_ready()
        if self._is_limited:
            self._take_from_page()
            if not self._intake.has_next():
                self._awake.set()
        if self._must_rewind and not self._tasks:
            self._awake.set()

    def _retry_ended(self, task: asyncio.Task[None], count: int = 1) -> None:
        self.subscription.retries_in_flight -= 1
        self._ended(task, count)
        self._awake.set()

    def _rewind(self) -> None:
        """Begins again at the cursor, once nothing is under way: what was not spent is still unsettled there."""
        if not self._tasks:
            self._turns.clear()
            self._intake.rewind()
            self._must_rewind = False

    def _took(self, attempt: Attempt) -> bool:
        """One request has ended; whether its event has spent an attempt on it."""
        is_spent = self.subscription.took(attempt.outcome, attempt.duration_us)
        if self.subscription.is_health_unsaved:
            self.subscription.is_health_unsaved = False
            self._settler.keep_health(self, self.subscription.id, self.subscription.health.record)
        if attempt.outcome.is_slow:
            self._settler.complain(self, attempt)
        return is_spent

    def _is_gone(self, attempt: Attempt) -> bool:
        """The endpoint is gone for good: no other request starts, and the event stays where it is."""
        if attempt.outcome.kind is not OutcomeKind.GONE:
            return False
        self.subscription.shut()
        self._settler.fail(self, attempt)
        return True

    def _tell(self, attempt: Attempt) -> None:
        """It has ended, and cursor and parked events say what follows."""
        self._settler.add(self, attempt)

    # First deliveries

    async def _deliver(self, record: LogRecord) -> None:
        attempt = await self._courier.attempt(self.subscription, record, 1)
        is_spent = self._took(attempt)
        if self._is_gone(attempt):
            return
        if not is_spent:
            self._must_rewind = True
        else:
            if attempt.outcome.kind is not OutcomeKind.DELIVERED:
                blocks_key = self._is_strict or (self._is_per_key and record.event.partitionkey is not None)
                self._failed.park(record, attempt.outcome, blocks_key=blocks_key)
                self._awake.set()
            self.cursor.settle(record.offset)
            if self._is_per_key and record.event.partitionkey is not None:
                self._next_of_key(record.event.partitionkey)
        self._tell(attempt)

    def _next_of_key(self, key: str) -> None:
        """The key's delivery has ended: the next one's turn has come, or all that waited are passed over."""
        head = self._failed.head_of(key)
        if head is None:
            self._turns.end(key)
        else:
            for record in self._turns.dissolve(key):
                self._pass_over(head, record)

    # Retries

    def _start_retry(self, parked: Parked, record: LogRecord) -> None:
        self.subscription.retries_in_flight += 1
        self._launch(self._retry(parked, record), self._retry_ended)

    async def _retry(self, parked: Parked, record: LogRecord) -> None:
        number = parked.attempts + 1
        attempt = await self._courier.attempt(self.subscription, record, number)
        is_spent = self._took(attempt)
        if self._is_gone(attempt):
            return
        if is_spent:
            await self._failed.take_outcome(parked, attempt.outcome, number)
        else:
            self._failed.put_back(parked)
        self._tell(attempt)
