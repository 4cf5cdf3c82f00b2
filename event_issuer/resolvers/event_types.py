"""Event types: creating and changing them, looking at them, and asking whether an event would be accepted.

Who may see a type: its owner, whoever may consume it, and whoever holds a policy on it. A type that a caller may not
see looks like one that does not exist.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

from event_issuer.contracts.catalogue import Catalogue, CatalogueEntry
from event_issuer.contracts.judges import Judges
from event_issuer.contracts.trial import SchemaTrial
from event_issuer.db import event_types as sql
from event_issuer.db.access import Audit, audit
from event_issuer.db.changes import ChangeFeed
from event_issuer.db.database import Database
from event_issuer.db.tables import EventType
from event_issuer.db.work import Work
from event_issuer.domain.access import Action, Audience, Caller
from event_issuer.domain.errors import BadInput, Conflict, ContractBroken, NotFound, Violation
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.json_format import read_event
from event_issuer.domain.paging import PageRequest, Slice, sliced
from event_issuer.domain.time import Clock
from event_issuer.resolvers.event_type_changes import (
    EventTypeChange,
    check_description,
    check_retention,
    decide_change,
)

_NAME = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+")
NAME_LENGTH_MAX: Final = 200  # becomes a topic's name (249 on Kafka) and a path segment
# First segments that could be taken for paths or for headers of our own.
RESERVED: Final = frozenset({"v1", "graphql", "graphiql", "healthz", "readyz", "metrics"})


@dataclass(frozen=True, slots=True)
class EventTypeSpec:
    """What a caller asks for; None where it leaves the choice to us."""

    name: str
    description: str
    definition: object
    example: object | None
    audience: Audience = Audience.GRANTED
    compatibility: str = "FORWARD"
    validation: str = "ENFORCED"
    partitions: int = 1
    deduplicates: bool = True
    retention_s: int | None = None
    retention_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class EventTypeLimits:
    event_types_max: int
    partitions_max: int
    data_bytes_max: int


@dataclass(frozen=True, slots=True)
class EventValidation:
    """`schema_version` is the version that judged; None where the event did not get so far."""

    violations: tuple[Violation, ...]
    schema_version: int | None


class EventTypes:
    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        judges: Judges,
        trial: SchemaTrial,
        feed: ChangeFeed,
        clock: Clock,
        limits: EventTypeLimits,
    ) -> None:
        self._database, self._catalogue, self._judges, self._trial = database, catalogue, judges, trial
        self._feed, self._clock, self._limits = feed, clock, limits

    async def create(self, caller: Caller, spec: EventTypeSpec) -> EventType:
        """Raises BadInput, SchemaInvalid, Conflict when the name is taken, LimitExceeded."""
        caller.authorise(Action.MANAGE_EVENT_TYPES, spec.name)
        _check(spec, self._limits)
        await self._trial.try_schema(spec.definition, spec.example)
        event_type_id = await self._database.run(self._creation(caller, _new(caller, spec)))
        self._feed.hurry()
        row = await sql.by_id(event_type_id)
        if row is None:
            raise NotFound(f"The event type {spec.name} has gone.")
        return row

    def _creation(self, caller: Caller, new: sql.NewEventType) -> Work[int]:
        now = self._clock()
        yield from sql.refuse_beyond(new.tenant_id, self._limits.event_types_max)
        event_type_id = yield from sql.insert(new, now)
        if event_type_id is None:
            raise Conflict(f"There is an event type {new.name} already; take another name.")
        detail = {"name": new.name, "audience": new.audience, "partitions": new.partition_count}
        entry = Audit(caller.tenant_id, caller.principal_id, "create", "event type", event_type_id, detail)
        yield from audit(entry, now)
        return event_type_id

    async def update(self, caller: Caller, name: str, change: EventTypeChange) -> EventType:
        """What the change leaves unset stays. Raises NotFound for another tenant's type, BadInput, Conflict."""
        caller.authorise(Action.MANAGE_EVENT_TYPES, name)
        event_type_id = await self._database.run(self._alteration(caller, name, change))
        row = None if event_type_id is None else await sql.by_id(event_type_id)
        if row is None:
            raise NotFound(f"Your tenant has no event type {name!r:.200}.")
        self._feed.hurry()
        return row

    def _alteration(self, caller: Caller, name: str, change: EventTypeChange) -> Work[int | None]:
        now = self._clock()
        decide = decide_change(change, now)
        altered = yield from sql.alter(self._database.dialect, caller.tenant_id, name, decide, now)
        if altered is None:
            return None
        event_type_id, changes = altered
        if changes:
            detail = {"name": name, **changes}
            entry = Audit(caller.tenant_id, caller.principal_id, "update", "event type", event_type_id, detail)
            yield from audit(entry, now)
        return event_type_id

    async def get(self, caller: Caller, name: str) -> EventType | None:
        caller.authorise_presence()
        row = await sql.by_name(name)
        return row if row is not None and may_see(caller, row) else None

    async def by_id(self, caller: Caller, event_type_id: int) -> EventType | None:
        caller.authorise_presence()
        row = await sql.by_id(event_type_id)
        return row if row is not None and may_see(caller, row) else None

    async def page(self, caller: Caller, request: PageRequest, name_prefix: str = "") -> Slice[EventType]:
        """In name order. Reads on over types that this caller may not see, until the page is full."""
        caller.authorise_presence()
        found: list[EventType] = []
        key = request.before if request.backwards else request.after
        while len(found) < request.limit:
            rows = await sql.page(request, key, name_prefix)
            found += [row for row in rows if may_see(caller, row)]
            if len(rows) < request.limit:
                break
            key = rows[-1].name
        return sliced(found[: request.limit], request)

    async def owner_name(self, caller: Caller, event_type: EventType) -> str:
        authorise_sight(caller, event_type)
        return str((await self._database.read(sql.tenant_name(event_type.tenant_id)))[0][0])

    async def validate_event(self, caller: Caller, value: object) -> EventValidation:
        """Whether the event would be accepted; changes nothing. Raises NotFound for an unknown type."""
        caller.authorise_presence()
        try:
            event, document = read_event(value)
        except BadInput as refusal:
            return EventValidation(refusal.violations or (Violation("", "cloudevent", refusal.detail),), None)
        entry = await self._catalogue.entry(event.type)
        if entry is None or not _may_see_entry(caller, entry.name, entry.audience, entry.tenant_id):
            raise NotFound(f"There is no event type {event.type!r:.200} that you may see.")
        if "dataschema" in event.attributes:
            try:
                entry = await self._judges.named(entry, event.attributes["dataschema"])
            except ContractBroken as refusal:
                return EventValidation(refusal.violations, None)
        return EventValidation(data_violations(entry, event, document, self._limits.data_bytes_max), entry.version)


def data_violations(
    entry: CatalogueEntry, event: CloudEvent, document: object, data_bytes_max: int
) -> tuple[Violation, ...]:
    """All that is wrong with the data of an event; `document` is what it says. The one judge of producing, too.

    Data that is not JSON is judged as a string, which is what JSON Schema's contentMediaType is about.
    """
    data = event.data
    if data is None:
        return (Violation("", "required", "The event has no data; its contract asks for a document."),)
    if len(data) > data_bytes_max:
        return (Violation("", "size", f"The data has {len(data)} bytes; at most {data_bytes_max} are taken."),)
    if event.has_json_data:
        return () if entry.contract.accepts(document) else entry.contract.violations(document)
    return () if entry.contract.accepts(event.string) else (_no_string(event), *entry.contract.violations(event.string))


def _no_string(event: CloudEvent) -> Violation:
    message = (
        f"Data of the type {event.attributes['datacontenttype']!r:.80} is judged as a string; the contract refuses it."
    )
    return Violation("/datacontenttype", "datacontenttype", message)


def authorise_sight(caller: Caller, event_type: EventType) -> None:
    """Raises NotFound where `may_see` says no."""
    if not may_see(caller, event_type):
        raise NotFound("There is no such event type.")


def may_see(caller: Caller, row: EventType) -> bool:
    return _may_see_entry(caller, row.name, Audience(row.audience), row.tenant_id)


def _may_see_entry(caller: Caller, name: str, audience: Audience, owner_tenant_id: int) -> bool:
    if owner_tenant_id == caller.tenant_id or caller.may_consume(name, audience, owner_tenant_id):
        return True
    return caller.may(Action.PRODUCE, name) or caller.may(Action.MANAGE_EVENT_TYPES, name)


def _check(spec: EventTypeSpec, limits: EventTypeLimits) -> None:
    name = spec.name
    if _NAME.fullmatch(name) is None or len(name) > NAME_LENGTH_MAX or name.partition(".")[0] in RESERVED:
        raise BadInput(
            f"{name!r:.80} cannot name an event type: two or more segments of a-z, 0-9, - and _, joined by dots, at "
            f"most {NAME_LENGTH_MAX} characters, such as cloud.open.operational.train-arrived.v1."
        )
    check_description(spec.description)
    if not 1 <= spec.partitions <= limits.partitions_max:
        raise BadInput(f"An event type has 1 to {limits.partitions_max} partitions, not {spec.partitions}.")
    check_retention(spec.retention_s, spec.retention_bytes)


def _new(caller: Caller, spec: EventTypeSpec) -> sql.NewEventType:
    return sql.NewEventType(
        name=spec.name,
        tenant_id=caller.tenant_id,
        description=spec.description,
        audience=spec.audience.value,
        compatibility=spec.compatibility,
        validation=spec.validation,
        partition_count=spec.partitions,
        deduplicates=spec.deduplicates,
        definition=as_text(spec.definition),
        example=None if spec.example is None else as_text(spec.example),
        retention_s=spec.retention_s,
        retention_bytes=spec.retention_bytes,
    )


def as_text(value: object) -> str:
    """A schema or an example as it is stored: integers of any size exact."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
