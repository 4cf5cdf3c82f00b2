"""A lane that sends batches: events of its partition in log order, several in one request.

What is ready gathers until the batch is full or has waited long enough. Where keys have an order, one fresh batch is
under way at a time; a batch that fails is parked as it is and blocks the keys that are in it, while others go on. One
that is refused at once goes back to the log and is gathered again in halves. Knows nothing of HTTP or SQL.
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from random import Random
from typing import Any

from event_issuer.delivery.failed_batches import FailedBatches
from event_issuer.delivery.gathering import Gathering
from event_issuer.delivery.lane import Lane
from event_issuer.delivery.losses import EXPIRED, EXPUNGED
from event_issuer.delivery.outcome import OutcomeKind
from event_issuer.delivery.parked import Parked
from event_issuer.delivery.settle import Settler
from event_issuer.domain.time import Clock, Instant
from event_issuer.eventlog.protocol import LogRecord


class BatchLane(Lane):
    _failed: FailedBatches

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._gathering = Gathering(self.subscription.settings)
        self._fresh_under_way = 0

    def _failed_events(self, parked: Iterable[Parked], settler: Settler, clock: Clock, random: Random) -> FailedBatches:
        failed = FailedBatches(self, parked, self._reader, self._is_withheld, settler, clock, random)
        failed.event_bytes = self._courier.event_bytes
        return failed

    def _next_due_at(self) -> Instant | None:
        times = (super()._next_due_at(), self._gathering.send_by)
        return min((at for at in times if at is not None), default=None)

    def _waiting(self) -> list[int]:
        return [record.offset for record in self._gathering.records]

    # Fresh batches

    async def _advance(self) -> int:
        started = await super()._advance()
        if self._gathering.records and self._is_time() and self._is_free() and self._has_room():
            started += self._send_gathered()
        return started

    def _is_time(self) -> bool:
        """Whether the batch in hand has waited long enough, or can get no company: the lane reads no further."""
        return self._gathering.is_due(self._clock()) or not self._within_bounds()

    def _is_free(self) -> bool:
        return not (self._is_per_key and self._fresh_under_way)

    def _may_take(self) -> bool:
        return self._is_free() and super()._may_take()

    def _take_from_page(self) -> int:
        started = 0
        while self._intake.has_next() and self._may_take():
            record = self._intake.peek()
            if self._goes_by(record):
                self._intake.take()
                continue
            event_bytes = self._courier.event_bytes(record)
            if self._gathering.fits(record, event_bytes):
                self._gathering.add(self._intake.take(), event_bytes, self._clock())
                if not self._gathering.is_full:
                    continue
            started += self._send_gathered()
        return started

    def _goes_by(self, record: LogRecord) -> bool:
        """Whether it goes into no batch now: it is settled, or settled by this."""
        if self.cursor.is_settled(record.offset):
            return True
        if self._is_withheld(record):
            self._skip(record)
            return True
        key = record.event.partitionkey
        head = self._failed.head_of(key) if key is not None else None
        if head is not None:
            self._pass_over(head, record)
        return head is not None

    def _send_gathered(self) -> int:
        records = self._gathering.take()
        self._fresh_under_way += 1
        self._launch(self._deliver_batch(records), partial(self._batch_ended, count=len(records)), len(records))
        return 1

    def _batch_ended(self, task: "asyncio.Task[None]", count: int) -> None:
        self._fresh_under_way -= 1
        self._ended(task, count)

    async def _deliver_batch(self, records: Sequence[LogRecord]) -> None:
        attempt = await self._courier.attempt(self.subscription, records[0], 1, records[1:])
        is_spent, outcome = self._took(attempt), attempt.outcome
        if self._is_gone(attempt):
            return
        if not is_spent:
            self._must_rewind = True
        elif outcome.kind is OutcomeKind.DELIVERED:
            self._settle(records)
        elif self._failed.park_batch(records, outcome, blocks_keys=self._is_per_key):
            self._settle(records)
            self._awake.set()
        else:
            self._gathering.cut(records)
            self._must_rewind = True
        self._tell(attempt)

    def _settle(self, records: Sequence[LogRecord]) -> None:
        for record in records:
            self.cursor.settle(record.offset)

    def _rewind(self) -> None:
        if not self._tasks:
            self._gathering.clear()
        super()._rewind()

    # Retries

    async def _start_due(self) -> int:
        started = 0
        while self._failed.is_due() and self._has_retry_room():
            left = await self._what_is_left(self._failed.take_due_batch())
            members = [parked for parked, _ in left]
            if not left:
                continue
            if self._failed.is_still_due(members) and self._has_retry_room():
                self._start_batch_retry(members, [record for _, record in left])
                started += 1
            else:
                self._failed.parked.hold_batch(members)
        return started

    async def _what_is_left(self, members: Sequence[Parked]) -> list[tuple[Parked, LogRecord]]:
        """Those that the log still has and the subscription still takes; the others leave."""
        left: list[tuple[Parked, LogRecord]] = []
        for parked in members:
            record = await self._reader.record(parked.offset)
            if record is None or record.expunged_at is not None:
                await self._failed.expire(parked, EXPIRED if record is None else EXPUNGED)
            elif self._sieve is not None and not self._sieve.takes(record):
                self.filtered.note(record, self._sieve)
                await self._failed.drop(parked)
            else:
                left.append((parked, record))
        return left

    def _start_batch_retry(self, members: Sequence[Parked], records: Sequence[LogRecord]) -> None:
        self.subscription.retries_in_flight += 1
        ended = partial(self._retry_ended, count=len(records))
        self._launch(self._retry_batch(members, records), ended, len(records))

    async def _retry_batch(self, members: Sequence[Parked], records: Sequence[LogRecord]) -> None:
        number = members[0].attempts + 1
        attempt = await self._courier.attempt(self.subscription, records[0], number, records[1:])
        is_spent = self._took(attempt)
        if self._is_gone(attempt):
            return
        if is_spent:
            await self._failed.take_batch_outcome(members, attempt.outcome, number)
        else:
            self._failed.put_back_batch(members)
        self._tell(attempt)
