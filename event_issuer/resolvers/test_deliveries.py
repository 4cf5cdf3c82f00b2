"""Test events: an owner asks for one, made from the example of its event type, and sees what the endpoint answered.

The request is a row; the delivery service sends it. It is not in the log, and no subscription gets it but this one.
"""

import json
from enum import StrEnum
from typing import Final
from uuid import uuid4

from event_issuer.contracts.catalogue import Catalogue, CatalogueEntry
from event_issuer.contracts.trial import SchemaTrial
from event_issuer.contracts.versions import Versions
from event_issuer.db import attempts, schemas, subscriptions
from event_issuer.db import test_deliveries as sql
from event_issuer.db.access import Audit
from event_issuer.db.changes import ChangeFeed
from event_issuer.db.database import Database
from event_issuer.db.tables import Attempt, Subscription, TestDelivery
from event_issuer.domain.access import Action, Caller
from event_issuer.domain.dataschemas import SchemaUrls
from event_issuer.domain.errors import BadInput, Conflict, NotFound
from event_issuer.domain.json_format import json_format
from event_issuer.domain.json_values import json_document
from event_issuer.domain.marking import marked_event
from event_issuer.domain.subscriptions import (
    TEST_WAIT_S,
    TIMEOUT_MAX_S,
    DeliverySettings,
    Status,
    refuse_untestable,
)
from event_issuer.domain.time import SECOND_US, Clock
from event_issuer.resolvers.events import authorised_entries

SENDING_MAX_S: Final = TIMEOUT_MAX_S + 30  # then the process that claimed it has died


class TestDeliveryStatus(StrEnum):
    __test__ = False  # no test of ours, whatever its name says to pytest

    WAITING = "WAITING"
    SENDING = "SENDING"
    DONE = "DONE"
    EXPIRED = "EXPIRED"


class TestDeliveries:
    __test__ = False

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        versions: Versions,
        trial: SchemaTrial,
        urls: SchemaUrls,
        feed: ChangeFeed,
        clock: Clock,
    ) -> None:
        self._database, self._catalogue, self._versions = database, catalogue, versions
        self._trial, self._urls, self._feed, self._clock = trial, urls, feed, clock

    async def send(self, caller: Caller, subscription_id: int, event_type: str | None) -> TestDelivery:
        """Asks for one event of this type of the subscription's; None: of the first by name.

        Raises NotFound, BadInput, LimitExceeded, Unavailable, and Conflict where the endpoint has not agreed to receive
        or no event could be made.
        """
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        row = await subscriptions.by_id(caller.tenant_id, subscription_id)
        if row is None:
            raise NotFound("There is no such subscription.")
        refuse_untestable(Status(row.status), row.verified_at_us)
        entry = await self._entry(caller, row, event_type)
        version = DeliverySettings.from_json(row.delivery).schema_version or entry.version
        data = await self._data(entry, version)
        now = self._clock()
        event = marked_event(entry.name, str(uuid4()), self._urls.of(entry.name, version), data, now)
        new = sql.NewTestDelivery(row.id, entry.id, entry.partition_ids[0], json_format(event).decode())
        detail = {"eventType": entry.name}
        audit = Audit(caller.tenant_id, caller.principal_id, "test", "subscription", row.id, detail)
        id_ = await self._database.run(sql.insert(self._database.dialect, new, audit, now))
        self._feed.hurry()
        found = await sql.by_id(row.id, id_)
        if found is None:
            raise NotFound("The subscription has been deleted.")
        return found

    async def get(self, caller: Caller, subscription_id: int, id_: int) -> TestDelivery | None:
        """None where there is none (any more), or none of this caller's."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        row = await subscriptions.by_id(caller.tenant_id, subscription_id)
        return None if row is None else await sql.by_id(row.id, id_)

    async def event_type(self, caller: Caller, row: TestDelivery) -> str:
        """The name of the event type of a request that the caller was given."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        return str(json.loads(row.event)["type"])

    async def attempt(self, caller: Caller, row: TestDelivery) -> Attempt | None:
        """What came of a request that the caller was given; None as long as it is not sent, or once it was pruned."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        return await attempts.one(row.subscription_id, row.attempt_id) if _is_set(row.attempt_id) else None

    def status(self, caller: Caller, row: TestDelivery) -> TestDeliveryStatus:
        """How far a request is that the caller was given."""
        caller.authorise(Action.MANAGE_SUBSCRIPTIONS)
        if _is_set(row.attempt_id):
            return TestDeliveryStatus.DONE
        if _is_set(row.claimed_at_us):
            status, until = TestDeliveryStatus.SENDING, row.claimed_at_us + round(SENDING_MAX_S * SECOND_US)
        else:
            status, until = TestDeliveryStatus.WAITING, row.requested_at_us + TEST_WAIT_S * SECOND_US
        return status if self._clock() < until else TestDeliveryStatus.EXPIRED

    async def _entry(self, caller: Caller, row: Subscription, event_type: str | None) -> CatalogueEntry:
        names = (await subscriptions.event_types_of(self._database, [row.id]))[row.id]
        if event_type is not None and event_type not in names:
            raise BadInput(f"The subscription has the event types {', '.join(names)}, not {event_type!r:.200}.")
        (entry,) = await authorised_entries(caller, self._catalogue, [event_type or names[0]])
        return entry

    async def _data(self, entry: CatalogueEntry, version: int) -> bytes:
        """Data that keep this version of the contract: its example, or made up."""
        row = await schemas.by_version(entry.id, version)
        contract = entry.contract if version == entry.version else await self._versions.contract(entry.id, version)
        if row is not None and contract is not None:
            text: str | None = row.example or await self._trial.sample(json.loads(row.definition))
            if text is not None and contract.accepts(json_document(text.encode())):
                return text.encode()
        raise Conflict(
            f"No event could be made up that keeps schema version {version} of {entry.name}; its owner can register a "
            "version with an example."
        )


def _is_set(value: int | None) -> bool:
    return value is not None
