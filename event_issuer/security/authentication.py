"""Authentication: from an API key to the caller, with the policies that hold now.

Callers are remembered by the digest of their key for `REMEMBERED_S`, and all forgotten at once when access changes
anywhere, so that a revoked policy takes effect within a second. Knows nothing of HTTP.
"""

from typing import Final

from event_issuer.db import access as sql
from event_issuer.db.changes import ChangeFeed, Topic
from event_issuer.db.database import Database
from event_issuer.domain.access import Caller
from event_issuer.domain.errors import Unauthenticated
from event_issuer.domain.time import SECOND_US, Clock, Instant
from event_issuer.security import api_keys

REMEMBERED_S: Final = 60  # the net below the change feed; key expiry is honoured to this precision
REMEMBERED_MAX: Final = 10_000  # callers in memory, about 1 KiB each


class Authenticator:
    def __init__(self, database: Database, feed: ChangeFeed, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._known: dict[bytes, tuple[Caller, Instant]] = {}
        self._generation = 0
        feed.listen(self._forget)

    def _forget(self, topic: Topic, _: int) -> None:
        if topic is Topic.ACCESS:
            self._known.clear()
            self._generation += 1

    async def by_api_key(self, key: str) -> Caller:
        """Raises Unauthenticated for a key that is unknown, revoked or expired, without saying which."""
        if len(key) > api_keys.KEY_LENGTH_MAX or not key.isascii():
            raise _unknown()
        digest = api_keys.digest(key)
        now = self._clock()
        known = self._known.get(digest)
        if known is not None and known[1] > now:
            return known[0]
        return await self._look_up(digest, now)

    async def _look_up(self, digest: bytes, now: Instant) -> Caller:
        generation = self._generation
        rows = await self._database.read(sql.principal_by_key(digest, now))
        if not rows:
            raise _unknown()
        found = sql.KnownPrincipal(*rows[0])
        policies = await self._database.read(sql.policies_of(found.id, found.tenant_id))
        caller = Caller(
            found.id,
            found.name,
            found.tenant_id,
            found.tenant_name,
            tuple(sql.to_policy(tuple(row)) for row in policies),
        )
        if generation == self._generation:  # else access changed while we looked: what we found may be old
            if len(self._known) >= REMEMBERED_MAX:
                self._known.clear()
            until = now + REMEMBERED_S * SECOND_US
            self._known[digest] = (caller, min(until, found.key_expires_at or until))
        return caller


def _unknown() -> Unauthenticated:
    return Unauthenticated("Send a valid API key in the header X-API-Key; this one is unknown, expired or revoked.")
