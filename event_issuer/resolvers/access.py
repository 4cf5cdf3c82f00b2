"""Access: tenants, principals, their keys and policies. For now the operator's console asks for them.

An API key is shown once, by what creates it; what is stored is its digest.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from event_issuer.db import access as sql
from event_issuer.db.changes import ChangeFeed
from event_issuer.db.database import Database
from event_issuer.db.work import Work
from event_issuer.domain.access import EVERYTHING, Action, Caller, Policy
from event_issuer.domain.errors import BadInput, NotFound
from event_issuer.domain.time import SECOND_US, Clock, Instant
from event_issuer.security import api_keys

NAME_LENGTH_MAX: Final = 64
_NAME = re.compile(r"[a-z][a-z0-9-]*")
# A tenant's name is the first segment of its paths; these are paths of our own.
RESERVED: Final = frozenset(
    {"v1", "schemas", "graphql", "graphiql", "healthz", "readyz", "metrics", "produce", "events"}
)

# The operator at the console: whoever can read the database and the sealing key has no need of a key.
CONSOLE: Final = Caller(0, "console", 0, "console", (Policy(Action.MANAGE_ACCESS, EVERYTHING),))


@dataclass(frozen=True, slots=True)
class CreatedKey:
    key: str = field(repr=False)
    prefix: str
    principal_id: int
    tenant_id: int


@dataclass(frozen=True, slots=True)
class ListedKey:
    prefix: str
    tenant: str
    principal: str
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None


class Access:
    def __init__(self, database: Database, feed: ChangeFeed, clock: Clock) -> None:
        self._database, self._feed, self._clock = database, feed, clock

    async def create_key(
        self,
        caller: Caller,
        tenant: str,
        principal: str,
        policies: Sequence[Policy],
        expires_in_s: int | None = None,
    ) -> CreatedKey:
        """A new key for this principal, with these policies added to its own; tenant and principal are created if
        they are new. Raises BadInput, Forbidden."""
        caller.authorise(Action.MANAGE_ACCESS, EVERYTHING)
        _check_name("tenant", tenant)
        _check_name("principal", principal)
        if tenant in RESERVED:
            raise BadInput(f"A tenant cannot be named {tenant}: it would collide with a path; take another name.")
        if expires_in_s is not None and expires_in_s <= 0:
            raise BadInput(f"A key lives for 1 second or more, not {expires_in_s}.")
        key = api_keys.new_api_key()
        created = await self._database.run(self._creation(caller, key, tenant, principal, policies, expires_in_s))
        self._feed.hurry()
        return created

    def _creation(
        self,
        caller: Caller,
        key: str,
        tenant: str,
        principal: str,
        policies: Sequence[Policy],
        expires_in_s: int | None,
    ) -> Work[CreatedKey]:
        now, by = self._clock(), caller.principal_id
        tenant_id = yield from sql.ensure_tenant(tenant, by, now)
        principal_id = yield from sql.ensure_principal(tenant_id, principal, by, now)
        for policy in policies:
            yield from sql.grant_policy(tenant_id, principal_id, policy, by, now)
        expires_at = None if expires_in_s is None else now + expires_in_s * SECOND_US
        prefix = api_keys.visible_prefix(key)
        new = sql.NewKey(tenant_id, principal_id, prefix, api_keys.digest(key), expires_at)
        yield from sql.insert_api_key(new, by, now)
        return CreatedKey(key, prefix, principal_id, tenant_id)

    async def keys(self, caller: Caller) -> list[ListedKey]:
        """Every key, the oldest first."""
        caller.authorise(Action.MANAGE_ACCESS, EVERYTHING)
        return [ListedKey(*row) for row in await self._database.read(sql.api_keys())]

    async def revoke_key(self, caller: Caller, prefix: str) -> None:
        """Raises NotFound where no key in force begins so."""
        caller.authorise(Action.MANAGE_ACCESS, EVERYTHING)
        if not await self._database.run(sql.revoke_api_keys(prefix, caller.principal_id, self._clock())):
            raise NotFound(
                f"No key in force begins with {prefix[:NAME_LENGTH_MAX]!r}; `event-issuer key list` shows them."
            )
        self._feed.hurry()


def _check_name(what: str, name: str) -> None:
    if _NAME.fullmatch(name) is None or len(name) > NAME_LENGTH_MAX:
        raise BadInput(
            f"{name!r:.80} cannot name a {what}: a letter, then letters, digits and -, at most {NAME_LENGTH_MAX}."
        )
