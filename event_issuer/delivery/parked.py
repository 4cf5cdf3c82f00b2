"""Parked events: those that failed and wait, and the keys they block. In memory; settle writes them down.

While a key is blocked its followers are passed over without rows: `followers_from` says where they begin, and the
lane reads them again from the log once the head is gone.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from event_issuer.delivery.outcome import Outcome
from event_issuer.domain.time import SECOND_US, Instant


@dataclass(slots=True, eq=False)
class Parked:
    """A row of `parked_events`. `id` is None until the first settle that wrote it; `removed` asks for its deletion.

    A head with no attempts is a follower whose turn has come after its predecessor left. `batch` names those that are
    tried again together, by the offset at which their batch began. `parked_at` and
    `next_attempt_at` are of the subscription's own time, which stands still while nothing is due.
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
    batch: int | None = None
    probes: int = 0  # how often it went out without spending an attempt; in memory only
    is_unwanted: bool = False  # its owner wants it discarded
    removed: bool = False
    is_told_parked: bool = field(init=False)  # counted as an event that failed
    is_told_dead: bool = field(init=False)  # counted as a dead letter

    def __post_init__(self) -> None:
        self.is_told_parked = self.id is not None and self.attempts > 0
        self.is_told_dead = self.dead_lettered_at is not None

    def failed(self, outcome: Outcome, attempts: int, next_attempt_at: Instant | None) -> None:
        """Takes the outcome of one more attempt."""
        self.attempts = attempts
        self.last_outcome = str(outcome.kind)
        self.last_error = outcome.error
        self.next_attempt_at = next_attempt_at


SPREAD_S: Final = 0.02  # between two events that were due already when their lane was opened
SPREAD_MAX_S: Final = 60.0


class ParkedEvents:
    """What waits in one lane. An event is in the schedule once, or not at all while its attempt is under way.

    A dead letter that holds its key is here too, and in no schedule; of a batch the first event is there for all. What
    is overdue at the beginning is spread over the time to come: `first` of them are due at once, the others later, by
    chance.
    """

    def __init__(self, parked: Iterable[Parked], now: Instant, random: Random, *, first: int) -> None:
        self._by_offset = {one.offset: one for one in parked}
        self._heads = {one.key: one for one in self._by_offset.values() if one.blocks_key}
        self.unwanted = [one for one in self._by_offset.values() if one.is_unwanted]
        waiting = [one for one in self._by_offset.values() if not one.is_unwanted]
        self._batches = _batches(waiting)
        alone = [one for one in waiting if one.batch is None]
        due = [(one.next_attempt_at, one.offset) for one in alone if one.next_attempt_at is not None]
        due += [(_due_at(members), members[0].offset) for members in self._batches.values()]
        self._schedule = _spread(sorted(due), now, random, first)
        heapq.heapify(self._schedule)

    def __len__(self) -> int:
        return len(self._by_offset)

    @property
    def next_due_at(self) -> Instant | None:
        return self._schedule[0][0] if self._schedule else None

    def has_heads(self) -> bool:
        """Whether an event is parked that blocks its key."""
        return bool(self._heads)

    def head_of(self, key: str) -> Parked | None:
        """The event that blocks `key`."""
        return self._heads.get(key)

    def holds(self, offset: int) -> bool:
        return offset in self._by_offset

    def is_taken(self, offset: int) -> bool:
        """Whether its attempt is under way. Looks at all that wait: for a question that somebody asks now and then."""
        parked = self._by_offset.get(offset)
        if parked is None or parked.next_attempt_at is None:
            return False
        leader = self.batch_of(parked)[0]
        return all(scheduled != leader.offset for _, scheduled in self._schedule)

    def hold(self, parked: Parked) -> None:
        """Keeps `parked`, and its key blocked if it blocks one, and schedules it; a dead letter has no schedule."""
        self._keep(parked)
        if parked.next_attempt_at is not None:
            heapq.heappush(self._schedule, (parked.next_attempt_at, parked.offset))

    def batch_of(self, parked: Parked) -> Sequence[Parked]:
        """Those that are tried again with it, itself among them, in log order."""
        return [parked] if parked.batch is None else list(self._batches.get(parked.batch, (parked,)))

    def hold_batch(self, members: Sequence[Parked]) -> None:
        """Keeps them as one batch, and schedules it; one alone is none."""
        if len(members) == 1:
            self.leave_batch(members[0])
            self.hold(members[0])
            return
        name = members[0].offset if members[0].batch is None else members[0].batch
        for one in members:
            one.batch = name
            self._keep(one)
        self._batches[name] = list(members)
        heapq.heappush(self._schedule, (_due_at(members), members[0].offset))

    def dissolve(self) -> list[Sequence[Parked]]:
        """There are no batches any more: their members, in no schedule now."""
        dissolved: list[Sequence[Parked]] = list(self._batches.values())
        leaders = {members[0].offset for members in dissolved}
        self._batches = {}
        self._schedule = [one for one in self._schedule if one[1] not in leaders]
        heapq.heapify(self._schedule)
        for members in dissolved:
            for one in members:
                one.batch = None
        return dissolved

    def leave_batch(self, parked: Parked) -> None:
        """It is not tried again with the others, whose turn has been taken out of the schedule."""
        members = self._batches.get(parked.batch) if parked.batch is not None else None
        if members is not None and parked in members:
            members.remove(parked)
            if not members and parked.batch is not None:
                del self._batches[parked.batch]
        parked.batch = None

    def pass_block(self, parked: Parked, heir: Parked) -> None:
        """The key that `parked` blocked is blocked by `heir` now."""
        heir.blocks_key, heir.followers_from = True, parked.followers_from
        parked.blocks_key, parked.followers_from = False, None
        self._heads[heir.key] = heir

    def take_due(self) -> Parked:
        """Takes the event that is due first out of the schedule; it stays parked."""
        return self._by_offset[heapq.heappop(self._schedule)[1]]

    def take_for_probe(self) -> Parked:
        """The same, but the one that was probed least: an event that fails alone must not stand for its endpoint."""
        chosen = min(self._schedule, key=lambda due: (self._by_offset[due[1]].probes, due))
        self._schedule.remove(chosen)
        heapq.heapify(self._schedule)
        return self._by_offset[chosen[1]]

    def remove(self, parked: Parked) -> None:
        self.leave_batch(parked)
        del self._by_offset[parked.offset]
        if parked.blocks_key:
            del self._heads[parked.key]

    def _keep(self, parked: Parked) -> None:
        self._by_offset[parked.offset] = parked
        if parked.blocks_key:
            self._heads[parked.key] = parked


def _batches(waiting: Iterable[Parked]) -> dict[int, list[Parked]]:
    """By name. Those that wait only: what is unwanted or a dead letter goes with no batch."""
    found: dict[int, list[Parked]] = {}
    for one in sorted(waiting, key=lambda one: one.offset):
        if one.batch is not None and one.next_attempt_at is not None:
            found.setdefault(one.batch, []).append(one)
    return found


def _due_at(members: Sequence[Parked]) -> Instant:
    """A batch is due as soon as one of its events is."""
    return min(one.next_attempt_at for one in members if one.next_attempt_at is not None)


def _spread(due: Sequence[tuple[Instant, int]], now: Instant, random: Random, first: int) -> list[tuple[Instant, int]]:
    overdue = sum(due_at <= now for due_at, _ in due) - first
    span_us = round(min(max(overdue, 0) * SPREAD_S, SPREAD_MAX_S) * SECOND_US)
    spread = [
        (due_at if due_at > now or index < first else now + round(span_us * random.random()), offset)
        for index, (due_at, offset) in enumerate(due)
    ]
    return spread
