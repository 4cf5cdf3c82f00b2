"""Retrying and discarding parked events in the API."""

from typing import Annotated

import strawberry

from event_issuer.db.parked import Chosen
from event_issuer.domain.errors import BadInput
from event_issuer.graphql.ids import existing_number, existing_numbers


@strawberry.input(one_of=True, description="Which of them; exactly one of the three.")
class ParkedSelection:
    ids: list[strawberry.ID] | None = strawberry.field(default=strawberry.UNSET, description="These, at most 1,000.")
    dead_lettered: bool | None = strawberry.field(default=strawberry.UNSET, description="True: all dead letters.")
    all: bool | None = strawberry.field(default=strawberry.UNSET, description="True: those that wait, too.")


@strawberry.input(description="Parked events of one subscription.")
class ParkedSelectionInput:
    webhook_subscription_id: strawberry.ID = strawberry.field(description="The subscription.")
    selection: ParkedSelection = strawberry.field(description="Which of them.")

    def chosen(self) -> Chosen:
        subscription_id = existing_number(self.webhook_subscription_id, "WebhookSubscription")
        selection = self.selection
        if selection.all or selection.dead_lettered:
            return Chosen(subscription_id, waiting=bool(selection.all))
        if not selection.ids:
            raise BadInput("Name the events, or select deadLettered: true or all: true.")
        found = [existing_numbers(id_, "ParkedEvent", 2) for id_ in selection.ids]
        return Chosen(subscription_id, [id_ for owner_id, id_ in found if owner_id == subscription_id])


@strawberry.type(description="What was asked for.")
class ParkedEventsPayload:
    count: int = strawberry.field(description="How many it concerns. Delivery acts on it within a second.")


ParkedSelected = Annotated[ParkedSelectionInput, strawberry.argument(description="Which events.")]
