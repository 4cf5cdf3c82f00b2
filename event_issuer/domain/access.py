"""Who may do what: the words of access and the one rule that decides.

A policy says that a subject (a principal, or a whole tenant) may do an action on an event type, named exactly or by a
prefix `a.b.*`. What no policy allows is refused. Knows nothing of keys, tokens or tables.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from event_issuer.domain.errors import BadInput, Forbidden, Unauthenticated

EVERYTHING = "*"


class Action(StrEnum):
    CONSUME = "CONSUME"
    PRODUCE = "PRODUCE"
    MANAGE_EVENT_TYPES = "MANAGE_EVENT_TYPES"
    MANAGE_SUBSCRIPTIONS = "MANAGE_SUBSCRIPTIONS"
    MANAGE_ACCESS = "MANAGE_ACCESS"
    READ_AUDIT = "READ_AUDIT"


class Audience(StrEnum):
    OPEN = "OPEN"
    TENANT = "TENANT"
    GRANTED = "GRANTED"


@dataclass(frozen=True, slots=True)
class Policy:
    """`event_type` is an exact name, a prefix that ends in `.*`, or `*`; `source_prefix` binds a PRODUCE grant."""

    action: Action
    event_type: str
    source_prefix: str | None = None

    def covers(self, event_type: str) -> bool:
        if self.event_type == EVERYTHING or self.event_type == event_type:
            return True
        return self.event_type.endswith(".*") and event_type.startswith(self.event_type[:-1])


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated principal with the policies that hold for it and its tenant at this moment."""

    principal_id: int  # 0 is the operator at the console, -1 nobody
    principal_name: str
    tenant_id: int
    tenant_name: str
    policies: tuple[Policy, ...]
    _decided: dict[tuple[Action, str], bool] = field(default_factory=dict, compare=False, repr=False)
    _decided_sources: dict[tuple[str, str], bool] = field(default_factory=dict, compare=False, repr=False)

    def may(self, action: Action, event_type: str) -> bool:
        """Whether a policy allows `action` on this event type. Remembered, because a batch asks it per event."""
        asked = (action, event_type)
        allowed = self._decided.get(asked)
        if allowed is None:
            if len(self._decided) >= DECISIONS_MAX:
                self._decided.clear()
            allowed = self._decided[asked] = _decide(self.policies, action, event_type)
        return allowed

    def may_consume(self, event_type: str, audience: Audience, owner_tenant_id: int) -> bool:
        """OPEN types are every tenant's to consume, TENANT types the owner's, GRANTED ones need a policy."""
        if audience is Audience.OPEN or (audience is Audience.TENANT and owner_tenant_id == self.tenant_id):
            return True
        return self.may(Action.CONSUME, event_type)

    def may_see(self, event_type: str, audience: Audience, owner_tenant_id: int) -> bool:
        """Who may see a type: its owner, whoever may consume it, and whoever may produce or manage it."""
        if owner_tenant_id == self.tenant_id or self.may_consume(event_type, audience, owner_tenant_id):
            return True
        return self.may(Action.PRODUCE, event_type) or self.may(Action.MANAGE_EVENT_TYPES, event_type)

    def uses_of(self, event_type: str, audience: Audience, owner_tenant_id: int) -> tuple[Action, ...]:
        """CONSUME, PRODUCE, both or neither: what this principal may do with the type's events."""
        consumes = self.may_consume(event_type, audience, owner_tenant_id)
        produces = self.may(Action.PRODUCE, event_type)
        return (Action.CONSUME,) * consumes + (Action.PRODUCE,) * produces

    def may_produce_from(self, event_type: str, source: str) -> bool:
        """PRODUCE on this type, by a policy whose source prefix, if it has one, begins `source`. Remembered."""
        asked = (event_type, source)
        allowed = self._decided_sources.get(asked)
        if allowed is None:
            if len(self._decided_sources) >= DECISIONS_MAX:
                self._decided_sources.clear()
            allowed = self._decided_sources[asked] = any(
                policy.action is Action.PRODUCE
                and policy.covers(event_type)
                and (policy.source_prefix is None or source.startswith(policy.source_prefix))
                for policy in self.policies
            )
        return allowed

    def authorise(self, action: Action, event_type: str | None = None) -> None:
        """Raises Forbidden unless a policy allows `action`: on this event type, or, when None, on any at all.

        Raises Unauthenticated for the anonymous caller, whom a policy cannot help.
        """
        self.authorise_presence()
        if event_type is None:
            if not any(policy.action is action for policy in self.policies):
                raise Forbidden(f"{self.principal_name} needs a policy for {action}.")
        elif not self.may(action, event_type):
            raise Forbidden(f"{self.principal_name} needs a policy for {action} on {event_type}.")

    def authorise_presence(self) -> None:
        """For what every known principal may ask; the answer shows only what is this caller's to see.

        Raises Unauthenticated for the anonymous caller.
        """
        if self.principal_id < 0:
            raise Unauthenticated("This needs a principal; send an API key.")


def check_pattern(text: str) -> str:
    """`text` if a policy can name event types so. Raises BadInput."""
    if _PATTERN.fullmatch(text) is None or len(text) > PATTERN_LENGTH_MAX:
        raise BadInput(f"{text!r:.80} names no event types: give a whole name, a prefix that ends in .*, or *.")
    return text


_PATTERN = re.compile(r"\*|[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*(\.\*)?")
PATTERN_LENGTH_MAX = 255
DECISIONS_MAX = 1024  # distinct (action, event type) pairs remembered per caller; a batch seldom has more types

# Whoever sends no credentials: may do what needs no policy, which is to read what is OPEN.
ANONYMOUS = Caller(principal_id=-1, principal_name="anonymous", tenant_id=0, tenant_name="", policies=())


def _decide(policies: Iterable[Policy], action: Action, event_type: str) -> bool:
    return any(policy.action is action and policy.covers(event_type) for policy in policies)
