"""Test deliveries: what an owner asked to be sent outside the log. A request is a row that a delivery process claims.

Whoever claims it sends it once; one that nobody has claimed in time is not sent any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from event_issuer.db.access import Audit, audit
from event_issuer.db.changes import Topic, announce
from event_issuer.db.tables import TestDelivery
from event_issuer.db.work import Dialect, Row, Statement, Work
from event_issuer.domain.errors import LimitExceeded, NotFound
from event_issuer.domain.subscriptions import TEST_WAIT_S, Status, refuse_untestable
from event_issuer.domain.time import SECOND_US, Instant

RATE_MAX: Final = 10  # requests of one subscription in RATE_S: for a person who tries, not for a load test
RATE_S: Final = 60
KEPT: Final = 100  # of each subscription
KEPT_S: Final = 7 * 24 * 3600
PRUNE_MAX: Final = 1_000  # rows of one transaction


@dataclass(frozen=True, slots=True)
class NewTestDelivery:
    """`partition_id` says which process sends it, `event` is in the JSON event format."""

    subscription_id: int
    event_type_id: int
    partition_id: int
    event: str


def insert(dialect: Dialect, new: NewTestDelivery, entry: Audit, now: Instant) -> Work[int]:
    """The id of the request. Raises LimitExceeded, NotFound, and Conflict where the state has changed meanwhile."""
    lock = " FOR UPDATE" if dialect == "postgresql" else ""  # two requests count in turn
    rows = yield Statement(
        f"SELECT status, verified_at_us FROM subscriptions WHERE id = $1 AND deleted_at_us IS NULL{lock}",
        (new.subscription_id,),
    )
    if not rows:
        raise NotFound("There is no such subscription.")
    refuse_untestable(Status(rows[0][0]), rows[0][1])
    rows = yield Statement(
        "SELECT COUNT(*) FROM test_deliveries WHERE subscription_id = $1 AND requested_at_us > $2",
        (new.subscription_id, now - RATE_S * SECOND_US),
    )
    if rows[0][0] >= RATE_MAX:
        raise LimitExceeded(f"A subscription may ask for {RATE_MAX} test events in {RATE_S} s; wait a moment.")
    yield Statement(
        "DELETE FROM test_deliveries WHERE subscription_id = $1 AND id <= (SELECT id FROM test_deliveries "
        "WHERE subscription_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
        (new.subscription_id, KEPT - 1),
    )
    rows = yield Statement(
        "INSERT INTO test_deliveries (subscription_id, event_type_id, partition_id, event, requested_at_us) "
        "VALUES ($1, $2, $3, $4, $5) RETURNING id",
        (new.subscription_id, new.event_type_id, new.partition_id, new.event, now),
    )
    yield from audit(entry, now)
    yield from announce(Topic.TEST_DELIVERY, int(rows[0][0]), now)
    return int(rows[0][0])


def waiting(now: Instant, count_max: int) -> Statement:
    """Rows of (id, partition_id) of those that are to be sent, the oldest first."""
    return Statement(
        "SELECT id, partition_id FROM test_deliveries WHERE requested_at_us > $1 AND claimed_at_us IS NULL "
        "ORDER BY requested_at_us, id LIMIT $2",
        (now - TEST_WAIT_S * SECOND_US, count_max),
    )


def claim(id_: int, now: Instant) -> Work[Row | None]:
    """Takes it, for good: (subscription_id, partition_id, event, requested_at_us); None where another process has."""
    rows = yield Statement(
        "UPDATE test_deliveries SET claimed_at_us = $2 WHERE id = $1 AND claimed_at_us IS NULL "
        "RETURNING subscription_id, partition_id, event, requested_at_us",
        (id_, now),
    )
    return rows[0] if rows else None


def finish(id_: int, attempt: Mapping[str, object]) -> Work[bool]:
    """Records its attempt, columns by name; False where the subscription has been deleted."""
    living = yield Statement(
        "SELECT 1 FROM subscriptions WHERE id = $1 AND deleted_at_us IS NULL", (attempt["subscription_id"],)
    )
    if not living:
        return False
    slots = ", ".join(f"${number}" for number in range(1, len(attempt) + 1))
    rows = yield Statement(
        f"INSERT INTO attempts ({', '.join(attempt)}) VALUES ({slots}) RETURNING id", list(attempt.values())
    )
    yield Statement("UPDATE test_deliveries SET attempt_id = $2 WHERE id = $1", (id_, rows[0][0]))
    return True


def prune(before: Instant) -> Work[int]:
    """Removes those that were asked for before that time, some at a time; their number."""
    rows = yield Statement(
        "DELETE FROM test_deliveries WHERE id IN (SELECT id FROM test_deliveries WHERE requested_at_us < $1 "
        "ORDER BY requested_at_us LIMIT $2) RETURNING 1",
        (before, PRUNE_MAX),
    )
    return len(rows)


async def by_id(subscription_id: int, id_: int) -> TestDelivery | None:
    wanted = (TestDelivery.id == id_) & (TestDelivery.subscription_id == subscription_id)
    return await TestDelivery.objects().where(wanted).first()
