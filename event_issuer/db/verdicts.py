"""Verdicts on events from outside the API: which positions were judged, what was found, and what was decided since.

Positions judged are kept as ranges, so that a log of good events costs a row, not one per event. A position is judged
once: whoever comes second, in whatever process, gets what the first one found.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import orjson

from event_issuer.db.changes import Topic, announce
from event_issuer.db.paging import ById, page_by_id
from event_issuer.db.tables import VerdictRow
from event_issuer.db.work import Dialect, Statement, Work, insertion, removal
from event_issuer.domain.errors import Violation
from event_issuer.domain.paging import PageRequest, Slice
from event_issuer.domain.time import Instant
from event_issuer.domain.unreadable import UnreadableReason
from event_issuer.domain.verdicts import Standing, Verdict

Range: TypeAlias = tuple[int, int]  # the first offset, and the one behind the last

_FRESH: Final = {
    "event_type_id": "bigint",
    "partition_id": "bigint",
    "log_offset": "bigint",
    "standing": "text",
    "schema_version": "integer",
    "violations": "text",
    "lanes_served": "bigint",
    "judged_at_us": "bigint",
    "changed_at_us": "bigint",
    "unreadable": "text",
}


@dataclass(frozen=True, slots=True)
class Findings:
    """What a judge found at the positions of one range: violations by offset, of those that broke their contract, and
    the reasons of those that are no events."""

    event_type_id: int
    partition_id: int
    range: Range
    standing: Standing
    schema_version: int
    violations: Mapping[int, Sequence[Violation]]
    unreadable: Mapping[int, UnreadableReason] = field(default_factory=dict)


def judged_ranges(partition_id: int, begin: int, end: int) -> Statement:
    """Rows of (begin_offset, end_offset) that overlap or touch this range."""
    return Statement(
        "SELECT begin_offset, end_offset FROM judged_ranges "
        "WHERE partition_id = $1 AND end_offset >= $2 AND begin_offset <= $3 ORDER BY begin_offset",
        (partition_id, begin, end),
    )


def verdicts(partition_id: int, begin: int, end: int) -> Statement:
    """Rows that `verdicts_in` reads."""
    return Statement(
        "SELECT log_offset, standing, lanes_served FROM verdicts "
        "WHERE partition_id = $1 AND log_offset >= $2 AND log_offset < $3",
        (partition_id, begin, end),
    )


def verdicts_in(rows: Iterable[Sequence[object]]) -> dict[int, Verdict]:
    return {int(str(row[0])): Verdict(Standing(str(row[1])), int(str(row[2]))) for row in rows}


def covers(ranges: Iterable[Sequence[int]], offset: int) -> bool:
    return any(begin <= offset < end for begin, end in ranges)


def record(dialect: Dialect, found: Findings, now: Instant) -> Work[dict[int, Verdict]]:
    """Writes down what was found where nobody had judged yet; the verdicts that hold in the range."""
    begin, end = found.range
    yield from _lock(dialect, found.partition_id)
    earlier = yield judged_ranges(found.partition_id, begin, end)
    fresh = [
        (
            found.event_type_id,
            found.partition_id,
            offset,
            found.standing.value,
            found.schema_version,
            _written(violations),
            0,
            now,
            now,
            found.unreadable.get(offset),
        )
        for offset, violations in sorted(found.violations.items())
        if not covers(earlier, offset)
    ]
    if fresh:
        yield insertion(dialect, "verdicts", _FRESH, fresh)
    yield Statement(
        "DELETE FROM judged_ranges WHERE partition_id = $1 AND end_offset >= $2 AND begin_offset <= $3",
        (found.partition_id, begin, end),
    )
    joined = (min([begin, *(row[0] for row in earlier)]), max([end, *(row[1] for row in earlier)]))
    yield Statement(
        "INSERT INTO judged_ranges (partition_id, begin_offset, end_offset) VALUES ($1, $2, $3)",
        (found.partition_id, *joined),
    )
    return verdicts_in((yield verdicts(found.partition_id, begin, end)))


def _lock(dialect: Dialect, partition_id: int) -> Work[None]:
    """One judge of a partition at a time. SQLite has one writer as it is."""
    if dialect == "postgresql":
        yield Statement("SELECT id FROM partitions WHERE id = $1 FOR UPDATE", (partition_id,))


def _written(violations: Sequence[Violation]) -> str:
    return orjson.dumps([[one.path, one.rule, one.message] for one in violations]).decode()


def violations_in(text: str) -> list[Violation]:
    return [Violation(*one) for one in orjson.loads(text)]


def forget(dialect: Dialect, partition_id: int, before_offset: int, count_max: int) -> Work[bool]:
    """What the log no longer has needs no verdict. The range that reaches over the border stays as it is.

    Up to `count_max` verdicts go; whether there may be more.
    """
    delete = (
        "DELETE FROM verdicts WHERE id IN (SELECT id FROM verdicts WHERE partition_id = $1 AND log_offset < $2 "
        "ORDER BY log_offset LIMIT $3)"
    )
    forgotten = yield from removal(dialect, Statement(delete, (partition_id, before_offset, count_max)))
    yield Statement(
        "DELETE FROM judged_ranges WHERE partition_id = $1 AND end_offset <= $2", (partition_id, before_offset)
    )
    return forgotten == count_max


# Decisions


async def page(event_type_id: int, request: PageRequest) -> Slice[VerdictRow]:
    """In the order in which they were judged."""
    return await page_by_id(ById(VerdictRow, VerdictRow.id, VerdictRow.event_type_id == event_type_id), request)


async def by_id(verdict_id: int) -> VerdictRow | None:
    return await VerdictRow.objects().where(VerdictRow.id == verdict_id).first()


async def held(event_type_id: int, ids: Sequence[int] | None, count_max: int) -> list[VerdictRow]:
    """Those in quarantine, of these ids (None: whichever), the oldest first."""
    query = VerdictRow.objects().where(
        (VerdictRow.event_type_id == event_type_id) & (VerdictRow.standing == Standing.HELD.value)
    )
    if ids is not None:
        query = query.where(VerdictRow.id.is_in([*ids, -1]))
    return list(await query.order_by(VerdictRow.id).limit(count_max))


def discard(verdict_id: int, now: Instant) -> Work[bool]:
    """Whether it was still held."""
    rows = yield _decision(verdict_id, Standing.DISCARDED, 0, now)
    for row in rows:
        yield from announce(Topic.VERDICT, row[0], now)
    return bool(rows)


def release(verdict_id: int, partitionkey: str | None, now: Instant) -> Work[bool]:
    """Offers the event to each live lane that has passed its place or will, as parked and due now; whether it was held.

    The subscriptions are opened anew, so that their lanes find what they were offered.
    """
    served = yield Statement("SELECT COALESCE(MAX(id), 0) FROM lanes")
    rows = yield _decision(verdict_id, Standing.RELEASED, served[0][0], now)
    if not rows:
        return False
    partition_id, offset = rows[0]
    offered = yield Statement(
        "INSERT INTO parked_events (lane_id, subscription_id, partition_id, log_offset, partitionkey, blocks_key, "
        "attempts, parked_at_us, next_attempt_at_us) "
        "SELECT lanes.id, lanes.subscription_id, lanes.partition_id, $2, $3, FALSE, 0, $4, $4 FROM lanes "
        "JOIN subscriptions ON subscriptions.id = lanes.subscription_id AND subscriptions.deleted_at_us IS NULL "
        "WHERE lanes.partition_id = $1 AND lanes.start_offset <= $2 AND lanes.replay_id IS NULL "
        "RETURNING subscription_id",
        (partition_id, offset, partitionkey, now),
    )
    for subscription_id in sorted({row[0] for row in offered}):
        yield Statement(
            "UPDATE subscriptions SET settings_version = settings_version + 1 WHERE id = $1", (subscription_id,)
        )
        yield from announce(Topic.SUBSCRIPTION, subscription_id, now)
    yield from announce(Topic.VERDICT, partition_id, now)
    return True


def _decision(verdict_id: int, standing: Standing, lanes_served: int, now: Instant) -> Statement:
    return Statement(
        f"UPDATE verdicts SET standing = $2, lanes_served = $3, changed_at_us = $4 "
        f"WHERE id = $1 AND standing = '{Standing.HELD}' RETURNING partition_id, log_offset",
        (verdict_id, standing.value, lanes_served, now),
    )
