"""Schema versions in the API: the contracts of event types, and whether one may follow another."""

import strawberry

from event_issuer.contracts import succession
from event_issuer.db import tables
from event_issuer.domain import schema_changes
from event_issuer.domain.dataschemas import SchemaUrls
from event_issuer.domain.errors import SchemaProblem
from event_issuer.graphql import connections
from event_issuer.graphql.context import Asked
from event_issuer.graphql.enums import CompatibilityMode, CompatibilityVerdict, SchemaChangeKind
from event_issuer.graphql.fields import field
from event_issuer.graphql.ids import encode_id
from event_issuer.graphql.scalars import JSON, URL, DateTime, json_or_none, stored_json
from event_issuer.resolvers import schemas


@strawberry.type(description="One change between two schema versions.")
class SchemaChange:
    path: str = strawberry.field(
        description="Where: a JSON Pointer (RFC 6901) into the schema, or into the earlier one for what was removed."
    )
    kind: SchemaChangeKind = strawberry.field(description="In which way.")
    sentence: str = strawberry.field(description="The change in words.")

    @classmethod
    def of(cls, change: schema_changes.SchemaChange) -> "SchemaChange":
        return cls(path=change.path, kind=SchemaChangeKind(change.kind.value), sentence=change.sentence)


@strawberry.type(description="One JSON Schema of an event type: the contract that its events' data keep.")
class SchemaVersion(connections.Node):
    row: strawberry.Private[tables.SchemaVersion]
    version: int = strawberry.field(description="1, 2, … in order of registration.")
    definition: JSON = strawberry.field(description="The JSON Schema.")
    dataschema: URL = strawberry.field(description="Where the schema is served; immutable.")
    example: JSON | None = strawberry.field(description="Data that keeps this contract.")
    created_at: DateTime = strawberry.field(description="When it was registered.")

    @classmethod
    def of(cls, row: tables.SchemaVersion, event_type: str, urls: SchemaUrls) -> "SchemaVersion":
        return cls(
            row=row,
            id=strawberry.ID(encode_id("SchemaVersion", row.id)),
            version=row.version,
            definition=stored_json(row.definition),
            dataschema=URL(urls.of(event_type, row.version)),
            example=json_or_none(row.example),
            created_at=DateTime(row.created_at_us),
        )

    @field("What it changed in the version before it, in words; at most 100. Null for the first version.")
    async def changes(self, info: Asked) -> list[SchemaChange] | None:
        found = await info.context.do.schemas.changes(info.context.caller, self.row)
        return None if found is None else [SchemaChange.of(change) for change in found]


@strawberry.type(description="One reason why a schema may not follow an earlier version.")
class CompatibilityProblem:
    path: str = strawberry.field(
        description="Where: a JSON Pointer (RFC 6901) into the version that refuses the witness."
    )
    rule: str = strawberry.field(description="The keyword there, or `undecided`.")
    message: str = strawberry.field(description="What is wrong.")
    against_version: int = strawberry.field(description="The earlier version.")
    witness: JSON | None = strawberry.field(
        description="A document that is valid under one version and invalid under the other; null too where none was "
        "found, and then the verdict is UNDECIDED."
    )

    @classmethod
    def of(cls, problem: SchemaProblem) -> "CompatibilityProblem":
        return cls(
            path=problem.path,
            rule=problem.rule,
            message=problem.message,
            against_version=problem.against_version,
            witness=JSON(problem.witness) if problem.witnessed else None,
        )


@strawberry.type(description="Whether a schema could become the next version of an event type.")
class CompatibilityReport:
    verdict: CompatibilityVerdict = strawberry.field(description="Whether it could.")
    mode: CompatibilityMode = strawberry.field(description="What the event type asks of a next version.")
    problems: list[CompatibilityProblem] = strawberry.field(description="Why it could not; at most 100.")

    @classmethod
    def of(cls, report: succession.CompatibilityReport) -> "CompatibilityReport":
        return cls(
            verdict=CompatibilityVerdict(report.verdict.value),
            mode=CompatibilityMode(report.mode.value),
            problems=[CompatibilityProblem.of(problem) for problem in report.problems],
        )


@strawberry.input(description="A schema that is to become the next version.")
class RegisterSchemaInput:
    event_type: str = strawberry.field(description="The event type's name.")
    schema: JSON = strawberry.field(
        description="A JSON Schema, self-contained; `$schema` names its dialect, 2020-12 unless said."
    )
    example: JSON | None = strawberry.field(default=None, description="Data that keeps the schema.")


@strawberry.type(description="A schema that is registered.")
class RegisterSchemaPayload:
    schema_version: SchemaVersion = strawberry.field(description="The version that it is.")
    created: bool = strawberry.field(description="False where it was the latest version already.")

    @classmethod
    def of(cls, registered: schemas.RegisteredSchema, urls: SchemaUrls) -> "RegisterSchemaPayload":
        version = SchemaVersion.of(registered.row, registered.event_type.name, urls)
        return cls(schema_version=version, created=registered.created)
