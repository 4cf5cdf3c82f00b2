"""What docs/compatibility.md shows is what comes out."""

import json
import re
from pathlib import Path

import pytest

from event_issuer.domain.compatibility import CompatibilityMode, compare
from tests.domain.compatibility.cases import Schema

PAGE = (Path(__file__).parents[3] / "docs" / "compatibility.md").read_text("utf-8")


def closed(**properties: object) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def opened(*required: str, **properties: object) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


TEXT: Schema = {"type": "string"}
CHANGES: dict[str, list[tuple[Schema, Schema]]] = {
    "a new optional property, where the object is closed (`additionalProperties: false`)": [
        (closed(a=TEXT), closed(a=TEXT, b=TEXT))
    ],
    "a new optional property, where the object is open": [(opened(a=TEXT), opened(a=TEXT, b=TEXT))],
    "a new required property, where the object is open": [(opened(a=TEXT), opened("b", a=TEXT, b=TEXT))],
    "a property is no longer required": [(opened("a", a=TEXT), opened(a=TEXT))],
    "a member more in an `enum`, a higher `maximum`, a type more": [
        ({"enum": ["a"]}, {"enum": ["a", "b"]}),
        ({"maximum": 5}, {"maximum": 6}),
        ({"type": "string"}, {"type": ["string", "null"]}),
    ],
    "a member less in an `enum`, a lower `maximum`, a `pattern` more": [
        ({"enum": ["a", "b"]}, {"enum": ["a"]}),
        ({"maximum": 6}, {"maximum": 5}),
        (TEXT, TEXT | {"pattern": "^a"}),
    ],
    "`title`, `description`, `default`, `examples`, keywords of one's own": [
        (TEXT | {"title": "a"}, TEXT | {"description": "b", "default": "c", "examples": [1], "x-owner": "d"})
    ],
}


def rows() -> dict[str, tuple[str, str]]:
    """The table of common changes: the change, whether it is fine under FORWARD, and under BACKWARD."""
    table = PAGE.partition("| change | FORWARD | BACKWARD |\n|---|---|---|\n")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {change: (forward.split(":")[0], backward.split(":")[0]) for change, forward, backward in cells}


@pytest.mark.parametrize("change", CHANGES)
def test_the_table_of_common_changes_is_right(change: str) -> None:
    assert rows().keys() == CHANGES.keys()
    for old, new in CHANGES[change]:
        found = [
            compare(old, new, mode).verdict.value for mode in (CompatibilityMode.FORWARD, CompatibilityMode.BACKWARD)
        ]
        assert found == ["COMPATIBLE" if word == "yes" else "INCOMPATIBLE" for word in rows()[change]]


def test_the_example_is_right() -> None:
    old, new = (json.loads(line) for line in re.findall(r"^    (?:old|new): (.*)$", PAGE, re.MULTILINE))
    shown = re.findall(r"^      (/\S+) +(\S+) +(\{.*\})$", PAGE, re.MULTILINE)
    found = compare(old, new, CompatibilityMode.BACKWARD)
    assert [(each.path, each.rule, each.witness) for each in found.problems] == [
        (path, rule, json.loads(witness)) for path, rule, witness in shown
    ]
