"""The SQL of an owner's wishes for parked events: to retry or to discard them.

Those that wait, or hold their key, are in a lane's memory: the wish is written beside them, and the lane, which is
opened anew for it, fulfils it. Other dead letters are in nobody's memory and are changed at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from event_issuer.db.access import Audit, audit
from event_issuer.db.changes import Topic, announce
from event_issuer.db.work import Dialect, Statement, Work
from event_issuer.domain.errors import LimitExceeded
from event_issuer.domain.time import Instant

_HELD: Final = "(dead_lettered_at_us IS NULL OR blocks_key)"


class Wish(StrEnum):
    RETRY = "RETRY"
    DISCARD = "DISCARD"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Of one subscription: these, or where `ids` is None all dead letters, or with `waiting` all that is parked."""

    subscription_id: int
    ids: Sequence[int] | None = None
    waiting: bool = False

    def where(self) -> str:
        """The condition; the subscription's id is `$1`."""
        if self.ids is not None:
            return f"subscription_id = $1 AND id IN ({', '.join(str(int(id_)) for id_ in self.ids) or 'NULL'})"
        return "subscription_id = $1" + ("" if self.waiting else " AND dead_lettered_at_us IS NOT NULL")


def wish(
    dialect: Dialect, tenant_id: int, principal_id: int, wish_: Wish, chosen: Chosen, waiting_max: int, now: Instant
) -> Work[int | None]:
    """How many events will be retried or discarded; None when the tenant has no such subscription.

    Raises LimitExceeded where more than `waiting_max` would wait then.
    """
    lock = " FOR UPDATE" if dialect == "postgresql" else ""
    rows = yield Statement(
        "SELECT frozen_us, frozen_since_us FROM subscriptions "
        f"WHERE id = $1 AND tenant_id = $2 AND deleted_at_us IS NULL{lock}",
        (chosen.subscription_id, tenant_id),
    )
    if not rows:
        return None
    frozen_us, since = rows[0]
    held = yield Statement(
        f"UPDATE parked_events SET wish = $2 WHERE {chosen.where()} AND {_HELD} RETURNING 1",
        (chosen.subscription_id, wish_.value),
    )
    own_now = min(now, now if since is None else since) - frozen_us
    dead = yield from (_revive(chosen, own_now, waiting_max) if wish_ is Wish.RETRY else _discard(chosen))
    count = len(held) + dead
    if count:
        yield Statement(
            "UPDATE subscriptions SET settings_version = settings_version + 1 WHERE id = $1", (chosen.subscription_id,)
        )
        detail: dict[str, object] = {"count": count}
        action = f"{wish_.value.lower()} parked events"
        yield from audit(Audit(tenant_id, principal_id, action, "subscription", chosen.subscription_id, detail), now)
        yield from announce(Topic.SUBSCRIPTION, chosen.subscription_id, now)
    return count


def _revive(chosen: Chosen, own_now: Instant, waiting_max: int) -> Work[int]:
    """Dead letters whose key went on without them are due again, with a new budget and nobody behind them."""
    rows = yield Statement(
        "UPDATE parked_events SET dead_lettered_at_us = NULL, next_attempt_at_us = $2, parked_at_us = $2, attempts = 0 "
        f"WHERE {chosen.where()} AND NOT {_HELD} RETURNING 1",
        (chosen.subscription_id, own_now),
    )
    waiting = yield Statement(
        "SELECT COUNT(*) FROM parked_events WHERE subscription_id = $1 AND dead_lettered_at_us IS NULL",
        (chosen.subscription_id,),
    )
    if rows and waiting[0][0] > waiting_max:
        raise LimitExceeded(
            f"{waiting[0][0]} parked events would wait, {waiting_max} at most may; retry fewer at a time."
        )
    return len(rows)


def _discard(chosen: Chosen) -> Work[int]:
    rows = yield Statement(
        f"DELETE FROM parked_events WHERE {chosen.where()} AND NOT {_HELD} RETURNING 1", (chosen.subscription_id,)
    )
    return len(rows)


def grant_retries(lane_id: int, own_now: Instant) -> Work[None]:
    """What is to be retried is due, a dead letter with a new budget. For the lane's own process, before it reads."""
    yield Statement(
        "UPDATE parked_events SET wish = NULL, next_attempt_at_us = $2, "
        "parked_at_us = CASE WHEN dead_lettered_at_us IS NULL THEN parked_at_us ELSE $2 END, "
        "attempts = CASE WHEN dead_lettered_at_us IS NULL THEN attempts ELSE 0 END, dead_lettered_at_us = NULL "
        "WHERE lane_id = $1 AND wish = 'RETRY'",
        (lane_id, own_now),
    )
