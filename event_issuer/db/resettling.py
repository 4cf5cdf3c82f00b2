"""The SQL of settling again: what was perhaps written is taken back first, in the same transaction.

A write whose answer was lost may have happened. Attempts are known by what they tried and when they began (a trace may
be that of many), parked events whose row's id is not known by their lane and offset; cursors and all else bear being
written twice.
"""

from collections.abc import Sequence
from typing import TypeVar

from event_issuer.db.work import Dialect, Row, Statement, Work, batches, rows_cte

Result = TypeVar("Result")

_ATTEMPTS = {
    "subscription_id": "bigint",
    "partition_id": "bigint",
    "log_offset": "bigint",
    "number": "integer",
    "started_at_us": "bigint",
    "trace_id": "text",
}
_PARKED = {"lane_id": "bigint", "log_offset": "bigint"}


def after_take_back(
    dialect: Dialect, attempts: Sequence[Row], parked: Sequence[Row], work: Work[Result]
) -> Work[Result]:
    """Rows of (subscription, partition, offset, number, beginning, trace id) and of (lane, offset) are deleted where
    they were written; then `work` writes."""
    names = ", ".join(_ATTEMPTS)
    for part in batches(_ATTEMPTS, attempts):
        unsure = rows_cte(dialect, "unsure", _ATTEMPTS, part)
        yield Statement(
            f"{unsure.sql} DELETE FROM attempts WHERE ({names}) IN (SELECT {names} FROM unsure)",
            unsure.args,
        )
    for part in batches(_PARKED, parked):
        unsure = rows_cte(dialect, "unsure", _PARKED, part)
        yield Statement(
            f"{unsure.sql} DELETE FROM parked_events WHERE (lane_id, log_offset) IN "
            "(SELECT lane_id, log_offset FROM unsure)",
            unsure.args,
        )
    return (yield from work)
