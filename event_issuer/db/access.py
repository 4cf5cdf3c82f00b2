"""Tenants, principals, keys, policies and the audit log: their statements."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from event_issuer.db.changes import Topic, announce
from event_issuer.db.work import Statement, Work
from event_issuer.domain.access import Action, Policy
from event_issuer.domain.time import Instant

ACTIVE = "ACTIVE"
SERVICE_ACCOUNT = "SERVICE_ACCOUNT"


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


@dataclass(frozen=True, slots=True)
class Audit:
    """Who changed what; `principal_id` 0 is the operator at the console. `detail` never holds a secret."""

    tenant_id: int
    principal_id: int
    action: str
    object_kind: str
    object_id: int
    detail: Mapping[str, object]


def audit(entry: Audit, now: Instant) -> Work[None]:
    """A step of the work that makes the change, so that both happen or neither."""
    yield Statement(
        "INSERT INTO audit_entries (at_us, tenant_id, principal_id, action, object_kind, object_id, detail) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        (
            now,
            entry.tenant_id,
            entry.principal_id,
            entry.action,
            entry.object_kind,
            entry.object_id,
            json.dumps(entry.detail, ensure_ascii=False, default=str),
        ),
    )


def ensure_tenant(name: str, by: int, now: Instant) -> Work[int]:
    """The id of the tenant, which is created if there is none of that name."""
    rows = yield Statement("SELECT id FROM tenants WHERE name = $1", (name,))
    if rows:
        return int(rows[0][0])
    rows = yield Statement(
        "INSERT INTO tenants (name, status, created_at_us) VALUES ($1, $2, $3) RETURNING id", (name, ACTIVE, now)
    )
    tenant_id = int(rows[0][0])
    yield from audit(Audit(tenant_id, by, "create", "tenant", tenant_id, {"name": name}), now)
    return tenant_id


def ensure_principal(tenant_id: int, name: str, by: int, now: Instant) -> Work[int]:
    """The id of the tenant's principal, which is created if there is none of that name."""
    rows = yield Statement("SELECT id FROM principals WHERE tenant_id = $1 AND name = $2", (tenant_id, name))
    if rows:
        return int(rows[0][0])
    rows = yield Statement(
        "INSERT INTO principals (tenant_id, name, kind, status, created_at_us) "
        "VALUES ($1, $2, $3, $4, $5) RETURNING id",
        (tenant_id, name, SERVICE_ACCOUNT, ACTIVE, now),
    )
    principal_id = int(rows[0][0])
    yield from audit(Audit(tenant_id, by, "create", "principal", principal_id, {"name": name}), now)
    return principal_id


@dataclass(frozen=True, slots=True)
class NewKey:
    tenant_id: int
    principal_id: int
    prefix: str
    digest: bytes
    expires_at: Instant | None


def insert_api_key(new: NewKey, by: int, now: Instant) -> Work[int]:
    rows = yield Statement(
        "INSERT INTO api_keys (principal_id, prefix, digest, created_at_us, expires_at_us) "
        "VALUES ($1, $2, $3, $4, $5) RETURNING id",
        (new.principal_id, new.prefix, new.digest, now, new.expires_at),
    )
    key_id = int(rows[0][0])
    detail = {"principal": new.principal_id, "prefix": new.prefix}
    yield from audit(Audit(new.tenant_id, by, "create", "api key", key_id, detail), now)
    return key_id


def revoke_api_keys(prefix: str, by: int, now: Instant) -> Work[int]:
    """Revokes every key in force that begins with `prefix`; how many there were."""
    rows = yield Statement(
        "UPDATE api_keys SET revoked_at_us = $2 WHERE prefix = $1 AND revoked_at_us IS NULL RETURNING id, principal_id",
        (prefix, now),
    )
    for key_id, principal_id in rows:
        owner = yield Statement("SELECT tenant_id FROM principals WHERE id = $1", (principal_id,))
        yield from audit(Audit(owner[0][0], by, "revoke", "api key", key_id, {"prefix": prefix}), now)
        yield from announce(Topic.ACCESS, principal_id, now)
    return len(rows)


def grant_policy(tenant_id: int, principal_id: int, policy: Policy, by: int, now: Instant) -> Work[None]:
    """Lets the principal do what the policy says; granting it twice changes nothing."""
    granted = (principal_id, policy.action.value, policy.event_type, policy.source_prefix)
    rows = yield Statement(
        "INSERT INTO policies (principal_id, action, event_type, source_prefix, created_at_us) "
        "SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS BIGINT) "
        "WHERE NOT EXISTS (SELECT 1 FROM policies WHERE principal_id = $1 AND action = $2 "
        "AND event_type = $3 AND COALESCE(source_prefix, '') = COALESCE($4, '')) RETURNING id",
        (*granted, now),
    )
    if rows:
        detail = {"principal": principal_id, "action": policy.action, "eventType": policy.event_type}
        yield from audit(Audit(tenant_id, by, "grant", "policy", rows[0][0], detail), now)
        yield from announce(Topic.ACCESS, principal_id, now)


def api_keys() -> Statement:
    """Rows of (prefix, tenant, principal, created, expires, revoked), the oldest first."""
    return Statement(
        "SELECT api_keys.prefix, tenants.name, principals.name, api_keys.created_at_us, api_keys.expires_at_us, "
        "api_keys.revoked_at_us FROM api_keys JOIN principals ON principals.id = api_keys.principal_id "
        "JOIN tenants ON tenants.id = principals.tenant_id ORDER BY api_keys.id"
    )


def to_policy(row: tuple[str, str, str | None]) -> Policy:
    return Policy(Action(row[0]), row[1], row[2])
