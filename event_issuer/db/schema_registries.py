"""The schema registry of a tenant, and which of its subjects' versions our schema versions are: statements.

A number of the registry's means something at its address only: who names another address begins anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from event_issuer.db.tables import SchemaRegistryRow
from event_issuer.db.work import Dialect, Statement, Work
from event_issuer.domain.time import Instant


@dataclass(frozen=True, slots=True)
class NewRegistry:
    """`credentials_kind` says what the sealed credentials are; both are None where there are none."""

    tenant_id: int
    url: str
    credentials_kind: str | None
    sealed_credentials: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class RegistryVersion:
    """Version `number` of a subject, which the registry calls `schema_id`, is our `version`."""

    subject: str
    number: int
    schema_id: int
    version: int


async def of_tenant(tenant_id: int) -> SchemaRegistryRow | None:
    return await SchemaRegistryRow.objects().where(SchemaRegistryRow.tenant_id == tenant_id).first()


def put(dialect: Dialect, new: NewRegistry, now: Instant) -> Work[int]:
    """The registry's id. The tenant's former one is overwritten; what it called our versions goes with its address."""
    lock = " FOR UPDATE" if dialect == "postgresql" else ""
    former = yield Statement(f"SELECT url FROM schema_registries WHERE tenant_id = $1{lock}", (new.tenant_id,))
    if former and former[0][0] != new.url:
        yield from _forget_versions(new.tenant_id)
    rows = yield Statement(
        "INSERT INTO schema_registries "
        "(tenant_id, url, credentials_kind, sealed_credentials, created_at_us, updated_at_us) "
        "VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (tenant_id) DO UPDATE SET url = excluded.url, "
        "credentials_kind = excluded.credentials_kind, sealed_credentials = excluded.sealed_credentials, "
        "updated_at_us = excluded.updated_at_us RETURNING id",
        (new.tenant_id, new.url, new.credentials_kind, new.sealed_credentials, now),
    )
    return int(rows[0][0])


def remove(tenant_id: int) -> Work[int | None]:
    """The id of the registry that was the tenant's; None where it had none."""
    yield from _forget_versions(tenant_id)
    rows = yield Statement("DELETE FROM schema_registries WHERE tenant_id = $1 RETURNING id", (tenant_id,))
    return int(rows[0][0]) if rows else None


def _forget_versions(tenant_id: int) -> Work[None]:
    yield Statement(
        "DELETE FROM registry_versions WHERE event_type_id IN (SELECT id FROM event_types WHERE tenant_id = $1)",
        (tenant_id,),
    )


def versions_of(event_type_id: int) -> Statement:
    """Rows of (subject, number, schema id, our version), by subject and in order of their numbers."""
    return Statement(
        "SELECT subject, registry_version, schema_id, version FROM registry_versions WHERE event_type_id = $1 "
        "ORDER BY subject, registry_version",
        (event_type_id,),
    )


def note(
    dialect: Dialect, tenant_id: int, url: str, event_type_id: int, found: Sequence[RegistryVersion]
) -> Work[bool]:
    """Writes down what the registry at `url` has; False, and nothing written, where the tenant has left it."""
    lock = " FOR UPDATE" if dialect == "postgresql" else ""
    rows = yield Statement(f"SELECT url FROM schema_registries WHERE tenant_id = $1{lock}", (tenant_id,))
    if not rows or rows[0][0] != url:
        return False
    for one in found:
        yield Statement(
            "INSERT INTO registry_versions (event_type_id, subject, registry_version, schema_id, version) "
            "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (event_type_id, subject, registry_version) "
            "DO UPDATE SET schema_id = excluded.schema_id, version = excluded.version",
            (event_type_id, one.subject, one.number, one.schema_id, one.version),
        )
    return True
