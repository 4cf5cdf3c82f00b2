"""Leases: a process's right to deliver from a partition, shared fairly among the processes that live.

Claiming adds one to the epoch and every settle is conditional on it, so a late write of a former owner is refused.
A process lives while it renews: its row and its leases expire together. Who joins, leaves or gives back says so, so
that the others look at once.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from event_issuer.db.changes import Topic, announce
from event_issuer.db.work import Dialect, Statement, Work, batches, rows_cte
from event_issuer.domain.sharing import fair_share
from event_issuer.domain.time import Instant

_ID = {"partition_id": "bigint"}


@dataclass(frozen=True, slots=True)
class Held:
    """`epochs`: partition → epoch of each lease; those that are `leaving` are to be given back. `is_first`: no process
    that lives is older."""

    epochs: dict[int, int]
    leaving: frozenset[int] = frozenset()
    is_first: bool = False


def claim_and_renew(
    dialect: Dialect, owner: str, leaving: Collection[int], now: Instant, expires_at: Instant, expired_before: Instant
) -> Work[Held]:
    """Renews what `owner` holds, and claims or marks as leaving what makes that its fair share.

    `expired_before` says when leases and processes are so long expired that they count as free and gone. Rows are
    locked in the order in which settling locks them, and never waited for beyond the own ones.
    """
    yield Statement(
        "INSERT INTO leases (partition_id, owner, epoch, expires_at_us) SELECT id, '', 0, 0 FROM partitions "
        "WHERE NOT EXISTS (SELECT 1 FROM leases WHERE leases.partition_id = partitions.id) ON CONFLICT DO NOTHING"
    )
    yield from _announce_self(dialect, owner, now, expires_at, expired_before)
    living = yield Statement(
        "SELECT owner FROM processes WHERE expires_at_us >= $1 ORDER BY started_at_us, owner", (expired_before,)
    )
    epochs = yield from renew(dialect, owner, expires_at)
    ((partitions,),) = yield Statement("SELECT COUNT(*) FROM leases")
    free = yield Statement("SELECT partition_id FROM leases WHERE expires_at_us < $1", (expired_before,))
    rank = [row[0] for row in living].index(owner)
    share = fair_share(partitions, len(living), rank, epochs, [row[0] for row in free], leaving)
    epochs |= yield from _claim(dialect, owner, share.claimed, expires_at, expired_before)
    return Held(epochs, frozenset(share.leaving), is_first=rank == 0)


def renew(dialect: Dialect, owner: str, expires_at: Instant) -> Work[dict[int, int]]:
    """Partition → epoch of what `owner` holds, now until `expires_at`."""
    lock = " FOR UPDATE" if dialect == "postgresql" else ""
    rows = yield Statement(
        "UPDATE leases SET expires_at_us = $2 WHERE partition_id IN (SELECT partition_id FROM leases "
        f"WHERE owner = $1 ORDER BY partition_id{lock}) RETURNING partition_id, epoch",
        (owner, expires_at),
    )
    return {row[0]: row[1] for row in rows}


def _announce_self(
    dialect: Dialect, owner: str, now: Instant, expires_at: Instant, expired_before: Instant
) -> Work[None]:
    lock = " FOR UPDATE SKIP LOCKED" if dialect == "postgresql" else ""
    known = yield Statement(
        "UPDATE processes SET expires_at_us = $2 WHERE owner = $1 RETURNING owner", (owner, expires_at)
    )
    if not known:
        yield Statement(
            "INSERT INTO processes (owner, started_at_us, expires_at_us) VALUES ($1, $2, $3)", (owner, now, expires_at)
        )
        yield from announce(Topic.PROCESS, 0, now)
    yield Statement(
        f"DELETE FROM processes WHERE owner IN (SELECT owner FROM processes WHERE expires_at_us < $1{lock})",
        (expired_before,),
    )


def _claim(
    dialect: Dialect, owner: str, partition_ids: Sequence[int], expires_at: Instant, expired_before: Instant
) -> Work[dict[int, int]]:
    """Of `partition_ids` those that are still free."""
    lock = " FOR UPDATE OF leases SKIP LOCKED" if dialect == "postgresql" else ""
    epochs: dict[int, int] = {}
    for part in batches(_ID, [(id_,) for id_ in sorted(partition_ids)]):
        wanted = rows_cte(dialect, "wanted", _ID, part)
        owner_at, expires_at_at, before_at = (len(wanted.args) + number for number in (1, 2, 3))
        rows = yield Statement(
            f"{wanted.sql} UPDATE leases SET owner = ${owner_at}, epoch = epoch + 1, "
            f"expires_at_us = ${expires_at_at} WHERE partition_id IN (SELECT leases.partition_id FROM leases "
            f"JOIN wanted ON wanted.partition_id = leases.partition_id WHERE expires_at_us < ${before_at} "
            f"ORDER BY leases.partition_id{lock}) RETURNING partition_id, epoch",
            [*wanted.args, owner, expires_at, expired_before],
        )
        epochs |= {row[0]: row[1] for row in rows}
    return epochs


def give_back(dialect: Dialect, owner: str, partition_ids: Collection[int], now: Instant) -> Work[None]:
    """Frees these, where `owner` has them: who has less than its share may claim them at once."""
    lock = " FOR UPDATE OF leases" if dialect == "postgresql" else ""
    for part in batches(_ID, [(id_,) for id_ in sorted(partition_ids)]):
        given = rows_cte(dialect, "given", _ID, part)
        yield Statement(
            f"{given.sql} UPDATE leases SET expires_at_us = 0, owner = '' WHERE partition_id IN "
            "(SELECT leases.partition_id FROM leases JOIN given ON given.partition_id = leases.partition_id "
            f"WHERE leases.owner = ${len(given.args) + 1} ORDER BY leases.partition_id{lock})",
            [*given.args, owner],
        )
    yield from announce(Topic.PROCESS, 0, now)


def retire(owner: str) -> Work[None]:
    """`owner` is no longer one of those that share; what it holds it keeps until it gives it back."""
    yield Statement("DELETE FROM processes WHERE owner = $1", (owner,))


def release(owner: str, now: Instant) -> Work[None]:
    """Gives everything back at once, so that another process need not wait for the expiry."""
    yield from retire(owner)
    yield Statement("UPDATE leases SET expires_at_us = 0, owner = '' WHERE owner = $1", (owner,))
    yield from announce(Topic.PROCESS, 0, now)
