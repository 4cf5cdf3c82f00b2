"""A writer that reaches the log by another way than the API: it puts records there that nobody has judged."""

import json

from event_issuer.app import Issuer
from event_issuer.db.work import Statement, Work
from event_issuer.domain.time import Instant, system_clock


async def write_outside(issuer: Issuer, event_type: str, *events: dict[str, object]) -> None:
    """Each with its `data` as JSON; an event of one partition, whatever its key."""
    rows = await issuer.database.read(
        Statement(
            "SELECT partitions.id FROM partitions JOIN event_types ON event_types.id = event_type_id WHERE name = $1",
            (event_type,),
        )
    )
    for event in events:
        attributes = {name: str(value) for name, value in event.items() if name != "data"}
        data = json.dumps(event["data"]).encode() if "data" in event else None
        await issuer.database.run(_append(rows[0][0], json.dumps(attributes).encode(), data, system_clock()))


def _append(partition_id: int, attributes: bytes, data: bytes | None, recorded_at: Instant) -> Work[None]:
    """Recorded now: retention would take what seems to be from 1970."""
    rows = yield Statement(
        "UPDATE log_heads SET next_offset = next_offset + 1, recorded_at_us = $2 WHERE partition_id = $1 "
        "RETURNING next_offset - 1",
        (partition_id, recorded_at),
    )
    offset = rows[0][0]
    yield Statement(
        "INSERT INTO log_records (partition_id, log_offset, recorded_at_us, schema_version, attributes, data) "
        "VALUES ($1, $2, $3, NULL, $4, $5)",
        (partition_id, offset, recorded_at, attributes, data),
    )
