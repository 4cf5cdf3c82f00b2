"""Attempts as their subscription's owner reads them: pages in the order in which they were written down.

A page costs what its rows cost, however many there are: ids are the keys. Failures, and attempts of other kinds than
DELIVERY, have indexes of their own (partial ones, which cost a delivery nothing). Instants become ids by a binary
search, for ids rise with time, nearly.
"""

from dataclasses import dataclass
from typing import Final

from piccolo.columns.combination import And, Where, WhereRaw

from event_issuer.db.batches import carried
from event_issuer.db.database import Database
from event_issuer.db.paging import ById, page_by_id
from event_issuer.db.tables import Attempt
from event_issuer.db.work import Dialect, Statement
from event_issuer.domain.paging import PageRequest, Slice
from event_issuer.domain.time import SECOND_US, Instant

# An attempt is written down so long after its start at most: a request takes a minute, and a process that cannot write
# loses its leases within five, and with them what it had to write.
WRITTEN_WITHIN_S: Final = 600


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which attempts are looked for: all of these together. `since` ≤ start < `until`; `position` is an event's
    partition and offset."""

    outcome: str | None = None
    kind: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    position: tuple[int, int] | None = None


ALL: Final = Criteria()


async def page(
    database: Database, subscription_id: int, request: PageRequest, criteria: Criteria = ALL
) -> Slice[Attempt]:
    """The oldest first. Raises BadInput for a cursor of another list."""
    wanted = _meeting(database.dialect, subscription_id, criteria)
    if criteria.since is not None:
        found = await database.read(_first_started(criteria.since - WRITTEN_WITHIN_S * SECOND_US))
        wanted &= (Attempt.id >= found[0][0]) & (Attempt.started_at_us >= criteria.since)
    if criteria.until is not None:
        found = await database.read(_first_started(criteria.until + WRITTEN_WITHIN_S * SECOND_US))
        wanted &= (Attempt.id < found[0][0]) & (Attempt.started_at_us < criteria.until)
    return await page_by_id(ById(Attempt, Attempt.id, wanted), request)


def _meeting(dialect: Dialect, subscription_id: int, criteria: Criteria) -> And | Where:
    """A partial index is used where its own condition is among the conditions asked for, word by word."""
    wanted: And | Where = Attempt.subscription_id == subscription_id
    if criteria.outcome is not None:
        wanted &= Attempt.outcome == criteria.outcome
        if criteria.outcome != "DELIVERED":
            wanted &= WhereRaw("outcome <> 'DELIVERED'")
    if criteria.kind is not None:
        wanted &= Attempt.kind == criteria.kind
        if criteria.kind != "DELIVERY":
            wanted &= WhereRaw("kind <> 'DELIVERY'")
    if criteria.position is not None:
        wanted &= at_position(dialect, *criteria.position)
    return wanted


def at_position(dialect: Dialect, partition_id: int, offset: int) -> And:
    """It carried the event there, alone or in a batch."""
    in_batch = WhereRaw(carried(dialect, "{}"), *[offset] * 3)
    return (Attempt.partition_id == partition_id) & ((Attempt.log_offset == offset) | in_batch)


def _first_started(instant: Instant) -> Statement:
    """One row with the id from which on attempts began at or after `instant`, or with one behind the last."""
    is_before = (
        "(SELECT started_at_us FROM attempts WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1) < CAST($1 AS BIGINT)"
    )
    return Statement(
        "WITH RECURSIVE search(low, high) AS ("
        "SELECT COALESCE(MIN(id), 0), COALESCE(MAX(id), -1) + 1 FROM attempts UNION ALL "
        f"SELECT CASE WHEN {is_before} THEN (low + high) / 2 + 1 ELSE low END, "
        f"CASE WHEN {is_before} THEN high ELSE (low + high) / 2 END FROM search WHERE low < high) "
        "SELECT MAX(low) FROM search WHERE low = high",
        (instant,),
    )


async def one(subscription_id: int, attempt_id: int) -> Attempt | None:
    wanted = (Attempt.id == attempt_id) & (Attempt.subscription_id == subscription_id)
    return await Attempt.objects().where(wanted).first()
