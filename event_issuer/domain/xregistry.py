"""The catalogue as an xRegistry 1.0-rc4 document: the Schema and the Message Definitions Registry in one, all inlined.

It is the document view of the Core specification ("Doc Flag"): references lead within the document, and a Resource
does not repeat its default Version. Each owner is one group of either kind; each event type is one schema with all its
Versions, and one message with the envelope `CloudEvents/1.0`. We keep no epochs: an entity's epoch counts what was
added to it. Knows no table and no face.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from event_issuer.domain.catalogue import ListedSchema, ListedType, dialect_of, dialect_version, rendered
from event_issuer.domain.json_text import render_json
from event_issuer.domain.time import Instant, to_rfc3339

SPEC_VERSION: Final = "1.0-rc4"
ENVELOPE: Final = "CloudEvents/1.0"
ID_LENGTH_MAX: Final = 128  # Core, "<SINGULAR>id Attribute"
DESCRIPTION_BYTES_MAX: Final = 4096 - len("description")  # Core, "Attributes": name and value together

Node = dict[str, object]


class XRegistryCatalogue:
    """Takes event types one by one, in any order, so that a long catalogue can be built in steps."""

    def __init__(self) -> None:
        self._owners: dict[str, list[_Entry]] = {}

    def add(self, listed: ListedType) -> None:
        entry = _Entry(listed)
        self._owners.setdefault(listed.owner, []).append(entry)

    def document(self) -> bytes:
        """JSON in UTF-8."""
        owners = [(owner, sorted(owned, key=lambda entry: entry.id)) for owner, owned in sorted(self._owners.items())]
        entries = [entry for _, owned in owners for entry in owned]
        schemas = {owner: _group("schema", owner, owned) for owner, owned in owners}
        messages = {owner: _group("message", owner, owned) | {"envelope": ENVELOPE} for owner, owned in owners}
        document = {
            "specversion": SPEC_VERSION,
            "registryid": "event-issuer",
            "self": "#/",
            "xid": "/",
            **_dated(len(entries), _first(entries), _last(entries)),
            "name": "Event Issuer",
            "description": "The event types that you may see, with every version of their schemas.",
            **_collection("#", "schemagroups", schemas),
            **_collection("#", "messagegroups", messages),
        }
        return render_json(document)


class _Entry:
    """One event type as a schema and as a message, both named `id`."""

    def __init__(self, listed: ListedType) -> None:
        self.id = entity_id(listed.name)
        self.created_at = listed.created_at
        self.modified_at = max(listed.created_at, listed.latest.created_at)
        schema_xid = f"/schemagroups/{listed.owner}/schemas/{self.id}"
        message_xid = f"/messagegroups/{listed.owner}/messages/{self.id}"
        versions: list[Node] = []
        for schema in listed.schemas:
            ancestor = versions[-1]["versionid"] if versions else str(schema.version)
            versions.append(_schema_version(schema_xid, self.id, listed, schema, ancestor))
        self.schema = rendered(self._resource("schema", schema_xid, listed, versions))
        message = _message_version(message_xid, self, listed, versions[-1])
        self.message = rendered(self._resource("message", message_xid, listed, [message]))

    def _resource(self, singular: str, xid: str, listed: ListedType, versions: list[Node]) -> Node:
        default = versions[-1]
        meta: Node = {
            f"{singular}id": self.id,
            "self": f"#{xid}/meta",
            "xid": f"{xid}/meta",
            **_dated(listed.latest.version, self.created_at, self.modified_at),
            "readonly": True,
        }
        if singular == "schema" and listed.compatibility != "NONE":
            meta["compatibility"] = listed.compatibility.lower()
        if listed.is_deprecated:
            meta["deprecated"] = {} if listed.sunset_at is None else {"removal": to_rfc3339(listed.sunset_at)}
        meta |= {
            "defaultversionid": default["versionid"],
            "defaultversionurl": default["self"],
            "defaultversionsticky": False,
        }
        return {
            f"{singular}id": self.id,
            "self": f"#{xid}",
            "xid": xid,
            "metaurl": f"#{xid}/meta",
            "meta": meta,
            **_collection(f"#{xid}", "versions", {str(version["versionid"]): version for version in versions}),
        }


def entity_id(name: str) -> str:
    """The name itself; a longer one than xRegistry takes is cut, and told apart by a part of its SHA-256."""
    if len(name) <= ID_LENGTH_MAX:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: ID_LENGTH_MAX - len(digest) - 1]}@{digest}"


def _group(singular: str, owner: str, entries: list[_Entry]) -> Node:
    xid = f"/{singular}groups/{owner}"
    resources = {entry.id: entry.schema if singular == "schema" else entry.message for entry in entries}
    return {
        f"{singular}groupid": owner,
        "self": f"#{xid}",
        "xid": xid,
        **_dated(len(entries), _first(entries), _last(entries)),
        **_collection(f"#{xid}", f"{singular}s", resources),
    }


def _schema_version(xid: str, id_: str, listed: ListedType, schema: ListedSchema, ancestor: object) -> Node:
    definition = schema.parsed()
    version = _version("schema", xid, id_, str(schema.version), schema.created_at)
    version |= {
        "isdefault": schema is listed.latest,
        **_described(listed),
        "ancestorid": ancestor,
        "contenttype": "application/schema+json",
        "format": _format(definition),
        "schema": definition,
    }
    return version


def _message_version(xid: str, entry: _Entry, listed: ListedType, schema: Node) -> Node:
    version = _version("message", xid, entry.id, "1", entry.modified_at)
    version |= {
        "epoch": listed.latest.version,
        "createdat": to_rfc3339(entry.created_at),
        "isdefault": True,
        **_described(listed),
        "ancestorid": "1",
        "envelope": ENVELOPE,
        "envelopemetadata": _attributes(listed.name),
        "datacontenttype": "application/json",
        "dataschemaformat": schema["format"],
        "dataschemauri": schema["self"],
        "dataschemaxid": schema["xid"],
    }
    return version


def _version(singular: str, xid: str, id_: str, version: str, at: Instant) -> Node:
    path = f"{xid}/versions/{version}"
    return {f"{singular}id": id_, "versionid": version, "self": f"#{path}", "xid": path, **_dated(1, at, at)}


def _attributes(event_type: str) -> Node:
    """Declarations of the CloudEvents attributes (Message, "CloudEvents/1.0")."""
    return {
        "specversion": {"type": "string", "value": "1.0", "required": True},
        "id": {"type": "string", "required": True},
        "type": {"type": "string", "value": event_type, "required": True},
        "source": {"type": "uritemplate", "required": True},
        "subject": {"type": "string"},
        "time": {"type": "timestamp"},
        "datacontenttype": {"type": "string", "value": "application/json"},
        "partitionkey": {"type": "string"},
    }


def _format(definition: dict[str, object]) -> str:
    version = dialect_version(dialect_of(definition))
    return f"JsonSchema/{version}" if version.startswith("draft") else f"JsonSchema/draft/{version}"


def _described(listed: ListedType) -> Node:
    return {"name": listed.name, "description": _shortened(listed.description)}


def _shortened(text: str) -> str:
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= DESCRIPTION_BYTES_MAX:
        return text
    return encoded[: DESCRIPTION_BYTES_MAX - len("…".encode())].decode("utf-8", "ignore") + "…"


def _dated(epoch: int, created_at: Instant, modified_at: Instant) -> Node:
    return {"epoch": epoch, "createdat": to_rfc3339(created_at), "modifiedat": to_rfc3339(modified_at)}


def _collection(owner: str, plural: str, entities: Mapping[str, object]) -> Node:
    return {f"{plural}url": f"{owner}/{plural}", f"{plural}count": len(entities), plural: entities}


def _first(entries: list[_Entry]) -> Instant:
    return min((entry.created_at for entry in entries), default=0)


def _last(entries: list[_Entry]) -> Instant:
    return max((entry.modified_at for entry in entries), default=0)
