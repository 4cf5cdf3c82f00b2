"""The SQL of a log on Kafka: which topic's partition each of ours is, the mirror of Kafka's heads, deduplication.

The records are Kafka's; what is here is what other statements join: `log_heads` says what Kafka said last.
"""

from collections.abc import Sequence
from typing import Final

from event_issuer.db import dedupe
from event_issuer.db.identity_index import IdentityIndex
from event_issuer.db.work import Dialect, Row, Statement, Work, batches, insertion, rows_cte

_HEADS: Final = {"partition_id": "bigint", "first_offset": "bigint", "next_offset": "bigint"}


def places(partition_ids: Sequence[int]) -> Statement:
    """Rows of (partition id, event type name, partition number)."""
    ids = ", ".join(str(int(id_)) for id_ in partition_ids)
    return Statement(
        "SELECT partitions.id, name, number FROM partitions JOIN event_types ON event_type_id = event_types.id "
        f"WHERE partitions.id IN ({ids})"
    )


def mirror(dialect: Dialect, heads: Sequence[tuple[int, int, int]]) -> Work[None]:
    """Writes rows of (partition id, first offset, next offset) into `log_heads`, in order of the ids.

    They may be older than what is there: a subscription that begins there begins a little earlier, and misses nothing.
    """
    ordered = sorted(heads)
    for part in batches(_HEADS, ordered):
        if dialect == "postgresql":  # in one order, so that two processes do not wait for each other
            asked = rows_cte(dialect, "asked", _HEADS, part)
            yield Statement(
                f"{asked.sql} SELECT 1 FROM log_heads JOIN asked ON asked.partition_id = log_heads.partition_id "
                "ORDER BY log_heads.partition_id FOR UPDATE OF log_heads",
                asked.args,
            )
        seen = rows_cte(dialect, "seen", _HEADS, part)
        yield Statement(
            f"{seen.sql} UPDATE log_heads SET first_offset = seen.first_offset, trimmed_to = seen.first_offset, "
            "next_offset = seen.next_offset FROM seen WHERE log_heads.partition_id = seen.partition_id",
            seen.args,
        )


def remember(dialect: Dialect, index: IdentityIndex, entries: Sequence[Row]) -> Work[None]:
    """Rows of identity, content, partition, offset and instant. What is remembered already, by whomever, stays."""
    if dialect == "sqlite":
        known = yield from dedupe.known_among(dialect, index, [bytes(entry[0]) for entry in entries])
        yield from dedupe.remember(dialect, [entry for entry in entries if entry[0] not in known])
        return
    # In one order, so that two processes do not wait for each other.
    for part in batches(dedupe.ENTRY, sorted(entries, key=lambda entry: bytes(entry[0]))):
        inserted = insertion(dialect, "dedupe_entries", dedupe.ENTRY, part)
        yield Statement(f"{inserted.sql} ON CONFLICT (identity_digest) DO NOTHING", inserted.args)


def partition_counts() -> Statement:
    """Rows of (event type id, its name, number of its partitions)."""
    return Statement("SELECT id, name, partition_count FROM event_types ORDER BY name")
