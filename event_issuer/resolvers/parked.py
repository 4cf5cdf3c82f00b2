"""What an owner may do with the events that failed: try them again, or give them up."""

from typing import Final

from event_issuer.db.changes import ChangeFeed
from event_issuer.db.database import Database
from event_issuer.db.parked import Chosen, Wish, wish
from event_issuer.domain.access import Action, Caller
from event_issuer.domain.errors import BadInput, NotFound
from event_issuer.domain.subscriptions import PARKED_MAX
from event_issuer.domain.time import Clock

SELECTED_MAX: Final = 1_000  # ids in one request; whoever means more selects all


class ParkedEvents:
    def __init__(self, database: Database, feed: ChangeFeed, clock: Clock) -> None:
        self._database, self._feed, self._clock = database, feed, clock

    async def retry(self, caller: Caller, chosen: Chosen) -> int:
        """They are due within a second; a dead letter gets a new budget. How many.

        A head that is retried keeps its place before its followers. Raises NotFound, BadInput for too many ids, and
        LimitExceeded where too many would wait then.
        """
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        return await self._wish(caller, chosen, Wish.RETRY)

    async def discard(self, caller: Caller, chosen: Chosen) -> int:
        """They are never delivered; the keys that they blocked go on. How many. Raises NotFound, BadInput."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        return await self._wish(caller, chosen, Wish.DISCARD)

    async def _wish(self, caller: Caller, chosen: Chosen, wish_: Wish) -> int:
        if chosen.ids is not None and len(chosen.ids) > SELECTED_MAX:
            raise BadInput(f"Select at most {SELECTED_MAX} events at a time, not {len(chosen.ids)}.")
        dialect, now = self._database.dialect, self._clock()
        work = wish(dialect, caller.tenant_id, caller.principal_id, wish_, chosen, PARKED_MAX, now)
        count = await self._database.run(work)
        if count is None:
            raise NotFound("There is no such subscription.")
        self._feed.hurry()
        return count
