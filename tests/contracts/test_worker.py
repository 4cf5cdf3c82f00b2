"""What a trial consists of: the checks, the example, the time judging takes. In this process: nothing here hangs."""

import pytest

from event_issuer.contracts.worker import try_schema
from event_issuer.domain.errors import SchemaInvalid, Violation
from tests.domain.schemas import ARRIVAL, CLOSURE, TRACK_STATE, TRAIN_ARRIVED, Schema, doubling_chain


def refusal_of(definition: object, example: object = None) -> SchemaInvalid:
    with pytest.raises(SchemaInvalid) as raised:
        try_schema(definition, example)
    return raised.value


@pytest.mark.parametrize(
    ("definition", "example"),
    [(TRAIN_ARRIVED, ARRIVAL), (TRACK_STATE, CLOSURE), (TRAIN_ARRIVED, None), ({}, {"any": "thing"})],
)
def test_a_schema_of_real_use_stands_its_trial(definition: Schema, example: object) -> None:
    try_schema(definition, example)


def test_an_example_keeps_its_schema() -> None:
    refusal = refusal_of(TRAIN_ARRIVED, ARRIVAL | {"delaySeconds": "late", "train": {}})
    assert refusal.detail == 'The example breaks the schema: "number" is a required property'
    assert refusal.violations == (
        Violation("/train", "required", '"number" is a required property'),
        Violation("/delaySeconds", "type", '"late" is not of type "integer"'),
    )


def test_what_is_no_contract_is_refused_first() -> None:
    refusal = refusal_of({"$ref": "#/$defs/s0", "$defs": doubling_chain(26)}, {"not": "looked at"})
    assert [found.rule for found in refusal.violations] == ["expense"]
    assert refusal_of([]).detail == "A schema that can serve as a contract is a JSON object, not an array"


JUDGING = "To judge a document of up to 1000 values takes longer than 5 ms"


@pytest.mark.parametrize(
    "definition",
    [
        {"items": {"allOf": [{"multipleOf": 0.1} for _ in range(100)]}},
        {"items": {"not": {"enum": list(range(100))}}},
        {"items": {"allOf": [{"minimum": -n} for n in range(950)]}},
        {"items": {"enum": [n + 0.5 for n in range(100)]}},
        {"properties": {"deep": {"items": {"items": {"allOf": [{"multipleOf": 0.01} for _ in range(100)]}}}}},
    ],
)
def test_a_schema_that_is_slow_to_judge_by_is_refused(definition: Schema) -> None:
    assert refusal_of(definition).violations == (Violation("", "expense", JUDGING),)


@pytest.mark.parametrize(
    "definition",
    [
        {"items": {"multipleOf": 0.01}},
        {"items": {"enum": [f"code {n}" for n in range(5000)]}},
        {"items": {"properties": {f"p{n}": {"type": "number", "minimum": 0} for n in range(50)}}},
        {"uniqueItems": True},
    ],
)
def test_common_schemas_are_fast_enough(definition: Schema) -> None:
    try_schema(definition, None)


def test_a_schema_that_is_slow_to_compile_is_refused() -> None:
    patterns = {f"p{n}": {"pattern": rf"^[\p{{L}} ]{{1,50}}{n}$"} for n in range(30)}
    expected = Violation("", "expense", "To compile the schema takes longer than 100 ms")
    assert refusal_of({"properties": patterns}).violations == (expected,)


def test_patterns_are_matched_in_linear_time() -> None:
    try_schema({"pattern": "^(a+)+$", "patternProperties": {"^(b|b)*c": {}}}, "aaaa")
