"""A schema of a registry and what it refers to, as one document: an event type's contract refers only within itself.

A registry names references by what stands in `$ref`. The schemas behind them go to `$defs`, and every reference leads
there. What could change its meaning on the way is refused. Knows no registry's requests and no event types.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import urljoin

from event_issuer.domain.dialects import DIALECTS, Dialect, dialect_named
from event_issuer.domain.embedding import Locate, embed, fragment, subschemas_in
from event_issuer.domain.errors import SchemaInvalid
from event_issuer.domain.violations import pointer_token

REGISTRY_DIALECT: Final = "http://json-schema.org/draft-07/schema#"  # how a registry reads a schema that does not say
_DYNAMIC: Final = ("$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor")

Key: TypeAlias = tuple[str, int]
"""Subject and version of a schema."""


@dataclass(frozen=True, slots=True)
class Document:
    """A schema of a registry, which says its dialect; `references` are the schemas behind what its `$ref` may say."""

    definition: dict[str, object]
    references: Mapping[str, Key] = field(default_factory=dict)


def bundle(root: Document, others: Mapping[Key, Document]) -> dict[str, object]:
    """One schema without references out of it; `others` holds all that the root refers to, directly or not. Takes the
    definitions over, and changes them. Raises SchemaInvalid."""
    if not others:
        return root.definition
    uri = root.definition.get("$schema")
    dialect = dialect_named(uri)
    if dialect is None:
        raise SchemaInvalid(f"Its $schema is {uri!r:.80}; take one of {', '.join(DIALECTS)}.")
    shelf = "definitions" if dialect.ref_stands_alone else "$defs"
    places = {key: fragment(f"/{shelf}/{pointer_token(_label(key))}") for key in others}
    identities = {key: _identity(other.definition) for key, other in others.items()}
    for key, other in others.items():
        _refuse_unmovable(_label(key), other.definition, dialect)
        embed(other.definition, dialect, places[key], _locating(other, places, identities))
    _refuse_unmovable("the schema itself", root.definition, dialect)
    embed(root.definition, dialect, "#", _locating(root, places, identities))
    kept = root.definition.get(shelf)
    moved = {_label(key): other.definition for key, other in others.items()}
    return {"$schema": uri, **root.definition, shelf: {**(kept if isinstance(kept, dict) else {}), **moved}}


def _label(key: Key) -> str:
    """Its name in `$defs`, which no author would choose."""
    return f"{key[0]}@{key[1]}"


def _identity(definition: Mapping[str, object]) -> str:
    return str(definition.get("$id", "")).removesuffix("#")


def _locating(document: Document, places: Mapping[Key, str], identities: Mapping[Key, str]) -> Locate:
    """A reference is what the registry calls it, or what it comes to from the schema's own `$id`."""
    base = _identity(document.definition)
    known: dict[str, str] = {}
    for name, key in document.references.items():
        for spelling in (name, urljoin(base, name), identities[key]):
            known.setdefault(spelling, places[key])

    def locate(target: str) -> str:
        address, _, inner = target.partition("#")
        place = known.get(address) or known.get(urljoin(base, address))
        if place is None:
            raise SchemaInvalid(f"It refers to {target!r:.80}, which is none of its references in the registry.")
        if inner and not inner.startswith("/"):
            raise SchemaInvalid(f"It refers to {target!r:.80}, an anchor in another schema; a JSON Pointer is taken.")
        return place + inner

    return locate


def _refuse_unmovable(name: str, definition: dict[str, object], dialect: Dialect) -> None:
    if dialect_named(definition.get("$schema")) is not dialect:
        raise SchemaInvalid(f"It refers to {name:.80}, which is in another dialect of JSON Schema.")
    for pointer, schema in subschemas_in(definition, dialect):
        if any(keyword in schema for keyword in _DYNAMIC):
            raise SchemaInvalid(f"It has dynamic references, in {name:.80}; with others beside them they are not kept.")
        if pointer and not str(schema.get("$id", "#")).startswith("#"):
            raise SchemaInvalid(f"A part of {name:.80} has an $id of its own; only the root may have one.")
