"""Parked events: those that failed and wait, and the keys they block. In memory; settle writes them down.

While a key is blocked its followers are passed over without rows: `followers_from` says where they begin, and the
lane reads them again from the log once the head is gone.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from event_issuer.delivery.outcome import Outcome
from event_issuer.domain.time import Instant


@dataclass(slots=True, eq=False)
class Parked:
    """A row of `parked_events`. `id` is None until the first settle that wrote it; `removed` asks for its deletion.

    A head with no attempts is a follower whose turn has come after its predecessor left.
    """

    lane_id: int
    subscription_id: int
    partition_id: int
    offset: int
    key: str | None
    attempts: int
    parked_at: Instant
    next_attempt_at: Instant | None
    last_outcome: str | None = None
    last_error: str | None = None
    dead_lettered_at: Instant | None = None
    followers_from: int | None = None
    id: int | None = None
    blocks_key: bool = False
    removed: bool = False
    is_told_parked: bool = field(init=False)  # counted as an event that failed
    is_told_dead: bool = field(init=False)  # counted as a dead letter

    def __post_init__(self) -> None:
        self.is_told_parked = self.id is not None and self.attempts > 0
        self.is_told_dead = self.dead_lettered_at is not None

    def failed(self, outcome: Outcome, attempts: int, next_attempt_at: Instant | None, now: Instant) -> None:
        """Takes the outcome of one more attempt; without a next one the event becomes a dead letter."""
        self.attempts = attempts
        self.last_outcome = str(outcome.kind)
        self.last_error = outcome.error
        self.next_attempt_at = next_attempt_at
        if next_attempt_at is None:
            self.dead_lettered_at = now
            self.blocks_key = False


class ParkedEvents:
    """What waits in one lane. An event is in the schedule once, or not at all while its attempt is under way."""

    def __init__(self, waiting: Iterable[Parked]) -> None:
        self._by_offset = {parked.offset: parked for parked in waiting}
        self._heads = {parked.key: parked for parked in self._by_offset.values() if parked.blocks_key}
        self._schedule: list[tuple[Instant, int]] = []
        for parked in self._by_offset.values():
            assert parked.next_attempt_at is not None  # dead letters are not among those that wait
            self._schedule.append((parked.next_attempt_at, parked.offset))
        heapq.heapify(self._schedule)

    def __len__(self) -> int:
        return len(self._by_offset)

    @property
    def next_due_at(self) -> Instant | None:
        return self._schedule[0][0] if self._schedule else None

    def head_of(self, key: str) -> Parked | None:
        """The event that blocks `key`."""
        return self._heads.get(key)

    def hold(self, parked: Parked, due_at: Instant) -> None:
        """Keeps `parked`, and its key blocked if it blocks one, and schedules it."""
        self._by_offset[parked.offset] = parked
        if parked.blocks_key:
            self._heads[parked.key] = parked
        heapq.heappush(self._schedule, (due_at, parked.offset))

    def take_due(self) -> Parked:
        """Takes the event that is due first out of the schedule; it stays parked."""
        return self._by_offset[heapq.heappop(self._schedule)[1]]

    def remove(self, parked: Parked) -> None:
        del self._by_offset[parked.offset]
        if parked.blocks_key:
            del self._heads[parked.key]
