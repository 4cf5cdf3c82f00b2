"""Quarantined events in the API: what reached the log from outside the API and breaks its contract."""

from typing import Annotated

import strawberry

from event_issuer.db import tables
from event_issuer.domain.errors import BadInput
from event_issuer.graphql import connections
from event_issuer.graphql.context import Asked
from event_issuer.graphql.enums import QuarantineStanding, UnreadableReason
from event_issuer.graphql.event_types import Violation
from event_issuer.graphql.events import Event
from event_issuer.graphql.fields import field
from event_issuer.graphql.ids import encode_id, existing_number
from event_issuer.graphql.scalars import DateTime
from event_issuer.resolvers import quarantine


@strawberry.type(description="An event that came by another way than the API and breaks the contract of its type.")
class QuarantinedEvent(connections.Node):
    row: strawberry.Private[tables.VerdictRow]
    standing: QuarantineStanding = strawberry.field(description="What became of it.")
    unreadable: UnreadableReason | None = strawberry.field(
        description="Why the record was no event when it was first read, so that it cannot be released; null where it "
        "was one."
    )
    schema_version: int = strawberry.field(description="The schema version that judged it.")
    violations: list[Violation] = strawberry.field(description="All that was wrong with it; at most 100.")
    judged_at: DateTime = strawberry.field(description="When it was first read.")
    changed_at: DateTime = strawberry.field(description="When it came to stand as it does.")

    @classmethod
    def of(cls, row: tables.VerdictRow) -> "QuarantinedEvent":
        return cls(
            row=row,
            id=strawberry.ID(encode_id("QuarantinedEvent", row.id)),
            standing=QuarantineStanding(row.standing),
            unreadable=None if quarantine.reason_of(row) is None else UnreadableReason(row.unreadable),
            schema_version=row.schema_version,
            violations=[Violation.of(found) for found in quarantine.violations_of(row)],
            judged_at=DateTime(row.judged_at_us),
            changed_at=DateTime(row.changed_at_us),
        )

    @field("The event; null once the log has dropped it. A record that is no event is shown as one without data.")
    async def event(self, info: Asked) -> Event | None:
        record = await info.context.do.quarantine.record(info.context.caller, self.row)
        return None if record is None else Event.of(record, info.context.do.log_id)


@strawberry.input(one_of=True, description="Which of them; exactly one of the two.")
class QuarantineSelection:
    ids: list[strawberry.ID] | None = strawberry.field(default=strawberry.UNSET, description="These, at most 1,000.")
    all: bool | None = strawberry.field(default=strawberry.UNSET, description="True: the oldest 1,000 that are held.")


@strawberry.input(description="Held events of one event type.")
class QuarantineSelectionInput:
    event_type: str = strawberry.field(description="The event type's name.")
    selection: QuarantineSelection = strawberry.field(description="Which of them.")

    def selected(self) -> quarantine.Selection:
        if self.selection.all:
            return quarantine.Selection(self.event_type)
        if not self.selection.ids:
            raise BadInput("Name the events, or select all: true.")
        return quarantine.Selection(
            self.event_type, [existing_number(id_, "QuarantinedEvent") for id_ in self.selection.ids]
        )


@strawberry.type(description="What was decided.")
class QuarantinePayload:
    count: int = strawberry.field(description="How many were released, or discarded.")
    still_broken: list[QuarantinedEvent] = strawberry.field(
        description="Those that were not released: they break the contract that holds now, too."
    )

    @classmethod
    def of(cls, decided: quarantine.Decided) -> "QuarantinePayload":
        return cls(count=decided.count, still_broken=[QuarantinedEvent.of(row) for row in decided.broken])


Selected = Annotated[QuarantineSelectionInput, strawberry.argument(description="Which events.")]
