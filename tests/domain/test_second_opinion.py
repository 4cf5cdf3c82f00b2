"""Contracts against the `jsonschema` library, on schemas and documents that Hypothesis makes up.

What the two are known to differ in is left out: `format`, `multipleOf` with fractions, and `dependencies` in 2019-09
and 2020-12.
"""

from collections.abc import Callable

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_issuer.domain.contracts import Contract, check_definition
from event_issuer.domain.dialects import DIALECTS
from event_issuer.domain.errors import SchemaInvalid
from tests.domain.schemas import Schema

DRAFT_07 = "http://json-schema.org/draft-07/schema"
DRAFT_2020_12 = "https://json-schema.org/draft/2020-12/schema"
DRAFT_2019_09 = "https://json-schema.org/draft/2019-09/schema"
OPINIONS = {DRAFT_07: jsonschema.Draft7Validator, DRAFT_2019_09: jsonschema.Draft201909Validator}
OPINIONS |= {uri: jsonschema.Draft202012Validator for uri in DIALECTS if uri not in OPINIONS}
EXAMPLES = 200  # a few seconds; 3,000 found nothing more
NAMES = st.sampled_from(["a", "b", "ab", ""])

scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, -2.5]) | NAMES
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
types = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
small = st.integers(0, 3)


def keywords(inner: st.SearchStrategy[object]) -> dict[str, st.SearchStrategy[object]]:
    """The keywords of both dialects, each with the values it may have."""
    several = st.lists(inner, min_size=1, max_size=3)
    by_name = st.dictionaries(NAMES, inner, max_size=2)
    names = st.lists(NAMES, max_size=2, unique=True)
    return {
        "type": types | st.lists(types, min_size=1, max_size=3, unique=True),
        "enum": st.lists(documents, min_size=1, max_size=3),
        "const": documents,
        "minimum": st.integers(-2, 2),
        "exclusiveMaximum": st.integers(-2, 2) | st.just(0.5),
        "multipleOf": st.integers(1, 3),
        "minLength": small,
        "maxLength": small,
        "pattern": st.sampled_from(["^a", "b$", "[^b]", "^$", r"\d|a{2}"]),
        "minItems": small,
        "maxItems": small,
        "uniqueItems": st.booleans(),
        "contains": inner,
        "properties": by_name,
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$", ""]), inner, max_size=2),
        "additionalProperties": inner,
        "propertyNames": inner,
        "required": names,
        "minProperties": small,
        "maxProperties": small,
        "allOf": several,
        "anyOf": several,
        "oneOf": several,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "$ref": st.sampled_from(["#", "#/definitions/a"]),
    }


def dialect_keywords(uri: str, inner: st.SearchStrategy[object]) -> dict[str, st.SearchStrategy[object]]:
    arrays = {"items": inner | st.lists(inner, min_size=1, max_size=3), "additionalItems": inner}
    if uri == DRAFT_07:
        dependencies = st.dictionaries(NAMES, inner | st.lists(NAMES, max_size=2, unique=True), max_size=2)
        return arrays | {"dependencies": dependencies}
    if uri == DRAFT_2020_12:
        arrays = {"prefixItems": st.lists(inner, min_size=1, max_size=3), "items": inner}
    return arrays | {
        "minContains": small,
        "maxContains": small,
        "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=2),
        "dependentSchemas": st.dictionaries(NAMES, inner, max_size=2),
        "unevaluatedItems": inner,
        "unevaluatedProperties": inner,
    }


@st.composite
def definitions(draw: st.DrawFn, uri: str) -> Schema:
    def schemas(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
        return one_to_three(keywords(inner) | dialect_keywords(uri, inner))

    subschemas = st.recursive(st.booleans(), schemas, max_leaves=6)
    root = draw(schemas(subschemas))
    assert isinstance(root, dict)
    return root | {"$schema": uri, "definitions": {"a": draw(subschemas)}}


@st.composite
def one_to_three(draw: st.DrawFn, values: dict[str, st.SearchStrategy[object]]) -> Schema:
    chosen = draw(st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=3, unique=True))
    found = {keyword: draw(values[keyword]) for keyword in chosen}
    if isinstance(found.get("items"), bool):
        found.pop("additionalItems", None)  # `jsonschema` fails on this pair
    return found


def agree(definition: Schema, given_documents: list[object]) -> None:
    opinion = OPINIONS[str(definition["$schema"])](definition)
    kept = Contract(definition)
    for document in given_documents:
        accepted = kept.accepts(document)
        assert accepted == opinion.is_valid(document), document
        violations = kept.violations(document)
        assert (violations == ()) == accepted
        assert all(found.rule and found.message for found in violations)


@pytest.mark.parametrize("uri", OPINIONS)
def test_the_second_opinion_agrees(uri: str) -> None:
    check_agreement(uri)()


def check_agreement(uri: str) -> Callable[[], None]:
    @settings(max_examples=EXAMPLES)
    @given(definitions(uri), st.lists(documents, min_size=1, max_size=5))
    def check(definition: Schema, given_documents: list[object]) -> None:
        OPINIONS[uri].check_schema(definition)
        if refused_for(definition) == set():
            agree(definition, given_documents)

    return check


def refused_for(definition: Schema) -> set[str]:
    """The rules that a sound schema breaks here: it may reach beyond itself or cost too much."""
    try:
        check_definition(definition)
    except SchemaInvalid as refusal:
        rules = {found.rule for found in refusal.violations}
        return rules if rules <= {"expense", "$ref"} else pytest.fail(refusal.detail)
    return set()
