"""The settler: writes down what became of events, for all lanes of this process, many at a time.

Finished attempts, parked events and the moved cursors of a moment are one transaction. While one is being written the
next gathers. A batch that cannot be written is kept and tried again, and until then the exposure is shut. Knows
nothing of HTTP or of how lanes decide.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from event_issuer.db.database import Database
from event_issuer.db.settling import LeaseLost, Settlement, settle
from event_issuer.db.work import Row
from event_issuer.delivery.attempt import Attempt, AttemptKind
from event_issuer.delivery.exposure import Exposure
from event_issuer.delivery.parked import Parked
from event_issuer.domain.cursor import Cursor
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.time import Clock

GATHER_S: Final = 0.02  # fewer, larger commits; outcomes are in no hurry, a crash repeats those that wait here
BATCH_ATTEMPTS: Final = 500  # enough for one commit: no need to gather longer
RETRY_PAUSE_S: Final = 1.0
IDLE_FLUSH_S: Final = 30.0  # cursors that moved only over events that were not sent


class SettlingLane(Protocol):
    """What the settler wants of a lane."""

    id: int
    partition_id: int
    cursor: Cursor


@dataclass(slots=True)
class _Batch:
    attempts: list[Attempt] = field(default_factory=list)
    lanes: dict[int, SettlingLane] = field(default_factory=dict)
    parked: dict[Parked, None] = field(default_factory=dict)
    failures: list[Attempt] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lanes)


class Settler:
    """`epochs()` gives the leases held now; `on_lost` hears of partitions that another process took over."""

    def __init__(
        self,
        database: Database,
        owner: str,
        epochs: Callable[[], Mapping[int, int]],
        exposure: Exposure,
        clock: Clock,
        on_lost: Callable[[frozenset[int]], None],
    ) -> None:
        self._database, self._owner, self._epochs = database, owner, epochs
        self._exposure, self._clock, self._on_lost = exposure, clock, on_lost
        self._gathering = _Batch()
        self._touched: dict[int, SettlingLane] = {}
        self._pressing = asyncio.Event()
        self._full = asyncio.Event()
        self._writing = asyncio.Lock()

    def add(self, lane: SettlingLane, attempt: Attempt) -> None:
        """An attempt has ended; the lane's cursor and parked events already say what follows from it."""
        self._gathering.attempts.append(attempt)
        self._gathering.lanes[lane.id] = lane
        self._pressing.set()
        if len(self._gathering.attempts) >= BATCH_ATTEMPTS:
            self._full.set()

    def keep(self, lane: SettlingLane, parked: Parked) -> None:
        """A parked event was made, changed or removed."""
        self._gathering.parked[parked] = None
        self._gathering.lanes[lane.id] = lane
        self._pressing.set()

    def touch(self, lane: SettlingLane) -> None:
        """The cursor moved over events that were not sent: written with the next batch, or every now and then."""
        self._touched[lane.id] = lane

    def fail(self, lane: SettlingLane, attempt: Attempt) -> None:
        """The endpoint is gone: the subscription fails; the event stays unsettled for whoever starts it again."""
        self._gathering.failures.append(attempt)
        self.add(lane, attempt)

    async def run(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._pressing.wait(), IDLE_FLUSH_S)
                await asyncio.wait_for(self._full.wait(), GATHER_S)
            except TimeoutError:
                pass
            while not await self.step():  # noqa: ASYNC110 - nothing announces that the database is back
                await asyncio.sleep(RETRY_PAUSE_S)

    async def step(self) -> bool:
        """Writes what has gathered. False when it could not be written: it is kept, and nothing new is sent."""
        async with self._writing:
            batch = self._take()
            if not batch:
                return True
            try:
                ids = await self._write(batch)
            except LeaseLost as lost:
                self._on_lost(lost.partition_ids)
                self._put_back(batch, without=lost.partition_ids)
                return not self._gathering
            except Unavailable as problem:
                logger.warning("settling failed", problem=problem.detail, attempts=len(batch.attempts))
                self._exposure.is_shut = True
                self._put_back(batch, without=frozenset())
                return False
            for parked in batch.parked:
                parked.id = ids.get((parked.lane_id, parked.offset), parked.id)
            self._exposure.settled(len(batch.attempts))
            return True

    async def flush(self) -> None:
        """Returns when everything that was added before is written, or its lease is lost."""
        while self._gathering or self._touched:
            if not await self.step():
                await asyncio.sleep(RETRY_PAUSE_S)

    def _take(self) -> _Batch:
        batch, self._gathering = self._gathering, _Batch()
        batch.lanes.update(self._touched)
        self._touched = {}
        self._pressing.clear()
        self._full.clear()
        return batch

    def _put_back(self, batch: _Batch, without: frozenset[int]) -> None:
        """What was not written gathers again, ahead of what came since; what is another process's now is dropped."""
        later, self._gathering = self._gathering, _Batch()
        dropped = 0
        for part in (batch, later):
            for lane in part.lanes.values():
                if lane.partition_id not in without:
                    self._gathering.lanes[lane.id] = lane
            for attempt in part.attempts:
                if attempt.record.partition_id in without:
                    dropped += 1
                else:
                    self._gathering.attempts.append(attempt)
            for parked in part.parked:
                if parked.partition_id not in without:
                    self._gathering.parked[parked] = None
            self._gathering.failures.extend(
                failure for failure in part.failures if failure.record.partition_id not in without
            )
        if self._gathering:
            self._pressing.set()
        if dropped:
            self._exposure.settled(dropped)

    async def _write(self, batch: _Batch) -> dict[tuple[int, int], int]:
        held = self._epochs()
        wanted = {lane.partition_id for lane in batch.lanes.values()}
        lost = wanted - held.keys()
        if lost:
            raise LeaseLost(sorted(lost))
        settlement = Settlement({partition_id: held[partition_id] for partition_id in wanted})
        settlement.attempts = [_attempt_row(attempt) for attempt in batch.attempts]
        settlement.lanes = [
            (lane.id, lane.cursor.next_offset, lane.cursor.settled_above()) for lane in batch.lanes.values()
        ]
        settlement.failures = [_failure_row(attempt) for attempt in batch.failures]
        for parked in batch.parked:
            _sort_parked(settlement, parked)
        return await self._database.run(settle(self._database.dialect, self._owner, settlement, self._clock()))


logger = structlog.get_logger(__name__)


def _attempt_row(attempt: Attempt) -> Row:
    outcome, record = attempt.outcome, attempt.record
    return (
        attempt.subscription_id,
        record.partition_id,
        record.offset,
        AttemptKind.DELIVERY.value,
        attempt.number,
        attempt.started_at,
        attempt.duration_us,
        outcome.kind.value,
        outcome.http_status,
        outcome.error,
        outcome.response_excerpt,
        attempt.trace_id,
    )


def _failure_row(attempt: Attempt) -> Row:
    message = f"{attempt.outcome.error} It wants no further requests."
    return (attempt.subscription_id, message, attempt.trace_id, attempt.outcome.http_status)


def _sort_parked(settlement: Settlement, parked: Parked) -> None:
    if parked.removed:
        if parked.id is not None:
            settlement.parked_deletes.append(parked.id)
        return
    changing: Row = (
        parked.blocks_key,
        parked.followers_from,
        parked.attempts,
        parked.next_attempt_at,
        parked.dead_lettered_at,
        parked.last_outcome,
        parked.last_error,
    )
    if parked.id is not None:
        settlement.parked_updates.append((parked.id, *changing))
        return
    settlement.parked_inserts.append(
        (
            parked.lane_id,
            parked.subscription_id,
            parked.partition_id,
            parked.offset,
            parked.key,
            parked.blocks_key,
            parked.followers_from,
            parked.attempts,
            parked.parked_at,
            parked.next_attempt_at,
            parked.dead_lettered_at,
            parked.last_outcome,
            parked.last_error,
        )
    )
