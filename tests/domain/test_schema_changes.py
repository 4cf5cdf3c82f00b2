"""What changed between two versions, in words."""

import copy
import json

import pytest

from event_issuer.domain.schema_changes import CHANGES_MAX, ChangeKind, SchemaChange, diff
from tests.domain.schemas import TRAIN_ARRIVED, Schema

ADDED, REMOVED, CHANGED = ChangeKind.ADDED, ChangeKind.REMOVED, ChangeKind.CHANGED
WIDENED, NARROWED, ANNOTATION = ChangeKind.WIDENED, ChangeKind.NARROWED, ChangeKind.ANNOTATION


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({}, {}, []),
        (
            {"properties": {"x": {"maximum": 10}}},
            {"properties": {"x": {"maximum": 5}}},
            [("/properties/x/maximum", NARROWED, "narrows /properties/x/maximum from 10 to 5")],
        ),
        ({"minLength": 2}, {"minLength": 1}, [("/minLength", WIDENED, "widens /minLength from 2 to 1")]),
        (
            {"properties": {"a": {}}},
            {"properties": {"a": {}, "track": {}}, "required": ["track"]},
            [
                ("/properties/track", ADDED, "adds the required property 'track'"),
                ("/required", NARROWED, "requires the property 'track'"),
            ],
        ),
        (
            {"properties": {"a": {}, "b": {}}, "required": ["a"]},
            {"properties": {"b": {}}},
            [
                ("/properties/a", REMOVED, "removes the required property 'a'"),
                ("/required", WIDENED, "no longer requires the property 'a'"),
            ],
        ),
        (
            {"title": "a", "description": "b"},
            {"description": "c", "$comment": "d"},
            [
                ("/$comment", ANNOTATION, "$comment added at the root"),
                ("/description", ANNOTATION, "description changed at the root"),
                ("/title", ANNOTATION, "title removed at the root"),
            ],
        ),
        (
            {"properties": {"state": {"enum": ["FREE", 1]}}},
            {"properties": {"state": {"enum": ["FREE", True]}}},
            [
                ("/properties/state/enum", NARROWED, "takes 1 out of enum at /properties/state/enum"),
                ("/properties/state/enum", WIDENED, "adds true to enum at /properties/state/enum"),
            ],
        ),
        ({"enum": [1, 2]}, {"enum": [2, 1]}, []),
        ({"type": "string"}, {"type": ["string", "null"]}, [("/type", WIDENED, "adds 'null' to type at /type")]),
        ({}, {"pattern": "^a"}, [("/pattern", ADDED, "adds pattern '^a' at the root")]),
        (
            {"items": {"format": "date"}},
            {"items": {"format": "time"}},
            [("/items/format", CHANGED, "changes /items/format from 'date' to 'time'")],
        ),
        (
            {"additionalProperties": True},
            {"additionalProperties": False},
            [("/additionalProperties", CHANGED, "replaces true by false at /additionalProperties")],
        ),
        (
            {"anyOf": [{"const": 1}, {"const": 2}]},
            {"anyOf": [{"const": 3}]},
            [
                ("/anyOf/0/const", CHANGED, "changes /anyOf/0/const from 1 to 3"),
                ("/anyOf/1", REMOVED, 'removes a schema from anyOf: {"const": 2}'),
            ],
        ),
        (
            {"$defs": {"a/b": {"maxItems": 3}}},
            {"$defs": {"a/b": {}}},
            [("/$defs/a~1b/maxItems", REMOVED, "removes maxItems 3 at /$defs/a~1b")],
        ),
        ({"const": 1}, {"const": True}, [("/const", CHANGED, "changes /const from 1 to true")]),
    ],
)
def test_a_change_is_told_where_it_stands(old: Schema, new: Schema, changes: list[tuple[str, ChangeKind, str]]) -> None:
    assert diff(old, new) == [SchemaChange(*change) for change in changes]


def test_a_schema_of_real_use() -> None:
    new = copy.deepcopy(TRAIN_ARRIVED)
    json.dumps(new)
    properties = new["properties"]
    assert isinstance(properties, dict)
    properties["delaySeconds"]["maximum"] = 86400
    properties["note"] = {"type": "string"}
    new["title"] = "A train is there"
    assert [change.sentence for change in diff(TRAIN_ARRIVED, new)] == [
        "narrows /properties/delaySeconds/maximum from 172800 to 86400",
        "adds the optional property 'note'",
        "title changed at the root",
    ]


def test_many_changes_are_cut() -> None:
    old: Schema = {"properties": {f"p{n:03}": {} for n in range(200)}}
    found = diff(old, {})
    assert len(found) == CHANGES_MAX
    assert found[0].sentence == "removes the optional property 'p000'"
    assert found[-1] == SchemaChange("", CHANGED, "and more changes than can be listed")


def test_exactly_as_many_as_can_be_listed_are_listed() -> None:
    found = diff({}, {"properties": {f"p{n:03}": {} for n in range(CHANGES_MAX)}})
    assert found[-1].sentence == f"adds the optional property 'p{CHANGES_MAX - 1:03}'"


def test_long_values_and_paths_are_cut() -> None:
    (change,) = diff({"const": "x" * 1_000}, {"const": "y" * 1_000})
    assert change.sentence == f"changes /const from '{'x' * 58}… to '{'y' * 58}…"
    (change,) = diff({"properties": {"n" * 1_000: {"const": 1}}}, {"properties": {"n" * 1_000: {"const": 2}}})
    assert len(change.path) == 500
    assert len(change.sentence) == 200
