"""Replays: an owner has events delivered again, from a place in the log on, or counts beforehand how many they are.

The request is rows; the delivery service takes it up when it sees the change. A replay is its subscription's tenant's:
another tenant's looks like one that does not exist.
"""

from dataclasses import dataclass

from event_issuer.contracts.catalogue import Catalogue, CatalogueEntry
from event_issuer.db import replays as sql
from event_issuer.db import subscriptions
from event_issuer.db.changes import ChangeFeed
from event_issuer.db.database import Database
from event_issuer.db.tables import Replay
from event_issuer.domain.access import Action, Caller
from event_issuer.domain.errors import BadInput, NotFound
from event_issuer.domain.json_values import json_bytes
from event_issuer.domain.paging import PageRequest, Slice
from event_issuer.domain.time import Clock, Instant, to_rfc3339
from event_issuer.eventlog.protocol import EventLog
from event_issuer.eventlog.reading import StartFrom, start_offsets
from event_issuer.resolvers.events import authorised_entries
from event_issuer.resolvers.filters import checked_filter


@dataclass(frozen=True, slots=True)
class ReplaySpec:
    """What a caller asks for. `until` None: up to the heads of this moment. `filter` is JSON, None for all that the
    subscription takes."""

    subscription_id: int
    start: StartFrom
    until: Instant | None = None
    filter: object = None
    is_dry_run: bool = False


class Replays:
    def __init__(self, database: Database, log: EventLog, catalogue: Catalogue, feed: ChangeFeed, clock: Clock) -> None:
        self._database, self._log, self._catalogue = database, log, catalogue
        self._feed, self._clock = feed, clock

    async def create(self, caller: Caller, spec: ReplaySpec) -> Replay:
        """Delivery begins within a second, where the subscription is not stopped.

        Raises NotFound, also for an event type that the caller may not consume (any more), BadInput, Forbidden,
        LimitExceeded, and Conflict where the endpoint has not agreed to receive.
        """
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        row = await subscriptions.by_id(caller.tenant_id, spec.subscription_id)
        if row is None:
            raise _no_such_subscription()
        names = (await subscriptions.event_types_of(self._database, [row.id]))[row.id]
        entries = await authorised_entries(caller, self._catalogue, names)
        for entry in entries:
            caller.authorise(Action.MANAGE_SUBSCRIPTIONS, entry.name)
        if spec.filter is not None:
            await checked_filter(caller, self._database, spec.filter, [entry.id for entry in entries])
        new = await self._new(caller, spec, entries)
        replay_id = await self._database.run(sql.insert(self._database.dialect, new, self._clock()))
        if replay_id is None:
            raise _no_such_subscription()
        self._feed.hurry()
        return await self._existing(replay_id)

    async def cancel(self, caller: Caller, replay_id: int) -> Replay:
        """No request of it starts within a second of this. Raises NotFound, and Conflict where it has ended."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        dialect, now = self._database.dialect, self._clock()
        work = sql.cancel(dialect, caller.tenant_id, caller.principal_id, replay_id, now)
        if not await self._database.run(work):
            raise NotFound("There is no such replay.")
        self._feed.hurry()
        return await self._existing(replay_id)

    async def page(self, caller: Caller, subscription_id: int, request: PageRequest) -> Slice[Replay] | None:
        """The oldest first; None where there is no such subscription, or it is another tenant's."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        row = await subscriptions.by_id(caller.tenant_id, subscription_id)
        return None if row is None else await sql.page(row.id, request)

    async def get(self, caller: Caller, replay_id: int) -> Replay | None:
        """None where there is none (any more), or it is another tenant's."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        row = await sql.by_id(replay_id)
        if row is None or await subscriptions.by_id(caller.tenant_id, row.subscription_id) is None:
            return None
        return row

    async def delivered(self, caller: Caller, row: Replay) -> int:
        """How many events a replay that the caller was given has delivered by now."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        rows = await self._database.read(sql.delivered(row.id))
        return int(rows[0][0]) if rows else row.delivered_count

    async def _new(self, caller: Caller, spec: ReplaySpec, entries: list[CatalogueEntry]) -> sql.NewReplay:
        start, until = spec.start, spec.until
        if start.time is not None and until is not None and until <= start.time:
            raise BadInput(f"until is later than from.time, not {to_rfc3339(until)}.")
        partitions = {entry.name: entry.partition_ids for entry in entries}
        starts = await start_offsets(self._log, partitions, start)
        await self._log.note_heads(list(starts))
        ends: dict[int, int | None] = dict.fromkeys(starts)
        if until is not None:
            ends = {id_: await self._log.offset_at(id_, until) for id_ in starts}
        filter_ = None if spec.filter is None else json_bytes(spec.filter).decode()
        return sql.NewReplay(
            tenant_id=caller.tenant_id,
            principal_id=caller.principal_id,
            subscription_id=spec.subscription_id,
            is_dry_run=spec.is_dry_run,
            filter=filter_,
            log_id=self._log.log_id,
            stretches=[sql.Stretch(id_, offset, ends[id_]) for id_, offset in starts.items()],
            detail=_shown(spec, filter_),
        )

    async def _existing(self, replay_id: int) -> Replay:
        row = await sql.by_id(replay_id)
        if row is None:
            raise NotFound("The subscription has been deleted.")
        return row


def _shown(spec: ReplaySpec, filter_: str | None) -> dict[str, object]:
    """For the audit log; a cursor is long and says nothing to people."""
    start = spec.start
    place = start.at or (to_rfc3339(start.time) if start.time is not None else "a cursor")
    detail: dict[str, object] = {"subscription": spec.subscription_id, "from": place, "dryRun": spec.is_dry_run}
    if spec.until is not None:
        detail["until"] = to_rfc3339(spec.until)
    return detail if filter_ is None else detail | {"filter": filter_}


def _no_such_subscription() -> NotFound:
    return NotFound("There is no such subscription.")
