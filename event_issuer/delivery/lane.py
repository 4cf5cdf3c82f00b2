"""A lane: one subscription on one log partition. It reads, keeps order per key, starts attempts and takes outcomes.

The first deliveries of a key go out in log order, one at a time; other keys go on. An event that fails is parked and
blocks its key; its followers are passed over and read again from the log when their turn comes. Knows nothing of HTTP
or SQL: the courier sends, the settler writes. All state changes happen between two awaits, so they need no lock.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Coroutine, Sequence
from random import Random
from typing import Final

import structlog

from event_issuer.delivery.active import ActiveSubscription
from event_issuer.delivery.attempt import Attempt, Courier
from event_issuer.delivery.exposure import Exposure
from event_issuer.delivery.outcome import Outcome, OutcomeKind
from event_issuer.delivery.parked import Parked
from event_issuer.delivery.retry import next_attempt_at
from event_issuer.delivery.settle import Settler
from event_issuer.domain.cursor import Cursor
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.subscriptions import Ordering
from event_issuer.domain.time import SECOND_US, Clock
from event_issuer.eventlog.protocol import EventLog, LogRecord, Page

WINDOW: Final = 1_000  # how far a lane reads past its lowest unsettled event; bounds memory and the cursor's ranges
PARKED_MAX: Final = 10_000  # per lane; past it the endpoint is not failing on some events but as a whole
LOG_AWAY_PAUSE_S: Final = 1.0
EXPIRED: Final = Outcome(OutcomeKind.REFUSED, error="EXPIRED: retention removed the event before it was delivered.")

logger = structlog.get_logger(__name__)


class Lane:
    def __init__(
        self,
        id_: int,
        subscription: ActiveSubscription,
        partition_id: int,
        cursor: Cursor,
        parked: Sequence[Parked],
        *,
        log: EventLog,
        courier: Courier,
        settler: Settler,
        exposure: Exposure,
        clock: Clock,
        random: Random,
    ) -> None:
        self.id = id_
        self.subscription = subscription
        self.partition_id = partition_id
        self.cursor = cursor
        self._log, self._courier, self._settler, self._exposure = log, courier, settler, exposure
        self._clock, self._random = clock, random
        self._read_offset = cursor.next_offset
        self._page: Sequence[LogRecord] = ()
        self._page_index = 0
        self._page_end = self._read_offset
        self._behind: dict[str, deque[LogRecord]] = {}  # key with a first delivery under way → who waits behind it
        self._ready: deque[LogRecord] = deque()  # their turn has come, but there was no room
        self._parked = {one.offset: one for one in parked}
        self._blocked = {one.key: one for one in parked if one.blocks_key and one.key is not None}
        self._due = [(one.next_attempt_at, one.offset) for one in parked if one.next_attempt_at is not None]
        heapq.heapify(self._due)
        self._retries_in_flight = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._awake = asyncio.Event()
        self._awake.set()
        self._is_limited = False
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        self._awake.set()

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    async def run(self) -> None:
        """Steps whenever there may be something to do, until cancelled."""
        while True:
            await self._awake.wait()
            self._awake.clear()
            await self.step()
            self._wake_when_due()

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

    # What may start now

    def _has_room(self) -> bool:
        if not self.subscription.has_room():
            self.subscription.starved.add(self.wake)
            return False
        if not self._exposure.has_room():
            self._exposure.wake_when_room(self.wake)
            return False
        return True

    async def _start_due(self) -> int:
        """Retries take at most half of the subscription's room, so that fresh events are not starved by them."""
        started, now = 0, self._clock()
        retries_max = max(1, self.subscription.settings.max_in_flight // 2)
        while self._due and self._due[0][0] <= now and self._retries_in_flight < retries_max and self._has_room():
            due_at, offset = heapq.heappop(self._due)
            parked = self._parked.get(offset)
            if parked is None or parked.next_attempt_at != due_at:
                continue
            page = await self._read(offset)
            if page.records and page.records[0].offset == offset:
                self._start_retry(parked, page.records[0])
                started += 1
            else:
                await self._expire(parked)
        return started

    def _start_ready(self) -> int:
        started = 0
        while self._ready and self._has_room():
            self._start(self._ready.popleft())
            started += 1
        return started

    async def _advance(self) -> int:
        """Takes new events while there is room for them; `_is_limited` remembers that there may be more."""
        started = 0
        self._is_limited = True
        while not self._ready and self._within_bounds() and self._has_room():
            record = self._next_on_page()
            if record is None:
                if not await self._turn_page():
                    self._is_limited = False
                    break
                continue
            self._read_offset = record.offset + 1
            if not self.cursor.is_settled(record.offset):
                started += self._take(record)
        return started

    def _within_bounds(self) -> bool:
        return self._read_offset - self.cursor.next_offset < WINDOW and len(self._parked) < PARKED_MAX

    def _next_on_page(self) -> LogRecord | None:
        if self._page_index >= len(self._page):
            return None
        record = self._page[self._page_index]
        self._page_index += 1
        if record.offset > self._read_offset:  # the log no longer has the ones in between
            self.cursor.settle_range(self._read_offset, record.offset)
        return record

    async def _turn_page(self) -> bool:
        """Reads the next page; False at the head."""
        if self._page_end > self._read_offset:
            self.cursor.settle_range(self._read_offset, self._page_end)
            self._read_offset = self._page_end
        page = await self._read(self._read_offset)
        self._page, self._page_index, self._page_end = page.records, 0, page.next_offset
        return bool(page.records) or page.next_offset > self._read_offset

    def _take(self, record: LogRecord) -> int:
        """Starts a fresh event, or lets it wait its turn. 1 if it was started."""
        key = self._key_of(record)
        if key is not None:
            head = self._blocked.get(key)
            if head is not None:
                self._pass_over(head, record)
                return 0
            behind = self._behind.get(key)
            if behind is not None:
                behind.append(record)
                return 0
            self._behind[key] = deque()
        self._start(record)
        return 1

    def _key_of(self, record: LogRecord) -> str | None:
        return record.event.partitionkey if self.subscription.ordering is Ordering.PER_KEY else None

    def _pass_over(self, head: Parked, record: LogRecord) -> None:
        """A follower of a blocked key leaves no row; the head remembers where its followers begin."""
        if head.followers_from is None:
            head.followers_from = record.offset
            self._settler.keep(self, head)
        self.cursor.settle(record.offset)
        self._settler.touch(self)

    # First deliveries

    def _start(self, record: LogRecord) -> None:
        self._launch(self._deliver(record))

    def _launch(self, delivery: Coroutine[None, None, None]) -> None:
        self.subscription.in_flight += 1
        self._exposure.count += 1
        task = asyncio.get_running_loop().create_task(delivery)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, record: LogRecord) -> None:
        attempt = await self._attempt(record, 1)
        if attempt is None:
            return
        self.cursor.settle(record.offset)
        if attempt.outcome.kind is not OutcomeKind.DELIVERED:
            self._park(record, attempt)
        self._settler.add(self, attempt)
        key = self._key_of(record)
        if key is not None:
            self._next_of_key(key)
        if self._is_limited:
            self._awake.set()

    async def _attempt(self, record: LogRecord, number: int) -> Attempt | None:
        """None when the attempt leaves no outcome: it was cancelled, or the endpoint said it is gone for good."""
        try:
            attempt = await self._courier.attempt(self.subscription, record, number)
        except asyncio.CancelledError:
            self._exposure.settled(1)
            raise
        finally:
            self.subscription.release()
        if attempt.outcome.kind is OutcomeKind.GONE:
            self.subscription.is_open = False  # no other request starts; the settler writes FAILED
            self._settler.fail(self, attempt)
            return None
        return attempt

    def _park(self, record: LogRecord, attempt: Attempt) -> None:
        now, key = self._clock(), self._key_of(record)
        due_at = next_attempt_at(self.subscription.settings, attempt.outcome, 1, now, self._random)
        parked = Parked(self.id, self.subscription.id, self.partition_id, record.offset, key, 1, now, due_at)
        parked.failed(attempt.outcome, 1, due_at, now)
        self._settler.keep(self, parked)
        if due_at is not None:
            self._hold(parked)

    def _hold(self, parked: Parked) -> None:
        """Keeps a parked event until it is due, and its key blocked meanwhile."""
        assert parked.next_attempt_at is not None
        self._parked[parked.offset] = parked
        heapq.heappush(self._due, (parked.next_attempt_at, parked.offset))
        if parked.key is not None:
            parked.blocks_key = True
            self._blocked[parked.key] = parked
        self._awake.set()

    def _next_of_key(self, key: str) -> None:
        """The key's delivery has ended: the next one goes, or all that waited are passed over."""
        behind = self._behind[key]
        head = self._blocked.get(key)
        if head is not None:
            for record in behind:
                self._pass_over(head, record)
            del self._behind[key]
        elif not behind:
            del self._behind[key]
        elif self._ready or not self._has_room():
            self._ready.append(behind.popleft())
        else:
            self._start(behind.popleft())

    # Retries

    def _start_retry(self, parked: Parked, record: LogRecord) -> None:
        self._retries_in_flight += 1
        self._launch(self._retry(parked, record))

    async def _retry(self, parked: Parked, record: LogRecord) -> None:
        try:
            attempt = await self._attempt(record, parked.attempts + 1)
        finally:
            self._retries_in_flight -= 1
            self._awake.set()
        if attempt is None:
            return
        if attempt.outcome.kind is OutcomeKind.DELIVERED:
            await self._leave(parked)
            parked.removed = True
        else:
            await self._fail_again(parked, attempt)
        self._settler.keep(self, parked)
        self._settler.add(self, attempt)

    async def _expire(self, parked: Parked) -> None:
        """Retention took the event before it could be delivered."""
        await self._leave(parked)
        parked.failed(EXPIRED, parked.attempts, None, self._clock())
        self._settler.keep(self, parked)

    async def _fail_again(self, parked: Parked, attempt: Attempt) -> None:
        now, number = self._clock(), parked.attempts + 1
        due_at = next_attempt_at(self.subscription.settings, attempt.outcome, number, now, self._random)
        if due_at is None:
            await self._leave(parked)
        parked.failed(attempt.outcome, number, due_at, now)
        if due_at is not None:
            self._hold(parked)

    async def _leave(self, parked: Parked) -> None:
        """Takes a parked event out of the lane; its key passes to its first follower, or is free."""
        if parked.key is None:
            del self._parked[parked.offset]
            return
        follower = await self._next_follower(parked)
        del self._parked[parked.offset]
        del self._blocked[parked.key]
        if follower is None:
            return
        now = self._clock()
        head = Parked(self.id, self.subscription.id, self.partition_id, follower.offset, parked.key, 0, now, now)
        head.followers_from = follower.offset + 1
        self._hold(head)
        self._settler.keep(self, head)

    async def _next_follower(self, parked: Parked) -> LogRecord | None:
        """The first event of the key that was passed over, read again from the log."""
        offset = parked.followers_from
        while offset is not None and offset < self._read_offset:
            page = await self._read(offset)
            for record in page.records:
                if record.offset < self._read_offset and record.event.partitionkey == parked.key:
                    return record
            if page.next_offset == offset:
                return None
            offset = page.next_offset
        return None

    async def _read(self, offset: int) -> Page:
        """A page of the log. While the log is away the lane waits: there is nothing else it could do."""
        while True:
            try:
                return await self._log.read(self.partition_id, offset)
            except Unavailable as problem:
                logger.warning("log unavailable", lane=self.id, problem=problem.detail)
                await asyncio.sleep(LOG_AWAY_PAUSE_S)

    def _wake_when_due(self) -> None:
        """One timer for the earliest retry. One that is due already waits for room, and room wakes the lane."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        delay_us = self._due[0][0] - self._clock() if self._due else 0
        if delay_us > 0:
            self._timer = asyncio.get_running_loop().call_later(delay_us / SECOND_US, self._awake.set)
