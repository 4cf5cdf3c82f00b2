"""CloudEvents SQL: every rule of the specification in a row, and what holds of any expression and any event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_issuer.domain.cesql.cost import LIKE_WORK_MAX, clauses_in, faults_of, names_in
from event_issuer.domain.cesql.evaluating import Program
from event_issuer.domain.cesql.functions import FUNCTIONS, TEXT_LENGTH_MAX
from event_issuer.domain.cesql.parsing import parse
from event_issuer.domain.cesql.patterns import matcher
from event_issuer.domain.cesql.syntax import Fault, FaultKind, Value, canonical
from tests.domain.cesql_rows import ROWS, TRAIN, UNREADABLE, Row


def evaluated(text: str, **attributes: Value) -> tuple[Value, FaultKind | None]:
    result = Program(parse(text).tree).evaluate(attributes)
    return result.value, None if result.fault is None else result.fault.kind


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]!a:.60}")
def test_the_specification_row_by_row(row: Row) -> None:
    _, text, value, kind = row
    found = evaluated(text, **TRAIN)
    assert found == (value, kind)
    assert type(found[0]) is type(value)  # True equals 1 in Python
    assert evaluated(canonical(parse(text).tree), **TRAIN) == (value, kind)


@pytest.mark.parametrize(("text", "column", "message"), UNREADABLE, ids=[row[0][:40] for row in UNREADABLE])
def test_what_cannot_be_read_is_shown_by_its_column(text: str, column: int, message: str) -> None:
    with pytest.raises(Fault) as refused:
        parse(text)
    assert (refused.value.kind, refused.value.column) == (FaultKind.PARSE, column)
    assert message in refused.value.message
    assert str(refused.value) == f"column {column}: {refused.value.message}"


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("NOT a = b", [1]),
        ("c AND NOT a LIKE 'x'", [7]),
        ("NOT a IN ('x')", [1]),
        ("NOT a + 1", [1]),
        ("(NOT a) = b", []),
        ("NOT (a = b)", []),
        ("NOT a AND b", []),
        ("NOT EXISTS a", []),
        ("a AND b AND c", []),
        ("a OR b OR c", []),
        ("a OR b AND c", [8]),
        ("a AND b OR c XOR d", [9]),
        ("a OR (b AND c)", []),
        ("(a OR b) AND c", []),
        ("a - b + c", []),
    ],
)
def test_where_most_readers_would_be_mistaken(text: str, columns: list[int]) -> None:
    assert [fault.column for fault in parse(text).surprises] == columns


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("id='a'and NOT EXISTS b", '( id = "a" )  AND ( not exists b )', True),
        ("length(id) <> +3", "LENGTH(id)!=3", True),
        ("1 + 2 + 3", "1 + (2 + 3)", False),
        ("id IN ('a', 'b')", "id IN ('b', 'a')", False),
        ("id = 1", "id = '1'", False),
        ("id = TRUE", "id = 'TRUE'", False),
    ],
)
def test_equal_expressions_have_one_canonical_text(one: str, other: str, same: bool) -> None:
    assert (canonical(parse(one).tree) == canonical(parse(other).tree)) is same


def test_a_long_chain_is_no_deep_tree() -> None:
    text = " AND ".join(["id = 'a'"] * 2_000)
    assert evaluated(text, id="a") == (True, None)
    assert clauses_in(parse(text).tree) == 3_999


def test_what_is_known_before_any_event() -> None:
    tree = parse("EXISTS a AND LENGTH(b) + c > 3 AND d NOT LIKE 'x%' AND e IN ('a', 'b') AND f IN (g, 1)").tree
    assert [name for name, _ in names_in(tree)] == list("abcdefg")
    assert dict(names_in(tree))["b"] == 21
    assert clauses_in(tree) == 4 + 1 + 1 + 1 + 1 + 1 + 1 + 2
    assert list(faults_of(tree)) == []
    (fault,) = faults_of(parse("id = 'a' OR WHO(LENGTH(id))").tree)
    assert (fault.kind, str(fault)) == (
        FaultKind.MISSING_FUNCTION,
        "column 13: There is no function WHO of 1 arguments.",
    )
    (fault,) = faults_of(parse(f"id LIKE '{'a_' * 500}' OR LOWER(id) LIKE '{'a_' * 600}'").tree)
    assert (fault.column, fault.message) == (
        1025,
        "The patterns are too long to be searched for in every event.",
    )
    assert LIKE_WORK_MAX < 1000 * 2048 + 1200 * TEXT_LENGTH_MAX


def test_no_call_makes_a_text_without_bound() -> None:
    whole = "a" * (TEXT_LENGTH_MAX // 4)
    assert evaluated("LENGTH(CONCAT(id, id, id, id))", id=whole) == (TEXT_LENGTH_MAX, None)
    assert evaluated("CONCAT(id, id, id, id, 'b')", id=whole) == ("", FaultKind.FUNCTION_EVALUATION)


def naive_like(text: str, pattern: str) -> bool:
    """By definition, trying everything."""
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(naive_like(text[n:], pattern[1:]) for n in range(len(text) + 1))
    if pattern[:2] in ("\\%", "\\_"):
        return text[:1] == pattern[1] and naive_like(text[1:], pattern[2:])
    return bool(text) and pattern[0] in ("_", text[0]) and naive_like(text[1:], pattern[1:])


@given(st.text("ab%_\\\n.", max_size=8), st.text("ab%_\\\n.", max_size=6))
def test_like_is_what_its_definition_says(text: str, pattern: str) -> None:
    assert matcher(pattern)(text) is naive_like(text, pattern)


NAMES = st.sampled_from(["id", "subject", "track", "late", "nothing"])
VALUES = st.text(max_size=5) | st.sampled_from(["true", "FALSE", "17", "-2147483648", "2147483648", "a\x00"])
WORDS = st.sampled_from(["'", '"', "\\", "%", "(", ")", ",", "-", "+", "*", "/", "=", "<>", "!=", "<", " "])
SOUP = st.lists(
    WORDS | NAMES | VALUES | st.sampled_from(["AND", "not", "LIKE", "IN", "EXISTS", *FUNCTIONS]), max_size=20
).map(" ".join)


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["AND", "OR", "XOR", "=", "!=", "<", ">=", "+", "-", "*", "/", "%"])
    pairs = st.tuples(inner, operators, inner)
    calls = st.tuples(st.sampled_from(sorted(FUNCTIONS)), st.lists(inner, max_size=3))
    return (
        pairs.map(lambda pair: f"({pair[0]} {pair[1]} {pair[2]})")
        | inner.map(lambda one: f"(NOT {one})")
        | inner.map(lambda one: f"(- {one})")
        | st.tuples(inner, st.text("a%_1", max_size=4)).map(lambda pair: f"({pair[0]} NOT LIKE {quoted(pair[1])})")
        | st.tuples(inner, inner, inner).map(lambda three: f"({three[0]} IN ({three[1]}, {three[2]}))")
        | calls.map(lambda call: f"{call[0]}({', '.join(call[1])})")
    )


EXPRESSIONS = st.recursive(
    NAMES
    | VALUES.map(quoted)
    | st.integers(-(2**31), 2**31 - 1).map(str)
    | st.booleans().map(str)
    | NAMES.map(lambda name: f"(EXISTS {name})"),
    grown,
    max_leaves=12,
)
EVENTS = st.dictionaries(NAMES.filter(lambda name: name != "nothing"), VALUES)


@given(SOUP | st.text(max_size=30))
def test_any_text_is_read_or_refused_at_a_column(text: str) -> None:
    faults: list[Fault] = []
    try:
        canonical(parse(text).tree)
    except Fault as fault:
        faults.append(fault)
    assert [fault.kind for fault in faults] in ([], [FaultKind.PARSE])
    assert all(1 <= fault.column <= len(text) + 1 for fault in faults)


@given(EXPRESSIONS, EVENTS)
def test_any_expression_has_a_value_for_any_event(text: str, attributes: dict[str, str]) -> None:
    tree = parse(text).tree
    result = Program(tree).evaluate(attributes)
    assert type(result.value) in (bool, int, str)
    again = canonical(tree)
    assert canonical(parse(again).tree) == again
    repeated = Program(parse(again).tree).evaluate(attributes)
    assert (repeated.value, type(repeated.value)) == (result.value, type(result.value))
    assert (repeated.fault and repeated.fault.kind) == (result.fault and result.fault.kind)
