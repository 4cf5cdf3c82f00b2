"""Events in the API: sending them in, and reading the log."""

from collections.abc import Iterable
from typing import Annotated

import strawberry

from event_issuer.domain.errors import IssuerError
from event_issuer.domain.json_format import json_format
from event_issuer.eventlog import reading
from event_issuer.eventlog.protocol import LogRecord
from event_issuer.graphql import connections
from event_issuer.graphql.connections import Edge, PageInfo, page_info
from event_issuer.graphql.context import Asked
from event_issuer.graphql.enums import ProduceStatus, StartPoint
from event_issuer.graphql.event_types import Violation
from event_issuer.graphql.fields import field
from event_issuer.graphql.ids import event_id
from event_issuer.graphql.scalars import JSON, CloudEvent, DateTime, datetime_or_none, stored_json
from event_issuer.resolvers import events, produce


@strawberry.input(description="A CloudEvent, attribute by attribute. `id`, `source` and `time` are never invented.")
class CloudEventInput:
    specversion: str = strawberry.field(default="1.0", description="1.0.")
    id: str = strawberry.field(description="Unique with its source.")
    source: str = strawberry.field(description="A URI-reference that says where it happened.")
    type: str = strawberry.field(description="The event type's name.")
    subject: str | None = strawberry.field(default=None, description="What in the source it is about.")
    time: str | None = strawberry.field(default=None, description="When it happened: RFC 3339 with an offset.")
    datacontenttype: str | None = strawberry.field(
        default=None, description="The media type of the data: JSON unless said."
    )
    dataschema: str | None = strawberry.field(default=None, description="The URI of the schema that the data keeps.")
    partitionkey: str | None = strawberry.field(default=None, description="Events of one key are delivered in order.")
    extensions: JSON | None = strawberry.field(default=None, description="An object of extension attributes.")
    data: JSON | None = strawberry.field(default=strawberry.UNSET, description="The data, a JSON value; null is one.")
    data_base64: str | None = strawberry.field(default=None, description="The data as bytes, instead of `data`.")

    def document(self) -> object:
        """The event in the JSON event format."""
        if self.extensions is not None and not isinstance(self.extensions, dict):
            return {"extensions": self.extensions}  # judged, and refused, as an attribute
        members: dict[str, object] = {name: getattr(self, name) for name in _ATTRIBUTES}
        members |= self.extensions or {}
        if self.data is not strawberry.UNSET:
            members["data"] = self.data
        return members | {"data_base64": self.data_base64}


_ATTRIBUTES = (
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "partitionkey",
)


@strawberry.input(description="A record that says that a key is gone.")
class ProduceTombstoneInput:
    event_type: str = strawberry.field(description="The event type's name.")
    partitionkey: str = strawberry.field(description="The key that is gone.")
    id: str = strawberry.field(description="Unique with its source.")
    source: str = strawberry.field(description="A URI-reference that says where it happened.")

    def document(self) -> object:
        """In the JSON event format, without data."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.event_type,
            "partitionkey": self.partitionkey,
        }


@strawberry.type(description="A refusal, with the members of an RFC 9457 problem.")
class Problem:
    code: str = strawberry.field(description="Stable, for programs.")
    title: str = strawberry.field(description="What kind of refusal it is.")
    detail: str = strawberry.field(description="What was wrong, with the value, and what would be right.")
    retryable: bool = strawberry.field(description="Whether the same request may succeed later.")

    @classmethod
    def of(cls, refusal: IssuerError) -> "Problem":
        return cls(code=refusal.code, title=refusal.title, detail=refusal.detail, retryable=refusal.retryable)


@strawberry.type(description="One event of the log.")
class Event(connections.Node):
    record: strawberry.Private[LogRecord]
    event_id: str = strawberry.field(description="The CloudEvent's id: unique only with its source.")
    source: str = strawberry.field(description="Where it happened.")
    type: str = strawberry.field(description="The event type's name.")
    subject: str | None = strawberry.field(description="What in the source it is about.")
    time: str | None = strawberry.field(description="When it happened, as the producer wrote it.")
    partitionkey: str | None = strawberry.field(description="Events of one key are in order.")
    recorded_at: DateTime = strawberry.field(description="When it came into the log.")
    schema_version: int | None = strawberry.field(description="The version of its contract that judged it.")
    expunged_at: DateTime | None = strawberry.field(
        description="Since when it has no data, because the operator has expunged it; it is not delivered any more."
    )

    @classmethod
    def of(cls, record: LogRecord, log_id: str) -> "Event":
        attributes = record.event.attributes
        return cls(
            record=record,
            id=strawberry.ID(event_id(log_id, record.partition_id, record.offset)),
            event_id=attributes["id"],
            source=attributes["source"],
            type=attributes["type"],
            subject=attributes.get("subject"),
            time=attributes.get("time"),
            partitionkey=attributes.get("partitionkey"),
            recorded_at=DateTime(record.recorded_at),
            schema_version=record.schema_version,
            expunged_at=datetime_or_none(record.expunged_at),
        )

    @field("The whole event in the JSON event format, its data as it came in.")
    def cloud_event(self) -> CloudEvent:
        return CloudEvent(stored_json(json_format(self.record.event)))


@strawberry.type(description="What became of one event that was sent in.")
class ProducedEvent:
    produced: strawberry.Private[produce.Produced]
    index: int = strawberry.field(description="Its place in the batch, from 0.")
    status: ProduceStatus = strawberry.field(description="What became of it.")
    event_id: str | None = strawberry.field(description="The CloudEvent's id, if it could be read.")
    source: str | None = strawberry.field(description="The CloudEvent's source, if it could be read.")
    type: str | None = strawberry.field(description="The CloudEvent's type, if it could be read.")
    persisted_at: DateTime | None = strawberry.field(description="When it, or the event it repeats, came into the log.")
    violations: list[Violation] = strawberry.field(description="All that is wrong with it; at most 100.")
    problem: Problem | None = strawberry.field(description="Why it was rejected.")

    @classmethod
    def of(cls, result: produce.Produced) -> "ProducedEvent":
        return cls(
            produced=result,
            index=result.index,
            status=ProduceStatus(result.status.value),
            event_id=result.attributes.get("id"),
            source=result.attributes.get("source"),
            type=result.attributes.get("type"),
            persisted_at=None if result.problem is not None else datetime_or_none(result.recorded_at),
            violations=[Violation.of(broken) for broken in result.violations],
            problem=None if result.problem is None else Problem.of(result.problem),
        )

    @field("The event in the log; for a duplicate, the first one. Null if it is not there, or not yours to consume.")
    async def event(self, info: Asked) -> Event | None:
        produced = self.produced
        if produced.partition_id is None or produced.offset is None or produced.problem is not None:
            return None
        return await event_at(info, produced.partition_id, produced.offset)


@strawberry.type(description="One result per event, in order.")
class ProduceEventsPayload:
    produced: strawberry.Private[list[produce.Produced]]
    persisted: int = strawberry.field(description="How many are in the log now that were not before.")
    duplicates: int = strawberry.field(description="How many were in the log already.")
    rejected: int = strawberry.field(description="How many are not in the log.")

    @classmethod
    def of(cls, results: list[produce.Produced]) -> "ProduceEventsPayload":
        statuses = [result.status for result in results]
        return cls(
            produced=results,
            persisted=statuses.count(produce.ProduceStatus.PERSISTED),
            duplicates=statuses.count(produce.ProduceStatus.DUPLICATE),
            rejected=statuses.count(produce.ProduceStatus.REJECTED),
        )

    @field("The results, of all events or of those with one of these statuses.")
    def results(
        self,
        status: Annotated[list[ProduceStatus] | None, strawberry.argument(description="Only these.")] = None,
    ) -> list[ProducedEvent]:
        wanted = None if status is None else {one.value for one in status}
        return [ProducedEvent.of(one) for one in self.produced if wanted is None or one.status.value in wanted]


@strawberry.input(one_of=True, description="A place in the log to begin at; exactly one of the three.")
class StartFromInput:
    at: StartPoint | None = strawberry.field(default=strawberry.UNSET, description="One of the ends.")
    time: DateTime | None = strawberry.field(
        default=strawberry.UNSET, description="The first event that was recorded at or after this time."
    )
    cursor: str | None = strawberry.field(default=strawberry.UNSET, description="A cursor of an earlier answer.")

    def start(self) -> reading.StartFrom:
        if isinstance(self.at, StartPoint):
            return reading.StartFrom(at=reading.StartPoint(self.at.value))
        if isinstance(self.time, int):
            return reading.StartFrom(time=self.time)
        return reading.StartFrom(cursor=self.cursor)


@strawberry.type(description="A page of the log.")
class EventConnection:
    edges: list[Edge[Event]] = strawberry.field(description="The events with the cursors behind them.")
    page_info: PageInfo = strawberry.field(description="Whether there is more, and the cursor to go on from.")

    @field("The events alone.")
    def nodes(self) -> list[Event]:
        return [edge.node for edge in self.edges]

    @classmethod
    def of(cls, found: events.FoundEvents, log_id: str) -> "EventConnection":
        edges = [Edge(cursor=one.cursor, node=Event.of(one.record, log_id)) for one in found.events]
        info = page_info(edges, found.has_next, False)
        info.end_cursor = found.end_cursor  # also where nothing was found: this is where to go on
        return cls(edges=edges, page_info=info)


async def event_at(info: Asked, partition_id: int | None, offset: int | None) -> Event | None:
    """None where there is no position, the event is gone, or not the caller's to consume."""
    if partition_id is None or offset is None:
        return None
    record = await info.context.do.events.at(info.context.caller, partition_id, offset)
    return None if record is None else Event.of(record, info.context.do.log_id)


async def produced(info: Asked, values: Iterable[object]) -> list[produce.Produced]:
    return await info.context.do.producing.produce(info.context.caller, list(values))
