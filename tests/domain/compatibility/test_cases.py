"""Every case has the verdicts that its line argues for, and every witness is one."""

from collections import Counter

import jsonschema_rs
import pytest

from event_issuer.domain.compatibility import Comparison, CompatibilityMode, compare
from tests.domain.compatibility import cases_arrays, cases_dialects, cases_logic, cases_objects, cases_scalars
from tests.domain.compatibility.cases import Case, Schema

CASES = [
    *cases_scalars.CASES,
    *cases_arrays.CASES,
    *cases_objects.CASES,
    *cases_logic.CASES,
    *cases_dialects.CASES,
]
VERDICTS = {"C": "COMPATIBLE", "I": "INCOMPATIBLE", "U": "UNDECIDED"}


def accepts(schema: Schema, document: object) -> bool:
    """By the library itself, with its other engine for patterns: not by what compared."""
    return jsonschema_rs.validator_for(schema, validate_formats=True, offline=True).is_valid(document)


def assert_witnessed(comparison: Comparison, taking: Schema, refusing: Schema) -> None:
    for problem in comparison.problems:
        if problem.witnessed:
            assert accepts(taking, problem.witness)
            assert not accepts(refusing, problem.witness)


@pytest.mark.parametrize("case", CASES, ids=[case.why for case in CASES])
def test_a_case_has_its_verdicts(case: Case) -> None:
    backward = compare(case.old, case.new, CompatibilityMode.BACKWARD)
    forward = compare(case.old, case.new, CompatibilityMode.FORWARD)
    assert (backward.verdict.value, forward.verdict.value) == tuple(VERDICTS[letter] for letter in case.verdicts)
    assert_witnessed(backward, case.old, case.new)
    assert_witnessed(forward, case.new, case.old)


def test_there_are_cases_enough_and_each_is_told_once() -> None:
    assert len(CASES) > 200
    told = Counter((case.why, str(case.old), str(case.new)) for case in CASES)
    assert [line for line, times in told.items() if times > 1] == []


def test_what_is_undecided_says_why() -> None:
    assert [case.why for case in CASES if ("U" in case.verdicts) != case.why.startswith("U: ")] == []
