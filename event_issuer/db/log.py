"""The embedded log's SQL: append a group, read pages, trim, find a place in time.

`append_group` is the hot one: a handful of statements whatever the number of records. It takes the partitions' rows
in id order before it reads their heads, so that offsets are gap-free and become visible in order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from event_issuer.db import dedupe
from event_issuer.db.identity_index import IdentityIndex
from event_issuer.db.work import Dialect, Row, Statement, Work, batches, insertion, numbers, rows_cte
from event_issuer.domain.errors import NotFound
from event_issuer.domain.records import Appended, AppendStatus, NewRecord
from event_issuer.domain.time import Instant


@dataclass(slots=True)
class _Head:
    next_offset: int
    recorded_at: Instant
    added_bytes: int = 0


_RECORDS = {
    "partition_id": "bigint",
    "log_offset": "bigint",
    "recorded_at_us": "bigint",
    "schema_version": "integer",
    "attributes": "bytea",
    "data": "bytea",
}
_HEADS = {"partition_id": "bigint", "next_offset": "bigint", "recorded_at_us": "bigint", "added_bytes": "bigint"}
_PARTITION = {"partition_id": "bigint"}
_RANGES = {"n": "bigint", "partition_id": "bigint", "from_offset": "bigint", "before_offset": "bigint"}

SIZE = "LENGTH(attributes) + COALESCE(LENGTH(data), 0)"  # what a record counts for retention and for a page


def append_group(
    dialect: Dialect, records: Sequence[NewRecord], now: Instant, index: IdentityIndex
) -> Work[list[Appended]]:
    """Appends what is new, in order; one outcome per record. `recordedAt` never goes backwards in a partition.

    `index` is kept from group to group, each of which is a transaction of its own. Raises NotFound for a partition that
    is not there.
    """
    heads = yield from _locked_heads(dialect, {record.partition_id for record in records})
    identities = [record.identity_digest for record in records if record.identity_digest is not None]
    known = yield from dedupe.known_among(dialect, index, identities)
    appended: list[Appended] = []
    log_rows: list[Row] = []
    dedupe_rows: list[Row] = []
    for record in records:
        identity = record.identity_digest
        earlier = known.get(identity) if identity is not None else None
        if earlier is not None:
            content, partition_id, offset, recorded_at = earlier
            status = AppendStatus.DUPLICATE if content == record.content_digest else AppendStatus.CONFLICT
            appended.append(Appended(status, partition_id, offset, recorded_at))
            continue
        head = heads[record.partition_id]
        head.recorded_at = recorded_at = max(head.recorded_at, now)
        partition_id, offset = record.partition_id, head.next_offset
        head.next_offset += 1
        attributes, data = record.attributes, record.event.data
        head.added_bytes += len(attributes) + len(data or b"")
        appended.append(Appended(AppendStatus.PERSISTED, partition_id, offset, recorded_at))
        log_rows.append((partition_id, offset, recorded_at, record.schema_version, attributes, data))
        if identity is not None:
            known[identity] = (record.content_digest, partition_id, offset, recorded_at)
            dedupe_rows.append((identity, record.content_digest, partition_id, offset, recorded_at))
    for part in batches(_RECORDS, log_rows):
        yield insertion(dialect, "log_records", _RECORDS, part)
    yield from dedupe.remember(dialect, dedupe_rows)
    yield from _move_heads(dialect, heads)
    return appended


def _locked_heads(dialect: Dialect, partition_ids: Iterable[int]) -> Work[dict[int, _Head]]:
    heads: dict[int, _Head] = {}
    for part in batches(_PARTITION, [(id_,) for id_ in sorted(partition_ids)]):
        asked = rows_cte(dialect, "asked", _PARTITION, part)
        rows = yield from numbers(
            dialect,
            asked,
            "log_heads.partition_id, next_offset, recorded_at_us",
            "FROM log_heads JOIN asked ON asked.partition_id = log_heads.partition_id",
            "ORDER BY log_heads.partition_id FOR UPDATE OF log_heads",
        )
        heads |= {row[0]: _Head(row[1], row[2]) for row in rows}
        missing = [id_ for (id_,) in part if id_ not in heads]
        if missing:
            raise NotFound(f"There is no partition {missing[0]}.")
    return heads


def _move_heads(dialect: Dialect, heads: dict[int, _Head]) -> Work[None]:
    moved = [
        (id_, head.next_offset, head.recorded_at, head.added_bytes)
        for id_, head in heads.items()
        if head.added_bytes  # no record is empty: it has attributes
    ]
    for part in batches(_HEADS, moved):
        cte = rows_cte(dialect, "moved", _HEADS, part)
        yield Statement(
            f"{cte.sql} UPDATE log_heads SET next_offset = moved.next_offset, recorded_at_us = moved.recorded_at_us, "
            "kept_bytes = kept_bytes + moved.added_bytes FROM moved WHERE log_heads.partition_id = moved.partition_id",
            cte.args,
        )


def read_ranges(dialect: Dialect, ranges: Sequence[tuple[int, int, int]], bytes_max: int) -> Statement:
    """Reads ranges of (partition_id, offset, before_offset) at once; `found_in` understands its rows.

    Of each range the records from `offset` to `before_offset`, but no more than make `bytes_max`, one at least.
    """
    asked = rows_cte(dialect, "asked", _RANGES, [(n, *range_) for n, range_ in enumerate(ranges)])
    found = (
        "FROM asked JOIN log_heads ON log_heads.partition_id = asked.partition_id LEFT JOIN fits ON fits.n = asked.n "
        "LEFT JOIN log_records ON log_records.partition_id = asked.partition_id "
        "AND log_offset >= from_offset AND log_offset <= last_offset"
    )
    about = "first_offset, next_offset, log_offset, log_records.recorded_at_us, schema_version, expunged_at_us"
    if dialect == "postgresql":
        select = f"SELECT asked.n, {about}, attributes, data {found} ORDER BY asked.n, log_offset"
    else:
        select = (
            f"SELECT json_group_array(json_array(asked.n, {about}, LENGTH(attributes), LENGTH(data))), "
            f"CAST(group_concat(attributes, '') AS BLOB), CAST(group_concat(data, '') AS BLOB) {found}"
        )
    sizes = (
        f"SELECT asked.n, log_offset, SUM({SIZE}) OVER (PARTITION BY asked.n ORDER BY log_offset) AS running "
        "FROM asked JOIN log_records ON log_records.partition_id = asked.partition_id "
        "AND log_offset >= from_offset AND log_offset < before_offset"
    )
    fits = (
        f"SELECT n, COALESCE(MAX(CASE WHEN running <= ${len(asked.args) + 1} THEN log_offset END), MIN(log_offset)) "
        "AS last_offset FROM sizes GROUP BY n"
    )
    return Statement(f"{asked.sql}, sizes AS ({sizes}), fits AS ({fits}) {select}", (*asked.args, bytes_max))


def found_in(dialect: Dialect, rows: Sequence[Row], count: int) -> list[list[Row]]:
    """For each of `count` ranges its rows of (first_offset, next_offset, log_offset, recorded_at_us, schema_version,
    expunged_at_us, attributes, data), in order.

    Where there is no record, one row with the bounds and NULLs: bounds and records are of the same moment. No row:
    there is no such partition.
    """
    found: list[list[Row]] = [[] for _ in range(count)]
    for n, *row in rows if dialect == "postgresql" else _unpacked(rows[0]):
        found[n].append(row)
    return found


def _unpacked(packed: Row) -> list[Row]:
    """SQLite gives everything as one row, with the texts end to end: its thread takes the interpreter anew for each
    row, and a busy event loop makes it wait for that, 256 times a page."""
    attributes, data = packed[1] or b"", packed[2] or b""
    attributes_at = data_at = 0
    rows: list[Row] = []
    for *about, attributes_bytes, data_bytes in orjson.loads(packed[0]):
        attributes_end, data_end = attributes_at + (attributes_bytes or 0), data_at + (data_bytes or 0)
        text = attributes[attributes_at:attributes_end]
        rows.append((*about, text, None if data_bytes is None else data[data_at:data_end]))
        attributes_at, data_at = attributes_end, data_end
    return sorted(rows, key=lambda row: row[3] or 0)


def bounds(dialect: Dialect, partition_ids: Sequence[int]) -> list[Statement]:
    """Statements whose rows are (partition_id, first_offset, next_offset, trimmed_to); one for any usual number of
    partitions."""
    statements = []
    for part in batches(_PARTITION, [(id_,) for id_ in partition_ids]):
        asked = rows_cte(dialect, "asked", _PARTITION, part)
        statements.append(
            Statement(
                f"{asked.sql} SELECT log_heads.partition_id, first_offset, next_offset, trimmed_to "
                "FROM log_heads JOIN asked ON asked.partition_id = log_heads.partition_id",
                asked.args,
            )
        )
    return statements


def offset_at(partition_id: int, instant: Instant) -> Statement:
    """One row with the first offset recorded at or after `instant`, or the head; NULL without such a partition.

    A binary search, for `recordedAt` never goes backwards. Compaction leaves gaps: the next record there is tells.
    """
    # SQLite takes a recursive table in no subquery, so the question is asked twice.
    is_before = (
        "(SELECT recorded_at_us FROM log_records WHERE partition_id = $1 AND log_offset >= (low + high) / 2 "
        "ORDER BY log_offset LIMIT 1) < $2"
    )
    return Statement(
        "WITH RECURSIVE search(low, high) AS ("
        "SELECT first_offset, next_offset FROM log_heads WHERE partition_id = $1 UNION ALL "
        f"SELECT CASE WHEN {is_before} THEN (low + high) / 2 + 1 ELSE low END, "
        f"CASE WHEN {is_before} THEN high ELSE (low + high) / 2 END FROM search WHERE low < high) "
        "SELECT MAX(low) FROM search WHERE low = high",
        (partition_id, instant),
    )


def trim(dialect: Dialect, partition_id: int, before_offset: int, count_max: int, bytes_max: int) -> Work[int]:
    """Removes the oldest records below `before_offset`: up to `count_max`, and no more than make `bytes_max`, but one
    at least. The number removed."""
    found = yield Statement(
        "SELECT COUNT(*), SUM(size), MAX(log_offset) FROM (SELECT log_offset, size, SUM(size) "
        f"OVER (ORDER BY log_offset) AS running FROM (SELECT log_offset, {SIZE} AS size FROM log_records "
        "WHERE partition_id = $1 AND log_offset < $2 ORDER BY log_offset LIMIT $3) AS oldest) AS summed "
        "WHERE running <= $4 OR running = size",
        (partition_id, before_offset, count_max, bytes_max),
    )
    if not found[0][0]:
        return 0
    last = found[0][2]
    delete = "DELETE FROM log_records WHERE partition_id = $1 AND log_offset <= $2"
    if dialect == "postgresql":  # another process may be at it, too: what counts is what we have removed
        found = yield Statement(
            f"WITH gone AS ({delete} RETURNING {SIZE} AS size) SELECT COUNT(*), COALESCE(SUM(size), 0) FROM gone",
            (partition_id, last),
        )
    else:
        yield Statement(delete, (partition_id, last))
    yield from after_removal(dialect, partition_id, int(found[0][1]), last + 1)
    return int(found[0][0])


def after_removal(dialect: Dialect, partition_id: int, removed_bytes: int, trimmed_to: int = 0) -> Work[None]:
    """What the partition's head says when records have gone: the first one is the oldest that is there. `trimmed_to`:
    all that was before has gone."""
    if dialect == "postgresql":
        # A statement that waits for the lock sees the row as an append has left it, but not the append's records: the
        # first would be the one behind them, and nobody would ever read them. The next statement sees both.
        yield Statement("SELECT 1 FROM log_heads WHERE partition_id = $1 FOR UPDATE", (partition_id,))
    yield Statement(
        "UPDATE log_heads SET kept_bytes = kept_bytes - $2, first_offset = COALESCE((SELECT MIN(log_offset) "
        "FROM log_records WHERE log_records.partition_id = log_heads.partition_id), next_offset), "
        "trimmed_to = CASE WHEN trimmed_to < $3 THEN $3 ELSE trimmed_to END WHERE partition_id = $1",
        (partition_id, removed_bytes, trimmed_to),
    )


def log_identity(fresh: str) -> Work[str]:
    """The log's id, made at its first use: cursors carry it, so that those of another log are refused."""
    yield Statement("INSERT INTO log_identity (id, log_id) VALUES (1, $1) ON CONFLICT (id) DO NOTHING", (fresh,))
    rows = yield Statement("SELECT log_id FROM log_identity")
    return str(rows[0][0])
