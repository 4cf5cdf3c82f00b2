"""The SQL of retention: which partitions hold too much, and from where on a partition may stay."""

from event_issuer.db.log import SIZE
from event_issuer.db.work import Statement
from event_issuer.domain.time import SECOND_US, Instant


def overfull(now: Instant, retention_s: int | None, retention_bytes: int | None, count_max: int) -> Statement:
    """Rows of (partition_id, instant, excess_bytes), up to `count_max`: the partitions that have records to remove.

    Those recorded before `instant`, unless it is None; the oldest that make `excess_bytes`, unless it is None. The
    arguments hold for event types that say nothing themselves; None is no bound.
    """
    instant = f"$1 - COALESCE(retention_s, CAST($2 AS BIGINT)) * {SECOND_US}"
    excess = "kept_bytes - COALESCE(retention_bytes, CAST($3 AS BIGINT))"
    return Statement(
        f"SELECT log_heads.partition_id, CASE WHEN oldest.recorded_at_us < {instant} THEN {instant} END, "
        f"CASE WHEN {excess} > 0 THEN {excess} END FROM log_heads "
        "JOIN partitions ON partitions.id = log_heads.partition_id "
        "JOIN event_types ON event_types.id = partitions.event_type_id "
        "JOIN log_records AS oldest ON oldest.partition_id = log_heads.partition_id "
        "AND oldest.log_offset = log_heads.first_offset "
        f"WHERE oldest.recorded_at_us < {instant} OR {excess} > 0 ORDER BY log_heads.partition_id LIMIT $4",
        (now, retention_s, retention_bytes, count_max),
    )


def offset_freeing(partition_id: int, excess_bytes: int, count_max: int) -> Statement:
    """One row with the offset before which the oldest records make `excess_bytes`; it takes in `count_max` at most."""
    return Statement(
        "SELECT COALESCE(MIN(CASE WHEN freed >= $2 THEN log_offset END), MAX(log_offset), -1) + 1 FROM ("
        "SELECT log_offset, SUM(size) OVER (ORDER BY log_offset) AS freed FROM ("
        f"SELECT log_offset, {SIZE} AS size FROM log_records WHERE partition_id = $1 ORDER BY log_offset LIMIT $3"
        ") AS oldest) AS running",
        (partition_id, excess_bytes, count_max),
    )
