"""Attempts at batches in SQL: whether the ranges of offsets that one carried hold a certain offset."""

from event_issuer.db.work import Dialect


def carried(dialect: Dialect, slot: str) -> str:
    """The condition on a row of `attempts` that it was a batch with the offset that `slot` stands for, in its own
    partition. Ranges are read as JSON; what began behind the offset is not looked into."""
    if dialect == "postgresql":
        ranges = "jsonb_array_elements(log_offsets::jsonb) AS range(pair)"
        first, end = "(pair->>0)::bigint", "(pair->>1)::bigint"
    else:
        ranges = "json_each(log_offsets) AS range"
        first, end = "json_extract(range.value, '$[0]')", "json_extract(range.value, '$[1]')"
    holds = f"SELECT 1 FROM {ranges} WHERE {first} <= {slot} AND {slot} < {end}"
    return f"log_offsets IS NOT NULL AND log_offset <= {slot} AND EXISTS ({holds})"
