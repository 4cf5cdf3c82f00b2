"""Event types and their schemas in the API."""

from typing import Annotated

import strawberry

from event_issuer.db import tables
from event_issuer.db.event_types import Criteria
from event_issuer.domain.access import Audience
from event_issuer.domain.errors import Violation as BrokenRule
from event_issuer.domain.paging import page_request
from event_issuer.domain.text_search import Words, storable
from event_issuer.graphql import connections
from event_issuer.graphql.connections import After, Before, Connection, First, Last, connection
from event_issuer.graphql.context import Asked
from event_issuer.graphql.enums import (
    ActionEnum,
    AudienceEnum,
    CompatibilityMode,
    EventTypeStatus,
    ValidationMode,
)
from event_issuer.graphql.fields import field, maybe
from event_issuer.graphql.ids import encode_id
from event_issuer.graphql.scalars import JSON, URL, DateTime, Long, datetime_or_none, long_or_none, url_or_none
from event_issuer.graphql.schemas import SchemaVersion
from event_issuer.resolvers.event_type_changes import EventTypeChange
from event_issuer.resolvers.event_types import EventTypeSpec
from event_issuer.resolvers.event_types import EventTypeUser as User
from event_issuer.resolvers.event_types import EventValidation as Judgement


@strawberry.type(description="One way in which a document breaks a contract.")
class Violation:
    path: str = strawberry.field(description="Where: a JSON Pointer (RFC 6901) into the document.")
    rule: str = strawberry.field(description="The keyword of the schema, or the rule, that is broken.")
    message: str = strawberry.field(description="What is wrong, with the value.")

    @classmethod
    def of(cls, broken: BrokenRule) -> "Violation":
        return cls(path=broken.path, rule=broken.rule, message=broken.message)


@strawberry.type(description="An organisation whose objects no other tenant sees.")
class Tenant(connections.Node):
    name: str = strawberry.field(description="Its name, which is also a segment of its paths.")


@strawberry.type(description="A principal of your own tenant, and what it may do with the events of an event type.")
class EventTypeUser:
    principal: str = strawberry.field(description="The principal's name.")
    actions: list[ActionEnum] = strawberry.field(description="CONSUME, PRODUCE or both.")

    @classmethod
    def of(cls, user: User) -> "EventTypeUser":
        return cls(principal=user.name, actions=[ActionEnum(action.value) for action in user.actions])


@strawberry.type(description="A named kind of event, with the contract that its events keep.")
class EventType(connections.Node):
    row: strawberry.Private[tables.EventType]
    name: str = strawberry.field(description="Such as `cloud.open.operational.train-arrived.v1`; a CloudEvent's type.")
    description: str = strawberry.field(description="What its events say, for people.")
    audience: AudienceEnum = strawberry.field(description="Who may consume it.")
    compatibility: CompatibilityMode = strawberry.field(description="What a next schema version must keep.")
    validation: ValidationMode = strawberry.field(
        description="How records are judged that reach the log from outside the API."
    )
    partitions: int = strawberry.field(description="Events of one partition key stay in one of them, in order.")
    compacts: bool = strawberry.field(description="Whether the log keeps only the newest event of each partition key.")
    status: EventTypeStatus = strawberry.field(description="Whether it is still to be used.")
    sunset_at: DateTime | None = strawberry.field(description="From when it is no longer produced.")
    deprecated_at: DateTime | None = strawberry.field(description="Since when it is deprecated.")
    migration_url: URL | None = strawberry.field(description="Where it is said what to use instead.")
    retention_seconds: Long | None = strawberry.field(
        description="How long its events stay in the log; the server's default when null."
    )
    retention_bytes: Long | None = strawberry.field(
        description="Bytes kept per partition; the server's default when null."
    )
    plain_json_source: str | None = strawberry.field(
        description="The source of the events that plain JSON in its Kafka topic becomes; null: such records are "
        "quarantined."
    )

    @classmethod
    def of(cls, row: tables.EventType) -> "EventType":
        return cls(
            row=row,
            id=strawberry.ID(encode_id("EventType", row.id)),
            name=row.name,
            description=row.description,
            audience=AudienceEnum(row.audience),
            compatibility=CompatibilityMode(row.compatibility),
            validation=ValidationMode(row.validation),
            partitions=row.partition_count,
            compacts=bool(row.compacts),
            status=EventTypeStatus(row.status),
            sunset_at=datetime_or_none(row.sunset_at_us),
            deprecated_at=datetime_or_none(row.deprecated_at_us),
            migration_url=url_or_none(row.migration_url),
            retention_seconds=long_or_none(row.retention_s),
            retention_bytes=long_or_none(row.retention_bytes),
            plain_json_source=row.plain_json_source,
        )

    @field("The tenant that made it.")
    async def owner(self, info: Asked) -> Tenant:
        name = await info.context.do.event_types.owner_name(info.context.caller, self.row)
        return Tenant(id=strawberry.ID(encode_id("Tenant", self.row.tenant_id)), name=name)

    @field("The newest schema version.")
    async def latest_schema(self, info: Asked) -> SchemaVersion | None:
        found = await info.context.do.schemas.latest(info.context.caller, self.row)
        return None if found is None else SchemaVersion.of(found, self.row.name, info.context.do.schema_urls)

    @field("All schema versions, the oldest first.")
    async def schemas(
        self, info: Asked, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[SchemaVersion] | None:
        request = page_request(first, after, last, before)
        found = await info.context.do.schemas.page(info.context.caller, self.row, request)
        urls = info.context.do.schema_urls
        return connection(found, lambda row: row.id, lambda row: SchemaVersion.of(row, self.row.name, urls))

    @field("Who of your own tenant may consume or produce it, the oldest principal first.")
    async def users(
        self, info: Asked, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[EventTypeUser] | None:
        request = page_request(first, after, last, before)
        found = await info.context.do.event_types.users(info.context.caller, self.row, request)
        return connection(found, lambda user: user.principal_id, EventTypeUser.of)


@strawberry.input(description="Which event types to list.")
class EventTypeFilter:
    name_prefix: str | None = strawberry.field(default=None, description="Only those whose names begin so.")
    text: str | None = strawberry.field(
        default=None,
        description="Only those in whose name or description every one of these words occurs, in any case of letters.",
    )
    status: EventTypeStatus | None = strawberry.field(default=None, description="Only those of this status.")
    audience: AudienceEnum | None = strawberry.field(default=None, description="Only those of this audience.")
    owner: str | None = strawberry.field(default=None, description="Only those that the tenant of this name made.")

    def criteria(self) -> Criteria:
        """Raises BadInput."""
        return Criteria(
            name_prefix=storable(self.name_prefix or ""),
            words=Words.parse(self.text or ""),
            status=self.status.value if self.status else None,
            audience=self.audience.value if self.audience else None,
            owner=None if self.owner is None else storable(self.owner),
        )


@strawberry.input(description="A new event type, with its first schema.")
class CreateEventTypeInput:
    name: str = strawberry.field(description="Two or more segments of a-z, 0-9, - and _, joined by dots.")
    description: str = strawberry.field(description="What its events say, for people.")
    schema: JSON = strawberry.field(
        description="A JSON Schema (2020-12, or draft-07 by `$schema`), self-contained: references only within it."
    )
    example: JSON | None = strawberry.field(default=None, description="Data that keeps the schema.")
    audience: AudienceEnum | None = strawberry.field(
        default=None, description="Who may consume it: GRANTED unless said."
    )
    compatibility: CompatibilityMode | None = strawberry.field(default=None, description="FORWARD unless said.")
    validation: ValidationMode | None = strawberry.field(default=None, description="ENFORCED unless said.")
    partitions: int | None = strawberry.field(default=None, description="1 unless said.")
    compacts: bool | None = strawberry.field(
        default=None,
        description="Whether the log keeps only the newest event of each partition key, and after a tombstone none; "
        "false unless said.",
    )
    deduplicates: bool | None = strawberry.field(
        default=None, description="Whether an event that is sent again is recognised; true unless said."
    )
    retention_seconds: Long | None = strawberry.field(
        default=None, description="How long events stay in the log; the server's default unless said."
    )
    retention_bytes: Long | None = strawberry.field(
        default=None, description="Bytes kept per partition; the server's default unless said."
    )
    plain_json_source: str | None = strawberry.field(
        default=None,
        description="A URI-reference, the source of the events that plain JSON in its Kafka topic becomes. Unless "
        "said, such records are quarantined.",
    )

    def spec(self) -> EventTypeSpec:
        return EventTypeSpec(
            name=self.name,
            description=self.description,
            definition=self.schema,
            example=self.example,
            audience=Audience((self.audience or AudienceEnum.GRANTED).value),
            compatibility=(self.compatibility or CompatibilityMode.FORWARD).value,
            validation=(self.validation or ValidationMode.ENFORCED).value,
            partitions=1 if self.partitions is None else self.partitions,
            deduplicates=self.deduplicates is not False,
            compacts=self.compacts is True,
            retention_s=self.retention_seconds,
            retention_bytes=self.retention_bytes,
            plain_json_source=self.plain_json_source,
        )


@strawberry.input(description="What is to change: absent stays as it is, null unsets.")
class UpdateEventTypeInput:
    event_type: str = strawberry.field(description="The event type's name.")
    description: str | None = strawberry.field(default=None, description="What its events say, for people.")
    audience: AudienceEnum | None = strawberry.field(
        default=None, description="Who may consume it; subscriptions that there are go on."
    )
    compatibility: CompatibilityMode | None = strawberry.field(
        default=None, description="What a next schema version must keep from now on."
    )
    validation: ValidationMode | None = strawberry.field(
        default=None, description="How records are judged that reach the log from outside the API."
    )
    status: EventTypeStatus | None = strawberry.field(
        default=None, description="DEPRECATED is told with every delivery; ACTIVE takes it back, with all it said."
    )
    sunset_at: DateTime | None = strawberry.field(
        default=strawberry.UNSET,
        description="From when a DEPRECATED type is no longer produced. Once announced it moves to a later time only.",
    )
    migration_url: URL | None = strawberry.field(
        default=strawberry.UNSET, description="Where it is said what to use instead of a DEPRECATED type."
    )
    retention_seconds: Long | None = strawberry.field(
        default=strawberry.UNSET, description="How long events stay in the log; null takes the server's default."
    )
    retention_bytes: Long | None = strawberry.field(
        default=strawberry.UNSET, description="Bytes kept per partition; null takes the server's default."
    )
    plain_json_source: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The source of the events that plain JSON in its Kafka topic becomes from now on; null: such "
        "records are quarantined.",
    )

    def change(self) -> EventTypeChange:
        return EventTypeChange(
            description=self.description,
            audience=Audience(self.audience.value) if self.audience else None,
            compatibility=self.compatibility.value if self.compatibility else None,
            validation=self.validation.value if self.validation else None,
            status=self.status.value if self.status else None,
            sunset_at=maybe(self.sunset_at),
            migration_url=maybe(self.migration_url),
            retention_s=maybe(self.retention_seconds),
            retention_bytes=maybe(self.retention_bytes),
            plain_json_source=maybe(self.plain_json_source),
        )


@strawberry.type(description="An event type that was made or changed.")
class EventTypePayload:
    event_type: EventType = strawberry.field(description="As it is now.")


@strawberry.type(description="Whether an event would be accepted, and if not, why.")
class EventValidation:
    valid: bool = strawberry.field(description="Whether it would be accepted.")
    schema_version: int | None = strawberry.field(description="The version that judged; null if it did not get so far.")
    violations: list[Violation] = strawberry.field(description="All that is wrong with it; at most 100.")

    @classmethod
    def of(cls, judgement: Judgement) -> "EventValidation":
        violations = [Violation.of(broken) for broken in judgement.violations]
        return cls(valid=not violations, schema_version=judgement.schema_version, violations=violations)


Name = Annotated[str, strawberry.argument(description="The event type's name.")]
