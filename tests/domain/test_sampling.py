"""Documents made up for schemas: each keeps its schema, and where none is found none is given."""

import json

import pytest

from event_issuer.domain.contracts import Contract, check_definition
from event_issuer.domain.sampling import sample_of
from tests.domain.schemas import TRAIN_ARRIVED, Schema

SCHEMAS: list[tuple[Schema, str | None]] = [
    ({"const": 12345678901234567890}, "12345678901234567890"),
    ({"enum": [None]}, "null"),
    ({"type": "string", "pattern": "^[0-9]{3}$"}, '"000"'),
    ({"type": "object", "required": ["a"], "properties": {"a": {"type": "boolean"}}}, '{"a":true}'),
    ({"type": "string", "pattern": "^a$", "minLength": 2}, None),
    ({"not": {}}, None),
]


@pytest.mark.parametrize(("schema", "sample"), SCHEMAS)
def test_a_sample_is_a_text_or_none(schema: Schema, sample: str | None) -> None:
    assert sample_of(schema) == sample


@pytest.mark.parametrize(
    "schema",
    [
        {},
        TRAIN_ARRIVED,
        {"type": "array", "minItems": 2, "uniqueItems": True, "items": {"type": "integer"}},
        {"type": "string", "format": "date-time"},
        {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}}},
        {"oneOf": [{"type": "integer", "multipleOf": 7, "minimum": 8}, {"type": "string", "format": "uuid"}]},
        {"$schema": "http://json-schema.org/draft-07/schema#", "dependencies": {"a": ["b"]}, "required": ["a"]},
    ],
)
def test_a_sample_keeps_its_schema(schema: Schema) -> None:
    check_definition(schema)
    sample = sample_of(schema)
    assert sample is not None
    assert Contract(schema).accepts(json.loads(sample))
