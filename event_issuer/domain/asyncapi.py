"""The catalogue as an AsyncAPI 3.0.0 document, written from a partner's side: it receives webhooks and sends events.

An event type is a message; its headers are the CloudEvents attributes as HTTP carries them in binary mode, its payload
is the event's data. A type that may be consumed has a channel `webhook.NAME` and an operation `receive.NAME`, one that
may be produced `produce.NAME` and `send.NAME`. Schemas are embedded, so that the document stands alone. Sources:
AsyncAPI 3.0.0; HTTP bindings 0.3.0; CloudEvents HTTP binding 1.0.2 §3.1; Standard Webhooks 1.0. Knows no table and no
face.
"""

import json
from typing import Final
from urllib.parse import urlsplit

from event_issuer.domain.catalogue import ListedSchema, ListedType, dialect_of, dialect_version, rendered
from event_issuer.domain.embedding import embed
from event_issuer.domain.json_text import render_json
from event_issuer.domain.time import to_rfc3339

VERSION: Final = "3.0.0"
API_VERSION: Final = "1.0.0"  # of what the document describes: the paths under /v1
CONTENT_TYPE: Final = "application/json"

Node = dict[str, object]


class AsyncApiCatalogue:
    """Takes event types one by one, in any order, so that a long catalogue can be built in steps. `public_url` has no
    slash at its end; events are sent to `produce_path` under it."""

    def __init__(self, public_url: str, produce_path: str) -> None:
        self._public_url, self._produce_path = public_url, produce_path
        self._channels: Node = {}
        self._operations: Node = {}
        self._messages: Node = {}

    def add(self, listed: ListedType) -> None:
        self._messages[listed.name] = rendered(_message(listed, self._public_url))
        if listed.may_consume:
            self._add_direction("webhook", "receive", listed, None, "subscriber")
        if listed.may_produce:
            self._add_direction("produce", "send", listed, self._produce_path, "issuer")

    def _add_direction(self, way: str, action: str, listed: ListedType, address: str | None, server: str) -> None:
        channel = f"{way}.{listed.name}"
        self._channels[channel] = {
            "address": address,
            "title": listed.name,
            "messages": {listed.name: _ref(f"#/components/messages/{listed.name}")},
            "servers": [_ref(f"#/servers/{server}")],
        }
        self._operations[f"{action}.{listed.name}"] = {
            "action": action,
            "channel": _ref(f"#/channels/{channel}"),
            "messages": [_ref(f"#/channels/{channel}/messages/{listed.name}")],
            "traits": [_ref(f"#/components/operationTraits/{way}")],
        }

    def document(self) -> bytes:
        """JSON in UTF-8."""
        document = {
            "asyncapi": VERSION,
            "info": {"title": "Event Issuer", "version": API_VERSION, "description": _INTRODUCTION},
            "defaultContentType": CONTENT_TYPE,
            "servers": {"issuer": _issuer(self._public_url), "subscriber": _SUBSCRIBER},
            "channels": _sorted(self._channels),
            "operations": _sorted(self._operations),
            "components": {
                "messages": _sorted(self._messages),
                "schemas": {"CloudEventHeaders": _HEADERS},
                "operationTraits": {"webhook": _WEBHOOK, "produce": _PRODUCE},
                "securitySchemes": {"apiKey": _API_KEY},
            },
        }
        return render_json(document)


def _sorted(named: Node) -> Node:
    return dict(sorted(named.items()))


def _message(listed: ListedType, public_url: str) -> Node:
    schema = listed.latest
    url = f"{public_url}/v1/schemas/{listed.name}/{schema.version}"
    message: Node = {
        "name": listed.name,
        "title": listed.name,
        "description": listed.description,
        "contentType": CONTENT_TYPE,
        "headers": {
            "type": "object",
            "allOf": [_ref("#/components/schemas/CloudEventHeaders")],
            "properties": {"ce-type": {"const": listed.name}},
        },
        "payload": _payload(schema, f"#/components/messages/{listed.name}/payload/schema"),
        "tags": _tags(listed),
        "x-dataschema": url,
        "x-schema-version": schema.version,
    }
    if schema.example is not None:
        message["examples"] = [{"name": "example", "payload": json.loads(schema.example)}]
    if listed.sunset_at is not None:
        message["x-sunset-at"] = to_rfc3339(listed.sunset_at)
    return message


def _tags(listed: ListedType) -> list[Node]:
    owner: Node = {"name": f"owner:{listed.owner}", "description": "The tenant that owns it."}
    return [owner, {"name": "deprecated", "description": "It will go."}] if listed.is_deprecated else [owner]


def _payload(schema: ListedSchema, place: str) -> Node:
    """A Multi Format Schema Object, whose schema will stand at `place`."""
    definition = schema.parsed()
    dialect = dialect_of(definition)
    embed(definition, dialect, place)
    return {"schemaFormat": f"application/schema+json;version={dialect_version(dialect)}", "schema": definition}


def _ref(target: str) -> Node:
    return {"$ref": target}


def _issuer(public_url: str) -> Node:
    url = urlsplit(public_url)
    server: Node = {"host": url.netloc, "protocol": url.scheme, "description": "The issuer."}
    if url.path:
        server["pathname"] = url.path
    server["security"] = [_ref("#/components/securitySchemes/apiKey")]
    return server


_INTRODUCTION: Final = (
    "The event types that you may see, from your side: you receive deliveries at the URL of a webhook subscription, "
    "and send events to the issuer."
)
_SUBSCRIBER: Final[Node] = {
    "host": "{host}",
    "protocol": "https",
    "description": "Your endpoint: the URL of a webhook subscription.",
    "variables": {"host": {"description": "Where you listen."}},
}
_API_KEY: Final[Node] = {
    "type": "httpApiKey",
    "name": "X-API-Key",
    "in": "header",
    "description": "A key of one of your principals.",
}
_POST: Final[Node] = {"http": {"method": "POST", "bindingVersion": "0.3.0"}}
_WEBHOOK: Final[Node] = {
    "description": "A webhook: binary mode of the CloudEvents HTTP binding, signed as Standard Webhooks has it, at "
    "least once. Create a webhook subscription for it with the mutation `createWebhookSubscription`.",
    "bindings": _POST,
}
_PRODUCE: Final[Node] = {
    "description": "One event in binary mode of the CloudEvents HTTP binding. Structured mode is taken, too, and "
    "batches are, at this address with `/batch` behind it.",
    "bindings": _POST,
}


def _text(description: str, **more: object) -> Node:
    return {"type": "string", "description": description, **more}


_HEADERS: Final[Node] = {
    "type": "object",
    "description": "CloudEvents attributes as HTTP headers; `webhook-…` are there on deliveries only.",
    "required": ["ce-specversion", "ce-id", "ce-source", "ce-type"],
    "properties": {
        "ce-specversion": _text("The version of CloudEvents.", const="1.0"),
        "ce-id": _text("Unique together with the source.", minLength=1),
        "ce-source": _text("Where it happened.", minLength=1, format="uri-reference"),
        "ce-type": _text("The event type.", minLength=1),
        "ce-subject": _text("What it is about, within the source.", minLength=1),
        "ce-time": _text("When it happened.", format="date-time"),
        "ce-dataschema": _text("The schema that the data keeps.", format="uri"),
        "ce-partitionkey": _text("Events with the same key stay in order.", minLength=1),
        "webhook-id": _text("The same in every attempt to deliver this event."),
        "webhook-timestamp": _text("When it was sent, in seconds since 1970.", pattern="^[0-9]+$"),
        "webhook-signature": _text("`v1,` and an HMAC-SHA256 of id, timestamp and body, in base64."),
    },
}
