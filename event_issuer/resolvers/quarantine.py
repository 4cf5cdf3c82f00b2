"""Events that reached the log from outside the API and break their contract: what they are, and what becomes of them.

Those whose types enforce the contract are dead letters and stay so; the others are held until they are released, once
their contract takes them, or discarded. Beside them stand records that are no events, which nothing can release.
Whoever manages the event type decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from event_issuer.contracts.catalogue import Catalogue, CatalogueEntry
from event_issuer.contracts.judging import OutsideJudge
from event_issuer.db import event_types
from event_issuer.db import verdicts as sql
from event_issuer.db.access import Audit, audit
from event_issuer.db.changes import ChangeFeed
from event_issuer.db.database import Database
from event_issuer.db.tables import VerdictRow
from event_issuer.db.work import Work
from event_issuer.domain.access import Action, Caller
from event_issuer.domain.errors import BadInput, Conflict, NotFound, Violation
from event_issuer.domain.paging import PageRequest, Slice
from event_issuer.domain.time import Clock
from event_issuer.eventlog.protocol import EventLog, LogRecord
from event_issuer.eventlog.reading import record_at

SELECTED_MAX: Final = 1_000  # decided at a time: each release is a transaction that looks at every lane


@dataclass(frozen=True, slots=True)
class Selection:
    """Of one event type: these, or, where `ids` is None, the oldest that are held."""

    event_type: str
    ids: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """`count` were released or discarded; `broken` are held still, for they break the contract that holds now."""

    count: int
    broken: Sequence[VerdictRow] = ()


class Quarantine:
    def __init__(
        self,
        database: Database,
        log: EventLog,
        catalogue: Catalogue,
        judge: OutsideJudge,
        feed: ChangeFeed,
        clock: Clock,
    ) -> None:
        self._database, self._log, self._catalogue = database, log, catalogue
        self._judge, self._feed, self._clock = judge, feed, clock

    async def page(self, caller: Caller, event_type: str, request: PageRequest) -> Slice[VerdictRow]:
        """In the order in which they were judged. Raises NotFound, Forbidden."""
        entry = await self._authorised(caller, event_type)
        return await sql.page(entry.id, request)

    async def get(self, caller: Caller, verdict_id: int) -> VerdictRow | None:
        """None where there is none, or none of this caller's."""
        caller.authorise_presence()
        row = await sql.by_id(verdict_id)
        owner = None if row is None else await event_types.by_id(row.event_type_id)
        return row if owner is not None and _may_decide(caller, owner.name, owner.tenant_id) else None

    async def record(self, caller: Caller, row: VerdictRow) -> LogRecord | None:
        """The event of a verdict that the caller was given; None once retention has taken it."""
        caller.authorise(Action.MANAGE_EVENT_TYPES)
        return await record_at(self._log, row.partition_id, row.log_offset)

    async def release(self, caller: Caller, selection: Selection) -> Decided:
        """Offers each to its lanes, as parked and due now, if the contract that holds now takes it.

        Raises NotFound, Forbidden, BadInput for too many ids, Conflict where one of these is no event, and Unavailable.
        """
        entry = await self._authorised(caller, selection.event_type)
        released, broken = 0, []
        rows = await self._held(entry, selection)
        if selection.ids is not None:
            await self._refuse_unreadable(rows)
        for row in rows:
            record = await record_at(self._log, row.partition_id, row.log_offset)
            if record is None:  # retention was quicker
                continue
            if record.unreadable is not None or self._judge.violations(entry, record.event):
                broken.append(row)
                continue
            work = sql.release(row.id, record.event.partitionkey, self._clock())
            released += await self._decide(caller, "release", row.id, work)
        self._feed.hurry()
        return Decided(released, broken)

    async def discard(self, caller: Caller, selection: Selection) -> Decided:
        """They are never delivered. Raises NotFound, Forbidden, and BadInput for too many ids."""
        entry = await self._authorised(caller, selection.event_type)
        discarded = 0
        for row in await self._held(entry, selection):
            discarded += await self._decide(caller, "discard", row.id, sql.discard(row.id, self._clock()))
        self._feed.hurry()
        return Decided(discarded)

    async def _authorised(self, caller: Caller, event_type: str) -> CatalogueEntry:
        caller.authorise(Action.MANAGE_EVENT_TYPES, event_type)
        entry = await self._catalogue.entry(event_type)
        if entry is None or not _may_decide(caller, entry.name, entry.tenant_id):
            raise NotFound(f"There is no event type {event_type!r:.200} of yours.")
        return entry

    async def _held(self, entry: CatalogueEntry, selection: Selection) -> list[VerdictRow]:
        if selection.ids is not None and len(selection.ids) > SELECTED_MAX:
            raise BadInput(f"Select at most {SELECTED_MAX} events at a time, not {len(selection.ids)}.")
        return await sql.held(entry.id, selection.ids, SELECTED_MAX)

    async def _refuse_unreadable(self, rows: Sequence[VerdictRow]) -> None:
        """A record that could not be read when it was judged may be an event now: by a rule that its type has since."""
        for row in rows:
            if reason_of(row) is None:
                continue
            record = await record_at(self._log, row.partition_id, row.log_offset)
            if record is not None and record.unreadable is not None:
                raise Conflict(
                    f"The record at offset {row.log_offset} cannot be released, for it is no event that could be "
                    f"delivered ({record.unreadable.reason}): {record.unreadable.violations[0].message} Discard it."
                )

    async def _decide(self, caller: Caller, action: str, verdict_id: int, work: Work[bool]) -> bool:
        def deciding() -> Work[bool]:
            is_decided = yield from work
            if is_decided:
                entry = Audit(caller.tenant_id, caller.principal_id, action, "quarantined event", verdict_id, {})
                yield from audit(entry, self._clock())
            return is_decided

        return await self._database.run(deciding())


def violations_of(row: VerdictRow) -> list[Violation]:
    return sql.violations_in(row.violations)


def reason_of(row: VerdictRow) -> str | None:
    """Why the record is no event; None where it is one."""
    return row.unreadable


def _may_decide(caller: Caller, name: str, owner_tenant_id: int) -> bool:
    return owner_tenant_id == caller.tenant_id and caller.may(Action.MANAGE_EVENT_TYPES, name)
