"""The settler: writes down what became of events, for all lanes of this process, many at a time.

Finished attempts, parked events and the moved cursors of a moment are one transaction. While one is being written the
next gathers. A batch that cannot be written is kept and tried again, and until then the exposure is shut. Knows
nothing of HTTP or of how lanes decide.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Protocol, TypeVar

import structlog

from event_issuer.db.database import Database
from event_issuer.db.resettling import after_take_back
from event_issuer.db.settling import LeaseLost, Settlement, settle
from event_issuer.db.work import Dialect, Row, Work
from event_issuer.delivery.attempt import Attempt
from event_issuer.delivery.exposure import Exposure
from event_issuer.delivery.health import HealthRecord
from event_issuer.delivery.leases import Lease
from event_issuer.delivery.parked import Parked
from event_issuer.delivery.sieve import Filtered
from event_issuer.delivery.tally import Tally
from event_issuer.delivery.timings import timings_text
from event_issuer.domain.cursor import Cursor
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.offset_ranges import ranges_text
from event_issuer.domain.time import Clock
from event_issuer.telemetry.metrics import Metrics

GATHER_S: Final = 0.02  # fewer, larger commits; outcomes are in no hurry, a crash repeats those that wait here
BATCH_ATTEMPTS: Final = 500  # enough for one commit: no need to gather longer
RETRY_PAUSE_S: Final = 1.0
IDLE_FLUSH_S: Final = 30.0  # cursors that moved only over events that were not sent

Result = TypeVar("Result")

logger = structlog.get_logger(__name__)


class SettlingLane(Protocol):
    """What the settler wants of a lane."""

    id: int
    lease: Lease
    cursor: Cursor
    filtered: Filtered
    expired: int
    delivered: int


@dataclass(slots=True)
class _Batch:
    """`is_repeated`: it was sent to the database before, and whether it was written is not known."""

    lanes: set[SettlingLane] = field(default_factory=set)
    attempts: list[tuple[SettlingLane, Attempt]] = field(default_factory=list)
    parked: dict[Parked, SettlingLane] = field(default_factory=dict)
    failures: list[tuple[SettlingLane, Attempt]] = field(default_factory=list)
    errors: list[tuple[SettlingLane, Row]] = field(default_factory=list)
    health: dict[int, tuple[SettlingLane, Row]] = field(default_factory=dict)  # by subscription
    is_repeated: bool = False

    def __bool__(self) -> bool:
        return bool(self.lanes)

    def extend(self, later: "_Batch") -> None:
        self.lanes |= later.lanes
        self.attempts += later.attempts
        self.parked |= later.parked
        self.failures += later.failures
        self.errors += later.errors
        self.health |= later.health

    def without(self, leases: frozenset[Lease]) -> "_Batch":
        return _Batch(
            {lane for lane in self.lanes if lane.lease not in leases},
            [(lane, attempt) for lane, attempt in self.attempts if lane.lease not in leases],
            {parked: lane for parked, lane in self.parked.items() if lane.lease not in leases},
            [(lane, failure) for lane, failure in self.failures if lane.lease not in leases],
            [(lane, error) for lane, error in self.errors if lane.lease not in leases],
            {id_: (lane, row) for id_, (lane, row) in self.health.items() if lane.lease not in leases},
            self.is_repeated,
        )


class Settler:
    """`epochs()` gives the leases last claimed; `on_lost` hears of those that are another process's now.

    `on_dead_letters` hears after each batch which subscriptions have new ones.
    """

    def __init__(
        self,
        database: Database,
        owner: str,
        epochs: Callable[[], Mapping[int, int]],
        exposure: Exposure,
        clock: Clock,
        on_lost: Callable[[frozenset[Lease]], None],
        metrics: Metrics | None = None,
    ) -> None:
        self._tally = Tally(metrics or Metrics())
        self._database, self._owner, self._epochs = database, owner, epochs
        self._exposure, self._clock, self._on_lost = exposure, clock, on_lost
        self._gathering = _Batch()
        self._touched: set[SettlingLane] = set()
        self._pressing = asyncio.Event()
        self._full = asyncio.Event()
        self._writing = asyncio.Lock()
        self.on_dead_letters: Callable[[set[int]], None] = _heard_by_nobody

    def add(self, lane: SettlingLane, attempt: Attempt) -> None:
        """An attempt has ended; the lane's cursor and parked events already say what follows from it."""
        gathering = self._gathering
        gathering.attempts.append((lane, attempt))
        gathering.lanes.add(lane)
        self._pressing.set()
        if len(gathering.attempts) >= BATCH_ATTEMPTS or not self._exposure.has_room():
            self._full.set()

    def keep(self, lane: SettlingLane, parked: Parked) -> None:
        """A parked event was made, changed or removed."""
        self._gathering.parked[parked] = lane
        self._gathering.lanes.add(lane)
        self._pressing.set()

    def touch(self, lane: SettlingLane) -> None:
        """The cursor moved over events that were not sent: written with the next batch, or every now and then."""
        self._touched.add(lane)

    def touch_now(self, lane: SettlingLane) -> None:
        """The same where somebody waits for it: written with the next batch, which comes at once."""
        self._touched.add(lane)
        self._pressing.set()

    def fail(self, lane: SettlingLane, attempt: Attempt) -> None:
        """The endpoint is gone: the subscription fails; the event stays unsettled for whoever starts it again."""
        self._gathering.failures.append((lane, attempt))
        self.add(lane, attempt)

    def complain(self, lane: SettlingLane, attempt: Attempt) -> None:
        """The owner has something to repair: an error record of the subscription."""
        self._gathering.errors.append((lane, _error_row(attempt)))
        self._gathering.lanes.add(lane)

    def keep_health(self, lane: SettlingLane, subscription_id: int, record: HealthRecord) -> None:
        """The endpoint's health has changed; of several records of one moment the last one is kept."""
        self._gathering.health[subscription_id] = (lane, _health_row(subscription_id, record))
        self._gathering.lanes.add(lane)
        self._pressing.set()

    async def run(self) -> None:
        while True:
            with suppress(TimeoutError):  # not wait_for, which before Python 3.12 may swallow a cancellation
                async with asyncio.timeout(IDLE_FLUSH_S):
                    await self._pressing.wait()
                async with asyncio.timeout(GATHER_S):
                    await self._full.wait()
            await self.flush()

    async def flush(self) -> None:
        """Returns when everything that was added before is written, or its lease is lost."""
        while not await self.step():  # noqa: ASYNC110 - nothing announces that the database is back
            await asyncio.sleep(RETRY_PAUSE_S)

    async def step(self) -> bool:
        """Writes what has gathered. False when it could not be written: it is kept, and nothing new is sent."""
        async with self._writing:
            batch = self._take()
            batch = self._drop(batch, self._outdated(batch))
            while batch:
                try:
                    await self._write(batch)
                    break
                except LeaseLost as lost:  # each round leaves out a lease at least
                    batch = self._drop(batch, _leases(batch, lost.partition_ids))
                    batch.extend(self._take())  # the cursors have moved on, so what moved them goes along
                except Exception as problem:
                    self._put_back(batch)
                    self._exposure.shut()
                    _report(problem, batch)
                    self._tally.not_settled()
                    return False
                except BaseException:  # cancelled
                    self._put_back(batch)
                    raise
            self._exposure.reopen()
            return True

    def _take(self) -> _Batch:
        batch, self._gathering = self._gathering, _Batch()
        batch.lanes |= self._touched
        self._touched = set()
        self._pressing.clear()
        self._full.clear()
        return batch

    def _put_back(self, batch: _Batch) -> None:
        """What was perhaps not written gathers again, ahead of what came since."""
        batch.is_repeated = True
        batch.extend(self._gathering)
        self._gathering = batch
        self._pressing.set()

    def _outdated(self, batch: _Batch) -> frozenset[Lease]:
        """The leases of these lanes that are no longer, or held anew: after a gap the lanes are opened anew, too."""
        epochs = self._epochs()
        return frozenset(lane.lease for lane in batch.lanes if epochs.get(lane.lease[0]) != lane.lease[1])

    def _drop(self, batch: _Batch, lost: frozenset[Lease]) -> _Batch:
        """These are another process's now, which repeats what we could not write."""
        if not lost:
            return batch
        self._on_lost(lost)
        rest = batch.without(lost)
        self._exposure.give_back(_exposed(batch) - _exposed(rest))
        return rest

    async def _write(self, batch: _Batch) -> None:
        settlement = Settlement(dict(lane.lease for lane in batch.lanes))
        settlement.has_batches = any(attempt.others for _, attempt in batch.attempts)
        row_of = _wide_row if settlement.has_batches else _attempt_row
        settlement.attempts = [row_of(attempt) for _, attempt in batch.attempts]
        settlement.lanes = [_lane_row(lane) for lane in batch.lanes]
        settlement.failures = [_failure_row(attempt) for _, attempt in batch.failures]
        settlement.errors = [row for _, row in batch.errors]
        settlement.health = [batch.health[id_][1] for id_ in sorted(batch.health)]
        for parked in batch.parked:
            _sort_parked(settlement, parked)
        work = settle(self._database.dialect, self._owner, settlement, self._clock())
        if batch.is_repeated:
            work = _again(self._database.dialect, batch, work)
        begun_s = monotonic()
        ids = await self._database.run(work)
        self._tally.settled([attempt for _, attempt in batch.attempts], batch.parked.keys(), monotonic() - begun_s)
        for parked in batch.parked:
            parked.id = ids.get((parked.lane_id, parked.offset), parked.id)
        self.on_dead_letters({one.subscription_id for one in batch.parked if one.dead_lettered_at is not None})
        self._exposure.give_back(_exposed(batch))


def _heard_by_nobody(subscription_ids: set[int]) -> None:
    """Nobody asked to hear of new dead letters."""


def _again(dialect: Dialect, batch: _Batch, work: Work[Result]) -> Work[Result]:
    attempts = [
        (one.subscription_id, one.record.partition_id, one.record.offset, one.number, one.started_at, one.trace_id)
        for _, one in batch.attempts
    ]
    nameless = [(parked.lane_id, parked.offset) for parked in batch.parked if parked.id is None]
    return after_take_back(dialect, attempts, nameless, work)


def _leases(batch: _Batch, partition_ids: frozenset[int]) -> frozenset[Lease]:
    return frozenset(lane.lease for lane in batch.lanes if lane.lease[0] in partition_ids)


def _report(problem: Exception, batch: _Batch) -> None:
    if isinstance(problem, Unavailable):
        logger.warning("settling failed", problem=problem.detail, attempts=len(batch.attempts))
    else:  # a fault of ours, which stops all sending: it must be loud
        logger.error("settling failed", exc_info=problem, attempts=len(batch.attempts))


def _exposed(batch: _Batch) -> int:
    return sum([attempt.event_count for _, attempt in batch.attempts])


def _lane_row(lane: SettlingLane) -> Row:
    cursor, filtered = lane.cursor, lane.filtered
    counts = (filtered.count, filtered.last, lane.expired, lane.delivered)
    return (lane.id, cursor.next_offset, cursor.settled_above(), *counts)


def _attempt_row(attempt: Attempt) -> Row:
    outcome, record = attempt.outcome, attempt.record
    return (
        attempt.subscription_id,
        record.partition_id,
        record.offset,
        attempt.kind.value,
        attempt.number,
        attempt.started_at,
        attempt.duration_us,
        outcome.kind.value,
        outcome.http_status,
        outcome.error,
        outcome.response_excerpt,
        attempt.trace_id,
        timings_text(attempt.timings),
    )


def _wide_row(attempt: Attempt) -> Row:
    offsets = ranges_text([record.offset for record in attempt.records]) if attempt.others else None
    return (*_attempt_row(attempt), offsets)


def _error_row(attempt: Attempt) -> Row:
    message = f"{attempt.outcome.error} It does not accept our credentials; give new ones."
    return (attempt.subscription_id, message, attempt.trace_id, attempt.outcome.http_status)


def _health_row(subscription_id: int, record: HealthRecord) -> Row:
    frozen = (record.frozen_us, record.frozen_since)
    return (subscription_id, record.probe_step, record.probe_at, record.paused_until, record.pauses, *frozen)


def _failure_row(attempt: Attempt) -> Row:
    message = f"{attempt.outcome.error} It wants no further requests; verify the subscription again once it does."
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
        parked.batch,
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
            parked.batch,
        )
    )
