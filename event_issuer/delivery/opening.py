"""Opening: what is stored of a subscription's lanes, as the values that a `Lane` begins with. Knows no engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

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
from event_issuer.delivery.settle import Settler
from event_issuer.delivery.sieve import Filtered, Sieve
from event_issuer.domain.cursor import Cursor
from event_issuer.domain.subscriptions import ContentMode
from event_issuer.domain.time import Clock, Instant
from event_issuer.eventlog.protocol import EventLog


@dataclass(frozen=True, slots=True)
class StoredLane:
    id: int
    lease: Lease
    cursor: Cursor
    log_id: str | None
    filtered: Filtered
    expired: int
    parked: list[Parked]


@dataclass(frozen=True, slots=True)
class StoredLanes:
    """`partition_ids` are those of all its lanes, `lanes` those on partitions that are leased here."""

    partition_ids: frozenset[int]
    lanes: list[StoredLane]


@dataclass(frozen=True, slots=True)
class Crew:
    """What all lanes of a process work with."""

    log: EventLog
    courier: Courier
    settler: Settler
    exposure: Exposure
    may_send: Callable[[], bool]
    on_fault: Callable[[Lane, BaseException], None]
    on_overtaken: Callable[[Lane], None]
    clock: Clock
    random: Random

    def lane(self, stored: StoredLane, subscription: ActiveSubscription, sieve: Sieve | None) -> Lane:
        return lane_class(subscription)(
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
                )
            )
    return StoredLanes(frozenset(row.partition_id for row in rows), lanes)


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
