"""The partner's program: a thin GraphQL client over httpx. It knows an address and a key, and nothing of the house."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import httpx

TIMEOUT_S: Final = 30.0  # a schema is tried in a process of its own, which may have to start first

_CREATE_EVENT_TYPE: Final = """
mutation CreateEventType($input: CreateEventTypeInput!) {
  createEventType(input: $input) { eventType { name } }
}
"""
_SUBSCRIBE: Final = """
mutation Subscribe($input: CreateWebhookSubscriptionInput!) {
  createWebhookSubscription(input: $input) { webhookSubscription { id } signingSecret { secret } }
}
"""
_STATUS: Final = """
query Status($id: ID!) { webhookSubscription(id: $id) { status errors(first: 1) { errorMessage } } }
"""
_PRODUCE: Final = """
mutation Produce($events: [CloudEvent!]!) {
  produceEvents(events: $events) {
    results { status violations { path rule message } problem { code detail } }
  }
}
"""


class ApiError(Exception):
    """The API did not do what was asked; the message is fit for the terminal."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which an event breaks its contract; `path` is a JSON Pointer."""

    path: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one produced event; `code` and `detail` are set when it was not accepted."""

    status: str
    code: str | None = None
    detail: str = ""
    violations: tuple[Violation, ...] = ()


@dataclass(frozen=True, slots=True)
class Subscription:
    id: str
    secret: str = field(repr=False)


class Client:
    def __init__(self, url: str, api_key: str) -> None:
        self.url = url
        self._http = httpx.AsyncClient(headers={"X-API-Key": api_key}, timeout=TIMEOUT_S, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def create_event_type(self, **values: object) -> None:
        """`values` are the fields of CreateEventTypeInput. Raises ApiError."""
        await self._ask(_CREATE_EVENT_TYPE, input=values)

    async def subscribe(self, **values: object) -> Subscription:
        """`values` are the fields of CreateWebhookSubscriptionInput. Raises ApiError."""
        created = (await self._ask(_SUBSCRIBE, input=values))["createWebhookSubscription"]
        return Subscription(created["webhookSubscription"]["id"], created["signingSecret"]["secret"])

    async def status(self, subscription: Subscription) -> tuple[str, str]:
        """The subscription's status, and its last error or "". Raises ApiError."""
        found = (await self._ask(_STATUS, id=subscription.id))["webhookSubscription"]
        errors = found["errors"]
        return found["status"], errors[0]["errorMessage"] if errors else ""

    async def produce(self, events: Sequence[Mapping[str, object]]) -> list[Result]:
        """One result per event, in order. Raises ApiError when the batch as a whole was refused."""
        payload = (await self._ask(_PRODUCE, events=events))["produceEvents"]
        return [_result(value) for value in payload["results"]]

    async def _ask(self, query: str, **variables: object) -> dict[str, Any]:
        try:
            response = await self._http.post(self.url, json={"query": query, "variables": variables})
            answer = response.json()
        except httpx.HTTPError as error:
            raise ApiError(f"{self.url} does not answer: {str(error) or type(error).__name__}") from error
        except ValueError:
            raise ApiError(f"{self.url} answers {response.status_code} without JSON: {response.text[:200]}") from None
        data: dict[str, Any] | None = answer.get("data") if isinstance(answer, dict) else None
        if not data or answer.get("errors"):
            raise ApiError(_refusal(response.status_code, answer))
        return data


def _result(value: Mapping[str, Any]) -> Result:
    problem = value["problem"] or {}
    violations = tuple(Violation(one["path"], one["rule"], one["message"]) for one in value["violations"])
    return Result(value["status"], problem.get("code"), problem.get("detail", ""), violations)


def _refusal(status: int, answer: object) -> str:
    """Every error on a line of its own, and every violation on one below."""
    errors = answer.get("errors") if isinstance(answer, dict) else None
    if not errors:
        return f"The API answers {status} with neither data nor errors: {str(answer)[:200]}"
    lines = []
    for error in errors:
        extensions = error.get("extensions") or {}
        lines.append(f"{extensions.get('code', status)}: {error.get('message')}")
        lines += [f"  {one['path']} {one['rule']}: {one['message']}" for one in extensions.get("violations") or ()]
    return "\n".join(lines)
