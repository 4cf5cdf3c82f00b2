"""Opening: what is stored of a subscription's lanes, as the values that a `Lane` begins with. Knows no engine."""

from collections.abc import Mapping
from dataclasses import dataclass

from event_issuer.db import lanes as sql
from event_issuer.db.database import Database
from event_issuer.delivery.lane import WAITING_MAX
from event_issuer.delivery.leases import Lease
from event_issuer.delivery.parked import Parked
from event_issuer.delivery.pins import Filtered
from event_issuer.domain.cursor import Cursor


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


async def stored_lanes(database: Database, subscription_id: int, served: Mapping[int, int]) -> StoredLanes:
    """`served`: partition → epoch of the leases under which the lanes will be opened."""
    rows = [sql.LaneRow(*row) for row in await database.read(sql.lanes_of(subscription_id))]
    lanes = []
    for row in rows:
        if row.partition_id in served:
            parked = [sql.ParkedRow(*one) for one in await database.read(sql.parked_of(row.id, WAITING_MAX))]
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
        followers_from=row.followers_from,
        id=row.id,
        blocks_key=bool(row.blocks_key),
    )
