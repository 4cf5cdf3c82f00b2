"""Finding an event by what its producer calls it, its source and id, among those that a caller may consume.

The log has no index of these names. The register of duplicates knows them for as long as it remembers; what it does not
know is looked for among the newest events of the subscription's types. Knows nothing of deliveries.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from event_issuer.db import explaining as sql
from event_issuer.db.database import Database
from event_issuer.domain.access import Action, Audience, Caller, Policy
from event_issuer.domain.errors import BadInput
from event_issuer.domain.events import VALUE_LENGTH_MAX
from event_issuer.domain.records import identity_of
from event_issuer.eventlog.looking_back import look_back
from event_issuer.eventlog.protocol import EventLog, LogRecord

Position: TypeAlias = tuple[int, int]
"""Partition id and offset."""

# The register names an event by its producer's tenant and type, too: each pair that is possible is one look.
TYPES_MAX: Final = 1_000
PRODUCERS_MAX: Final = 1_000  # grants to produce
LOOKS_MAX: Final = 10_000
LOOKED_BACK_MAX: Final = 5_000  # events read one by one, some pages of the log: a fraction of a second


@dataclass(frozen=True, slots=True)
class _Type:
    id: int
    name: str
    owner_tenant_id: int


class Finding:
    missing: Final = (
        "No event of this source and id was found: neither among the events that are remembered as sent in, nor among "
        f"the newest {LOOKED_BACK_MAX:,} events of the subscription's event types. Types that you may not consume were "
        "not searched."
    )

    def __init__(self, database: Database, log: EventLog) -> None:
        self._database, self._log = database, log

    async def find(self, caller: Caller, subscription_id: int, source: str, event_id: str) -> Position | None:
        """The newest one. Raises BadInput for what can name no event, and Unavailable."""
        caller.authorise_presence()
        if not _names_something(source) or not _names_something(event_id):
            raise BadInput(f"source and cloudEventId are texts of 1 to {VALUE_LENGTH_MAX} characters.")
        own = self._consumable(caller, await self._database.read(sql.types_of(subscription_id)))
        others = self._consumable(caller, await self._database.read(sql.types(TYPES_MAX)))
        remembered = await self._remembered(own + [one for one in others if one not in own], source, event_id)
        return remembered or await self._among_newest(own, source, event_id)

    def _consumable(self, caller: Caller, rows: Sequence[Sequence[object]]) -> list[_Type]:
        found = []
        for id_, name, audience, tenant_id in rows:
            one = _Type(int(str(id_)), str(name), int(str(tenant_id)))
            if caller.may_consume(one.name, Audience(str(audience)), one.owner_tenant_id):
                found.append(one)
        return found

    async def _remembered(self, types: Sequence[_Type], source: str, event_id: str) -> Position | None:
        grants = await self._database.read(sql.producers(PRODUCERS_MAX))
        patterns = [(int(row[0]), Policy(Action.PRODUCE, row[1])) for row in grants if row[0] is not None]
        identities = [identity_of(tenant_id, one.id, source, event_id) for one, tenant_id in _pairs(types, patterns)]
        places = await self._log.remembered(identities[:LOOKS_MAX])
        return max(places)[1:] if places else None

    async def _among_newest(self, types: Sequence[_Type], source: str, event_id: str) -> Position | None:
        if not types:
            return None

        def is_it(record: LogRecord) -> bool:
            attributes = record.event.attributes
            return attributes.get("id") == event_id and attributes.get("source") == source

        rows = await self._database.read(sql.partitions_of([one.id for one in types]))
        record = await look_back(self._log, [row[0] for row in rows], is_it, LOOKED_BACK_MAX)
        return None if record is None else (record.partition_id, record.offset)


def _pairs(types: Sequence[_Type], patterns: Sequence[tuple[int, Policy]]) -> Iterator[tuple[_Type, int]]:
    """Each type with each tenant that may have produced its events."""
    for one in types:
        tenants = {one.owner_tenant_id, *(tenant_id for tenant_id, policy in patterns if policy.covers(one.name))}
        yield from ((one, tenant_id) for tenant_id in sorted(tenants))


def _names_something(text: str) -> bool:
    return 0 < len(text) <= VALUE_LENGTH_MAX and not any("\ud800" <= character <= "\udfff" for character in text)
