"""Opening: what is stored of a subscription's lanes, as the values that a `Lane` begins with. Knows no engine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from event_issuer.db import lanes as sql
from event_issuer.db.database import Database
from event_issuer.db.parked import Wish, grant_retries
from event_issuer.delivery.active import ActiveSubscription
from event_issuer.delivery.attempt import Courier
from event_issuer.delivery.batch_lane import BatchLane
from event_issuer.delivery.exposure import Exposure
from event_issuer.delivery.lane import WAITING_MAX, Lane
from event_issuer.delivery.leases import Lease
from event_issuer.delivery.parked import Parked
from event_issuer.delivery.reading import ReadableLog
from event_issuer.delivery.replaying import LogUntil, ReplayBatchLane, Replayed, ReplayLane
from event_issuer.delivery.settle import Settler
from event_issuer.delivery.sieve import Filtered, Sieve, Sieves, stored_filter
from event_issuer.domain.cursor import Cursor
from event_issuer.domain.filters import Filter
from event_issuer.domain.replays import header_line
from event_issuer.domain.subscriptions import ContentMode, DeliverySettings
from event_issuer.domain.time import Clock, Instant

LaneT = TypeVar("LaneT", bound=Lane)


@dataclass(frozen=True, slots=True)
class StoredLane:
    """`replayed` is None for a live lane."""

    id: int
    lease: Lease
    cursor: Cursor
    log_id: str | None
    filtered: Filtered
    expired: int
    parked: list[Parked]
    replayed: Replayed | None = None


@dataclass(frozen=True, slots=True)
class StoredLanes:
    """`partition_ids` are those of all its lanes, `lanes` those on partitions that are leased here."""

    partition_ids: frozenset[int]
    lanes: list[StoredLane]


@dataclass(frozen=True, slots=True)
class Crew:
    """What all lanes of a process work with."""

    log: ReadableLog
    courier: Courier
    settler: Settler
    exposure: Exposure
    may_send: Callable[[], bool]
    on_fault: Callable[[Lane, BaseException], None]
    on_overtaken: Callable[[Lane], None]
    clock: Clock
    random: Random

    def lane(self, stored: StoredLane, subscription: ActiveSubscription, sieve: Sieve | None) -> Lane:
        replayed = stored.replayed
        if replayed is None:
            return self._made(lane_class(subscription), stored, subscription, sieve)
        log, courier = LogUntil(self.log, replayed.end), self.courier.replaying(header_line(replayed.id))
        crew = replace(self, log=log, courier=courier)
        lane = crew._made(replay_lane_class(subscription), stored, subscription, sieve)
        lane.take_up(replayed)
        return lane

    def _made(
        self, kind: type[LaneT], stored: StoredLane, subscription: ActiveSubscription, sieve: Sieve | None
    ) -> LaneT:
        return kind(
            stored.id,
            subscription,
            stored.lease,
            stored.cursor,
            stored.parked,
            stored.filtered,
            expired=stored.expired,
            sieve=sieve,
            log=self.log,
            courier=self.courier,
            settler=self.settler,
            exposure=self.exposure,
            may_send=self.may_send,
            on_fault=self.on_fault,
            on_overtaken=self.on_overtaken,
            clock=self.clock,
            random=self.random,
        )


def lane_class(subscription: ActiveSubscription) -> type[Lane]:
    return BatchLane if subscription.content_mode is ContentMode.BATCH else Lane


def replay_lane_class(subscription: ActiveSubscription) -> type[ReplayLane]:
    return ReplayBatchLane if subscription.content_mode is ContentMode.BATCH else ReplayLane


async def stored_lanes(
    database: Database, subscription_id: int, served: Mapping[int, int], own_now: Instant
) -> StoredLanes:
    """`served`: partition → epoch of the leases under which the lanes will be opened. What the owner wants retried is
    due at `own_now`, by the subscription's own time."""
    rows = [sql.LaneRow(*row) for row in await database.read(sql.lanes_of(subscription_id))]
    lanes = []
    for row in rows:
        if row.partition_id in served:
            parked = await _parked_rows(database, row.id)
            if any(one.wish == Wish.RETRY for one in parked):
                await database.run(grant_retries(row.id, own_now))
                parked = await _parked_rows(database, row.id)
            lanes.append(
                StoredLane(
                    row.id,
                    (row.partition_id, served[row.partition_id]),
                    Cursor.parse(row.next_offset, row.settled_above),
                    row.log_id,
                    Filtered(row.filtered_count, row.last_filtered),
                    row.expired_count,
                    [_parked(one, row) for one in parked],
                    _replayed(row),
                )
            )
    return StoredLanes(frozenset(row.partition_id for row in rows), lanes)


async def sieves_of(
    sieves: Sieves, filter_: Filter | None, settings: DeliverySettings, lanes: Sequence[StoredLane]
) -> dict[int, Sieve]:
    """By lane id; none where a lane takes everything. Raises what `Sieves.of` does."""
    found: dict[int, Sieve] = {}
    for replay_id in {lane.replayed.id if lane.replayed else None for lane in lanes}:
        alike = [lane for lane in lanes if (lane.replayed.id if lane.replayed else None) == replay_id]
        by_partition = await sieves.of(filter_, settings, [lane.lease[0] for lane in alike])
        for lane in alike:
            own = stored_filter(lane.replayed.filter if lane.replayed else None)
            sieve = sieves.narrowed(by_partition.get(lane.lease[0]), own)
            if sieve is not None:
                found[lane.id] = sieve
    return found


def _replayed(row: sql.LaneRow) -> Replayed | None:
    if row.replay_id is None or row.end_offset is None:
        return None
    return Replayed(row.replay_id, row.end_offset, row.replay_filter, row.delivered_count)


async def _parked_rows(database: Database, lane_id: int) -> list[sql.ParkedRow]:
    return [sql.ParkedRow(*one) for one in await database.read(sql.parked_of(lane_id, WAITING_MAX))]


def _parked(row: sql.ParkedRow, lane: sql.LaneRow) -> Parked:
    return Parked(
        lane_id=row.lane_id,
        subscription_id=lane.subscription_id,
        partition_id=lane.partition_id,
        offset=row.log_offset,
        key=row.partitionkey,
        attempts=row.attempts,
        parked_at=row.parked_at_us,
        next_attempt_at=row.next_attempt_at_us,
        last_outcome=row.last_outcome,
        last_error=row.last_error,
        dead_lettered_at=row.dead_lettered_at_us,
        is_unwanted=row.wish == Wish.DISCARD,
        followers_from=row.followers_from,
        id=row.id,
        blocks_key=bool(row.blocks_key),
        batch=row.batch_from,
    )
