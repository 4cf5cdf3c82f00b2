"""Event types: creating and changing them, looking at them, and asking whether an event would be accepted.

Who may see a type: its owner, whoever may consume it, and whoever holds a policy on it. A type that a caller may not
see looks like one that does not exist.
"""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from event_issuer.contracts.catalogue import Catalogue
from event_issuer.contracts.judging import data_violations
from event_issuer.contracts.trial import SchemaTrial
from event_issuer.contracts.versions import Versions
from event_issuer.db import event_types as sql
from event_issuer.db.access import Audit, audit, to_policy
from event_issuer.db.catalogue import policies_on_events, principal_page
from event_issuer.db.changes import ChangeFeed
from event_issuer.db.database import Database
from event_issuer.db.tables import EventType, Principal
from event_issuer.db.work import Work
from event_issuer.domain.access import Action, Audience, Caller, Policy
from event_issuer.domain.errors import (
    BadInput,
    Conflict,
    ContractBroken,
    NotFound,
    OutcomeUnknown,
    Unavailable,
    Violation,
)
from event_issuer.domain.json_format import read_event
from event_issuer.domain.paging import PageRequest, Slice, sliced
from event_issuer.domain.time import Clock, Instant
from event_issuer.eventlog.protocol import EventLog, TypeStorage
from event_issuer.resolvers.event_type_changes import (
    EventTypeChange,
    check_description,
    check_plain_json_source,
    check_retention,
    decide_change,
)
from event_issuer.resolvers.subscription_changes import UNSET

SEARCHED_AT_ONCE: Final = 500  # types read per statement of a search in texts: some 2 MiB at the very most
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
    compacts: bool = False
    retention_s: int | None = None
    retention_bytes: int | None = None
    plain_json_source: str | None = None


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


@dataclass(frozen=True, slots=True)
class EventTypeUser:
    """A principal and what it may do with the type's events: CONSUME, PRODUCE or both."""

    principal_id: int
    name: str
    actions: tuple[Action, ...]


class EventTypes:
    def __init__(
        self,
        database: Database,
        log: EventLog,
        catalogue: Catalogue,
        versions: Versions,
        trial: SchemaTrial,
        feed: ChangeFeed,
        clock: Clock,
        limits: EventTypeLimits,
    ) -> None:
        self._database, self._log = database, log
        self._catalogue, self._versions, self._trial = catalogue, versions, trial
        self._feed, self._clock, self._limits = feed, clock, limits

    async def create(self, caller: Caller, spec: EventTypeSpec) -> EventType:
        """On Kafka, where the topic is there already, the type has as many partitions as it.

        Raises BadInput, SchemaInvalid, Conflict when the name is taken or there can be no topic, LimitExceeded.
        """
        caller.authorise(Action.MANAGE_EVENT_TYPES, spec.name)
        check_spec(spec, self._limits)
        await self._trial.try_schema(spec.definition, spec.example)
        await self._database.run(refusals(caller, spec.name, self._limits))  # before there is a topic that nobody needs
        spec = replace(spec, partitions=await self._log.prepare(storage_of(spec)))
        event_type_id = await self._database.run(creation(caller, spec, self._limits, self._clock()))
        self._feed.hurry()
        row = await sql.by_id(event_type_id)
        if row is None:
            raise NotFound(f"The event type {spec.name} has gone.")
        return row

    async def update(self, caller: Caller, name: str, change: EventTypeChange) -> EventType:
        """What the change leaves unset stays. Raises NotFound for another tenant's type, BadInput, Conflict."""
        caller.authorise(Action.MANAGE_EVENT_TYPES, name)
        is_retention_new = change.retention_s is not UNSET or change.retention_bytes is not UNSET
        if is_retention_new:
            await self._log.answers()  # better before the type has changed than after
        event_type_id = await self._database.run(self._alteration(caller, name, change))
        row = None if event_type_id is None else await sql.by_id(event_type_id)
        if row is None:
            raise NotFound(f"Your tenant has no event type {name!r:.200}.")
        self._feed.hurry()
        if is_retention_new:
            await self._retain(row)
        return row

    async def _retain(self, row: EventType) -> None:
        storage = TypeStorage(
            row.name, row.partition_count, row.retention_s, row.retention_bytes, compacts=row.compacts
        )
        try:
            await self._log.retain(storage)
        except (Conflict, Unavailable) as problem:
            raise OutcomeUnknown(f"{row.name} has changed, and its topic may not have; try again: {problem}") from None

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

    async def page(self, caller: Caller, request: PageRequest, criteria: sql.Criteria = sql.ALL) -> Slice[EventType]:
        """In name order. Reads on over types that do not match or that this caller may not see, until the page is
        full."""
        caller.authorise_presence()
        found: list[EventType] = []
        key = request.before if request.backwards else request.after
        words = criteria.words
        reading = replace(request, size=max(request.size, SEARCHED_AT_ONCE)) if words else request
        while len(found) < request.limit:
            rows = await sql.page(reading, key, criteria)
            found += [row for row in rows if may_see(caller, row) and words.occur_in(row.name, row.description)]
            if len(rows) < reading.limit:
                break
            key = rows[-1].name
        return sliced(found[: request.limit], request)

    async def owner_name(self, caller: Caller, event_type: EventType) -> str:
        authorise_sight(caller, event_type)
        return str((await self._database.read(sql.tenant_name(event_type.tenant_id)))[0][0])

    async def users(self, caller: Caller, event_type: EventType, request: PageRequest) -> Slice[EventTypeUser]:
        """Who of the caller's own tenant may consume or produce it, the oldest principal first."""
        authorise_sight(caller, event_type)
        found: list[EventTypeUser] = []
        key = request.before if request.backwards else request.after
        while len(found) < request.limit:
            rows = await principal_page(caller.tenant_id, request, key)
            found += await self._users_among(caller, event_type, rows)
            if len(rows) < request.limit:
                break
            key = str(rows[-1].id)
        return sliced(found[: request.limit], request)

    async def _users_among(
        self, caller: Caller, event_type: EventType, principals: Sequence[Principal]
    ) -> list[EventTypeUser]:
        if not principals:
            return []
        ids = [row.id for row in principals]
        policies: dict[int | None, list[Policy]] = defaultdict(list)
        for holder, *policy in await self._database.read(policies_on_events(caller.tenant_id, ids)):
            policies[holder].append(to_policy((policy[0], policy[1], policy[2])))
        used = (event_type.name, Audience(event_type.audience), event_type.tenant_id)
        found = []
        for row in principals:
            held = tuple(policies[None] + policies[row.id])
            actions = Caller(row.id, row.name, caller.tenant_id, caller.tenant_name, held).uses_of(*used)
            if actions:
                found.append(EventTypeUser(row.id, row.name, actions))
        return found

    async def validate_event(self, caller: Caller, value: object) -> EventValidation:
        """Whether the event would be accepted; changes nothing. Raises NotFound for an unknown type."""
        caller.authorise_presence()
        try:
            event, document = read_event(value)
        except BadInput as refusal:
            return EventValidation(refusal.violations or (Violation("", "cloudevent", refusal.detail),), None)
        entry = await self._catalogue.entry(event.type)
        if entry is None or not caller.may_see(entry.name, entry.audience, entry.tenant_id):
            raise NotFound(f"There is no event type {event.type!r:.200} that you may see.")
        if "dataschema" in event.attributes:
            try:
                entry = await self._versions.named(entry, event.attributes["dataschema"])
            except ContractBroken as refusal:
                return EventValidation(refusal.violations, None)
        return EventValidation(data_violations(entry, event, document, self._limits.data_bytes_max), entry.version)


def authorise_sight(caller: Caller, event_type: EventType) -> None:
    """Raises NotFound where `may_see` says no."""
    if not may_see(caller, event_type):
        raise NotFound("There is no such event type.")


def may_see(caller: Caller, row: EventType) -> bool:
    return caller.may_see(row.name, Audience(row.audience), row.tenant_id)


def refusals(caller: Caller, name: str, limits: EventTypeLimits) -> Work[None]:
    """Raises what `creation` would raise at this moment."""
    yield from sql.refuse_beyond(caller.tenant_id, limits.event_types_max)
    if (yield sql.taken(name)):
        raise name_taken(name)


def storage_of(spec: EventTypeSpec) -> TypeStorage:
    return TypeStorage(spec.name, spec.partitions, spec.retention_s, spec.retention_bytes, compacts=spec.compacts)


def creation(caller: Caller, spec: EventTypeSpec, limits: EventTypeLimits, now: Instant) -> Work[int]:
    """The new type's id. For whoever may manage it, has checked what it asks for and has prepared its storage. Raises
    Conflict, LimitExceeded."""
    new = _new(caller, spec)
    yield from sql.refuse_beyond(new.tenant_id, limits.event_types_max)
    event_type_id = yield from sql.insert(new, now)
    if event_type_id is None:
        raise name_taken(new.name)
    detail = {"name": new.name, "audience": new.audience, "partitions": new.partition_count}
    entry = Audit(caller.tenant_id, caller.principal_id, "create", "event type", event_type_id, detail)
    yield from audit(entry, now)
    return event_type_id


def name_taken(name: str) -> Conflict:
    return Conflict(f"There is an event type {name} already; take another name.")


def check_spec(spec: EventTypeSpec, limits: EventTypeLimits) -> None:
    """Raises BadInput for what no event type may be, whatever its schema."""
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
    check_plain_json_source(spec.plain_json_source)


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
        compacts=spec.compacts,
        definition=as_text(spec.definition),
        example=None if spec.example is None else as_text(spec.example),
        retention_s=spec.retention_s,
        retention_bytes=spec.retention_bytes,
        plain_json_source=spec.plain_json_source,
    )


def as_text(value: object) -> str:
    """A schema or an example as it is stored: integers of any size exact."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
