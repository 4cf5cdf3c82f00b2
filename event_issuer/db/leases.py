"""Leases: a process's right to deliver from a partition.

Claiming adds one to the epoch and every settle is conditional on it, so a late write of a former owner is refused.
"""

from event_issuer.db.work import Dialect, Statement, Work
from event_issuer.domain.time import Instant


def claim_and_renew(dialect: Dialect, owner: str, now: Instant, expires_at: Instant) -> Work[dict[int, int]]:
    """Renews what `owner` holds and claims what nobody does; every partition it holds now, with the epoch.

    Rows are locked in the order in which settling locks them, so that the two never wait for each other.
    """
    claim, renew = " FOR UPDATE SKIP LOCKED", " FOR UPDATE"
    if dialect == "sqlite":
        claim = renew = ""
    yield Statement(
        "INSERT INTO leases (partition_id, owner, epoch, expires_at_us) SELECT id, '', 0, 0 FROM partitions "
        "WHERE NOT EXISTS (SELECT 1 FROM leases WHERE leases.partition_id = partitions.id) ON CONFLICT DO NOTHING"
    )
    yield Statement(
        "UPDATE leases SET owner = $1, epoch = epoch + 1, expires_at_us = $3 WHERE partition_id IN (SELECT "
        f"partition_id FROM leases WHERE owner <> $1 AND expires_at_us < $2 ORDER BY partition_id{claim})",
        (owner, now, expires_at),
    )
    rows = yield Statement(
        "UPDATE leases SET expires_at_us = $2 WHERE partition_id IN (SELECT partition_id FROM leases "
        f"WHERE owner = $1 ORDER BY partition_id{renew}) RETURNING partition_id, epoch",
        (owner, expires_at),
    )
    return {row[0]: row[1] for row in rows}


def release(owner: str) -> Work[None]:
    """Gives everything back at once, so that another process need not wait for the expiry."""
    yield Statement("UPDATE leases SET expires_at_us = 0, owner = '' WHERE owner = $1", (owner,))
