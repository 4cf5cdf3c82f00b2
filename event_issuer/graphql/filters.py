"""Filters in the API: the dialects as one input type, and back into the JSON that is stored and judged."""

from typing import Optional

import strawberry

from event_issuer.graphql.scalars import JSON


@strawberry.input(
    one_of=True,
    description="Which events are taken: exactly one of the dialects. At most 4 KiB as JSON, and 8 levels.",
)
class EventFilterInput:
    exact: JSON | None = strawberry.field(
        default=strawberry.UNSET, description="An object: each of these attributes has this value."
    )
    prefix: JSON | None = strawberry.field(
        default=strawberry.UNSET, description="An object: each of these attributes begins with this."
    )
    suffix: JSON | None = strawberry.field(
        default=strawberry.UNSET, description="An object: each of these attributes ends with this."
    )
    all: list["EventFilterInput"] | None = strawberry.field(
        default=strawberry.UNSET, description="Each of these filters takes the event."
    )
    any: list["EventFilterInput"] | None = strawberry.field(
        default=strawberry.UNSET, description="At least one of these filters takes the event."
    )
    not_: Optional["EventFilterInput"] = strawberry.field(
        default=strawberry.UNSET, name="not", description="This filter does not take the event."
    )
    sql: str | None = strawberry.field(
        default=strawberry.UNSET, description="A CloudEvents SQL expression (CESQL 1.0) on the attributes that is true."
    )
    data: JSON | None = strawberry.field(
        default=strawberry.UNSET,
        description="An object of JSON Pointers and values: the data have each of these values there.",
    )

    def document(self) -> dict[str, object]:
        """The filter as JSON, as the CloudEvents Subscriptions API writes it."""
        for name in ("exact", "prefix", "suffix", "sql", "data"):
            value = getattr(self, name)
            if value is not strawberry.UNSET:
                return {name: value}
        if self.not_ is not None and self.not_ is not strawberry.UNSET:
            return {"not": self.not_.document()}
        name, inner = ("any", self.any) if self.all is strawberry.UNSET else ("all", self.all)
        return {name: [one.document() for one in inner or ()]}
