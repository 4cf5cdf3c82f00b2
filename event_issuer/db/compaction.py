"""The SQL of compaction: which partitions are due, their records by key, and removing some in the middle of the log."""

from collections.abc import Sequence

from event_issuer.db.log import SIZE, after_removal
from event_issuer.db.work import Dialect, Statement, Work, batches, rows_cte
from event_issuer.domain.time import Instant

_GONE = {"log_offset": "bigint"}


def due(swept_before: Instant, count_max: int) -> Statement:
    """Rows of (partition_id, compacted_to), up to `count_max`: partitions whose type compacts.

    Those that have got half as many records as were left at the last time, and those not looked at since then.
    """
    return Statement(
        "SELECT log_heads.partition_id, COALESCE(compacted_to, 0) FROM log_heads "
        "JOIN partitions ON partitions.id = log_heads.partition_id "
        "JOIN event_types ON event_types.id = partitions.event_type_id AND event_types.compacts "
        "LEFT JOIN compactions ON compactions.partition_id = log_heads.partition_id "
        "WHERE next_offset > first_offset AND (COALESCE(swept_at_us, 0) < $1 "
        "OR 2 * (next_offset - COALESCE(compacted_to, 0)) > COALESCE(compacted_to, 0) - first_offset) "
        "ORDER BY log_heads.partition_id LIMIT $2",
        (swept_before, count_max),
    )


def records(partition_id: int, offset: int, before_offset: int | None, count_max: int) -> Statement:
    """Rows of (log_offset, recorded_at_us, attributes, has_data) from `offset` on. What was expunged had data."""
    return Statement(
        "SELECT log_offset, recorded_at_us, attributes, data IS NOT NULL OR expunged_at_us IS NOT NULL "
        "FROM log_records WHERE partition_id = $1 "
        "AND log_offset >= $2 AND log_offset < $3 ORDER BY log_offset LIMIT $4",
        (partition_id, offset, 2**62 if before_offset is None else before_offset, count_max),
    )


def remove(dialect: Dialect, partition_id: int, offsets: Sequence[int]) -> Work[int]:
    """Removes these records, wherever they are; how many were there."""
    removed = removed_bytes = 0
    for part in batches(_GONE, [(offset,) for offset in offsets]):
        gone = rows_cte(dialect, "gone", _GONE, part)
        rows = yield Statement(
            f"{gone.sql} DELETE FROM log_records WHERE partition_id = ${len(gone.args) + 1} "
            f"AND log_offset IN (SELECT log_offset FROM gone) RETURNING {SIZE}",
            (*gone.args, partition_id),
        )
        removed, removed_bytes = removed + len(rows), removed_bytes + sum(row[0] for row in rows)
    if removed:
        yield from after_removal(dialect, partition_id, removed_bytes)
    return removed


def note(partition_id: int, compacted_to: int, now: Instant) -> Work[None]:
    yield Statement(
        "INSERT INTO compactions (partition_id, compacted_to, swept_at_us) VALUES ($1, $2, $3) "
        "ON CONFLICT (partition_id) DO UPDATE SET compacted_to = excluded.compacted_to, "
        "swept_at_us = excluded.swept_at_us",
        (partition_id, compacted_to, now),
    )
