"""The embedded log's SQL: append a group, read a page, trim, find a place in time.

`append_group` is the hot one: a handful of statements whatever the number of records. It takes the partitions' rows
in id order before it reads their heads, so that offsets are gap-free and become visible in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from event_issuer.db.work import Dialect, Row, Statement, Work, rows_cte
from event_issuer.domain.time import Instant


@dataclass(slots=True)
class RecordRow:
    partition_id: int
    schema_version: int | None
    attributes: bytes
    data: bytes | None
    identity_digest: bytes | None
    content_digest: bytes


@dataclass(slots=True)
class Placed:
    """Where a record is. Unless `is_new`, an earlier record has its identity; `same_content` tells which case it is."""

    partition_id: int
    offset: int
    recorded_at: Instant
    is_new: bool
    same_content: bool


_RECORD_COLUMNS = {
    "partition_id": "bigint",
    "log_offset": "bigint",
    "recorded_at_us": "bigint",
    "schema_version": "integer",
    "attributes": "bytea",
    "data": "bytea",
}
_DEDUPE_COLUMNS = {
    "identity_digest": "bytea",
    "content_digest": "bytea",
    "partition_id": "bigint",
    "log_offset": "bigint",
    "recorded_at_us": "bigint",
}
_HEAD_COLUMNS = {"partition_id": "bigint", "next_offset": "bigint", "recorded_at_us": "bigint"}


def append_group(dialect: Dialect, records: Sequence[RecordRow], now: Instant) -> Work[list[Placed]]:
    """Appends what is new, in order; one `Placed` per record. `recordedAt` never goes backwards in a partition."""
    heads = yield from _locked_heads(dialect, sorted({record.partition_id for record in records}))
    known = yield from _known_identities(dialect, records)
    placed: list[Placed] = []
    log_rows: list[Row] = []
    dedupe_rows: list[Row] = []
    for record in records:
        identity = record.identity_digest
        earlier = known.get(identity) if identity is not None else None
        if earlier is not None:
            content, partition_id, offset, recorded_at = earlier
            same = content == record.content_digest
            placed.append(Placed(partition_id, offset, recorded_at, False, same))
            continue
        partition_id = record.partition_id
        offset, recorded_at = heads[partition_id]
        recorded_at = max(recorded_at, now)
        heads[partition_id] = (offset + 1, recorded_at)
        placed.append(Placed(partition_id, offset, recorded_at, True, True))
        log_rows.append((partition_id, offset, recorded_at, record.schema_version, record.attributes, record.data))
        if identity is not None:
            known[identity] = (record.content_digest, partition_id, offset, recorded_at)
            dedupe_rows.append((identity, record.content_digest, partition_id, offset, recorded_at))
    yield from _write(dialect, log_rows, dedupe_rows, heads)
    return placed


def _locked_heads(dialect: Dialect, partition_ids: Sequence[int]) -> Work[dict[int, tuple[int, Instant]]]:
    asked = rows_cte(dialect, "asked", {"partition_id": "bigint"}, [(id_,) for id_ in partition_ids])
    lock = " FOR UPDATE OF log_heads" if dialect == "postgresql" else ""
    rows = yield Statement(
        f"{asked.sql} SELECT log_heads.partition_id, next_offset, recorded_at_us FROM log_heads "
        f"JOIN asked ON asked.partition_id = log_heads.partition_id ORDER BY log_heads.partition_id{lock}",
        asked.args,
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def _known_identities(
    dialect: Dialect, records: Sequence[RecordRow]
) -> Work[dict[bytes, tuple[bytes, int, int, Instant]]]:
    identities = [(record.identity_digest,) for record in records if record.identity_digest is not None]
    if not identities:
        return {}
    asked = rows_cte(dialect, "asked", {"identity_digest": "bytea"}, identities)
    rows = yield Statement(
        f"{asked.sql} SELECT entries.identity_digest, content_digest, partition_id, log_offset, recorded_at_us "
        "FROM asked JOIN dedupe_entries AS entries ON entries.identity_digest = asked.identity_digest",
        asked.args,
    )
    return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}


def _write(
    dialect: Dialect,
    log_rows: Sequence[Row],
    dedupe_rows: Sequence[Row],
    heads: dict[int, tuple[int, Instant]],
) -> Work[None]:
    if not log_rows:
        return
    yield _insert(dialect, "log_records", _RECORD_COLUMNS, log_rows)
    if dedupe_rows:
        yield _insert(dialect, "dedupe_entries", _DEDUPE_COLUMNS, dedupe_rows)
    moved = [(partition_id, offset, recorded_at) for partition_id, (offset, recorded_at) in heads.items()]
    cte = rows_cte(dialect, "moved", _HEAD_COLUMNS, moved)
    yield Statement(
        f"{cte.sql} UPDATE log_heads SET next_offset = moved.next_offset, recorded_at_us = moved.recorded_at_us "
        "FROM moved WHERE log_heads.partition_id = moved.partition_id",
        cte.args,
    )


def _insert(dialect: Dialect, table: str, columns: dict[str, str], rows: Sequence[Row]) -> Statement:
    cte = rows_cte(dialect, "fresh", columns, rows)
    names = ", ".join(columns)
    return Statement(f"{cte.sql} INSERT INTO {table} ({names}) SELECT {names} FROM fresh", cte.args)


def read_page(partition_id: int, offset: int, before_offset: int) -> Statement:
    """Rows of (log_offset, recorded_at_us, schema_version, attributes, data), from `offset` to `before_offset`."""
    return Statement(
        "SELECT log_offset, recorded_at_us, schema_version, attributes, data FROM log_records "
        "WHERE partition_id = $1 AND log_offset >= $2 AND log_offset < $3 ORDER BY log_offset",
        (partition_id, offset, before_offset),
    )


def bounds(dialect: Dialect, partition_ids: Sequence[int]) -> Statement:
    """Rows of (partition_id, first_offset, next_offset)."""
    asked = rows_cte(dialect, "asked", {"partition_id": "bigint"}, [(id_,) for id_ in partition_ids])
    return Statement(
        f"{asked.sql} SELECT log_heads.partition_id, first_offset, next_offset FROM log_heads "
        "JOIN asked ON asked.partition_id = log_heads.partition_id",
        asked.args,
    )


def offset_at(partition_id: int, instant: Instant) -> Statement:
    """One row with the first offset recorded at or after `instant`, or the head."""
    return Statement(
        "SELECT COALESCE((SELECT MIN(log_offset) FROM log_records WHERE partition_id = $1 AND recorded_at_us >= $2), "
        "(SELECT next_offset FROM log_heads WHERE partition_id = $1))",
        (partition_id, instant),
    )


def trim(partition_id: int, before_offset: int, count_max: int) -> Work[int]:
    """Removes up to `count_max` of the oldest records below `before_offset`; the number removed."""
    rows = yield Statement(
        "DELETE FROM log_records WHERE partition_id = $1 AND log_offset IN (SELECT log_offset FROM log_records "
        "WHERE partition_id = $1 AND log_offset < $2 ORDER BY log_offset LIMIT $3) RETURNING log_offset",
        (partition_id, before_offset, count_max),
    )
    if rows:
        first = max(row[0] for row in rows) + 1
        yield Statement(
            "UPDATE log_heads SET first_offset = $2 WHERE partition_id = $1 AND first_offset < $2",
            (partition_id, first),
        )
    return len(rows)


def log_identity(fresh: str) -> Work[str]:
    """The log's id, made at its first use: cursors carry it, so that those of another log are refused."""
    yield Statement(
        "INSERT INTO log_identity (log_id) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM log_identity)", (fresh,)
    )
    rows = yield Statement("SELECT log_id FROM log_identity")
    return str(rows[0][0])


def forget_identities(before: Instant, count_max: int) -> Work[int]:
    """Ends the dedupe window of up to `count_max` entries recorded before `before`; the number forgotten."""
    rows = yield Statement(
        "DELETE FROM dedupe_entries WHERE identity_digest IN (SELECT identity_digest FROM dedupe_entries "
        "WHERE recorded_at_us < $1 ORDER BY recorded_at_us LIMIT $2) RETURNING 1",
        (before, count_max),
    )
    return len(rows)
