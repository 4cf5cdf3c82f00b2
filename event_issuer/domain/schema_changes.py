"""What changed between two versions of a schema, in words: for people, beside the verdict, and never instead of it.

A change is told where it stands. Whether it breaks anything is not judged here: a narrowed bound may be one that no
document ever met. Deterministic, bounded, in the order of the places. Knows neither verdicts nor dialects.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Final

from event_issuer.domain.violations import pointer_token, violation

# As many as a person reads; the rest is counted in a last one.
CHANGES_MAX: Final = 100
# Of a value that is quoted.
_VALUE_CHARS_MAX: Final = 60

_ANNOTATIONS: Final = frozenset(
    ["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "$id"]
)
_MAPS: Final = frozenset(
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies", "dependentRequired"]
)
# What a schema under these keywords is called; the other maps are named by their keyword.
_MEMBERS: Final = {
    "properties": "property",
    "patternProperties": "pattern",
    "$defs": "definition",
    "definitions": "definition",
}
_SCHEMAS: Final = frozenset(
    [
        *("additionalProperties", "propertyNames", "items", "additionalItems", "contains", "not", "if", "then", "else"),
        *("unevaluatedProperties", "unevaluatedItems", "contentSchema"),
    ]
)
_LISTS: Final = frozenset(["allOf", "anyOf", "oneOf", "prefixItems", "items"])
_UPPER: Final = frozenset(
    ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"],
)
_LOWER: Final = frozenset(["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"])


class ChangeKind(Enum):
    ADDED = "ADDED"
    REMOVED = "REMOVED"
    CHANGED = "CHANGED"
    WIDENED = "WIDENED"
    NARROWED = "NARROWED"
    ANNOTATION = "ANNOTATION"


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """`path` is a JSON Pointer into the new version, or into the old one for what is removed."""

    path: str
    kind: ChangeKind
    sentence: str


def diff(old: object, new: object) -> list[SchemaChange]:
    """The changes from `old` to `new`, at most `CHANGES_MAX`, a last one then saying that there are more."""
    found = list(islice(_schema("", old, new), CHANGES_MAX + 1))
    if len(found) > CHANGES_MAX:
        found[CHANGES_MAX - 1 :] = [SchemaChange("", ChangeKind.CHANGED, "and more changes than can be listed")]
    return found


def _schema(path: str, old: object, new: object) -> Iterator[SchemaChange]:
    """Changes of a schema at one place."""
    if _same(old, new):
        return
    if not isinstance(old, dict) or not isinstance(new, dict):
        yield _change(path, ChangeKind.CHANGED, f"replaces {_shown(old)} by {_shown(new)} at {_place(path)}")
        return
    for keyword in sorted(old.keys() | new.keys()):
        if keyword not in new:
            yield from _removed(path, keyword, old)
        elif keyword not in old:
            yield from _added(path, keyword, new)
        elif not _same(old[keyword], new[keyword]):
            yield from _changed(path, keyword, old, new)


def _changed(path: str, keyword: str, old: dict[str, object], new: dict[str, object]) -> Iterator[SchemaChange]:
    before, after = old[keyword], new[keyword]
    here = f"{path}/{pointer_token(keyword)}"
    if keyword in _ANNOTATIONS:
        yield _change(here, ChangeKind.ANNOTATION, f"{keyword} changed at {_place(path)}")
    elif keyword in _MAPS and isinstance(before, dict) and isinstance(after, dict):
        yield from _map(here, keyword, (before, old), (after, new))
    elif keyword in _LISTS and isinstance(before, list) and isinstance(after, list):
        yield from _list(here, keyword, before, after)
    elif keyword in _SCHEMAS:
        yield from _schema(here, before, after)
    elif keyword == "required":
        yield from _names(here, before, after)
    elif keyword in ("enum", "type"):
        yield from _members(here, keyword, before, after)
    else:
        yield _value(here, keyword, before, after)


def _value(here: str, keyword: str, before: object, after: object) -> SchemaChange:
    if (
        (keyword in _UPPER or keyword in _LOWER)
        and isinstance(before, (int, float))
        and isinstance(after, (int, float))
        and before != after
    ):
        narrower = (after < before) if keyword in _UPPER else (after > before)
        kind, verb = (ChangeKind.NARROWED, "narrows") if narrower else (ChangeKind.WIDENED, "widens")
        return _change(here, kind, f"{verb} {here} from {_shown(before)} to {_shown(after)}")
    return _change(here, ChangeKind.CHANGED, f"changes {here} from {_shown(before)} to {_shown(after)}")


def _added(path: str, keyword: str, new: dict[str, object]) -> Iterator[SchemaChange]:
    value, here = new[keyword], f"{path}/{pointer_token(keyword)}"
    if keyword in _ANNOTATIONS:
        yield _change(here, ChangeKind.ANNOTATION, f"{keyword} added at {_place(path)}")
    elif keyword in _MAPS and isinstance(value, dict) and value:
        yield from _map(here, keyword, ({}, {}), (value, new))
    elif keyword == "required" and isinstance(value, list):
        yield from _names(here, [], value)
    else:
        yield _change(here, ChangeKind.ADDED, f"adds {keyword} {_shown(value)} at {_place(path)}")


def _removed(path: str, keyword: str, old: dict[str, object]) -> Iterator[SchemaChange]:
    value, here = old[keyword], f"{path}/{pointer_token(keyword)}"
    if keyword in _ANNOTATIONS:
        yield _change(here, ChangeKind.ANNOTATION, f"{keyword} removed at {_place(path)}")
    elif keyword in _MAPS and isinstance(value, dict) and value:
        yield from _map(here, keyword, (value, old), ({}, {}))
    elif keyword == "required" and isinstance(value, list):
        yield from _names(here, value, [])
    else:
        yield _change(here, ChangeKind.REMOVED, f"removes {keyword} {_shown(value)} at {_place(path)}")


_Side = tuple[dict[str, object], dict[str, object]]  # what the keyword holds, and the schema around it


def _map(here: str, keyword: str, old: _Side, new: _Side) -> Iterator[SchemaChange]:
    before, after = old[0], new[0]
    for name in sorted(before.keys() | after.keys()):
        below = f"{here}/{pointer_token(name)}"
        if name not in after:
            yield _change(below, ChangeKind.REMOVED, f"removes the {_called(keyword, name, old[1])}")
        elif name not in before:
            yield _change(below, ChangeKind.ADDED, f"adds the {_called(keyword, name, new[1])}")
        else:
            yield from _schema(below, before[name], after[name])


def _called(keyword: str, name: str, schema: dict[str, object]) -> str:
    what = _MEMBERS.get(keyword, f"entry of {keyword}")
    if keyword == "properties":
        required = schema.get("required")
        what = f"{'required' if isinstance(required, list) and name in required else 'optional'} {what}"
    return f"{what} {_shown(name)}"


def _list(here: str, keyword: str, before: list[object], after: list[object]) -> Iterator[SchemaChange]:
    for index in range(max(len(before), len(after))):
        below = f"{here}/{index}"
        if index >= len(after):
            yield _change(below, ChangeKind.REMOVED, f"removes a schema from {keyword}: {_shown(before[index])}")
        elif index >= len(before):
            yield _change(below, ChangeKind.ADDED, f"adds a schema to {keyword}: {_shown(after[index])}")
        else:
            yield from _schema(below, before[index], after[index])


def _names(here: str, before: object, after: object) -> Iterator[SchemaChange]:
    old, new = _texts(before), _texts(after)
    for name in sorted(old ^ new):
        if name in new:
            yield _change(here, ChangeKind.NARROWED, f"requires the property {_shown(name)}")
        else:
            yield _change(here, ChangeKind.WIDENED, f"no longer requires the property {_shown(name)}")


def _members(here: str, keyword: str, before: object, after: object) -> Iterator[SchemaChange]:
    old, new = _by_text(before), _by_text(after)
    for text in sorted(old.keys() | new.keys()):
        if text not in new:
            yield _change(here, ChangeKind.NARROWED, f"takes {_shown(old[text])} out of {keyword} at {_place(here)}")
        elif text not in old:
            yield _change(here, ChangeKind.WIDENED, f"adds {_shown(new[text])} to {keyword} at {_place(here)}")


def _by_text(value: object) -> dict[str, object]:
    return {_text(member): member for member in (value if isinstance(value, list) else [value])}


def _texts(value: object) -> set[str]:
    return {name for name in value if isinstance(name, str)} if isinstance(value, list) else set()


def _same(old: object, new: object) -> bool:
    """Equal as JSON: in Python, True is 1."""
    return old == new and _text(old) == _text(new)


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _shown(value: object) -> str:
    """The value in a sentence: a text in quotes, a long one cut."""
    text = f"'{value}'" if isinstance(value, str) else _text(value)
    return text if len(text) <= _VALUE_CHARS_MAX else text[: _VALUE_CHARS_MAX - 1] + "…"


def _place(path: str) -> str:
    return path or "the root"


def _change(path: str, kind: ChangeKind, sentence: str) -> SchemaChange:
    """Its texts are a stranger's: within bounds, and such as can be written down."""
    bounded = violation(path, kind.value, sentence)
    return SchemaChange(bounded.path, kind, bounded.message)
