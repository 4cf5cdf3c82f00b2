"""Test events in the API: asking for one, and what became of it."""

from enum import Enum

import strawberry

from event_issuer.db import tables
from event_issuer.graphql import connections
from event_issuer.graphql.context import Asked
from event_issuer.graphql.deliveries import DeliveryAttempt
from event_issuer.graphql.fields import field, value
from event_issuer.graphql.ids import encode_id
from event_issuer.graphql.scalars import CloudEvent, DateTime, stored_json
from event_issuer.resolvers import test_deliveries

_Status = test_deliveries.TestDeliveryStatus


@strawberry.enum(description="How far a test event is.")
class TestDeliveryStatus(Enum):
    __test__ = False  # no test of ours, whatever its name says to pytest

    WAITING = value(_Status.WAITING.value, "A delivery process will take it within a second.")
    SENDING = value(_Status.SENDING.value, "Its request is under way.")
    DONE = value(_Status.DONE.value, "`attempt` says what came of it.")
    EXPIRED = value(_Status.EXPIRED.value, "It was not sent in time, or the process that sent it ended; ask again.")


@strawberry.type(description="One marked event that is sent to try the endpoint out; it is not in the log.")
class TestDelivery(connections.Node):
    __test__ = False

    row: strawberry.Private[tables.TestDelivery]
    requested_at: DateTime = strawberry.field(description="When it was asked for.")
    cloud_event: CloudEvent = strawberry.field(description="The event; its attribute `testevent` is `true`.")

    @classmethod
    def of(cls, row: tables.TestDelivery) -> "TestDelivery":
        return cls(
            row=row,
            id=strawberry.ID(encode_id("TestDelivery", row.subscription_id, row.id)),
            requested_at=DateTime(row.requested_at_us),
            cloud_event=CloudEvent(stored_json(row.event)),
        )

    @field("How far it is.")
    def status(self, info: Asked) -> TestDeliveryStatus:
        return TestDeliveryStatus(info.context.do.test_deliveries.status(info.context.caller, self.row).value)

    @field("The name of its event type.")
    async def event_type(self, info: Asked) -> str:
        return await info.context.do.test_deliveries.event_type(info.context.caller, self.row)

    @field("Its request and what came of it; null until then, and once the history of that time has been pruned.")
    async def attempt(self, info: Asked) -> DeliveryAttempt | None:
        row = await info.context.do.test_deliveries.attempt(info.context.caller, self.row)
        return None if row is None else DeliveryAttempt.of(row)


@strawberry.type(description="A test event that was asked for.")
class TestDeliveryPayload:
    __test__ = False

    test_delivery: TestDelivery = strawberry.field(description="As it is now; ask for it again by its id.")


async def find_test_delivery(info: Asked, subscription_id: int, id_: int) -> TestDelivery | None:
    row = await info.context.do.test_deliveries.get(info.context.caller, subscription_id, id_)
    return None if row is None else TestDelivery.of(row)
