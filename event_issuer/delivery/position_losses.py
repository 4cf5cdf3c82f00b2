"""Lost positions: lanes that stand where the log has nothing any more, found when a subscription is opened.

The rules are in `domain/position_loss.py`; here they are applied, under the leases of this process, with an error
record for each lane. Knows no engine.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from event_issuer.db import position_loss as sql
from event_issuer.db.database import Database
from event_issuer.db.event_types import place_of
from event_issuer.db.settling import LeaseLost, hold_leases
from event_issuer.db.work import Work
from event_issuer.delivery.opening import StoredLane
from event_issuer.delivery.replay_losses import ReplayLosses
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.position_loss import LogExtent, OnPositionLost, PositionLoss, position_loss, told
from event_issuer.domain.time import Clock
from event_issuer.eventlog.protocol import EventLog

VOID: Final = "EXPIRED: the log that held the event is no more."

logger = structlog.get_logger(__name__)


class PositionLosses:
    def __init__(self, database: Database, log: EventLog, owner: str, clock: Clock) -> None:
        self._database, self._log, self._owner, self._clock = database, log, owner, clock
        self._of_replays = ReplayLosses(database, owner, clock)

    async def settle(self, subscription_id: int, policy: OnPositionLost, lanes: Sequence[StoredLane]) -> bool:
        """Whether a lane had lost its position: what is stored is no longer what was read. Raises Unavailable.

        The lanes were read before: the heads that are read now are not older than the cursors.
        """
        if not lanes:
            return False
        bounds = await self._log.bounds([lane.lease[0] for lane in lanes])
        extents = {id_: LogExtent(self._log.log_id, found.start, found.next) for id_, found in bounds.items()}
        losses: list[tuple[StoredLane, PositionLoss]] = []
        for lane in lanes:
            if lane.replayed is not None:
                continue
            loss = position_loss(lane.log_id, lane.cursor, extents[lane.lease[0]], policy)
            if loss is not None:
                losses.append((lane, loss))
        try:
            if losses:
                await self._database.run(self._written(subscription_id, policy, losses, extents))
            return await self._of_replays.settle(subscription_id, lanes, extents) or bool(losses)
        except LeaseLost as lost:
            raise Unavailable(f"A lost position was not written: {lost}") from None

    def _written(
        self,
        subscription_id: int,
        policy: OnPositionLost,
        losses: Sequence[tuple[StoredLane, PositionLoss]],
        extents: Mapping[int, LogExtent],
    ) -> Work[None]:
        now = self._clock()
        yield from hold_leases(self._database.dialect, self._owner, dict(lane.lease for lane, _ in losses))
        for lane, loss in losses:
            extent = extents[lane.lease[0]]
            rows = yield place_of(lane.lease[0])
            message = told(loss, f"{rows[0][0]}, partition {rows[0][1]}", lane.cursor, extent, policy)
            if loss.cursor is not None:
                above = loss.cursor.settled_above()
                moved = sql.Relocation(lane.id, extent.log_id, loss.cursor.next_offset, above, loss.void_from, VOID)
                yield from sql.relocate(moved, now)
            yield from sql.tell(subscription_id, message, loss.cursor is None, now)
            logger.warning("position lost", subscription=subscription_id, lane=lane.id, kind=loss.kind, lost=loss.lost)
