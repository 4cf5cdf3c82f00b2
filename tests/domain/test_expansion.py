"""How much work a schema makes: what doubles is found behind every keyword, in milliseconds; the bearable is taken."""

import json
import time

import jsonschema_rs
import pytest
from hypothesis import given

from event_issuer.domain.contracts import Contract, check_definition
from event_issuer.domain.dialects import DEFAULT_DIALECT, DIALECTS, Dialect, Place
from event_issuer.domain.errors import SchemaInvalid, Violation
from event_issuer.domain.expansion import CHECKS_MAX, Expansion
from tests.domain.examples import json_values
from tests.domain.schemas import TRACK_STATE, TRAIN_ARRIVED, Schema, doubling_chain

CPU_S_MAX = 1.0  # milliseconds on a quiet machine; what is guarded against takes seconds and doubles per link
DRAFT_07 = DIALECTS["http://json-schema.org/draft-07/schema"]


def refusal_of(definition: Schema) -> SchemaInvalid:
    begun = time.thread_time()
    with pytest.raises(SchemaInvalid) as raised:
        check_definition(definition)
    assert time.thread_time() - begun < CPU_S_MAX
    return raised.value


def applying(keyword: str, schema: object) -> Schema:
    """A schema that applies `schema` by this keyword."""
    match keyword:
        case "properties" | "patternProperties" | "dependentSchemas" | "dependencies":
            return {keyword: {"a": schema}}
        case "allOf" | "anyOf" | "oneOf" | "prefixItems":
            return {keyword: [schema]}
        case "then":
            return {"if": True, "then": schema}
        case "else":
            return {"if": False, "else": schema}
        case "if":
            return {"if": schema, "else": False}
        case "additionalItems":
            return {"items": [True], "additionalItems": schema}
        case "definitions" | "$defs":
            return {keyword: {"unused": schema}}
    return {keyword: schema}


EVERY_KEYWORD = sorted({keyword for dialect in DIALECTS.values() for keyword in dialect.places})
PLACED = [
    (dialect, keyword)
    for dialect in DIALECTS.values()
    for keyword, place in dialect.places.items()
    if place is not Place.NOWHERE
]


@pytest.mark.parametrize("dialect", DIALECTS.values())
def test_the_keywords_that_apply_schemas_are_those_that_the_library_applies(dialect: Dialect) -> None:
    """A keyword that we did not know of could hide any expense."""
    documents = ({"a": 1, "b": 2}, [1, 2])
    applied = set()
    for keyword in EVERY_KEYWORD:
        if keyword == "additionalItems" and dialect is DEFAULT_DIALECT:
            continue  # `items` as a list is no schema there, and without it this keyword says nothing
        validator = dialect.validator(applying(keyword, keyword == "not"))
        if not all(validator.is_valid(document) for document in documents):
            applied.add(keyword)
    assert applied == {keyword for placed_in, keyword in PLACED if placed_in is dialect}


@pytest.mark.parametrize(("dialect", "keyword"), PLACED)
def test_a_chain_that_doubles_is_found_behind_every_keyword(dialect: Dialect, keyword: str) -> None:
    definition = applying(keyword, {"$ref": "#/$defs/s0"}) | {"$schema": dialect.uri, "$defs": doubling_chain(26)}
    refusal = refusal_of(definition)
    assert [found.rule for found in refusal.violations] == ["expense"]
    assert refusal.violations[0].message.startswith("More than 1000 checks would apply to one value of a document: ")


@pytest.mark.parametrize("dialect", DIALECTS.values())
def test_a_short_chain_of_references_is_refused_in_milliseconds(dialect: Dialect) -> None:
    definition: Schema = {"$schema": dialect.uri, "$ref": "#/definitions/s0"}
    definition["definitions"] = doubling_chain(36, "#/definitions/")
    assert len(json.dumps(definition)) < 3100
    message = "More than 1000 checks would apply to one value of a document: the root"
    refusal = refusal_of(definition)
    assert refusal.violations == (Violation("", "expense", message),)
    assert refusal.detail == f"{message}, at the root of the schema"


def test_a_chain_that_nothing_refers_to_costs_nothing() -> None:
    check_definition({"$defs": doubling_chain(26), "type": "string"})


def test_the_limit_lies_between_two_links() -> None:
    """2**n leaves, their references and their anyOf."""
    links = next(n for n in range(26) if 2 ** (n + 2) > CHECKS_MAX)
    check_definition({"$ref": "#/$defs/s0", "$defs": doubling_chain(links - 1)})
    refusal_of({"$ref": "#/$defs/s0", "$defs": doubling_chain(links)})


@pytest.mark.parametrize(
    "definition",
    [
        {"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}},
        {"items": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}},
        {"properties": {"a": {"$ref": "#"}}, "patternProperties": {"a": {"$ref": "#"}}},
        {"properties": {"a": {"$ref": "#"}}, "unevaluatedProperties": {"$ref": "#"}, "additionalProperties": True},
    ],
)
def test_what_doubles_with_every_level_of_a_document_is_refused(definition: Schema) -> None:
    (found,) = refusal_of(definition).violations
    assert found.rule == "expense"
    assert found.message.rpartition(": ")[2].count("/") >= 5  # the place where it has become too much


@pytest.mark.parametrize(
    "definition",
    [
        TRAIN_ARRIVED,
        TRACK_STATE,
        {"type": ["object", "null"], "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}},
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#"}}]},
        {"oneOf": [{"properties": {f"p{n}": {"type": "string"} for n in range(20)}} for _ in range(100)]},
        {"enum": [f"value {n}" for n in range(5000)]},
        {"properties": {f"p{n}": {"type": "string", "maxLength": n} for n in range(4000)}},
        {"additionalProperties": {"additionalProperties": {"additionalProperties": {"items": {"type": "number"}}}}},
        {"allOf": [{"properties": {"a": {"minimum": n}}} for n in range(400)]},
    ],
)
def test_what_is_bearable_is_taken(definition: Schema) -> None:
    check_definition(definition)


@pytest.mark.parametrize(
    "definition",
    [
        {"enum": [{"a": n} for n in range(1001)]},
        {"enum": list(range(1001))},  # a fraction is compared to each of them
        {"required": [f"p{n}" for n in range(1001)]},
        {"dependentRequired": {f"p{n}": ["a"] * 1 for n in range(1001)}},
        {"dependencies": {f"p{n}": ["a"] for n in range(1001)}},
        {"allOf": [{"minimum": n} for n in range(1001)]},
    ],
)
def test_a_thousand_checks_of_one_value_are_enough(definition: Schema) -> None:
    assert [found.rule for found in refusal_of(definition).violations] == ["expense"]


def test_combinations_of_places_are_bounded() -> None:
    """Each type extends all the others: every path through them is a spot of its own."""
    types = {
        f"t{n}": {"properties": {f"p{m}": {"allOf": [{"$ref": f"#/$defs/t{m}"}] * (n % 3 + 1)} for m in range(12)}}
        for n in range(12)
    }
    (found,) = refusal_of({"$ref": "#/$defs/t0", "$defs": types}).violations
    assert found.rule == "expense"


def test_the_number_of_subschemas_is_bounded() -> None:
    (found,) = refusal_of({"properties": {f"p{n}": {} for n in range(5000)}}).violations
    assert (found.path, found.rule) == ("", "size")
    assert found.message.startswith("The schema is too large: at most 5000 subschemas are taken")


def test_the_pointers_to_all_subschemas_are_bounded() -> None:
    long_names: Schema = {"x" * 200 + str(n): {} for n in range(170)}
    inner: Schema = {"properties": long_names}
    for _ in range(25):
        inner = {"properties": {"y" * 1000: inner}}
    (found,) = refusal_of(inner).violations
    assert (found.path, found.rule) == ("", "size")


@given(json_values)
def test_the_cost_of_a_document_is_at_least_its_errors(document: object) -> None:
    definition: Schema = {
        "type": "string",
        "minLength": 100,
        "maximum": -(10**40),
        "properties": {"a": {"$ref": "#"}},
        "additionalProperties": {"$ref": "#"},
        "items": {"$ref": "#"},
    }
    errors = len(list(jsonschema_rs.Draft202012Validator(definition).iter_errors(document)))
    cost = Expansion(definition, DEFAULT_DIALECT).cost(document, 10_000)
    assert errors <= 3 * cost  # each schema here has three keywords that can fail on one value


def test_the_cost_is_not_counted_beyond_the_limit() -> None:
    expansion = Expansion({"items": {"type": "string"}}, DEFAULT_DIALECT)
    assert expansion.cost([1, 2], 1000) == 6  # one for each value, one for each schema that applies to it
    assert expansion.cost([1] * 1001, 1000) == 1001
    assert 1000 < expansion.cost([[1] * 100] * 100, 1000) <= 1100


def test_the_patterns_of_a_schema_are_all_found() -> None:
    definition: Schema = {
        "pattern": "a",
        "$defs": {"x": {"patternProperties": {"b": {"pattern": "c"}}}},
        "properties": {"pattern": {"pattern": "d"}},
        "const": {"pattern": "not one"},
    }
    assert Expansion(definition, DEFAULT_DIALECT).patterns == {"a", "b", "c", "d"}


def test_a_contract_that_is_taken_judges_quickly() -> None:
    """The most that is taken: a document of a thousand values, each with nearly a thousand checks."""
    kept = Contract({"items": {"allOf": [{"minimum": -n} for n in range(950)]}})
    document = [1] * 1000
    begun = time.thread_time()
    assert kept.accepts(document)
    assert time.thread_time() - begun < CPU_S_MAX


def test_draft_07_has_its_own_words() -> None:
    beside: Schema = {"$schema": DRAFT_07.uri, "definitions": doubling_chain(26, "#/definitions/")}
    beside["properties"] = {"a": {"$ref": "#/definitions/s26", "allOf": [{"$ref": "#/definitions/s0"}]}}
    check_definition(beside)  # what stands beside $ref counts for nothing
    refusal_of(beside | {"$schema": DEFAULT_DIALECT.uri})
