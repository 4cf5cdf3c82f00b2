"""A lane: one subscription on one log partition. It reads, keeps order per key, starts attempts and takes outcomes.

The first deliveries of a key go out in log order, one at a time; other keys go on. An event that fails is parked and
blocks its key; its followers are passed over and read again from the log when their turn comes. Knows nothing of HTTP
or SQL: the courier sends, the settler writes. All state changes happen between two awaits, so they need no lock.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from random import Random
from typing import Final

from event_issuer.delivery.active import ActiveSubscription
from event_issuer.delivery.alarm import Alarm
from event_issuer.delivery.attempt import Attempt, Courier
from event_issuer.delivery.exposure import Exposure
from event_issuer.delivery.leases import Lease
from event_issuer.delivery.losses import EXPIRED, EXPUNGED
from event_issuer.delivery.outcome import Outcome, OutcomeKind
from event_issuer.delivery.parked import Parked, ParkedEvents
from event_issuer.delivery.pins import Filtered, Pin
from event_issuer.delivery.reading import PartitionReader
from event_issuer.delivery.retry import next_attempt_at
from event_issuer.delivery.settle import Settler
from event_issuer.domain.cursor import Cursor
from event_issuer.domain.subscriptions import Ordering
from event_issuer.domain.time import Clock, Instant
from event_issuer.eventlog.protocol import EventLog, LogRecord

WINDOW: Final = 1_000  # how far a lane reads past its lowest unsettled event; bounds memory and the cursor's ranges
PARKED_MAX: Final = 10_000  # then the lane reads no further: the endpoint is not failing on some events but as a whole
WAITING_MAX: Final = PARKED_MAX + WINDOW  # parked in one lane at most: what was read before the bound may fail too


class Lane:
    """`may_send()` says whether the lease can be trusted. `on_fault` hears of a delivery that raised: the lane's state
    is then in doubt, and whoever owns the lane opens it anew from what is written down. So too when `on_overtaken`
    hears that retention took what was to be read next."""

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
        pin: Pin | None,
        log: EventLog,
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
        self._pin = pin
        self._reader = PartitionReader(log, self.partition_id, pin)
        self._courier, self._settler, self._exposure = courier, settler, exposure
        self._may_send, self._on_fault, self._on_overtaken = may_send, on_fault, on_overtaken
        self._clock, self._random = clock, random
        self._is_per_key = subscription.ordering is Ordering.PER_KEY
        self._read_offset = cursor.next_offset
        self._page: Sequence[LogRecord] = ()
        self._page_index = 0
        self._page_end = self._read_offset
        self._behind: dict[str, deque[LogRecord]] = {}  # key with a first delivery under way → who waits behind it
        self._ready: deque[LogRecord] = deque()  # their turn has come, but there was no room
        self._parked = ParkedEvents(parked)
        self._tasks: set[asyncio.Task[None]] = set()
        self._awake = asyncio.Event()
        self._awake.set()
        self.wake = self._awake.set
        self._is_limited = False  # whether there may be more to read than there was room for
        self._is_lost = False
        self._alarm = Alarm(self.wake, clock)

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    async def run(self) -> None:
        """Steps whenever there may be something to do, until cancelled."""
        try:
            while True:
                await self._awake.wait()
                self._awake.clear()
                await self.step()
                self._alarm.set(self._parked.next_due_at)  # what is due already waits for room, which wakes the lane
        finally:
            self._alarm.stop()

    async def step(self) -> int:
        """One round: retries that are due, events whose turn has come, new events. The number of attempts started."""
        started = await self._start_due() + self._start_ready()
        return started + await self._advance()

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
            self.subscription.starved.add(self.wake)
            return False
        if not self._exposure.has_room():
            self._exposure.wake_when_room(self.wake)
            return False
        return not self._is_lost and self._may_send()

    def _has_retry_room(self) -> bool:
        if not self.subscription.has_retry_room():
            self.subscription.starved.add(self.wake)
            return False
        return self._has_room()

    async def _start_due(self) -> int:
        started, now = 0, self._clock()
        while (due_at := self._parked.next_due_at) is not None and due_at <= now and self._has_retry_room():
            parked = self._parked.take_due()
            record = await self._reader.record(parked.offset)
            if record is None or record.expunged_at is not None:
                await self._expire(parked, EXPIRED if record is None else EXPUNGED)
            elif self._pin is not None and not self._pin.takes(record):
                await self._drop(parked, self._pin)
            elif self._has_retry_room():
                self._start_retry(parked, record)
                started += 1
            else:  # taken while the log was read
                self._parked.hold(parked, due_at)
        return started

    def _start_ready(self) -> int:
        started = 0
        while self._ready and self._has_room():
            self._launch(self._deliver(self._ready.popleft()), self._ended)
            started += 1
        return started

    async def _advance(self) -> int:
        """Takes new events while there is room for them."""
        self._is_limited = True
        started = self._take_from_page()
        while self._may_take():
            if not await self._turn_page():
                self._is_limited = False
                break
            started += self._take_from_page()
        return started

    def _take_from_page(self) -> int:
        """The same for the page in hand. Awaits nothing: an attempt that ends makes way for the next at once."""
        started = 0
        while self._page_index < len(self._page) and self._may_take():
            record = self._next_on_page()
            if self.cursor.is_settled(record.offset):
                continue
            if self._is_withheld(record):
                self._skip(record)
            else:
                started += self._take(record)
        return started

    def _may_take(self) -> bool:
        return not self._ready and self._within_bounds() and self._has_room()

    def _within_bounds(self) -> bool:
        return self._read_offset - self.cursor.next_offset < WINDOW and len(self._parked) < PARKED_MAX

    def _next_on_page(self) -> LogRecord:
        record = self._page[self._page_index]
        self._page_index += 1
        if record.offset > self._read_offset:  # the log no longer has the ones in between
            self.cursor.settle_range(self._read_offset, record.offset)
        self._read_offset = record.offset + 1
        return record

    async def _turn_page(self) -> bool:
        """Reads the next page; False at the head."""
        if self._page_end > self._read_offset:
            self.cursor.settle_range(self._read_offset, self._page_end)
            self._settler.touch(self)
            self._read_offset = self._page_end
        page = await self._reader.read(self._read_offset)
        if await self._reader.is_overtaken(page, self._read_offset, self.cursor):
            self._is_lost = True
            self._on_overtaken(self)
            return False
        self._page, self._page_index, self._page_end = page.records, 0, page.next_offset
        return bool(page.records) or page.next_offset > self._read_offset

    def _take(self, record: LogRecord) -> int:
        """Starts a fresh event, or lets it wait its turn. 1 if it was started."""
        key = record.event.partitionkey
        if key is not None:
            # Whatever the ordering is now, a key that was blocked stays so until its followers have gone.
            head = self._parked.head_of(key)
            if head is not None:
                self._pass_over(head, record)
                return 0
            if self._is_per_key:
                behind = self._behind.get(key)
                if behind is not None:
                    behind.append(record)
                    return 0
                self._behind[key] = deque()
        self._launch(self._deliver(record), self._ended)
        return 1

    def _is_withheld(self, record: LogRecord) -> bool:
        """It is expunged, breaks its contract or the version that is pinned, or this lane was offered it otherwise."""
        if record.expunged_at or (record.verdict is not None and record.verdict.is_withheld_from(self.id)):
            return True
        return self._pin is not None and not self._pin.takes(record)

    def _skip(self, record: LogRecord) -> None:
        if self._pin is not None and not self._pin.takes(record):
            self.filtered.note(record.offset, self._pin.version)
        self.cursor.settle(record.offset)
        self._settler.touch(self)

    def _pass_over(self, head: Parked, record: LogRecord) -> None:
        """A follower of a blocked key leaves no row; the head remembers where its followers begin."""
        if head.followers_from is None:
            head.followers_from = record.offset
            self._settler.keep(self, head)
        self.cursor.settle(record.offset)
        self._settler.touch(self)

    # Requests under way

    def _launch(self, delivery: Coroutine[None, None, None], ended: Callable[[asyncio.Task[None]], None]) -> None:
        self.subscription.in_flight += 1
        self._exposure.take()
        task = asyncio.get_running_loop().create_task(delivery)
        self._tasks.add(task)
        task.add_done_callback(ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """However it ended: a delivery that was cancelled or raised has told the settler nothing."""
        self._tasks.discard(task)
        self.subscription.release()
        fault = None if task.cancelled() else task.exception()
        if fault is not None or task.cancelled():
            self._exposure.give_back(1)
        if fault is not None:
            self._on_fault(self, fault)
        self._start_ready()
        if self._is_limited:
            self._take_from_page()
            if self._page_index >= len(self._page):
                self._awake.set()

    def _retry_ended(self, task: asyncio.Task[None]) -> None:
        self.subscription.retries_in_flight -= 1
        self._ended(task)
        self._awake.set()

    # First deliveries

    async def _deliver(self, record: LogRecord) -> None:
        attempt = await self._courier.attempt(self.subscription, record, 1)
        if self._is_gone(attempt):
            return
        if attempt.outcome.kind is not OutcomeKind.DELIVERED:
            self._park(record, attempt.outcome)
        self.cursor.settle(record.offset)
        if self._is_per_key and record.event.partitionkey is not None:
            self._next_of_key(record.event.partitionkey)
        self._settler.add(self, attempt)

    def _is_gone(self, attempt: Attempt) -> bool:
        """The endpoint is gone for good: no other request starts, and the event stays where it is."""
        if attempt.outcome.kind is not OutcomeKind.GONE:
            return False
        self.subscription.is_open = False
        self._settler.fail(self, attempt)
        return True

    def _park(self, record: LogRecord, outcome: Outcome) -> None:
        now, key = self._clock(), record.event.partitionkey
        due_at = next_attempt_at(self.subscription.settings, outcome, 1, now, self._random)
        parked = Parked(self.id, self.subscription.id, self.partition_id, record.offset, key, 1, now, due_at)
        parked.blocks_key = self._is_per_key and key is not None
        parked.failed(outcome, 1, due_at, now)
        self._settler.keep(self, parked)
        if due_at is not None:
            self._hold(parked, due_at)

    def _hold(self, parked: Parked, due_at: Instant) -> None:
        self._parked.hold(parked, due_at)
        self._awake.set()

    def _next_of_key(self, key: str) -> None:
        """The key's delivery has ended: the next one's turn has come, or all that waited are passed over."""
        behind = self._behind[key]
        head = self._parked.head_of(key)
        if head is not None:
            for record in behind:
                self._pass_over(head, record)
            behind.clear()
        if behind:
            self._ready.append(behind.popleft())
        else:
            del self._behind[key]

    # Retries

    def _start_retry(self, parked: Parked, record: LogRecord) -> None:
        self.subscription.retries_in_flight += 1
        self._launch(self._retry(parked, record), self._retry_ended)

    async def _retry(self, parked: Parked, record: LogRecord) -> None:
        number = parked.attempts + 1
        attempt = await self._courier.attempt(self.subscription, record, number)
        if self._is_gone(attempt):
            return
        if attempt.outcome.kind is OutcomeKind.DELIVERED:
            await self._leave(parked)
            parked.removed = True
        else:
            await self._fail_again(parked, attempt.outcome, number)
        self._settler.keep(self, parked)
        self._settler.add(self, attempt)

    async def _fail_again(self, parked: Parked, outcome: Outcome, number: int) -> None:
        now = self._clock()
        due_at = next_attempt_at(self.subscription.settings, outcome, number, now, self._random)
        if due_at is None:
            await self._leave(parked)
        parked.failed(outcome, number, due_at, now)
        if due_at is not None:
            self._hold(parked, due_at)

    async def _expire(self, parked: Parked, outcome: Outcome) -> None:
        """The log no longer has the event, or its data."""
        await self._leave(parked)
        self.expired += outcome is EXPIRED
        parked.failed(outcome, parked.attempts, None, self._clock())
        self._settler.keep(self, parked)

    async def _drop(self, parked: Parked, pin: Pin) -> None:
        """It breaks a version that the subscription was pinned to since it failed."""
        self.filtered.note(parked.offset, pin.version)
        await self._leave(parked)
        parked.removed = True
        self._settler.keep(self, parked)

    async def _leave(self, parked: Parked) -> None:
        """Takes a parked event out of the lane; its key passes to its first follower, or is free."""
        follower = await self._next_follower(parked) if parked.blocks_key else None
        self._parked.remove(parked)
        if follower is None:
            return
        now = self._clock()
        head = Parked(self.id, self.subscription.id, self.partition_id, follower.offset, parked.key, 0, now, now)
        head.followers_from, head.blocks_key = follower.offset + 1, True
        self._settler.keep(self, head)
        self._hold(head, now)

    async def _next_follower(self, parked: Parked) -> LogRecord | None:
        """The first event of the key that was passed over, read again from the log.

        From `followers_from` on the key's settled events are those passed over. The cursor knows them, also those
        that this process has not yet read since it opened the lane.
        """
        offset = parked.followers_from
        while offset is not None and offset < self.cursor.end:
            page = await self._reader.read_again(offset)
            for record in page.records:
                if record.event.partitionkey != parked.key or not self.cursor.is_settled(record.offset):
                    continue
                if not self._is_withheld(record):
                    return record
            offset = page.next_offset
        return None
