"""A replay's lane: like a live one, but it ends, has a smaller part of the room, and counts what it has delivered.

What is live goes first: a replay starts nothing at the very moment at which a request has ended, so that a live lane
that waits for room gets it. Knows no other lanes, and nothing of why there is a replay.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

from event_issuer.delivery.attempt import Attempt
from event_issuer.delivery.batch_lane import BatchLane
from event_issuer.delivery.lane import Lane
from event_issuer.delivery.outcome import OutcomeKind
from event_issuer.delivery.reading import ReadableLog
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.replays import PARKED_PART
from event_issuer.eventlog.protocol import Bounds, Page


@dataclass(frozen=True, slots=True)
class Replayed:
    """What is stored of a replay in one partition: it ends before `end`, and has delivered so many events there."""

    id: int
    end: int
    filter: str | None
    delivered: int


class LogUntil:
    """A log that ends at an offset, for whoever may not read on. What is missing before it is still to be seen."""

    def __init__(self, log: ReadableLog, end: int) -> None:
        self._log, self._end = log, end

    async def read(self, partition_id: int, offset: int) -> Page:
        """Raises Unavailable where another process has written what this one has yet to see."""
        if offset >= self._end:
            return Page((), offset)
        page = await self._log.read(partition_id, offset)
        if not page.records and page.next_offset <= offset:
            raise Unavailable(f"What is at offset {offset} of partition {partition_id} is not seen here yet.")
        if page.next_offset <= self._end:
            return page
        return Page([record for record in page.records if record.offset < self._end], self._end)

    async def bounds(self, partition_ids: Sequence[int]) -> dict[int, Bounds]:
        return await self._log.bounds(partition_ids)


class ReplayLane(Lane):
    """Its log is a `LogUntil` of the same end, its courier one for this replay."""

    is_live = False
    _end = 0
    _is_yielding = False

    def take_up(self, replayed: Replayed) -> None:
        """What a live lane does not have: to be said before the first step."""
        self.delivered, self._end = replayed.delivered, replayed.end

    async def step(self) -> int:
        started = await super().step()
        if self._has_all() and not self.is_over:
            self.is_over = True
            self._settler.touch_now(self)
        return started

    def _has_all(self) -> bool:
        """Whether nothing is left to do: what is a dead letter now has left the lane, unless it holds its key."""
        return self.cursor.next_offset >= self._end and not self._tasks and not self.parked_count

    def _has_room(self) -> bool:
        if self._is_yielding:
            return False
        if not self.subscription.has_replay_room():
            self.subscription.wake_when_room(self.wake)
            return False
        return super()._has_room()

    def _within_bounds(self) -> bool:
        return self.subscription.parked < PARKED_PART and super()._within_bounds()

    def _launch(
        self, delivery: Coroutine[None, None, None], ended: Callable[["asyncio.Task[None]"], None], count: int = 1
    ) -> None:
        self.subscription.replays_in_flight += 1
        super()._launch(delivery, ended, count)

    def _ended(self, task: "asyncio.Task[None]", count: int = 1) -> None:
        self.subscription.replays_in_flight -= 1
        self._is_yielding = True
        super()._ended(task, count)
        self._is_yielding = False
        self._awake.set()

    def _tell(self, attempt: Attempt) -> None:
        if attempt.outcome.kind is OutcomeKind.DELIVERED:
            self.delivered += attempt.event_count
        super()._tell(attempt)


class ReplayBatchLane(ReplayLane, BatchLane):
    """The same with batches: what is a replay's in it comes before what is a batch's."""
