"""Webhook subscriptions: what their owners ask of them. The delivery service carries it out when it sees the change.

A subscription is its tenant's: another tenant's looks like one that does not exist. Credentials go in and never come
out; the signing secret is shown once, when the subscription is created.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from event_issuer.contracts.catalogue import Catalogue, CatalogueEntry
from event_issuer.db import subscriptions as sql
from event_issuer.db.changes import ChangeFeed
from event_issuer.db.database import Database
from event_issuer.db.tables import Subscription, SubscriptionErrorRow
from event_issuer.db.work import Work
from event_issuer.domain.access import Action, Caller
from event_issuer.domain.credentials import Credentials
from event_issuer.domain.errors import BadInput, NotFound
from event_issuer.domain.json_values import json_bytes
from event_issuer.domain.paging import PageRequest, Slice
from event_issuer.domain.subscriptions import (
    Command,
    ContentMode,
    DeliverySettings,
    Ordering,
    Status,
    Verification,
    refuse_mismatch,
    transition,
)
from event_issuer.domain.time import Clock, Instant
from event_issuer.egress.addresses import AddressRules
from event_issuer.egress.urls import parse_target
from event_issuer.eventlog.protocol import EventLog
from event_issuer.eventlog.reading import StartFrom, StartPoint, start_offsets
from event_issuer.resolvers.events import authorised_entries
from event_issuer.resolvers.filters import checked_filter
from event_issuer.resolvers.subscription_changes import (
    UNSET,
    SubscriptionChange,
    check_application_id,
    credential_columns,
    decide_change,
)
from event_issuer.security.sealing import SIGNING_SECRET, Sealer
from event_issuer.security.signing_secrets import new_signing_key, shown_secret

ERRORS_MAX: Final = 100  # as many as are kept of one subscription
DELETED_AT_ONCE_MAX: Final = 1000  # subscriptions of one bulk deletion; call again for the rest


@dataclass(frozen=True, slots=True)
class SubscriptionSpec:
    """What a caller asks for. `credentials` are sealed at once; the repr shows none of them. `filter` is JSON, None for
    every event. `names_batch`: the settings of batches are somebody's wish, and not the defaults."""

    application_id: str
    event_types: Sequence[str]
    url: str
    settings: DeliverySettings
    credentials: Credentials = field(default_factory=Credentials)
    ordering: Ordering = Ordering.PER_KEY
    content_mode: ContentMode = ContentMode.BINARY
    verification: Verification = Verification.OPTIONS_HANDSHAKE
    start_from: StartFrom = field(default_factory=lambda: StartFrom(at=StartPoint.LATEST))
    filter: object = None
    names_batch: bool = False


@dataclass(frozen=True, slots=True)
class SubscriptionLimits:
    """What the operator allows, and the delivery settings of who does not say."""

    subscriptions_max: int
    verification_optional: bool
    rules: AddressRules
    defaults: DeliverySettings


@dataclass(frozen=True, slots=True)
class CreatedSubscription:
    row: Subscription
    signing_secret: str = field(repr=False)
    valid_from: Instant


class Subscriptions:
    def __init__(
        self,
        database: Database,
        log: EventLog,
        catalogue: Catalogue,
        feed: ChangeFeed,
        sealer: Sealer,
        clock: Clock,
        limits: SubscriptionLimits,
    ) -> None:
        self._database, self._log, self._catalogue = database, log, catalogue
        self._feed, self._sealer, self._clock = feed, sealer, clock
        self.limits = limits

    async def create(self, caller: Caller, spec: SubscriptionSpec) -> CreatedSubscription:
        """In state INITIALIZING, from the heads of this moment unless it says otherwise.

        Raises BadInput, NotFound for an event type that the caller may not consume, Forbidden, LimitExceeded.
        """
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        entries = await self._authorised_types(caller, spec.event_types)
        check_application_id(spec.application_id)
        refuse_mismatch(spec.content_mode, spec.ordering, names_batch=spec.names_batch)
        parse_target(spec.url, self.limits.rules)
        if spec.verification is Verification.NONE and not self.limits.verification_optional:
            raise BadInput("This server verifies every endpoint; use OPTIONS_HANDSHAKE.")
        if spec.filter is not None:
            await checked_filter(caller, self._database, spec.filter, [entry.id for entry in entries])
        starts = await self._starts(entries, spec.start_from)
        key, now = new_signing_key(), self._clock()
        new = self._new(caller, spec, key)
        ids = [entry.id for entry in entries]
        work = sql.insert(self._database.dialect, new, ids, starts, self.limits.subscriptions_max, now)
        row = await self._existing(caller, await self._database.run(work))
        self._feed.hurry()
        return CreatedSubscription(row, shown_secret(key), now)

    async def get(self, caller: Caller, subscription_id: int) -> Subscription | None:
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        return await sql.by_id(caller.tenant_id, subscription_id)

    async def page(self, caller: Caller, status: Status | None, request: PageRequest) -> Slice[Subscription]:
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        return await sql.page(caller.tenant_id, status, request)

    async def event_types(self, caller: Caller, rows: Sequence[Subscription]) -> dict[int, list[str]]:
        """The names of the event types of each of these subscriptions, by their ids."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        mine = [row.id for row in rows if row.tenant_id == caller.tenant_id]
        return await sql.event_types_of(self._database, mine)

    async def errors(self, caller: Caller, subscription_id: int, count: int) -> list[SubscriptionErrorRow]:
        """The newest first. Raises NotFound."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        await self._existing(caller, subscription_id)
        if not 0 <= count <= ERRORS_MAX:
            raise BadInput(f"At most {ERRORS_MAX} errors are kept, {count} cannot be shown.")
        return await sql.errors_of(subscription_id, count)

    async def update(self, caller: Caller, subscription_id: int, change: SubscriptionChange) -> Subscription:
        """What the change leaves unset stays. A new URL is verified before it gets an event.

        Raises BadInput, NotFound, Conflict where the state does not allow it.
        """
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        decide = decide_change(change, self.limits.rules, self.limits.defaults, self._sealer, self._clock())
        if change.event_types is None:
            await self._check_filter(caller, subscription_id, change, None)
            return await self._alter(caller, subscription_id, "update", decide)
        entries = await self._authorised_types(caller, change.event_types)
        await self._check_filter(caller, subscription_id, change, [entry.id for entry in entries])
        starts = {entry.id: await self._starts([entry], StartFrom(at=StartPoint.LATEST)) for entry in entries}
        return await self._alter(caller, subscription_id, "update", decide, starts)

    async def start(self, caller: Caller, subscription_id: int) -> Subscription:
        """A stopped one goes on where it stood; a failed or unverified one is verified first. Raises Conflict."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)

        def decide(current: sql.CurrentSubscription) -> Mapping[str, object]:
            if current.status is Status.STOPPED and current.verified_at_us is not None:
                return {"status": transition(current.status, Command.START).value}
            return _to_verify(transition(current.status, Command.VERIFY), self._clock())

        return await self._alter(caller, subscription_id, "start", decide)

    async def verify(self, caller: Caller, subscription_id: int) -> Subscription:
        """Asks the endpoint again whether it wants to receive, and starts when it agrees. Raises Conflict."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)

        def decide(current: sql.CurrentSubscription) -> Mapping[str, object]:
            return _to_verify(transition(current.status, Command.VERIFY), self._clock())

        return await self._alter(caller, subscription_id, "verify", decide)

    async def stop(self, caller: Caller, subscription_id: int) -> Subscription:
        """No request starts after this; those under way are settled. Raises Conflict."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)

        def decide(current: sql.CurrentSubscription) -> Mapping[str, object]:
            return {"status": transition(current.status, Command.STOP).value, "verify_at_us": None}

        return await self._alter(caller, subscription_id, "stop", decide)

    async def delete(self, caller: Caller, subscription_id: int) -> int:
        """Marked at once; its rows go in the background. Its id. Raises NotFound."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        await self._run(caller, subscription_id, "delete", lambda _: {"deleted_at_us": self._clock()})
        return subscription_id

    async def delete_in(self, caller: Caller, status: Status) -> list[int]:
        """Deletes up to `DELETED_AT_ONCE_MAX` subscriptions in this state; their ids."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        rows = await self._database.read(sql.in_status(caller.tenant_id, status, DELETED_AT_ONCE_MAX))
        for row in rows:
            await self._run(caller, row[0], "delete", lambda _: {"deleted_at_us": self._clock()})
        return [row[0] for row in rows]

    async def _alter(
        self,
        caller: Caller,
        subscription_id: int,
        action: str,
        decide: sql.Decision,
        starts: Mapping[int, Sequence[sql.LaneStart]] | None = None,
    ) -> Subscription:
        await self._run(caller, subscription_id, action, decide, starts)
        return await self._existing(caller, subscription_id)

    async def _run(
        self,
        caller: Caller,
        subscription_id: int,
        action: str,
        decide: sql.Decision,
        starts: Mapping[int, Sequence[sql.LaneStart]] | None = None,
    ) -> None:
        def work() -> Work[bool]:
            found = yield from sql.alter(
                self._database.dialect, caller.tenant_id, caller.principal_id, subscription_id, action, decide, now
            )
            if found and starts is not None:
                yield from sql.change_event_types(subscription_id, starts)
            if found and action == "update":
                yield from sql.refuse_missing_version(subscription_id)
            return found

        now = self._clock()
        if not await self._database.run(work()):
            raise _no_such()
        self._feed.hurry()

    async def _check_filter(
        self, caller: Caller, subscription_id: int, change: SubscriptionChange, type_ids: Sequence[int] | None
    ) -> None:
        """The filter and the event types must agree as they will be. `type_ids` None: the types stay."""
        value = change.filter
        if value is None or (value is UNSET and type_ids is None):
            return
        row = await self._existing(caller, subscription_id)
        if value is UNSET:
            value = json.loads(row.filter) if row.filter else None
        if type_ids is None:
            type_ids = [found[0] for found in await self._database.read(sql.event_type_ids_of(row.id))]
        if value is not None:
            await checked_filter(caller, self._database, value, type_ids)

    async def _existing(self, caller: Caller, subscription_id: int) -> Subscription:
        row = await sql.by_id(caller.tenant_id, subscription_id)
        if row is None:
            raise _no_such()
        return row

    async def _authorised_types(self, caller: Caller, names: Sequence[str]) -> list[CatalogueEntry]:
        entries = await authorised_entries(caller, self._catalogue, names)
        for entry in entries:
            caller.authorise(Action.MANAGE_SUBSCRIPTIONS, entry.name)
        return entries

    async def _starts(self, entries: Sequence[CatalogueEntry], start: StartFrom) -> list[sql.LaneStart]:
        """LATEST is left to the creating transaction, which finds the heads of this moment or later ones."""
        if start.at is StartPoint.LATEST:
            latest = [sql.LaneStart(id_, None) for entry in entries for id_ in entry.partition_ids]
            await self._log.note_heads([one.partition_id for one in latest])
            return latest
        partitions = {entry.name: entry.partition_ids for entry in entries}
        offsets = await start_offsets(self._log, partitions, start)
        return [sql.LaneStart(id_, offset) for id_, offset in offsets.items()]

    def _new(self, caller: Caller, spec: SubscriptionSpec, key: bytes) -> sql.NewSubscription:
        return sql.NewSubscription(
            tenant_id=caller.tenant_id,
            principal_id=caller.principal_id,
            application_id=spec.application_id,
            url=spec.url,
            content_mode=spec.content_mode.value,
            ordering=spec.ordering.value,
            delivery=spec.settings.to_json(),
            verification=spec.verification.value,
            sealed_signing_secret=self._sealer.seal(key, purpose=SIGNING_SECRET),
            **credential_columns(spec.credentials, self._sealer),
            filter=None if spec.filter is None else json_bytes(spec.filter).decode(),
        )


def _to_verify(status: Status, now: Instant) -> Mapping[str, object]:
    return {"status": status.value, "verify_at_us": now, "verification_attempts": 0}


def _no_such() -> NotFound:
    return NotFound("There is no such subscription.")
