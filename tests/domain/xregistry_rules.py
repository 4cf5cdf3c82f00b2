"""The structure rules of an xRegistry 1.0-rc4 document, in document view with everything inlined.

Sources: xRegistry Core ("Attributes and Extensions", "Registry Collections", "Meta Entity", "Version Entity", "Doc
Flag"), Schema Registry §4 and Message Definitions Registry ("Message Definitions", "Property Definitions",
"CloudEvents/1.0"). Each rule yields its complaints, `place: what`.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.domain.asyncapi_rules import at

Entity = Mapping[str, Any]

KINDS = {"schemagroups": ("schemagroup", "schemas", "schema"), "messagegroups": ("messagegroup", "messages", "message")}
COMMON = {"self", "xid", "epoch", "createdat", "modifiedat"}
META = COMMON | {"readonly", "defaultversionid", "defaultversionurl"}
VERSION = COMMON | {"versionid", "isdefault", "ancestorid"}
NOT_IN_DOCUMENT_VIEW = {"shortself", "formatvalidated", "compatibilityvalidated"}
COMPATIBILITIES = {f"{kind}{reach}" for kind in ("backward", "forward", "full") for reach in ("", "_transitive")}
DIALECTS = {
    "JsonSchema/draft-07": "http://json-schema.org/draft-07/schema",
    "JsonSchema/draft/2019-09": "https://json-schema.org/draft/2019-09/schema",
    "JsonSchema/draft/2020-12": "https://json-schema.org/draft/2020-12/schema",
}
TYPES = {"any", "binary", "boolean", "duration", "integer", "number", "string", "symbol", "timestamp", "uri"}
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._~:@-]{0,127}")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def faults(document: Entity) -> list[str]:
    """Empty for a right document."""
    found = [*_common(document, "/", "#/")]
    found += _missing(document, "/", {"specversion", "registryid"})
    for plural, (singular, resources, resource) in KINDS.items():
        for xid, group in _collection(document, "", plural, singular, found):
            found += _common(group, xid)
            for resource_xid, entity in _collection(group, xid, resources, resource, found):
                found += _resource(document, group, entity, resource_xid, resource)
    return found


def _collection(owner: Entity, xid: str, plural: str, singular: str, found: list[str]) -> list[tuple[str, Entity]]:
    path, entities = f"{xid}/{plural}", owner[plural]
    if owner[f"{plural}url"] != f"#{path}":
        found.append(f"{path}: its url is {owner[f'{plural}url']}")
    if owner[f"{plural}count"] != len(entities):
        found.append(f"{path}: its count is {owner[f'{plural}count']}")
    found += [
        f"{path}: {key} is {one[f'{singular}id']}" for key, one in entities.items() if key != one[f"{singular}id"]
    ]
    found += [f"{path}: {key!r} is no id" for key in entities if _ID.fullmatch(key) is None]
    if len({key.lower() for key in entities}) != len(entities):
        found.append(f"{path}: two ids differ by case only")
    return [(f"{path}/{key}", entity) for key, entity in entities.items()]


def _common(entity: Entity, xid: str, self_: str | None = None) -> Iterator[str]:
    yield from _missing(entity, xid, COMMON)
    if (entity["self"], entity["xid"]) != (self_ or f"#{xid}", xid):
        yield f"{xid}: it says that it is {entity['self']} and {entity['xid']}"
    if not isinstance(entity["epoch"], int) or entity["epoch"] < 0:
        yield f"{xid}: its epoch is {entity['epoch']!r}"
    yield from (f"{xid}: {name} is no time in UTC" for name in ("createdat", "modifiedat") if not _utc(entity[name]))
    yield from _attributes(entity, xid)


def _attributes(entity: Entity, xid: str) -> Iterator[str]:
    for name, value in entity.items():
        if _NAME.fullmatch(name) is None:
            yield f"{xid}: {name!r} is no attribute's name"
        if isinstance(value, str) and len(name.encode()) + len(value.encode()) > 4096:
            yield f"{xid}: {name} is too long"
        if value is None or name in NOT_IN_DOCUMENT_VIEW:
            yield f"{xid}: {name} must not be there"


def _missing(entity: Entity, xid: str, required: set[str]) -> Iterator[str]:
    yield from (f"{xid}: {name} is missing" for name in sorted(required - entity.keys()))


def _utc(text: str) -> bool:
    return datetime.fromisoformat(text).utcoffset() == timedelta(0)


def _resource(document: Entity, group: Entity, entity: Entity, xid: str, singular: str) -> Iterator[str]:
    allowed = {f"{singular}id", "self", "xid", "metaurl", "meta", "versionsurl", "versionscount", "versions"}
    yield from (f"{xid}: a default Version's {name} is repeated" for name in sorted(entity.keys() - allowed))
    if (entity["self"], entity["xid"], entity["metaurl"]) != (f"#{xid}", xid, f"#{xid}/meta"):
        yield f"{xid}: it says that it is {entity['self']} and {entity['xid']}"
    meta, versions = entity["meta"], entity["versions"]
    yield from _common(meta, f"{xid}/meta")
    yield from _missing(meta, f"{xid}/meta", META | {f"{singular}id"})
    if meta.get("compatibility", "full") not in COMPATIBILITIES:
        yield f"{xid}/meta: no compatibility is called {meta['compatibility']!r}"
    default = meta["defaultversionid"]
    if meta["defaultversionurl"] != f"#{xid}/versions/{default}":
        yield f"{xid}/meta: the default Version is elsewhere"
    if [id_ for id_, version in versions.items() if version["isdefault"]] != [default]:
        yield f"{xid}: not just the default Version is the default"
    if [id_ for id_, version in versions.items() if version["ancestorid"] == id_] != [min(versions, key=int)]:
        yield f"{xid}: not just the oldest Version is a root"
    found: list[str] = []
    for version_xid, version in _collection(entity, xid, "versions", "version", found):
        found += _common(version, version_xid)
        found += _missing(version, version_xid, VERSION | {f"{singular}id"})
        if version["ancestorid"] not in versions or int(version["ancestorid"]) > int(version["versionid"]):
            found.append(f"{version_xid}: it has no ancestor {version['ancestorid']}")
        found += _schema(version, version_xid) if singular == "schema" else _message(document, group, version)
    yield from found


def _schema(version: Entity, xid: str) -> Iterator[str]:
    if len({"schema", "schemaurl", "schemabase64"} & version.keys()) != 1:
        yield f"{xid}: a Version has its document in one way"
    dialect = DIALECTS.get(version["format"])
    if dialect is None or version["schema"].get("$schema", dialect).removesuffix("#") != dialect:
        yield f"{xid}: the schema is not in {version['format']}"


def _message(document: Entity, group: Entity, version: Entity) -> Iterator[str]:
    xid, declared = version["xid"], version["envelopemetadata"]
    if version["envelope"] != group["envelope"]:
        yield f"{xid}: its envelope is not its group's"
    for name, record in declared.items():
        if re.fullmatch("[a-z0-9]+", name) is None or not record.keys() <= {"type", "value", "required", "description"}:
            yield f"{xid}: {name} is no declaration"
        if record.get("type", "string") not in TYPES | {"uritemplate"}:
            yield f"{xid}: {name} has no type that there is"
    if not all(declared[name]["required"] for name in ("id", "type", "source")):
        yield f"{xid}: id, type and source are required"
    if declared["specversion"] != {"type": "string", "value": "1.0", "required": True} or "value" in declared["id"]:
        yield f"{xid}: it is no CloudEvent"
    if declared["datacontenttype"]["value"] != version["datacontenttype"]:
        yield f"{xid}: it has two content types"
    schema: Any = at(document, version["dataschemauri"])
    if (schema["xid"], schema["format"]) != (version["dataschemaxid"], version["dataschemaformat"]):
        yield f"{xid}: its schema is another one"
