"""Modes: which versions are held against a next one, in which directions, and how verdicts join."""

import pytest

from event_issuer.domain.compatibility import (
    COMPATIBLE,
    DEFAULT_MODE,
    Comparison,
    CompatibilityMode,
    CompatibilityVerdict,
    compare,
    joined,
    undecided,
)
from tests.domain.compatibility.cases import Schema

OLD: Schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
WIDER: Schema = {"type": "object", "properties": {"a": {"type": "number"}}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("mode", "backward", "forward", "held_against"),
    [
        ("NONE", False, False, []),
        ("FORWARD", False, True, [3]),
        ("BACKWARD", True, False, [3]),
        ("FULL", True, True, [3]),
        ("FORWARD_TRANSITIVE", False, True, [1, 2, 3]),
        ("BACKWARD_TRANSITIVE", True, False, [1, 2, 3]),
        ("FULL_TRANSITIVE", True, True, [1, 2, 3]),
    ],
)
def test_a_mode(mode: str, backward: bool, forward: bool, held_against: list[int]) -> None:
    found = CompatibilityMode(mode)
    assert (found.backward, found.forward) == (backward, forward)
    assert list(found.held_against([1, 2, 3])) == held_against
    assert list(found.held_against([])) == []


def test_forward_is_the_default() -> None:
    assert DEFAULT_MODE is CompatibilityMode.FORWARD


@pytest.mark.parametrize(
    ("mode", "verdict"),
    [("NONE", "COMPATIBLE"), ("BACKWARD", "COMPATIBLE"), ("FORWARD", "INCOMPATIBLE"), ("FULL", "INCOMPATIBLE")],
)
def test_a_wider_version_may_follow_under_backward_only(mode: str, verdict: str) -> None:
    found = compare(OLD, WIDER, CompatibilityMode(mode))
    assert found.verdict.value == verdict
    assert [(problem.path, problem.rule, problem.witness) for problem in found.problems] == (
        [("/properties/a/type", "type", {"a": 0.5})] if verdict == "INCOMPATIBLE" else []
    )


def test_each_broken_place_is_told_with_its_own_witness() -> None:
    new: Schema = {
        "type": "object",
        "properties": {"a": {"type": "integer", "maximum": 5}, "b": {"$ref": "#/$defs/code"}},
        "required": ["b"],
        "additionalProperties": False,
        "$defs": {"code": {"enum": ["x", "y"]}},
    }
    old: Schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}
    found = compare(old, new, CompatibilityMode.BACKWARD)
    assert [(problem.path, problem.rule) for problem in found.problems] == [
        ("/$defs/code/enum", "enum"),
        ("/additionalProperties", "additionalProperties"),
        ("/properties/a/maximum", "maximum"),
        ("/required", "required"),
    ]
    assert found.problems[3].witness == {}


def test_a_witness_may_be_null() -> None:
    (problem,) = compare({"type": ["null", "string"]}, {"type": "string"}, CompatibilityMode.BACKWARD).problems
    assert (problem.witnessed, problem.witness) == (True, None)


def test_a_long_witness_is_not_shown() -> None:
    found = compare({"const": "x" * 30_000}, {"const": "y"}, CompatibilityMode.BACKWARD)
    (problem,) = found.problems
    assert found.verdict is CompatibilityVerdict.INCOMPATIBLE
    assert (problem.path, problem.rule, problem.witnessed) == ("/const", "const", False)
    assert problem.message.endswith("(the document is too long to be shown)")


def test_what_is_no_contract_is_undecided() -> None:
    found = compare({}, {"$ref": "https://example.com/elsewhere"}, CompatibilityMode.FULL)
    assert found.verdict is CompatibilityVerdict.UNDECIDED
    assert found.problems[0].message.startswith("One of the versions cannot serve as a contract: $ref 'https://")


def test_verdicts_join_to_the_worst() -> None:
    broken = compare({"const": 1}, {"const": 2}, CompatibilityMode.FULL)
    assert len(broken.problems) == 2
    unknown = undecided("because")
    assert joined([]) == joined([COMPATIBLE, COMPATIBLE]) == COMPATIBLE
    assert joined([COMPATIBLE, unknown]) == unknown
    assert joined([unknown, broken, COMPATIBLE]) == Comparison(
        CompatibilityVerdict.INCOMPATIBLE, (*unknown.problems, *broken.problems)
    )
