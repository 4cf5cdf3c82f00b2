"""Replays that cannot go on as they were asked for, found when their lanes are opened.

The rules are in `domain/position_loss.py`: retention may overtake a replay, which goes on behind what is lost; where
its log is no more, or its filter is not allowed any more, it fails. Each leaves an error record. Knows no engine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from event_issuer.db import replaying as sql
from event_issuer.db.database import Database
from event_issuer.db.event_types import place_of
from event_issuer.db.lanes import record_error
from event_issuer.db.settling import hold_leases
from event_issuer.db.work import Work
from event_issuer.delivery.opening import StoredLane
from event_issuer.delivery.replaying import Replayed
from event_issuer.delivery.sieve import stored_filter
from event_issuer.domain.errors import BadInput
from event_issuer.domain.position_loss import LogExtent, PositionLoss, replay_loss, told_of_replay
from event_issuer.domain.replays import global_id
from event_issuer.domain.time import Clock

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Loss:
    """`problem` is what is wrong with the filter; else the lane has lost its position."""

    lane: StoredLane
    replayed: Replayed
    position: PositionLoss | None = None
    problem: str = ""


class ReplayLosses:
    def __init__(self, database: Database, owner: str, clock: Clock) -> None:
        self._database, self._owner, self._clock = database, owner, clock

    async def settle(self, subscription_id: int, lanes: Sequence[StoredLane], extents: Mapping[int, LogExtent]) -> bool:
        """Whether there was one: what is stored is no longer what was read. Raises Unavailable, LeaseLost."""
        losses = [loss for lane in lanes if (loss := _loss(lane, extents[lane.lease[0]])) is not None]
        if losses:
            await self._database.run(self._written(subscription_id, losses, extents))
        return bool(losses)

    def _written(self, subscription_id: int, losses: Sequence[_Loss], extents: Mapping[int, LogExtent]) -> Work[None]:
        now = self._clock()
        yield from hold_leases(self._database.dialect, self._owner, dict(loss.lane.lease for loss in losses))
        for loss in losses:
            lane, extent, position = loss.lane, extents[loss.lane.lease[0]], loss.position
            name, message = global_id(loss.replayed.id), loss.problem
            if position is not None:
                rows = yield place_of(lane.lease[0])
                place = f"{rows[0][0]}, partition {rows[0][1]}"
                message = told_of_replay(position, name, place, lane.cursor, extent)
            if position is None or position.cursor is None:
                yield from sql.fail(self._database.dialect, loss.replayed.id, message, now)
            else:
                yield sql.go_on_at(lane.id, position.cursor.next_offset, position.cursor.settled_above())
                yield from record_error(subscription_id, message, None, None, now)
            logger.warning("replay lost its place", subscription=subscription_id, replay=name, problem=message)


def _loss(lane: StoredLane, extent: LogExtent) -> _Loss | None:
    replayed = lane.replayed
    if replayed is None:
        return None
    try:
        stored_filter(replayed.filter)
    except BadInput as problem:
        message = (
            f"Replay {global_id(replayed.id)} has failed, for its filter is not allowed any more: {problem.detail}"
        )
        return _Loss(lane, replayed, problem=message)
    position = replay_loss(lane.log_id, lane.cursor, replayed.end, extent)
    return None if position is None else _Loss(lane, replayed, position)
