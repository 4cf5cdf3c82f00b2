"""Tenants, principals, keys, policies and the audit log: their statements."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from event_issuer.db.changes import Topic, announce
from event_issuer.db.database import Database
from event_issuer.db.tables import ApiKey, AuditEntry, PolicyRow, Principal, Tenant
from event_issuer.db.work import Statement
from event_issuer.domain.access import Action, Policy
from event_issuer.domain.time import Instant

ACTIVE = "ACTIVE"


@dataclass(frozen=True, slots=True)
class KnownPrincipal:
    id: int
    name: str
    tenant_id: int
    tenant_name: str
    key_expires_at: Instant | None


def principal_by_key(digest: bytes, now: Instant) -> Statement:
    """The active principal of an active tenant that this key, neither revoked nor expired, names; or no row."""
    return Statement(
        "SELECT principals.id, principals.name, tenants.id, tenants.name, api_keys.expires_at_us FROM api_keys "
        "JOIN principals ON principals.id = api_keys.principal_id JOIN tenants ON tenants.id = principals.tenant_id "
        "WHERE api_keys.digest = $1 AND api_keys.revoked_at_us IS NULL "
        "AND (api_keys.expires_at_us IS NULL OR api_keys.expires_at_us > $2) "
        "AND principals.status = 'ACTIVE' AND tenants.status = 'ACTIVE'",
        (digest, now),
    )


def policies_of(principal_id: int, tenant_id: int) -> Statement:
    """The policies that hold for a principal: its own and its tenant's."""
    return Statement(
        "SELECT action, event_type, source_prefix FROM policies WHERE principal_id = $1 OR tenant_id = $2 ORDER BY id",
        (principal_id, tenant_id),
    )


async def insert_tenant(name: str, now: Instant) -> int:
    rows = await Tenant.insert(Tenant(name=name, status=ACTIVE, created_at_us=now))
    return int(rows[0]["id"])


async def insert_principal(tenant_id: int, name: str, kind: str, now: Instant) -> int:
    rows = await Principal.insert(
        Principal(tenant_id=tenant_id, name=name, kind=kind, status=ACTIVE, created_at_us=now)
    )
    return int(rows[0]["id"])


async def insert_api_key(principal_id: int, prefix: str, digest: bytes, now: Instant) -> int:
    rows = await ApiKey.insert(ApiKey(principal_id=principal_id, prefix=prefix, digest=digest, created_at_us=now))
    return int(rows[0]["id"])


async def insert_policy(principal_id: int | None, tenant_id: int | None, policy: Policy, now: Instant) -> int:
    rows = await PolicyRow.insert(
        PolicyRow(
            principal_id=principal_id,
            tenant_id=tenant_id,
            action=policy.action.value,
            event_type=policy.event_type,
            source_prefix=policy.source_prefix,
            created_at_us=now,
        )
    )
    return int(rows[0]["id"])


async def announce_access(database: Database, object_id: int, now: Instant) -> None:
    await database.run(announce(Topic.ACCESS, object_id, now))


async def audit(
    *,
    tenant_id: int,
    principal_id: int,
    action: str,
    object_kind: str,
    object_id: int,
    detail: Mapping[str, object],
    now: Instant,
) -> None:
    """Who changed what, in the transaction of the change. `detail` never holds a secret."""
    await AuditEntry.insert(
        AuditEntry(
            at_us=now,
            tenant_id=tenant_id,
            principal_id=principal_id,
            action=action,
            object_kind=object_kind,
            object_id=object_id,
            detail=json.dumps(detail, ensure_ascii=False, default=str),
        )
    )


def to_policy(row: tuple[str, str, str | None]) -> Policy:
    return Policy(Action(row[0]), row[1], row[2])
