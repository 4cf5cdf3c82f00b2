"""The request that is being answered, as far as logs and traces are concerned.

It is kept in a context variable, so that who learns a fact (who asks, which operation) notes it without knowing who
writes it down. Knows no wire, and holds no secret.
"""

import secrets
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from event_issuer.domain.trace_context import TraceContext

_TRACE_ID_BYTES: Final = 16


@dataclass(slots=True)
class RequestFacts:
    """`operation` is the name that a GraphQL document gives its operation; it is the client's to choose."""

    trace: TraceContext
    tenant_id: int | None = None
    principal_id: int | None = None
    operation_type: str | None = None
    operation: str | None = None
    error_codes: Sequence[str] = ()


current_request: Final[ContextVar[RequestFacts | None]] = ContextVar("current_request", default=None)


def note_caller(tenant_id: int, principal_id: int) -> None:
    facts = current_request.get()
    if facts is not None:
        facts.tenant_id, facts.principal_id = tenant_id, principal_id


def fresh_trace() -> TraceContext:
    """A trace that begins here. An id of zeros alone, which is none, does not come about in our time."""
    return TraceContext(secrets.token_hex(_TRACE_ID_BYTES))


def current_trace() -> TraceContext:
    """The trace of the request that is being answered; a fresh one where there is none."""
    facts = current_request.get()
    return fresh_trace() if facts is None else facts.trace
