"""Expunging: the operator takes one event's data out of the log for good. Its position, and that it was there, stay."""

from dataclasses import dataclass
from typing import Final

from event_issuer.db import expunging as sql
from event_issuer.db.access import Audit, audit
from event_issuer.db.changes import ChangeFeed
from event_issuer.db.database import Database
from event_issuer.db.work import Work
from event_issuer.domain.access import EVERYTHING, Action, Caller
from event_issuer.domain.errors import BadInput, Conflict, NotFound
from event_issuer.domain.time import Clock
from event_issuer.eventlog.protocol import EventLog, LogRecord
from event_issuer.eventlog.reading import record_at

REASON_LENGTH_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class ExpungedEvent:
    """The event as it is now; how many excerpts of answers to it have gone."""

    record: LogRecord
    excerpts: int


class Expunging:
    """Pages of this process are read anew at once; other processes hear of it."""

    def __init__(self, database: Database, log: EventLog, feed: ChangeFeed, clock: Clock) -> None:
        self._database, self._log, self._feed, self._clock = database, log, feed, clock

    async def expunge(self, caller: Caller, position: tuple[int, int] | None, reason: str) -> ExpungedEvent:
        """`position`: partition and offset. Once more removes what endpoints have answered since.

        Raises Forbidden for anybody but the operator, who may manage all access; BadInput, NotFound, and Conflict for
        an event without data, and where the log cannot change what it holds.
        """
        caller.authorise(Action.MANAGE_ACCESS, EVERYTHING)
        if not 0 < len(reason) <= REASON_LENGTH_MAX:
            raise BadInput(f"A reason has 1 to {REASON_LENGTH_MAX} characters, not {len(reason)}.")
        if not self._log.can_expunge:
            raise Conflict(
                "Records in Kafka cannot be changed. Let retention take the event, or have a newer one of its key "
                "replace it where its event type compacts."
            )
        if position is None:
            raise _no_such()
        expunged = await self._database.run(self._expunging(caller, *position, reason))
        if expunged is None:
            raise _no_such()
        self._log.reload(position[0])
        self._feed.hurry()
        record = await record_at(self._log, *position)
        if record is None:  # retention has taken the rest
            raise _no_such()
        return ExpungedEvent(record, expunged.excerpts)

    def _expunging(self, caller: Caller, partition_id: int, offset: int, reason: str) -> Work[sql.Expunged | None]:
        now = self._clock()
        expunged = yield from sql.expunge(self._database.dialect, partition_id, offset, now)
        if expunged is not None:
            detail = {
                "offset": offset,
                "eventId": expunged.event_id,
                "source": expunged.source,
                "reason": reason,
                "again": not expunged.is_news,
            }
            entry = Audit(caller.tenant_id, caller.principal_id, "expunge", "event of partition", partition_id, detail)
            yield from audit(entry, now)
        return expunged


def _no_such() -> NotFound:
    return NotFound("There is no such event in the log.")
