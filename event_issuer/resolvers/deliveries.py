"""What became of a subscription's events: attempts, parked events and how far behind it is, for its owner."""

from dataclasses import dataclass

from event_issuer.db import attempts as attempts_sql
from event_issuer.db import deliveries as sql
from event_issuer.db import subscriptions
from event_issuer.db.attempts import ALL, Criteria
from event_issuer.db.database import Database
from event_issuer.db.tables import Attempt, ParkedEvent, Subscription
from event_issuer.domain.access import Action, Caller
from event_issuer.domain.cursor import Cursor
from event_issuer.domain.errors import NotFound
from event_issuer.domain.paging import PageRequest, Slice
from event_issuer.domain.time import SECOND_US, Clock, Instant
from event_issuer.eventlog.protocol import EventLog


@dataclass(frozen=True, slots=True)
class Lag:
    """`events` are not yet settled; `seconds` is the age of the oldest of them, 0 when there is none.

    `filtered` were held back by the filter or the pinned schema version, the last one as `last_filtered` says.
    `dropped_dead_letters` are not kept any more; `expired` left the log before they were delivered.
    """

    events: int
    seconds: float
    parked: int
    dead_lettered: int
    filtered: int
    last_filtered: str | None
    dropped_dead_letters: int
    expired: int


class Deliveries:
    def __init__(self, database: Database, log: EventLog, clock: Clock) -> None:
        self._database, self._log, self._clock = database, log, clock

    async def attempts(
        self, caller: Caller, subscription_id: int, request: PageRequest, criteria: Criteria = ALL
    ) -> Slice[Attempt]:
        """The oldest first. Raises NotFound."""
        await self._authorise_owner(caller, subscription_id)
        return await attempts_sql.page(self._database, subscription_id, request, criteria)

    async def parked_events(self, caller: Caller, subscription_id: int, request: PageRequest) -> Slice[ParkedEvent]:
        """The oldest first, dead letters among them. Raises NotFound."""
        owned = await self._authorise_owner(caller, subscription_id)
        found = await sql.parked_events(subscription_id, request)
        for row in found.items:
            self._tell_wall_time(owned, row)
        return found

    async def attempt(self, caller: Caller, subscription_id: int, attempt_id: int) -> Attempt | None:
        """Raises NotFound for a subscription that is not there."""
        await self._authorise_owner(caller, subscription_id)
        return await attempts_sql.one(subscription_id, attempt_id)

    async def parked_event(self, caller: Caller, subscription_id: int, parked_id: int) -> ParkedEvent | None:
        """Raises NotFound for a subscription that is not there."""
        owned = await self._authorise_owner(caller, subscription_id)
        row = await sql.parked_event(subscription_id, parked_id)
        if row is not None:
            self._tell_wall_time(owned, row)
        return row

    async def lag(self, caller: Caller, subscription_id: int) -> Lag:
        """On Kafka what other processes have produced in the last second may be missing.

        Raises NotFound, and Unavailable where the log cannot say how old the next event is.
        """
        subscription = await self._authorise_owner(caller, subscription_id)
        events, oldest = 0, None
        for partition_id, next_offset, settled_above, stored_head, recorded_at in await sql.lanes_with_heads(
            self._database, subscription_id
        ):
            head = max(stored_head, self._log.known_head(partition_id) or 0)
            behind = max(0, head - next_offset - Cursor.parse(next_offset, settled_above).count_above)
            if behind and recorded_at is None:
                recorded_at = await self._recorded_at(partition_id, next_offset)
            events += behind
            if recorded_at is not None:
                oldest = recorded_at if oldest is None else min(oldest, recorded_at)
        parked, dead_lettered = await sql.parked_counts(self._database, subscription_id)
        filtered, last_filtered = await sql.filtered(self._database, subscription_id)
        expired = await sql.expired(self._database, subscription_id)
        seconds = 0.0 if oldest is None else max(0, self._clock() - oldest) / SECOND_US
        dropped = subscription.dropped_dead_letters
        return Lag(events, seconds, parked, dead_lettered, filtered, last_filtered, dropped, expired)

    async def _recorded_at(self, partition_id: int, offset: int) -> Instant | None:
        """When the next event from there on was recorded, where that is not in the database. Raises Unavailable."""
        while True:
            page = await self._log.read(partition_id, offset)
            if page.records or page.next_offset == offset:
                return page.records[0].recorded_at if page.records else None
            offset = page.next_offset  # a gap

    async def _authorise_owner(self, caller: Caller, subscription_id: int) -> Subscription:
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        owned = await subscriptions.by_id(caller.tenant_id, subscription_id)
        if owned is None:
            raise NotFound("There is no such subscription.")
        return owned

    def _tell_wall_time(self, owned: Subscription, row: ParkedEvent) -> None:
        """Parked events keep their subscription's own time, which stands still while nothing is due."""
        due_at: Instant | None = row.next_attempt_at_us
        if due_at is not None:
            row.next_attempt_at_us = due_at + frozen_us(owned, self._clock())


def frozen_us(row: Subscription, now: Instant) -> int:
    """How long nothing was due, up to `now`: what the subscription's own time is behind the clock on the wall."""
    since: Instant | None = row.frozen_since_us
    return row.frozen_us + (0 if since is None else max(0, now - since))
