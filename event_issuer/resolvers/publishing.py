"""Publishing: the versions of an event type are registered, in order, to the tenant's schema registry.

The registry keeps its own rules; what it refuses is told as it says it. What it has already is recognised by what it
says, so that a call that was cut short, or whose answer was lost, is simply repeated.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from event_issuer.db import event_types
from event_issuer.db import schema_registries as links
from event_issuer.db import schemas as sql
from event_issuer.db.access import Audit, audit
from event_issuer.db.database import Database
from event_issuer.db.tables import EventType
from event_issuer.db.work import Work
from event_issuer.domain.access import Action, Caller
from event_issuer.domain.errors import Conflict, IssuerError, NotFound
from event_issuer.domain.subjects import said_in_registry, sense, subject_of
from event_issuer.domain.time import Clock
from event_issuer.egress.registry_session import RegistrySession
from event_issuer.resolvers.event_types import as_text
from event_issuer.resolvers.schema_registries import SchemaRegistries


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """`is_new`: it was registered by this call."""

    found: links.RegistryVersion
    is_new: bool


@dataclass(frozen=True, slots=True)
class Published:
    """The registry's versions of the subject that are the event type's, in order of ours."""

    event_type: EventType
    subject: str
    versions: tuple[PublishedVersion, ...]


class Publishing:
    def __init__(self, database: Database, registries: SchemaRegistries, clock: Clock) -> None:
        self._database, self._registries, self._clock = database, registries, clock

    async def publish(self, caller: Caller, name: str) -> Published:
        """Registers what comes after the newest version that the registry has.

        Raises NotFound, Conflict where the subject has what the event type has not, and what the registry refuses:
        SchemaInvalid, SchemaIncompatible, BadInput, LimitExceeded, Unavailable, OutcomeUnknown. Versions that were
        registered before a refusal stay so.
        """
        caller.authorise(Action.MANAGE_EVENT_TYPES, name)
        row = await event_types.by_name(name)
        if row is None or row.tenant_id != caller.tenant_id:
            raise NotFound(f"Your tenant has no event type {name!r:.200}.")
        session = await self._registries.session(caller)
        known = await self._registries.versions(caller, row)
        subject = known[0].subject if known else subject_of(name)
        ours = {one.version: json.loads(one.definition) for one in await sql.since(row.id, 1)}
        there = await self._there(caller, session, row, subject, known, ours)
        found = [PublishedVersion(one, is_new=False) for one in there]
        newest = max((one.version for one in there), default=0)
        said = {sense(ours[one.version]) for one in there}
        for version, definition in ours.items():
            its = sense(definition)
            if (
                version > newest and its not in said
            ):  # a subject has a schema once, where an event type may return to it
                said.add(its)
                made = await self._registered(caller, session, row, subject, version, definition)
                found.append(PublishedVersion(made, is_new=True))
        return Published(row, subject, tuple(sorted(found, key=lambda one: (one.found.version, one.found.number))))

    async def _there(
        self,
        caller: Caller,
        session: RegistrySession,
        row: EventType,
        subject: str,
        known: list[links.RegistryVersion],
        ours: dict[int, dict[str, object]],
    ) -> list[links.RegistryVersion]:
        """The versions that the registry has at this moment; those that were not known as ours are written down."""
        numbers = await session.versions(subject)
        there = [link for link in known if link.number in numbers]
        senses = {sense(definition): version for version, definition in reversed(ours.items())}  # the first counts
        strange = [number for number in numbers if number not in {link.number for link in there}]
        for number in strange:
            theirs = await session.read(subject, number)
            version = senses.get(sense(theirs.definition))
            if version is None:
                raise Conflict(
                    f"The subject {subject} has a version {number} that {row.name} has not; import it first."
                )
            there.append(links.RegistryVersion(subject, number, theirs.schema_id, version))
        if strange:
            await self._database.run(self._noting(caller, session.url, row, there[-len(strange) :]))
        return there

    async def _registered(
        self,
        caller: Caller,
        session: RegistrySession,
        row: EventType,
        subject: str,
        version: int,
        definition: Mapping[str, object],
    ) -> links.RegistryVersion:
        try:
            number, schema_id = await session.register(subject, as_text(said_in_registry(definition)))
        except IssuerError as refusal:
            raise type(refusal)(f"Version {version} is not registered to {subject}. {refusal.detail}") from None
        made = links.RegistryVersion(subject, number, schema_id, version)
        await self._database.run(self._noting(caller, session.url, row, [made]))
        return made

    def _noting(self, caller: Caller, url: str, row: EventType, found: list[links.RegistryVersion]) -> Work[None]:
        now = self._clock()
        if not (yield from links.note(self._database.dialect, caller.tenant_id, url, row.id, found)):
            raise Conflict("Your tenant's schema registry has become another one meanwhile; publish again.")
        for one in found:
            detail = {"eventType": row.name, "version": one.version, "subject": one.subject, "schemaId": one.schema_id}
            entry = Audit(caller.tenant_id, caller.principal_id, "publish", "event type", row.id, detail)
            yield from audit(entry, now)
