"""What became of events: parked events and lag, as their owners read them."""

from event_issuer.db.database import Database
from event_issuer.db.paging import ById, page_by_id
from event_issuer.db.tables import ParkedEvent
from event_issuer.db.work import Row, Statement
from event_issuer.domain.paging import PageRequest, Slice


async def parked_events(subscription_id: int, request: PageRequest) -> Slice[ParkedEvent]:
    """Those that wait and the dead letters."""
    listed = ById(ParkedEvent, ParkedEvent.id, ParkedEvent.subscription_id == subscription_id)
    return await page_by_id(listed, request)


async def parked_event(subscription_id: int, parked_id: int) -> ParkedEvent | None:
    wanted = (ParkedEvent.id == parked_id) & (ParkedEvent.subscription_id == subscription_id)
    return await ParkedEvent.objects().where(wanted).first()


async def lanes_with_heads(database: Database, subscription_id: int) -> list[Row]:
    """Rows of (partition id, cursor, settled above, head, when the event at the cursor was recorded or None)."""
    return await database.read(
        Statement(
            "SELECT lanes.partition_id, lanes.next_offset, lanes.settled_above, log_heads.next_offset, "
            "log_records.recorded_at_us "
            "FROM lanes JOIN log_heads ON log_heads.partition_id = lanes.partition_id LEFT JOIN log_records "
            "ON log_records.partition_id = lanes.partition_id AND log_records.log_offset = lanes.next_offset "
            "WHERE lanes.subscription_id = $1 AND lanes.replay_id IS NULL",
            (subscription_id,),
        )
    )


async def parked_counts(database: Database, subscription_id: int) -> tuple[int, int]:
    """How many wait, and how many are dead letters."""
    rows = await database.read(
        Statement(
            "SELECT COUNT(*) - COUNT(dead_lettered_at_us), COUNT(dead_lettered_at_us) FROM parked_events "
            "WHERE subscription_id = $1",
            (subscription_id,),
        )
    )
    return int(rows[0][0]), int(rows[0][1])


async def filtered(database: Database, subscription_id: int) -> tuple[int, str | None]:
    """How many events its live lanes have filtered out, and the last of the one that has filtered out most."""
    rows = await database.read(
        Statement(
            "SELECT filtered_count, last_filtered FROM lanes WHERE subscription_id = $1 AND replay_id IS NULL "
            "ORDER BY filtered_count DESC",
            (subscription_id,),
        )
    )
    return sum(row[0] for row in rows), rows[0][1] if rows else None


async def expired(database: Database, subscription_id: int) -> int:
    """How many of the parked events of its live lanes the log lost before they were delivered."""
    rows = await database.read(
        Statement(
            "SELECT SUM(expired_count) FROM lanes WHERE subscription_id = $1 AND replay_id IS NULL", (subscription_id,)
        )
    )
    return int(rows[0][0] or 0)
