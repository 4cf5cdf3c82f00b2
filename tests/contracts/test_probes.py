"""Probes: documents and texts that keep a schema busy, within their bounds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_issuer.contracts.probes import LEVELS_MAX, TEXT_CHARS, VALUES_MAX, documents, texts
from event_issuer.domain.contracts import Contract, check_definition
from tests.domain.schemas import ARRIVAL, TRACK_STATE, TRAIN_ARRIVED, Schema


def probes(definition: Schema) -> list[object]:
    check_definition(definition)
    return list(documents(Contract(definition).expansion))


def values_in(document: object) -> int:
    if isinstance(document, dict):
        return 1 + sum(values_in(child) for child in document.values())
    if isinstance(document, list):
        return 1 + sum(values_in(child) for child in document)
    return 1


def levels_of(document: object) -> int:
    children = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return 1 + max(map(levels_of, children), default=0)


@pytest.mark.parametrize(
    "definition",
    [
        {},
        TRAIN_ARRIVED,
        TRACK_STATE,
        {"items": {"$ref": "#"}},
        {"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}},
        {"properties": {f"p{n}": {} for n in range(4000)}},
        {"prefixItems": [{} for _ in range(900)], "items": {"type": "integer"}},
        {"additionalProperties": {"$ref": "#"}},
    ],
)
def test_probes_are_json_within_bounds(definition: Schema) -> None:
    for probe in probes(definition):
        json.dumps(probe, allow_nan=False)
        assert values_in(probe) <= 2 * VALUES_MAX + LEVELS_MAX
        assert levels_of(probe) <= LEVELS_MAX + 1


def test_probes_branch_and_are_long() -> None:
    values: list[object] = [7, "no schema lists this text", 0.37]
    expected = [[value] * length for length in (2, 30, VALUES_MAX) for value in values]
    assert probes({"items": {"type": "integer"}}) == expected


def test_the_insides_of_arrays_in_arrays_are_reached() -> None:
    found = probes({"items": {"properties": {"inner": {"items": {"const": "x"}}}}})
    assert found[3] == [{"inner": ["x"] * 30}] * 30


def test_probes_go_where_the_schema_looks() -> None:
    definition: Schema = {
        "properties": {
            "listed": {"enum": ["first", "last"]},
            "fixed": {"const": {"x": 1}},
            "typed": {"type": ["boolean", "null"]},
            "open": {},
            "pair": {"prefixItems": [{"type": "string"}, {"type": "null"}]},
        },
        "patternProperties": {"^p": {"type": "integer"}},
    }
    assert probes(definition)[0] == {
        "listed": "last",
        "fixed": {"x": 1},
        "typed": True,
        "open": 7,  # and "^p" may match it
        "pair": ["text", None],
        "another name": 7,
    }


def test_a_recursive_schema_is_followed_as_deep_as_the_budget_goes() -> None:
    chain = probes({"properties": {"next": {"$ref": "#"}}})[0]
    assert levels_of(chain) == LEVELS_MAX + 1
    tree = probes({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}})[0]
    assert levels_of(tree) == 10  # of 2**9 values below each other


def test_a_probe_keeps_a_real_schema_busy() -> None:
    """Everything that is named is there, deep down too."""
    first = probes(TRAIN_ARRIVED)[0]
    assert isinstance(first, dict)
    assert first.keys() == ARRIVAL.keys() | {"another name"}
    assert first["cars"] == [{"number": "text", "lengthMetres": 0.5, "doors": None}] * 2


@given(st.text(max_size=20))
def test_texts_have_the_letters_of_their_pattern(pattern: str) -> None:
    found = list(texts(pattern))
    letters = {character for character in pattern if character.isalnum()} or {"a"}
    assert [len(text) for text in found] == [TEXT_CHARS] * 4
    assert all(set(text) <= letters | {"!"} for text in found)
    assert [text[-1] == "!" for text in found] == [False, True, False, True]
    assert set(found[0]) == letters
