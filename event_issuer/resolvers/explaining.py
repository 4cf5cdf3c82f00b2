"""Why an event did, or did not, reach a subscription: gathers the facts for the rules, for the subscription's owner.

What is written down is read in an order in which an event that moves on meanwhile is never seen nowhere: the cursor
first, then what blocks its key, then what is parked, then attempts. Knows nothing of how lanes deliver: what the
process has in memory, and what holds up a subscription, is asked of the functions that are passed in.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from event_issuer.contracts.catalogue import Catalogue, CatalogueEntry
from event_issuer.contracts.judging import breach_of
from event_issuer.contracts.versions import Versions
from event_issuer.db import explaining as sql
from event_issuer.db import subscriptions
from event_issuer.db.database import Database
from event_issuer.db.tables import Attempt, ParkedEvent, Subscription
from event_issuer.domain.access import Action, Caller
from event_issuer.domain.cursor import Cursor
from event_issuer.domain.explaining import (
    Explanation,
    Facts,
    LaneStanding,
    Obstacle,
    ParkedStanding,
    Progress,
    Try,
    explain,
)
from event_issuer.domain.filters import parse_filter, why_not
from event_issuer.domain.replays import ATTEMPT_KIND
from event_issuer.domain.subscriptions import TIMEOUT_MAX_S, DeliverySettings, Status
from event_issuer.domain.time import SECOND_US, Clock, Instant
from event_issuer.eventlog.protocol import Bounds, EventLog, LogRecord
from event_issuer.eventlog.reading import record_at
from event_issuer.resolvers.deliveries import frozen_us
from event_issuer.resolvers.finding import Finding, Position

ATTEMPTS_SHOWN: Final = 100  # of one event; its budget has at most 50 retries, and crashes may repeat some

ProgressOf: TypeAlias = Callable[[int, int, int], Progress]
"""Of subscription, partition and offset, as this process has it in memory."""


@dataclass(frozen=True, slots=True)
class AttemptHistory:
    """For how long attempts are kept, and how many of a subscription."""

    kept_s: float
    kept: int


@dataclass(frozen=True, slots=True)
class LanePosition:
    """Where the event is in its partition, and where the subscription's lane there stands."""

    partition: int
    event_offset: int
    start_offset: int
    next_offset: int
    head_offset: int
    is_settled: bool
    unsettled_before: int


@dataclass(frozen=True, slots=True)
class Explained:
    """`position` is None where the event was not found."""

    explanation: Explanation
    position: Position | None = None
    lane: LanePosition | None = None
    attempts: Sequence[Attempt] = ()
    parked: ParkedEvent | None = None


@dataclass(slots=True)
class _Found:
    """What the facts were made from, and the answer shows."""

    facts: Facts
    lane_id: int | None = None
    attempts: Sequence[Attempt] = ()
    parked: ParkedEvent | None = None


class Explaining:
    def __init__(
        self,
        database: Database,
        log: EventLog,
        catalogue: Catalogue,
        versions: Versions,
        clock: Clock,
        history: AttemptHistory,
        progress_of: ProgressOf,
    ) -> None:
        self._database, self._log, self._catalogue, self._versions = database, log, catalogue, versions
        self._clock, self._progress_of = clock, progress_of
        self._history = history
        self._finding = Finding(database, log)

    async def by_position(self, caller: Caller, subscription_id: int, position: Position | None) -> Explained | None:
        """None where there is no such subscription; `position` None is that of no event of this log."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        row = await subscriptions.by_id(caller.tenant_id, subscription_id)
        if row is None:
            return None
        if position is None:
            return self._unknown(row, "The id is that of no event of this log.")
        return await self._explain(caller, row, position)

    async def by_names(self, caller: Caller, subscription_id: int, source: str, event_id: str) -> Explained | None:
        """By what its producer calls it. None where there is no such subscription. Raises BadInput."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        row = await subscriptions.by_id(caller.tenant_id, subscription_id)
        if row is None:
            return None
        found = await self._finding.find(caller, subscription_id, source, event_id)
        if found is None:
            return self._unknown(row, self._finding.missing)
        return await self._explain(caller, row, found)

    def _unknown(self, row: Subscription, missing: str) -> Explained:
        return Explained(explain(replace(self._facts(row), missing=missing)))

    def _facts(self, row: Subscription) -> Facts:
        now = self._clock()
        return Facts(now, Status(row.status), now - round(self._history.kept_s * SECOND_US))

    async def _explain(self, caller: Caller, row: Subscription, position: Position) -> Explained:
        partition_id, offset = position
        places = await self._database.read(sql.place(partition_id))
        entry = await self._catalogue.entry(places[0][0]) if places else None
        lanes = await self._database.read(sql.live_lane(row.id, partition_id))
        if entry is None or not (lanes or caller.may_see(entry.name, entry.audience, entry.tenant_id)):
            return self._unknown(row, "There is no such event.")
        bounds = (await self._log.bounds([partition_id]))[partition_id]
        if offset >= bounds.next:
            return self._unknown(row, "There is no such event.")
        found = _Found(replace(self._facts(row), offset=offset, event_type=entry.name))
        if lanes:
            found.lane_id, start_offset, *cursor = lanes[0]
            found.facts = replace(found.facts, lane=LaneStanding(start_offset, Cursor.parse(*cursor)))
        if caller.may_consume(entry.name, entry.audience, entry.tenant_id):
            await self._add_event(row, entry, position, found)
        else:
            found.facts = replace(found.facts, may_consume=False)
        await self._add_rows(row, position, found)
        await self._add_hold_ups(row, partition_id, found)
        lane = _lane_position(places[0][1], bounds, found.facts)
        return Explained(explain(found.facts), position, lane, found.attempts, found.parked)

    async def _add_event(self, row: Subscription, entry: CatalogueEntry, position: Position, found: _Found) -> None:
        """What the event itself says, as far as the log still has it."""
        record = await record_at(self._log, *position)
        if record is None:
            return
        head = None
        if found.lane_id is not None and record.event.partitionkey is not None:
            still_us = frozen_us(row, found.facts.now)
            head = await self._head(found, found.lane_id, record.event.partitionkey, record.offset, still_us)
        found.facts = replace(
            found.facts,
            recorded_at=record.recorded_at,
            standing=None if record.verdict is None else record.verdict.standing,
            unreadable=None if record.unreadable is None else record.unreadable.reason,
            head=head,
            filtered_by=await self._why_filtered(row, entry, record),
        )

    async def _head(self, found: _Found, lane_id: int, key: str, offset: int, still_us: int) -> ParkedStanding | None:
        """What blocks the key for the event at `offset`, which was passed over, or will be."""
        rows = await self._database.read(sql.head_of_key(lane_id, key, offset))
        for head_offset, followers_from, attempts, next_at, dead_at, error in rows:
            if not found.facts.is_settled or (followers_from is not None and followers_from <= offset):
                return ParkedStanding(head_offset, attempts, _wall(next_at, still_us), dead_at, error)
        return None

    async def _why_filtered(self, row: Subscription, entry: CatalogueEntry, record: LogRecord) -> str | None:
        """Which clause of what the subscription asks for now says no to the event; None where it is taken."""
        if row.filter is not None:
            clause = why_not(parse_filter(json.loads(row.filter)), record.event)
            if clause is not None:
                return f"it does not pass the filter at {clause}"
        version = DeliverySettings.from_json(row.delivery).schema_version
        if version is None or record.schema_version == version:
            return None
        contract = await self._versions.contract(entry.id, version)
        breach = None if contract is None else breach_of(contract, record.event)
        return None if breach is None else f"it breaks schema version {version}, which is pinned: {breach}"

    async def _add_rows(self, row: Subscription, position: Position, found: _Found) -> None:
        parked = await sql.parked_at(row.id, *position)
        live = [one for one in parked if one.lane_id == found.lane_id]  # a replay has its own
        found.parked = next(iter(live), None)
        found.attempts = await sql.attempts_at(self._database.dialect, row.id, *position, ATTEMPTS_SHOWN)
        companions = await self._companions(found.parked)
        found.facts = replace(
            found.facts,
            parked=_parked_standing(found.parked, position[1], frozen_us(row, found.facts.now), companions),
            tries=[
                Try(one.number, one.outcome == "DELIVERED", one.error)
                for one in found.attempts
                if one.kind != ATTEMPT_KIND
            ],
        )
        if found.facts.is_settled and found.facts.is_whole:  # as far as their age goes
            found.facts = replace(found.facts, history_since=await self._history_since(row.id, found.facts))

    async def _companions(self, parked: ParkedEvent | None) -> int:
        """How many other events go with it at its next attempt."""
        batch_from: int | None = None if parked is None else parked.batch_from
        if parked is None or batch_from is None:
            return 0
        rows = await self._database.read(sql.batch_of(parked.lane_id, batch_from))
        return max(0, int(rows[0][0]) - 1)

    async def _history_since(self, subscription_id: int, facts: Facts) -> Instant:
        """Since when every attempt is on record: they are written down as they end, not as they begin."""
        if not await self._database.read(sql.has_attempts(subscription_id, self._history.kept)):
            return facts.history_since
        oldest = await self._database.read(sql.oldest_attempt(subscription_id))
        return max(facts.history_since, int(oldest[0][0]) + round(TIMEOUT_MAX_S * SECOND_US))

    async def _add_hold_ups(self, row: Subscription, partition_id: int, found: _Found) -> None:
        obstacle = _obstacle(row, found.facts.now)
        if obstacle is None and not await self._database.read(sql.lease(partition_id, found.facts.now)):
            obstacle = Obstacle("a process to deliver from its partition")
        found.facts = replace(found.facts, obstacle=obstacle)
        if found.facts.offset is not None and (found.parked is not None or not found.facts.is_settled):
            progress = self._progress_of(row.id, partition_id, found.facts.offset)
            found.facts = replace(found.facts, progress=progress)


def _parked_standing(row: ParkedEvent | None, offset: int, frozen_us: int, companions: int) -> ParkedStanding | None:
    if row is None:
        return None
    due_at = _wall(row.next_attempt_at_us, frozen_us)
    return ParkedStanding(offset, row.attempts, due_at, row.dead_lettered_at_us, row.last_error, companions)


def _wall(own: Instant | None, frozen_us: int) -> Instant | None:
    """A time of the subscription's own, by the clock on the wall."""
    return None if own is None else own + frozen_us


def _obstacle(row: Subscription, now: Instant) -> Obstacle | None:
    """What holds up a subscription that delivers, as a whole."""
    probe_at: Instant | None = row.probe_at_us
    paused_until: Instant | None = row.paused_until_us
    if probe_at is not None:
        return Obstacle("its endpoint, which failed again and again, to answer a probe", probe_at)
    if paused_until is not None and paused_until > now:
        return Obstacle("the end of a pause that the endpoint asked for", paused_until)
    return None


def _lane_position(partition: int, bounds: Bounds, facts: Facts) -> LanePosition | None:
    if facts.lane is None or facts.offset is None:
        return None
    cursor = facts.lane.cursor
    return LanePosition(
        partition=partition,
        event_offset=facts.offset,
        start_offset=facts.lane.start_offset,
        next_offset=cursor.next_offset,
        head_offset=bounds.next,
        is_settled=facts.is_settled,
        unsettled_before=cursor.unsettled_before(facts.offset),
    )
