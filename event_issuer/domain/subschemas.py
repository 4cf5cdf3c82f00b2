"""A schema taken apart: its subschemas, where each applies, and its references resolved inside the document.

Places in the schema are JSON Pointers, so that a refusal can name them. A reference may only point to a
subschema of the same document: `#`, `#/a/pointer`, or `#anchor`. Compound documents (an `$id` or another
`$schema` below the root) are refused: one contract is one resource in one dialect.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from urllib.parse import unquote

from event_issuer.domain.dialects import Dialect, Place, dialect_named, parts
from event_issuer.domain.errors import Violation
from event_issuer.domain.violations import refusal, refuse, violation

# Far more than a person writes; keeps taking a schema apart within tens of milliseconds.
SUBSCHEMAS_MAX = 5_000
# Of all pointers together: long names, deeply nested, would take memory by their product.
POINTERS_CHARS_MAX = 2_000_000

Schema = Mapping[str, object] | bool


@dataclass(slots=True)
class Subschema:
    """One schema and, by index into the list it is in, those that apply with it or below it.

    `weight` counts the checks it makes on one value by itself, in units of one plain keyword. `named` has
    what applies to one property (by name) or one item (by index).
    """

    pointer: str
    definition: Schema
    weight: int
    applied: dict[Place, list[int]] = field(default_factory=lambda: defaultdict(list))
    named: dict[str | int, int] = field(default_factory=dict)

    def keyword(self, name: str) -> object:
        """The value of a keyword; None where the schema is a boolean or does not have it."""
        return self.definition.get(name) if isinstance(self.definition, Mapping) else None


def subschemas_of(definition: Mapping[str, object], dialect: Dialect) -> list[Subschema]:
    """Every subschema, the root first, with references resolved. Raises `SchemaInvalid`.

    `definition` is valid against its metaschema.
    """
    found = [Subschema("", definition, _weight(definition))]
    pointers_chars = 0
    for subschema in found:  # grows while it is walked
        for part in parts(subschema.definition, dialect) if isinstance(subschema.definition, Mapping) else ():
            subschema.applied[part.place].append(len(found))
            if part.place in (Place.PROPERTY, Place.ITEM):
                subschema.named[part.key] = len(found)
            found.append(Subschema(f"{subschema.pointer}{part.step}", part.schema, _weight(part.schema)))
            pointers_chars += len(found[-1].pointer)
        if len(found) > SUBSCHEMAS_MAX or pointers_chars > POINTERS_CHARS_MAX:
            raise refusal(
                "size",
                f"The schema is too large: at most {SUBSCHEMAS_MAX} subschemas are taken, "
                f"and at most {POINTERS_CHARS_MAX} characters for the JSON Pointers to all of them",
            )
    refuse([problem for subschema in found[1:] for problem in _foreign(subschema, dialect)])
    _resolve_references(found, dialect)
    _refuse_loops(found)
    return found


def children_first(found: Sequence[Subschema]) -> list[int]:
    """All indices, each after those of the schemas that it applies to the same value. Raises `CycleError`."""
    graph = {index: subschema.applied[Place.SAME] for index, subschema in enumerate(found)}
    return list(TopologicalSorter(graph).static_order())


def _weight(schema: Schema) -> int:
    """The checks on one value: names, numbers and compound values are compared one by one, texts are hashed."""
    if not isinstance(schema, Mapping):
        return 1
    lists = [schema.get("required")]
    for keyword in ("dependentRequired", "dependencies"):
        value = schema.get(keyword)
        lists += value.values() if isinstance(value, dict) else []
    options = schema.get("enum")
    compared = [value for value in options if not isinstance(value, str)] if isinstance(options, list) else []
    return 1 + len(compared) + sum(1 + len(names) for names in lists if isinstance(names, list))


def _foreign(subschema: Subschema, dialect: Dialect) -> list[Violation]:
    """What would make a part of the schema a resource of its own. A draft-07 `$id` of `#name` is no such."""
    problems = []
    identity = subschema.keyword("$id")
    if identity is not None and not str(identity).startswith("#"):
        message = f"Only the root of a schema may have an $id, not a part of it ({identity!r:.80})"
        problems.append(violation(f"{subschema.pointer}/$id", "$id", message))
    uri = subschema.keyword("$schema")
    if uri is not None and dialect_named(uri) is not dialect:
        message = f"A part of a schema cannot be in another dialect than its root ({uri!r:.80})"
        problems.append(violation(f"{subschema.pointer}/$schema", "$schema", message))
    return problems


def reference_targets(found: Sequence[Subschema], dialect: Dialect) -> dict[str, int]:
    """What a reference may say, percent-decoded, with the index of the subschema it then names."""
    return {f"#{subschema.pointer}": index for index, subschema in enumerate(found)} | _anchors(found, dialect)


def _resolve_references(found: list[Subschema], dialect: Dialect) -> None:
    targets = reference_targets(found, dialect)
    problems = []
    for subschema in found:
        for keyword in dialect.references:
            reference = subschema.keyword(keyword)
            if reference is None:
                continue
            target = targets.get(unquote(str(reference)))
            if target is None:
                message = _unresolved(keyword, str(reference))
                problems.append(violation(f"{subschema.pointer}/{keyword}", keyword, message))
            else:
                subschema.applied[Place.SAME].append(target)
    refuse(problems)


def _unresolved(keyword: str, reference: str) -> str:
    if reference.startswith("#"):
        return f"{keyword} {reference!r:.80} names no schema in this document"
    return f"{keyword} {reference!r:.80} leaves this document; it may be '#', '#/a/pointer' or '#anchor'"


def _anchors(found: Sequence[Subschema], dialect: Dialect) -> dict[str, int]:
    anchors = {}
    for index, subschema in enumerate(found):
        for keyword in dialect.anchors:
            name = subschema.keyword(keyword)
            if name is not None:
                anchors[f"#{name}"] = index
        identity = str(subschema.keyword("$id"))
        if identity.startswith("#") and not identity.startswith("#/"):
            anchors[identity] = index
    return anchors


def _refuse_loops(found: list[Subschema]) -> None:
    """A schema that applies to a value by way of itself, without going down into the value, never ends."""
    try:
        children_first(found)
    except CycleError as error:
        loop = [f"#{found[index].pointer}" for index in reversed(error.args[1])]
        message = f"The schema applies to a value by way of itself: {' → '.join(loop[:5])}"
        refuse([violation(loop[0].removeprefix("#"), "$ref", message)])
