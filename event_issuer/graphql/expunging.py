"""Expunging in the API: what the operator does about data that should not be there."""

from typing import Annotated

import strawberry

from event_issuer.graphql.context import Asked
from event_issuer.graphql.events import Event
from event_issuer.graphql.ids import event_position


@strawberry.input(description="An event whose data is to go.")
class ExpungeEventInput:
    id: strawberry.ID = strawberry.field(description="The event.")
    reason: str = strawberry.field(description="Why; it is kept in the audit log. 1 to 1,024 characters.")


@strawberry.type(description="An event that was expunged.")
class ExpungeEventPayload:
    event: Event = strawberry.field(description="As it is now: without data.")
    excerpts_removed: int = strawberry.field(description="How many excerpts of endpoints' answers to it were removed.")


ToExpunge = Annotated[ExpungeEventInput, strawberry.argument(description="Which one, and why.")]


async def expunge(info: Asked, wish: ExpungeEventInput) -> ExpungeEventPayload:
    position = event_position(wish.id, info.context.do.log_id)
    found = await info.context.do.expunging.expunge(info.context.caller, position, wish.reason)
    return ExpungeEventPayload(event=Event.of(found.record, info.context.do.log_id), excerpts_removed=found.excerpts)
