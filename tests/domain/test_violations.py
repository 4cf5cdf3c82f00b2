"""Violations are short and can be written down, whatever a stranger sent."""

import pytest

from event_issuer.domain.errors import SchemaInvalid, Violation
from event_issuer.domain.violations import MESSAGE_CHARS_MAX, PATH_CHARS_MAX, pointer_token, refuse, violation


def test_a_short_violation_stays_as_it_is() -> None:
    assert violation("/a/0", "type", "x" * 200) == Violation("/a/0", "type", "x" * 200)


def test_a_long_message_keeps_both_ends() -> None:
    found = violation("", "type", "b" * 100 + "m" * 1000 + "e" * 150).message
    assert found == "b" * 80 + " … " + "e" * 117
    assert len(found) == MESSAGE_CHARS_MAX


def test_a_long_path_is_cut() -> None:
    assert violation("/" + "p" * 499, "type", "").path == "/" + "p" * 499
    found = violation("/" + "p" * 500, "type", "").path
    assert found == "/" + "p" * 498 + "…"
    assert len(found) == PATH_CHARS_MAX


def test_unpaired_surrogates_are_spelled_out() -> None:
    assert violation("/\ud800", "type", "a\udfff") == Violation("/\\ud800", "type", "a\\udfff")


def test_a_token_of_a_pointer() -> None:
    assert pointer_token("a/b~c~1") == "a~1b~0c~01"


def test_nothing_wrong_is_no_refusal() -> None:
    refuse([])


@pytest.mark.parametrize(
    ("count", "detail"),
    [(1, "message 0, at the root of the schema"), (102, "message 0, at the root of the schema (and 101 more)")],
)
def test_a_refusal_names_the_first_and_lists_a_hundred(count: int, detail: str) -> None:
    problems = [violation(f"/{number}" if number else "", "rule", f"message {number}") for number in range(count)]
    with pytest.raises(SchemaInvalid) as raised:
        refuse(problems)
    assert raised.value.detail == detail
    assert raised.value.violations == tuple(problems[:100])
