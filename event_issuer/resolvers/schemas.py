"""Schema versions: registering the next one, asking whether a schema could be it, and reading them.

Only the owner registers. What is compared is compared outside any transaction, for it may take long; the transaction
that adds the version makes sure that nothing it was compared with has changed. Knows no JSON Schema.
"""

import json
from dataclasses import dataclass
from typing import Final

from event_issuer.contracts.succession import (
    Comparer,
    CompatibilityReport,
    compared,
    is_same,
    refuse_incompatible,
)
from event_issuer.contracts.trial import SchemaTrial
from event_issuer.db import event_types
from event_issuer.db import schemas as sql
from event_issuer.db.access import Audit, audit
from event_issuer.db.changes import ChangeFeed
from event_issuer.db.database import Database
from event_issuer.db.tables import EventType, SchemaVersion
from event_issuer.db.work import Dialect, Work
from event_issuer.domain.access import Action, Audience, Caller
from event_issuer.domain.compatibility import CompatibilityMode, CompatibilityVerdict
from event_issuer.domain.errors import Conflict, NotFound
from event_issuer.domain.paging import PageRequest, Slice
from event_issuer.domain.schema_changes import SchemaChange, diff
from event_issuer.domain.time import Clock, Instant
from event_issuer.resolvers.event_types import as_text, authorise_sight, may_see

VERSIONS_MAX: Final = 200  # of one type, at most 256 KiB each: a transitive mode compares a schema with all of them
TRIES_MAX: Final = 5  # each is lost to a registration that won: more of them at once is not how schemas are made


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """`created` is false where the schema was the latest version already."""

    row: SchemaVersion
    event_type: EventType
    created: bool


@dataclass(frozen=True, slots=True)
class SchemaDocument:
    """`is_public`: of an OPEN type, so that caches of all kinds may keep it."""

    body: bytes
    is_public: bool


class Schemas:
    def __init__(
        self,
        database: Database,
        trial: SchemaTrial,
        comparer: Comparer,
        feed: ChangeFeed,
        clock: Clock,
        *,
        versions_max: int = VERSIONS_MAX,
    ) -> None:
        self._database, self._trial, self._comparer = database, trial, comparer
        self._feed, self._clock, self._versions_max = feed, clock, versions_max

    async def register(
        self, caller: Caller, name: str, definition: object, example: object | None = None
    ) -> RegisteredSchema:
        """The next version of the caller's event type; the latest one where the schema says the same.

        Raises NotFound, SchemaInvalid, SchemaIncompatible with the problems, LimitExceeded, and Conflict where others
        register schemas of this type all the time.
        """
        caller.authorise(Action.MANAGE_EVENT_TYPES, name)
        event_type = await self._owned(caller, name)
        await self._trial.try_schema(definition, example)
        for _ in range(TRIES_MAX):
            event_type = await self._owned(caller, name)
            latest = await self._latest_of(event_type)
            if is_same(json.loads(latest.definition), definition):
                return RegisteredSchema(latest, event_type, created=False)
            refuse_incompatible(await self._compared(event_type, latest, definition))
            text = None if example is None else as_text(example)
            new = sql.NextVersion(event_type.id, latest.version, event_type.compatibility, as_text(definition), text)
            work = registration(self._database.dialect, caller, event_type.name, new, self._versions_max, self._clock())
            schema_id = await self._database.run(work)
            row = None if schema_id is None else await sql.by_id(schema_id)
            if row is not None:
                self._feed.hurry()
                return RegisteredSchema(row, event_type, created=True)
        raise Conflict(f"Others register schemas of {name} at the same time; look at them and try again.")

    async def check(self, caller: Caller, name: str, definition: object) -> CompatibilityReport | None:
        """Whether the schema could be the next version; changes nothing. None for a type the caller may not see.

        Raises SchemaInvalid for what could be no version of any type. It costs as much as registering, so that it
        takes the same policy.
        """
        caller.authorise(Action.MANAGE_EVENT_TYPES, name)
        event_type = await event_types.by_name(name)
        if event_type is None or not may_see(caller, event_type):
            return None
        await self._trial.try_schema(definition)
        latest = await self._latest_of(event_type)
        if is_same(json.loads(latest.definition), definition):
            return CompatibilityReport(CompatibilityVerdict.COMPATIBLE, CompatibilityMode(event_type.compatibility))
        return await self._compared(event_type, latest, definition)

    async def latest(self, caller: Caller, event_type: EventType) -> SchemaVersion | None:
        authorise_sight(caller, event_type)
        return await sql.latest(event_type.id)

    async def page(self, caller: Caller, event_type: EventType, request: PageRequest) -> Slice[SchemaVersion]:
        """The oldest first."""
        authorise_sight(caller, event_type)
        return await sql.page(event_type.id, request)

    async def changes(self, caller: Caller, version: SchemaVersion) -> list[SchemaChange] | None:
        """What a version that the caller was given changed in the one before; None for the first."""
        caller.authorise_presence()
        before = await sql.by_version(version.event_type_id, version.version - 1)
        return None if before is None else diff(json.loads(before.definition), json.loads(version.definition))

    async def by_id(self, caller: Caller, schema_id: int) -> tuple[SchemaVersion, str] | None:
        """The schema version and its event type's name."""
        caller.authorise_presence()
        found = await sql.by_id(schema_id)
        row = await event_types.by_id(found.event_type_id) if found is not None else None
        return (found, row.name) if found is not None and row is not None and may_see(caller, row) else None

    async def document(self, caller: Caller, name: str, version: int) -> SchemaDocument:
        """One schema as it was registered; those of OPEN types for anyone. Raises NotFound."""
        event_type = await self._authorise_reader(caller, name)
        found = await sql.by_version(event_type.id, version)
        if found is None:
            raise NotFound(f"The event type {name!r:.200} has no schema version {version}.")
        return SchemaDocument(found.definition.encode(), event_type.audience == Audience.OPEN)

    async def _authorise_reader(self, caller: Caller, name: str) -> EventType:
        event_type = await event_types.by_name(name)
        if event_type is None or not may_see(caller, event_type):
            raise NotFound(f"There is no event type {name!r:.200}.")
        return event_type

    async def _owned(self, caller: Caller, name: str) -> EventType:
        event_type = await event_types.by_name(name)
        if event_type is None or event_type.tenant_id != caller.tenant_id:
            raise NotFound(f"Your tenant has no event type {name!r:.200}.")
        return event_type

    async def _latest_of(self, event_type: EventType) -> SchemaVersion:
        latest = await sql.latest(event_type.id)
        if latest is None:
            raise NotFound(f"The event type {event_type.name} has gone.")
        return latest

    async def _compared(self, event_type: EventType, latest: SchemaVersion, definition: object) -> CompatibilityReport:
        async def definition_of(version: int) -> object:
            found = latest if version == latest.version else await sql.by_version(event_type.id, version)
            assert found is not None  # they are numbered without a gap, and none is ever removed
            return json.loads(found.definition)

        mode = CompatibilityMode(event_type.compatibility)
        return await compared(self._comparer, mode, latest.version, definition_of, definition)


def registration(
    dialect: Dialect, caller: Caller, event_type: str, new: sql.NextVersion, versions_max: int, now: Instant
) -> Work[int | None]:
    """The id of the next version; None when the type has changed since its schema was compared. For whoever may manage
    the type and has compared the schema."""
    schema_id = yield from sql.insert(dialect, new, versions_max, now)
    if schema_id is not None:
        detail = {"eventType": event_type, "version": new.after + 1}
        entry = Audit(caller.tenant_id, caller.principal_id, "register", "schema version", schema_id, detail)
        yield from audit(entry, now)
    return schema_id
