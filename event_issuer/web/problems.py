"""What HTTP says when it refuses: one record per refusal, rendered as RFC 9457 problem+json or as a GraphQL error.

Both have the same members: `code`, `title`, `detail`, `retryable`, and where they apply `violations`, `problems` and
`traceId`. A fault of our own is told with a trace id only; what went wrong is in the log. Knows no route.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.responses import Response

from event_issuer.domain.errors import BadInput, IssuerError, NotFound, SchemaIncompatible, SchemaProblem, Violation
from event_issuer.domain.json_text import render_json
from event_issuer.telemetry.requests import current_trace

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:event-issuer:problem:"  # names the code; there is nothing to look up
INTERNAL_SERVER_ERROR: Final = "INTERNAL_SERVER_ERROR"
STATUSES: Final[Mapping[str, int]] = {
    "BAD_USER_INPUT": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "SCHEMA_INCOMPATIBLE": 409,
    "CONTRACT_BROKEN": 422,
    "SCHEMA_INVALID": 422,
    "LIMIT_EXCEEDED": 429,
    "UNAVAILABLE": 503,
    INTERNAL_SERVER_ERROR: 500,
}
# RFC 9110 §11.6.1: a 401 names a way to authenticate. The key's header is no registered scheme.
_HEADERS: Final[Mapping[int, Mapping[str, str]]] = {401: {"WWW-Authenticate": 'ApiKey header="X-API-Key"'}}

logger = structlog.get_logger(__name__)


class HttpRefusal(Exception):
    """A refusal that only HTTP knows, by a status of its own: a method, a media type, a size."""

    def __init__(self, status: int, error: IssuerError, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error.detail)
        self.status, self.error, self.headers = status, error, headers or {}


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    code: str
    title: str
    detail: str
    retryable: bool = False
    violations: Sequence[Violation] = ()
    trace_id: str | None = None
    problems: Sequence[SchemaProblem] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def members(self) -> dict[str, Any]:
        """What both renderings say."""
        members: dict[str, Any] = {
            "code": self.code,
            "title": self.title,
            "detail": self.detail,
            "retryable": self.retryable,
        }
        if self.violations:
            members["violations"] = [
                {"path": violation.path, "rule": violation.rule, "message": violation.message}
                for violation in self.violations
            ]
        if self.problems:
            members["problems"] = [_problem_members(problem) for problem in self.problems]
        if self.trace_id is not None:
            members["traceId"] = self.trace_id
        return members


def problem_of(error: IssuerError | HttpRefusal) -> Problem:
    refusal = error.error if isinstance(error, HttpRefusal) else error
    status = error.status if isinstance(error, HttpRefusal) else STATUSES[refusal.code]
    headers = error.headers if isinstance(error, HttpRefusal) else {}
    return Problem(
        status,
        refusal.code,
        refusal.title,
        refusal.detail,
        refusal.retryable,
        refusal.violations,
        problems=refusal.problems if isinstance(refusal, SchemaIncompatible) else (),
        headers={**_HEADERS.get(status, {}), **headers},
    )


def _problem_members(problem: SchemaProblem) -> dict[str, object]:
    """A witness may be null, so one that is not there is absent."""
    members: dict[str, object] = {
        "path": problem.path,
        "rule": problem.rule,
        "message": problem.message,
        "againstVersion": problem.against_version,
    }
    return members | {"witness": problem.witness} if problem.witnessed else members


def masked(error: BaseException, **where: object) -> Problem:
    """A fault of our own, written to the log under the trace id that the answer names: the request's."""
    trace_id = current_trace().trace_id
    logger.error("request failed inside", trace_id=trace_id, exc_info=error, **where)
    return Problem(
        500,
        INTERNAL_SERVER_ERROR,
        "Something went wrong here",
        f"The fault is ours, not the request's; it is in the log as {trace_id}.",
        retryable=True,
        trace_id=trace_id,
    )


def problem_of_any(error: Exception, request: Request) -> Problem:
    if isinstance(error, IssuerError | HttpRefusal):
        return problem_of(error)
    return masked(error, method=request.method, path=request.url.path)


def problem_document(problem: Problem) -> dict[str, Any]:
    return {"type": TYPE_PREFIX + problem.code, "status": problem.status, **problem.members()}


def problem_response(problem: Problem) -> Response:
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(render_json(problem_document(problem)), problem.status, headers, MEDIA_TYPE)


def graphql_error(problem: Problem) -> dict[str, Any]:
    """One entry of a GraphQL response's `errors`."""
    return {"message": problem.detail, "extensions": problem.members()}


def no_such_path(path: str) -> HttpRefusal:
    return HttpRefusal(404, NotFound(f"There is nothing at {path[:200]}."))


def no_such_method(method: str, allowed: str) -> HttpRefusal:
    return HttpRefusal(405, BadInput(f"{method} is not possible here, only {allowed}."), {"Allow": allowed})
