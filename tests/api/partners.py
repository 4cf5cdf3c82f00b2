"""Partners as the API sees them: a key, and GraphQL over HTTP to the whole application in this process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from event_issuer.app import Issuer
from event_issuer.domain.access import Policy
from event_issuer.resolvers.access import CONSOLE

TYPE = "cloud.open.operational.train-arrived.v1"
SCHEMA = {
    "type": "object",
    "required": ["train"],
    "properties": {"train": {"type": "string", "pattern": "^[0-9]{1,5}$"}, "delay": {"type": "integer"}},
    "additionalProperties": False,
}

CREATE_TYPE = """mutation ($input: CreateEventTypeInput!) {
  createEventType(input: $input) { eventType { id name audience partitions owner { name } } } }"""
PRODUCE = """mutation ($events: [CloudEvent!]!) { produceEvents(events: $events) {
  persisted duplicates rejected
  results { index status eventId source type persistedAt event { id eventId recordedAt schemaVersion cloudEvent }
            violations { path rule message } problem { code title detail retryable } } } }"""
SUBSCRIBE = """mutation ($input: CreateWebhookSubscriptionInput!) { createWebhookSubscription(input: $input) {
  webhookSubscription { id status eventTypes url apiKeyHeader authentication { kind } ordering contentMode
                        delivery { maxInFlight timeoutSeconds retry { delaysSeconds } } }
  signingSecret { secret validFrom } } }"""


@dataclass
class Refused(Exception):
    """One GraphQL error: its code and its message."""

    code: str
    message: str
    error: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Partner:
    """A principal with a key of its own."""

    def __init__(self, http: httpx.AsyncClient, key: str, principal: str) -> None:
        self.key, self.principal = key, principal
        self._http = http

    async def ask(self, query: str, **variables: object) -> Any:
        """The data. Raises Refused for the first error."""
        response = await self.post(query, variables)
        body = json.loads(response.content)
        for error in body.get("errors", ()):
            raise Refused(error["extensions"]["code"], error["message"], error)
        return body["data"]

    async def post(self, query: str, variables: Mapping[str, object]) -> httpx.Response:
        document = {"query": query, "variables": variables}
        return await self._http.post("/graphql", json=document, headers={"X-API-Key": self.key})

    async def send(self, body: bytes) -> httpx.Response:
        """A request body as it is."""
        headers = {"X-API-Key": self.key, "Content-Type": "application/json"}
        return await self._http.post("/graphql", content=body, headers=headers)

    async def create_type(self, name: str = TYPE, **more: object) -> Any:
        spec = {"name": name, "description": "Trains that arrived.", "schema": SCHEMA, **more}
        return (await self.ask(CREATE_TYPE, input=spec))["createEventType"]["eventType"]

    async def produce(self, *events: object) -> Any:
        return (await self.ask(PRODUCE, events=events))["produceEvents"]

    async def produce_counted(self, *events: object) -> Any:
        """The counts alone, which cost the server no work per event."""
        query = (
            "mutation ($events: [CloudEvent!]!) { produceEvents(events: $events) { persisted duplicates rejected } }"
        )
        return (await self.ask(query, events=events))["produceEvents"]

    async def subscribe(self, url: str, *types: str, **more: object) -> Any:
        spec = {"applicationId": "tests", "eventTypes": types or (TYPE,), "url": url, **more}
        return (await self.ask(SUBSCRIBE, input=spec))["createWebhookSubscription"]


class Partners:
    """Invites partners to one running issuer."""

    def __init__(self, issuer: Issuer, http: httpx.AsyncClient) -> None:
        self.issuer, self.http = issuer, http

    async def invite(self, tenant: str, *policies: Policy, principal: str = "tester") -> Partner:
        created = await self.issuer.access.create_key(CONSOLE, tenant, principal, policies)
        return Partner(self.http, created.key, principal)


def event(id_: str, /, **members: object) -> dict[str, object]:
    """A CloudEvent in the JSON event format that is accepted as it is."""
    fresh = {"specversion": "1.0", "id": id_, "source": "/banenor/tests", "type": TYPE, "data": {"train": "4521"}}
    return fresh | members
