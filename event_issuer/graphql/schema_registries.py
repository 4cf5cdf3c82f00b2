"""The tenant's schema registry in the API: setting it, importing event types from it, publishing them to it."""

from typing import Annotated

import strawberry

from event_issuer.db import schema_registries as db
from event_issuer.db import tables
from event_issuer.domain import compatibility
from event_issuer.domain.access import Audience
from event_issuer.domain.credentials import ApiKeyHeader, BasicCredentials, BearerToken, Credentials
from event_issuer.domain.errors import BadInput
from event_issuer.domain.subjects import TOPIC
from event_issuer.graphql.context import Asked
from event_issuer.graphql.enums import (
    AudienceEnum,
    CompatibilityMode,
    ImportOutcome,
    SchemaRegistryCredentialsKind,
    ValidationMode,
)
from event_issuer.graphql.event_types import EventType
from event_issuer.graphql.events import Problem
from event_issuer.graphql.scalars import URL, DateTime, Long
from event_issuer.graphql.subscriptions import BasicAuthenticationInput
from event_issuer.resolvers import importing, publishing
from event_issuer.resolvers.schema_registries import RegistrySpec


@strawberry.type(
    description="A Confluent-compatible schema registry that your tenant's event types are exchanged with."
)
class SchemaRegistry:
    url: URL = strawberry.field(description="Where it is: `/subjects` is behind this.")
    credentials_kind: SchemaRegistryCredentialsKind | None = strawberry.field(
        description="What it is shown; null for nothing. The credentials themselves are never told."
    )
    created_at: DateTime = strawberry.field(description="When your tenant first named one.")
    updated_at: DateTime = strawberry.field(description="When it was last set.")

    @classmethod
    def of(cls, row: tables.SchemaRegistryRow) -> "SchemaRegistry":
        kind = row.credentials_kind
        return cls(
            url=URL(row.url),
            credentials_kind=SchemaRegistryCredentialsKind(kind) if kind else None,
            created_at=DateTime(row.created_at_us),
            updated_at=DateTime(row.updated_at_us),
        )


@strawberry.input(description="An API key in a header of the registry's choosing.")
class SchemaRegistryApiKeyInput:
    header: str = strawberry.field(description="The name of the header, such as X-API-Key.")
    key: str = strawberry.field(description="The key; it is never shown again.")


@strawberry.input(one_of=True, description="How we prove to the registry who we are; exactly one of these.")
class SchemaRegistryCredentialsInput:
    basic: BasicAuthenticationInput | None = strawberry.field(
        default=strawberry.UNSET, description="A name and a password, or a registry's API key and its secret."
    )
    bearer: str | None = strawberry.field(
        default=strawberry.UNSET, description="A bearer token (RFC 6750); it is never shown again."
    )
    api_key: SchemaRegistryApiKeyInput | None = strawberry.field(
        default=strawberry.UNSET, description="A key in a header."
    )

    def credentials(self) -> Credentials:
        """Raises BadInput."""
        if self.basic:
            return Credentials(basic=BasicCredentials(self.basic.username, self.basic.password))
        if self.api_key:
            return Credentials(ApiKeyHeader(self.api_key.header, self.api_key.key))
        return Credentials(bearer=BearerToken(self.bearer or ""))


@strawberry.input(description="Your tenant's schema registry, in the place of a former one.")
class SetSchemaRegistryInput:
    url: URL = strawberry.field(description="Its address: https, unless the operator allows http.")
    credentials: SchemaRegistryCredentialsInput | None = strawberry.field(
        default=None, description="What it is shown: nothing unless said, also where a former one had some."
    )

    def spec(self) -> RegistrySpec:
        """Raises BadInput."""
        return RegistrySpec(self.url, self.credentials.credentials() if self.credentials else Credentials())


@strawberry.type(description="A schema registry that was set.")
class SetSchemaRegistryPayload:
    schema_registry: SchemaRegistry = strawberry.field(description="As it is now.")


@strawberry.type(description="Whether your tenant's schema registry was taken away.")
class RemoveSchemaRegistryPayload:
    removed: bool = strawberry.field(description="False where there was none.")


@strawberry.input(one_of=True, description="Which subjects; exactly one of the two.")
class SubjectSelection:
    names: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description=f"These, at most {importing.SUBJECTS_MAX}."
    )
    prefix: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=f"Those whose names begin so, in order, {importing.SUBJECTS_MAX} at a time; an empty text for all.",
    )


@strawberry.input(description="Subjects that are to become event types. All but the first three is for new ones.")
class ImportEventTypesInput:
    subjects: SubjectSelection = strawberry.field(description="Which of the registry's subjects.")
    after: str | None = strawberry.field(
        default=None, description="With a prefix: only subjects behind this one, to go on where a call ended."
    )
    dry_run: bool | None = strawberry.field(
        default=None, description="True: reads and judges all the same, and changes nothing."
    )
    event_type_name: str | None = strawberry.field(
        default=None,
        description="What a subject's event type is called: a text with `{topic}`, the subject without `-value`, or "
        "`{subject}` in it. `{topic}` unless said.",
    )
    compatibility: CompatibilityMode | None = strawberry.field(
        default=None, description="What the registry asks of the subject, unless said; its versions must keep it here."
    )
    audience: AudienceEnum | None = strawberry.field(
        default=None, description="Who may consume them: GRANTED unless said."
    )
    validation: ValidationMode | None = strawberry.field(default=None, description="ENFORCED unless said.")
    partitions: int | None = strawberry.field(default=None, description="1 unless said.")

    def wish(self) -> importing.ImportWish:
        """Raises BadInput."""
        chosen, mode = self.subjects, self.compatibility
        if chosen.names is not strawberry.UNSET and not chosen.names:
            raise BadInput("Name the subjects; a prefix of no characters takes all of them.")
        return importing.ImportWish(
            names=chosen.names or None,
            prefix=chosen.prefix or "",
            after=self.after,
            template=TOPIC if self.event_type_name is None else self.event_type_name,
            mode=None if mode is None else compatibility.CompatibilityMode(mode.value),
            audience=Audience((self.audience or AudienceEnum.GRANTED).value),
            validation=(self.validation or ValidationMode.ENFORCED).value,
            partitions=1 if self.partitions is None else self.partitions,
            is_dry_run=self.dry_run is True,
        )


@strawberry.type(description="What became of one subject.")
class ImportedSubject:
    subject: str = strawberry.field(description="Its name in the registry.")
    event_type_name: str | None = strawberry.field(
        description="What its event type is called; null where it could have none."
    )
    outcome: ImportOutcome = strawberry.field(description="What was done; in a dry run, what would be.")
    versions_added: int = strawberry.field(description="Schema versions that are new here.")
    event_type: EventType | None = strawberry.field(description="Null where it was refused, or is not there yet.")
    problem: Problem | None = strawberry.field(description="Why it was refused; then nothing of it has changed.")

    @classmethod
    def of(cls, found: importing.ImportedSubject) -> "ImportedSubject":
        return cls(
            subject=found.subject,
            event_type_name=found.event_type_name,
            outcome=ImportOutcome(found.outcome.value),
            versions_added=found.versions_added,
            event_type=None if found.row is None else EventType.of(found.row),
            problem=None if found.refusal is None else Problem.of(found.refusal),
        )


@strawberry.type(description="What became of the subjects, in order of their names.")
class ImportEventTypesPayload:
    subjects: list[ImportedSubject] = strawberry.field(description="One for each subject that was looked at.")
    complete: bool = strawberry.field(
        description="Whether all that were selected were looked at. If not, there are more, or the registry did not "
        "answer: go on with `after`."
    )

    @classmethod
    def of(cls, imported: importing.Imported) -> "ImportEventTypesPayload":
        return cls(
            subjects=[ImportedSubject.of(found) for found in imported.subjects],
            complete=imported.is_complete,
        )


@strawberry.type(description="A schema version as your tenant's schema registry has it.")
class RegistryVersion:
    version: int = strawberry.field(description="The event type's schema version.")
    subject: str = strawberry.field(description="The subject in the registry.")
    registry_version: int = strawberry.field(description="The version of the subject.")
    schema_id: Long = strawberry.field(description="What Confluent's wire format has in front of a record.")

    @classmethod
    def of(cls, found: db.RegistryVersion) -> "RegistryVersion":
        return cls(
            version=found.version,
            subject=found.subject,
            registry_version=found.number,
            schema_id=Long(found.schema_id),
        )


@strawberry.type(description="A schema version that the registry has.")
class PublishedVersion:
    registered: RegistryVersion = strawberry.field(description="What it is there.")
    created: bool = strawberry.field(description="False where the registry had it already.")

    @classmethod
    def of(cls, one: publishing.PublishedVersion) -> "PublishedVersion":
        return cls(registered=RegistryVersion.of(one.found), created=one.is_new)


@strawberry.input(description="An event type that is to be registered.")
class PublishEventTypeInput:
    event_type: str = strawberry.field(description="The event type's name.")


@strawberry.type(description="An event type as a schema registry has it.")
class PublishEventTypePayload:
    event_type: EventType = strawberry.field(description="The event type.")
    subject: str = strawberry.field(
        description="Its subject: the one that it came from, or its name and `-value` (TopicNameStrategy)."
    )
    versions: list[PublishedVersion] = strawberry.field(description="Its versions that are there, the oldest first.")

    @classmethod
    def of(cls, published: publishing.Published) -> "PublishEventTypePayload":
        return cls(
            event_type=EventType.of(published.event_type),
            subject=published.subject,
            versions=[PublishedVersion.of(one) for one in published.versions],
        )


ToSet = Annotated[SetSchemaRegistryInput, strawberry.argument(description="The registry.")]
ToImport = Annotated[ImportEventTypesInput, strawberry.argument(description="What to import, and as what.")]

ToPublish = Annotated[PublishEventTypeInput, strawberry.argument(description="Which one.")]


async def set_registry(info: Asked, wish: SetSchemaRegistryInput) -> SetSchemaRegistryPayload:
    row = await info.context.do.registries.put(info.context.caller, wish.spec())
    return SetSchemaRegistryPayload(schema_registry=SchemaRegistry.of(row))


async def find_registry(info: Asked) -> SchemaRegistry | None:
    row = await info.context.do.registries.get(info.context.caller)
    return None if row is None else SchemaRegistry.of(row)


async def import_types(info: Asked, wish: ImportEventTypesInput) -> ImportEventTypesPayload:
    return ImportEventTypesPayload.of(await info.context.do.importing.run(info.context.caller, wish.wish()))


async def publish_type(info: Asked, wish: PublishEventTypeInput) -> PublishEventTypePayload:
    return PublishEventTypePayload.of(await info.context.do.publishing.publish(info.context.caller, wish.event_type))


async def registered_versions(info: Asked, event_type: str) -> list[RegistryVersion] | None:
    row = await info.context.do.event_types.get(info.context.caller, event_type)
    if row is None:
        return None
    found = await info.context.do.registries.versions(info.context.caller, row)
    return [RegistryVersion.of(one) for one in found]
