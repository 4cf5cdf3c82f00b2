"""Importing: subjects of the tenant's schema registry become its event types, with their versions in order.

A subject is one unit: all that is new in it passes the same trial and comparison as any schema that is registered, and
is then written in one transaction, or nothing of it is. An event type remembers which version of the subject each of
its versions is, so that importing again brings what is new.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from event_issuer.contracts.succession import Comparer, compared, refuse_incompatible
from event_issuer.contracts.trial import SchemaTrial
from event_issuer.db import event_types
from event_issuer.db import schema_registries as links
from event_issuer.db import schemas as sql
from event_issuer.db.access import Audit, audit
from event_issuer.db.changes import ChangeFeed
from event_issuer.db.database import Database
from event_issuer.db.tables import EventType
from event_issuer.db.work import Work
from event_issuer.domain.access import Action, Audience, Caller
from event_issuer.domain.compatibility import CompatibilityMode
from event_issuer.domain.errors import BadInput, Conflict, IssuerError, LimitExceeded, NotFound
from event_issuer.domain.subjects import TOPIC, Placing, Theirs, check_template, described, event_type_name, place
from event_issuer.domain.time import Clock
from event_issuer.egress.registry_session import RegistrySession
from event_issuer.eventlog.protocol import EventLog
from event_issuer.resolvers.event_types import (
    EventTypeLimits,
    EventTypeSpec,
    as_text,
    check_spec,
    creation,
    name_taken,
    refusals,
    storage_of,
)
from event_issuer.resolvers.schema_registries import SchemaRegistries
from event_issuer.resolvers.schemas import VERSIONS_MAX, registration

SUBJECTS_MAX: Final = 50  # of one call: each is several requests, one after another


class ImportOutcome(StrEnum):
    CREATED = "CREATED"
    UPDATED = "UPDATED"
    UNCHANGED = "UNCHANGED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class ImportWish:
    """Which subjects: by name, or those behind `after` that begin with `prefix`. The rest is for types that are new;
    without a mode they get the registry's."""

    names: Sequence[str] | None = None
    prefix: str = ""
    after: str | None = None
    template: str = TOPIC
    mode: CompatibilityMode | None = None
    audience: Audience = Audience.GRANTED
    validation: str = "ENFORCED"
    partitions: int = 1
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ImportedSubject:
    """`refusal` is there where it was REFUSED, `row` where the event type is there now."""

    subject: str
    event_type_name: str | None
    outcome: ImportOutcome
    versions_added: int = 0
    row: EventType | None = None
    refusal: IssuerError | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """Where it is not complete the registry was away, or there are more subjects than one call takes."""

    subjects: Sequence[ImportedSubject]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done for one subject. `row` is the event type that is there already, whose `latest` version is 0
    where there is none; `spec` what a new one is."""

    subject: str
    spec: EventTypeSpec
    row: EventType | None
    latest: int
    mode: CompatibilityMode
    theirs: Sequence[Theirs]
    placing: Placing

    @property
    def outcome(self) -> ImportOutcome:
        if self.row is None:
            return ImportOutcome.CREATED
        return ImportOutcome.UPDATED if self.placing.fresh else ImportOutcome.UNCHANGED


class Importing:
    def __init__(
        self,
        database: Database,
        log: EventLog,
        registries: SchemaRegistries,
        trial: SchemaTrial,
        comparer: Comparer,
        feed: ChangeFeed,
        clock: Clock,
        limits: EventTypeLimits,
    ) -> None:
        self._database, self._log, self._registries = database, log, registries
        self._trial, self._comparer = trial, comparer
        self._feed, self._clock, self._limits = feed, clock, limits

    async def run(self, caller: Caller, wish: ImportWish) -> Imported:
        """Subject by subject, in order of their names. Raises BadInput, NotFound without a registry, Unavailable where
        it does not tell its subjects; what is wrong with one subject is its own outcome."""
        caller.authorise(Action.MANAGE_EVENT_TYPES)
        _check(wish)
        session = await self._registries.session(caller)
        chosen = await _chosen(session, wish)
        found: list[ImportedSubject] = []
        for subject in chosen[:SUBJECTS_MAX]:
            found.append(await self._imported(caller, session, wish, subject))
            if session.is_away:
                break
        if not wish.is_dry_run:
            self._feed.hurry()
        return Imported(found, len(found) == len(chosen) and not session.is_away)

    async def _imported(
        self, caller: Caller, session: RegistrySession, wish: ImportWish, subject: str
    ) -> ImportedSubject:
        name: str | None = None
        try:
            name = event_type_name(subject, wish.template)
            caller.authorise(Action.MANAGE_EVENT_TYPES, name)
            plan = await self._planned(caller, session, wish, subject, name)
            row = plan.row
            if not wish.is_dry_run and plan.theirs:
                plan = await self._prepared(plan)
                row = await event_types.by_id(await self._database.run(self._writing(caller, session.url, plan)))
        except IssuerError as refusal:
            return ImportedSubject(subject, name, ImportOutcome.REFUSED, refusal=refusal)
        return ImportedSubject(subject, name, plan.outcome, len(plan.placing.fresh), row)

    async def _planned(
        self, caller: Caller, session: RegistrySession, wish: ImportWish, subject: str, name: str
    ) -> _Plan:
        spec = _spec(wish, name, subject)
        check_spec(spec, self._limits)
        row = await event_types.by_name(name)
        if row is not None and row.tenant_id != caller.tenant_id:
            raise name_taken(name)
        known = [] if row is None else await self._registries.versions(caller, row)
        _refuse_other_subject(known, subject)
        newest, at = max(((link.number, link.version) for link in known), default=(0, 0))
        theirs = await _newer(session, subject, newest)
        ours = [] if row is None else await sql.since(row.id, at)
        placing = place(theirs, {one.version: json.loads(one.definition) for one in ours}, at)
        latest = ours[-1].version if ours else 0
        if row is None:
            await self._database.run(refusals(caller, name, self._limits))
            mode = wish.mode or await session.mode(subject)
            spec = replace(
                spec,
                description=described(placing.fresh[-1], subject),
                definition=placing.fresh[0],
                compatibility=mode.value,
            )
        else:
            mode = CompatibilityMode(row.compatibility)
        plan = _Plan(subject, spec, row, latest, mode, theirs, placing)
        await self._try(plan)
        return plan

    async def _try(self, plan: _Plan) -> None:
        """Raises SchemaInvalid, SchemaIncompatible, LimitExceeded or Unavailable for the first version refused."""
        if plan.latest + len(plan.placing.fresh) > VERSIONS_MAX:
            raise LimitExceeded(f"An event type may have {VERSIONS_MAX} schema versions; the subject has more.")

        async def definition_of(version: int) -> object:
            if version > plan.latest:
                return plan.placing.fresh[version - plan.latest - 1]
            assert plan.row is not None  # else nothing is older than what is fresh
            found = await sql.by_version(plan.row.id, version)
            assert found is not None  # none is ever removed
            return json.loads(found.definition)

        for latest, definition in enumerate(plan.placing.fresh, plan.latest):
            try:
                await self._trial.try_schema(definition)
                refuse_incompatible(await compared(self._comparer, plan.mode, latest, definition_of, definition))
            except IssuerError as refusal:
                number = plan.theirs[plan.placing.versions.index(latest + 1)].number
                raise type(refusal)(f"Version {number} of the subject: {refusal.detail}") from None

    async def _prepared(self, plan: _Plan) -> _Plan:
        """With room in the log for an event type that is new. Raises Conflict, Unavailable."""
        if plan.row is not None:
            return plan
        partitions = await self._log.prepare(storage_of(plan.spec))
        return replace(plan, spec=replace(plan.spec, partitions=partitions))

    def _writing(self, caller: Caller, url: str, plan: _Plan) -> Work[int]:
        """The event type's id."""
        now, dialect, fresh = self._clock(), self._database.dialect, plan.placing.fresh
        after = plan.latest
        if plan.row is None:
            event_type_id = yield from creation(caller, plan.spec, self._limits, now)
            after, fresh = 1, fresh[1:]
        else:
            event_type_id = plan.row.id
        for definition in fresh:
            new = sql.NextVersion(event_type_id, after, plan.mode.value, as_text(definition), None)
            if (yield from registration(dialect, caller, plan.spec.name, new, VERSIONS_MAX, now)) is None:
                raise Conflict(f"Others change {plan.spec.name} at the same time; import it again.")
            after += 1
        noted = [
            links.RegistryVersion(plan.subject, one.number, one.schema_id, version)
            for one, version in zip(plan.theirs, plan.placing.versions, strict=True)
        ]
        if not (yield from links.note(dialect, caller.tenant_id, url, event_type_id, noted)):
            raise Conflict("Your tenant's schema registry has become another one meanwhile; import again.")
        detail = {"eventType": plan.spec.name, "subject": plan.subject, "versions": len(plan.placing.fresh)}
        entry = Audit(caller.tenant_id, caller.principal_id, "import", "event type", event_type_id, detail)
        yield from audit(entry, now)
        return event_type_id


def _check(wish: ImportWish) -> None:
    check_template(wish.template)
    if wish.names is not None and len(wish.names) > SUBJECTS_MAX:
        raise BadInput(f"One call takes {SUBJECTS_MAX} subjects by their names, not {len(wish.names)}.")
    if wish.names is not None and wish.after is not None:
        raise BadInput("`after` goes on with subjects of a prefix; names are taken as they are.")


async def _chosen(session: RegistrySession, wish: ImportWish) -> list[str]:
    if wish.names is not None:
        return sorted(set(wish.names))
    behind = wish.after or ""
    return [name for name in await session.subjects() if name.startswith(wish.prefix) and name > behind]


async def _newer(session: RegistrySession, subject: str, newest: int) -> list[Theirs]:
    """The subject's versions behind number `newest`. Raises NotFound, LimitExceeded, SchemaInvalid."""
    numbers = await session.versions(subject)
    if not numbers:
        raise NotFound(f"The schema registry has no subject {subject!r:.255}.")
    wanted = [number for number in numbers if number > newest]
    if len(wanted) > VERSIONS_MAX:
        raise LimitExceeded(f"An event type may have {VERSIONS_MAX} schema versions; the subject has {len(wanted)}.")
    return [await session.read(subject, number) for number in wanted]


def _spec(wish: ImportWish, name: str, subject: str) -> EventTypeSpec:
    return EventTypeSpec(
        name=name,
        description=described({}, subject),
        definition={},
        example=None,
        audience=wish.audience,
        validation=wish.validation,
        partitions=wish.partitions,
    )


def _refuse_other_subject(known: Sequence[links.RegistryVersion], subject: str) -> None:
    others = {link.subject for link in known} - {subject}
    if others:
        raise Conflict(f"The event type is that of the subject {min(others)}; give another eventTypeName.")
