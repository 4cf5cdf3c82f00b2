"""The schema registry of a tenant: where it is, and what it is shown. One tenant has one, or none.

Its credentials go in and never come out. Who sets it may manage all the tenant's event types; who may manage one of
them may use it for that one. Knows nothing of subjects and schemas.
"""

from dataclasses import dataclass, field
from typing import Final

from event_issuer.db import schema_registries as sql
from event_issuer.db.access import Audit, audit
from event_issuer.db.database import Database
from event_issuer.db.tables import EventType, SchemaRegistryRow
from event_issuer.db.work import Work
from event_issuer.domain.access import EVERYTHING, Action, Caller
from event_issuer.domain.credentials import Credentials
from event_issuer.domain.errors import BadInput, NotFound
from event_issuer.domain.time import Clock
from event_issuer.egress.addresses import AddressRules
from event_issuer.egress.control import ControlClient
from event_issuer.egress.registry_session import RegistrySession
from event_issuer.egress.schema_registry import SchemaRegistry
from event_issuer.egress.urls import parse_target
from event_issuer.security.sealing import REGISTRY_CREDENTIALS, Sealer

SECONDS_MAX: Final = 60.0  # of a registry's answers in one operation: callers and what is before them wait no longer


@dataclass(frozen=True, slots=True)
class RegistrySpec:
    """What a caller asks for. `credentials` are sealed at once; the repr shows none of them."""

    url: str
    credentials: Credentials = field(default_factory=Credentials)


class SchemaRegistries:
    def __init__(
        self,
        database: Database,
        control: ControlClient,
        sealer: Sealer,
        rules: AddressRules,
        clock: Clock,
        *,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        self._database, self._control, self._sealer = database, control, sealer
        self._rules, self._clock, self._seconds_max = rules, clock, seconds_max

    async def put(self, caller: Caller, spec: RegistrySpec) -> SchemaRegistryRow:
        """In the place of a former one, of which nothing stays; nobody is asked. Raises BadInput."""
        caller.authorise(Action.MANAGE_EVENT_TYPES, EVERYTHING)
        origin = parse_target(spec.url, self._rules).origin
        if "?" in spec.url:
            raise BadInput("The URL of a schema registry has no query; paths such as /subjects are put behind it.")
        sealed = None
        if spec.credentials:
            sealed = self._sealer.seal(spec.credentials.encode(), purpose=REGISTRY_CREDENTIALS)
        kind = _kind(spec.credentials)
        new = sql.NewRegistry(caller.tenant_id, spec.url.rstrip("/"), kind, sealed)
        await self._database.run(self._placing(caller, new, {"origin": origin, "credentials": kind}))
        return await self._existing(caller)

    def _placing(self, caller: Caller, new: sql.NewRegistry, detail: dict[str, object]) -> Work[None]:
        now = self._clock()
        registry_id = yield from sql.put(self._database.dialect, new, now)
        entry = Audit(caller.tenant_id, caller.principal_id, "set", "schema registry", registry_id, detail)
        yield from audit(entry, now)

    async def remove(self, caller: Caller) -> bool:
        """False where there was none. Event types that came from it stay."""
        caller.authorise(Action.MANAGE_EVENT_TYPES, EVERYTHING)
        return await self._database.run(self._removal(caller))

    def _removal(self, caller: Caller) -> Work[bool]:
        registry_id = yield from sql.remove(caller.tenant_id)
        if registry_id is None:
            return False
        entry = Audit(caller.tenant_id, caller.principal_id, "remove", "schema registry", registry_id, {})
        yield from audit(entry, self._clock())
        return True

    async def get(self, caller: Caller) -> SchemaRegistryRow | None:
        caller.authorise(Action.MANAGE_EVENT_TYPES)
        return await sql.of_tenant(caller.tenant_id)

    async def session(self, caller: Caller) -> RegistrySession:
        """The tenant's registry, to be asked. Raises NotFound where it has none."""
        caller.authorise(Action.MANAGE_EVENT_TYPES)
        row = await self._existing(caller)
        credentials = Credentials()
        if row.sealed_credentials is not None:
            credentials = Credentials.decode(self._sealer.unseal(row.sealed_credentials, purpose=REGISTRY_CREDENTIALS))
        client = SchemaRegistry(self._control, row.url, credentials)
        return RegistrySession(client, row.url, self._seconds_max)

    async def versions(self, caller: Caller, event_type: EventType) -> list[sql.RegistryVersion]:
        """What the registry has of an event type of the caller's tenant; of another tenant's nothing is known."""
        caller.authorise_presence()
        if event_type.tenant_id != caller.tenant_id:
            return []
        return [sql.RegistryVersion(*row) for row in await self._database.read(sql.versions_of(event_type.id))]

    async def _existing(self, caller: Caller) -> SchemaRegistryRow:
        row = await sql.of_tenant(caller.tenant_id)
        if row is None:
            raise NotFound("Your tenant has no schema registry; name one with setSchemaRegistry.")
        return row


def _kind(credentials: Credentials) -> str | None:
    """BASIC, BEARER or API_KEY; a registry is shown one of them."""
    if credentials.basic is not None:
        return "BASIC"
    if credentials.bearer is not None:
        return "BEARER"
    return "API_KEY" if credentials.api_key is not None else None
