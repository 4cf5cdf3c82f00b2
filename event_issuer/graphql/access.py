"""Who asks, in the API."""

import strawberry

from event_issuer.domain.access import Action, Caller
from event_issuer.graphql import connections
from event_issuer.graphql.event_types import Tenant
from event_issuer.graphql.ids import encode_id


@strawberry.type(description="Who acts within a tenant: a person or a program.")
class Principal(connections.Node):
    name: str = strawberry.field(description="Its name within its tenant.")


@strawberry.type(description="The caller, and what its policies allow.")
class Viewer:
    principal: Principal = strawberry.field(description="Who asks.")
    tenant: Tenant = strawberry.field(description="For whom.")
    can_consume: list[str] = strawberry.field(
        description="Event types, by exact name or by a prefix ending in `.*`, that policies let it consume, beside "
        "those that are open to it."
    )
    can_produce: list[str] = strawberry.field(description="Event types, likewise, that it may produce.")

    @classmethod
    def of(cls, caller: Caller) -> "Viewer":
        return cls(
            principal=Principal(
                id=strawberry.ID(encode_id("Principal", caller.principal_id)), name=caller.principal_name
            ),
            tenant=Tenant(id=strawberry.ID(encode_id("Tenant", caller.tenant_id)), name=caller.tenant_name),
            can_consume=_granted(caller, Action.CONSUME),
            can_produce=_granted(caller, Action.PRODUCE),
        )


def _granted(caller: Caller, action: Action) -> list[str]:
    return sorted({policy.event_type for policy in caller.policies if policy.action is action})
