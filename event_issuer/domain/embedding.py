"""A schema as a part of another document: its references lead on, from that document's root.

Knows neither what the other document is nor where else schemas come from.
"""

from collections.abc import Callable
from typing import Final, TypeAlias
from urllib.parse import quote, unquote

from event_issuer.domain.dialects import Dialect, parts

_FRAGMENT: Final = "/~!$&'()*+,;=:@"  # what stands in a fragment as it is, beside letters and digits (RFC 3986 §3.5)

Locate: TypeAlias = Callable[[str], str]
"""Where a reference out of the schema leads, from the other document's root: `#/a/pointer`."""


def embed(definition: dict[str, object], dialect: Dialect, place: str, locate: Locate | None = None) -> None:
    """Makes a schema a part of another document: each reference becomes a `$ref` with a JSON Pointer from its root.

    The schema is one resource without others inside, so `$dynamicRef` leads where `$ref` does. Names and addresses of
    the schema go: in the other document they would be its own. `locate` is asked about references that leave it; a
    registered schema has none.
    """
    found = subschemas_in(definition, dialect)
    names = {
        f"#{name}": quote(pointer, _FRAGMENT) for pointer, schema in found for name in _taken_names(schema, dialect)
    }

    def led(target: str) -> str:
        if locate is not None and not target.startswith("#"):
            return locate(target)
        return place + names.get(unquote(target), target.removeprefix("#"))

    for _, schema in found:
        targets = [str(schema.pop(keyword)) for keyword in dialect.references if keyword in schema]
        refs: list[dict[str, object]] = [{"$ref": led(target)} for target in targets]
        if len(refs) == 1:
            schema |= refs[0]
        elif refs:
            schema["allOf"] = [*_list(schema.get("allOf")), *refs]


def subschemas_in(definition: dict[str, object], dialect: Dialect) -> list[tuple[str, dict[str, object]]]:
    """Every subschema that is an object, with the JSON Pointer to it; the root first."""
    found = [("", definition)]
    for pointer, schema in found:  # grows while it is walked
        inside = parts(schema, dialect)
        found += [(pointer + part.step, part.schema) for part in inside if isinstance(part.schema, dict)]
    return found


def fragment(pointer: str) -> str:
    """A JSON Pointer as the fragment of a URI."""
    return "#" + quote(pointer, _FRAGMENT)


def _taken_names(schema: dict[str, object], dialect: Dialect) -> list[str]:
    """The names by which references know a schema, which are taken from it; in draft-07 an `$id` can be one."""
    named = [str(schema.pop(keyword)) for keyword in dialect.anchors if keyword in schema]
    identity = str(schema.pop("$id", ""))
    schema.pop("$schema", None)
    return [*named, identity.removeprefix("#")] if identity.startswith("#") else named


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
