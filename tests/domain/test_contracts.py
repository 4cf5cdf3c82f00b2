"""Contracts: what can serve as one, what it accepts, and how a breach is explained."""

import copy
import json
import time
from collections.abc import Callable

import pytest

from event_issuer.domain.contracts import (
    EXAMPLE_BYTES_MAX,
    EXPLAINED_CHECKS_MAX,
    SCHEMA_BYTES_MAX,
    Contract,
    check_definition,
    encode_definition,
    encode_example,
)
from event_issuer.domain.errors import SchemaInvalid, Violation
from tests.domain.schemas import ARRIVAL, CLOSURE, TRACK_STATE, TRAIN_ARRIVED, Schema


def refusal_of(definition: object) -> SchemaInvalid:
    with pytest.raises(SchemaInvalid) as raised:
        check_definition(definition)
    return raised.value


def only_violation(definition: object) -> Violation:
    refusal = refusal_of(definition)
    (found,) = refusal.violations
    assert refusal.detail.startswith(found.message.partition(" … ")[0])
    return found


def contract(definition: Schema) -> Contract:
    check_definition(definition)
    return Contract(definition)


def changed(document: dict[str, object], change: Callable[[dict[str, object]], object]) -> dict[str, object]:
    document = copy.deepcopy(document)
    change(document)
    return document


@pytest.mark.parametrize(("definition", "document"), [(TRAIN_ARRIVED, ARRIVAL), (TRACK_STATE, CLOSURE)])
def test_the_schemas_of_a_railway_are_contracts(definition: Schema, document: dict[str, object]) -> None:
    kept = contract(definition)
    assert kept.accepts(document)
    assert kept.violations(document) == ()


@pytest.mark.parametrize(
    ("document", "violations"),
    [
        (
            changed(ARRIVAL, lambda it: it.pop("arrivedAt")),
            [("", "required", '"arrivedAt" is a required property')],
        ),
        (
            changed(ARRIVAL, lambda it: it.update(arrivedAt="yesterday", delaySeconds=1.5)),
            [
                ("/arrivedAt", "format", '"yesterday" is not a "date-time"'),
                ("/delaySeconds", "type", '1.5 is not of type "integer"'),
            ],
        ),
        (
            changed(ARRIVAL, lambda it: it.update({"a/b~": 1})),
            [("", "additionalProperties", "Additional properties are not allowed ('a/b~' was unexpected)")],
        ),
        (
            changed(ARRIVAL, lambda it: it.update(cars=[{"number": "1"}, {"doors": "AJAR"}])),
            [
                (
                    "/cars/0/number",
                    "pattern",
                    '"1" does not match "^[0-9]{2} [0-9]{2} [0-9]{4} [0-9]{3}-[0-9]$"',
                ),
                ("/cars/1", "required", '"number" is a required property'),
                ("/cars/1/doors", "enum", '"AJAR" is not one of "OPEN", "CLOSED" or null'),
            ],
        ),
        (
            changed(ARRIVAL, lambda it: it.update(station={"code": "OSL", "position": [91, 10, 0]})),
            [
                ("/station/position/2", "falseSchema", "False schema does not allow 0"),
                ("/station/position/0", "maximum", "91 is greater than the maximum of 90"),
            ],
        ),
        (
            changed(ARRIVAL, lambda it: it.update(remarks={"n/b~": 7})),
            [("/remarks/n~1b~0", "type", '7 is not of type "string"')],
        ),
        ("text", [("", "type", '"text" is not of type "object"')]),
        (None, [("", "type", 'null is not of type "object"')]),
    ],
)
def test_every_breach_has_a_path_a_rule_and_a_message(document: object, violations: list[tuple[str, str, str]]) -> None:
    kept = contract(TRAIN_ARRIVED)
    assert not kept.accepts(document)
    assert kept.violations(document) == tuple(Violation(*found) for found in violations)


def test_draft_07_is_judged_as_draft_07() -> None:
    kept = contract(TRACK_STATE)
    assert [found.rule for found in kept.violations(CLOSURE | {"until": 5})] == ["type"]
    without_reason = changed(CLOSURE, lambda it: it.pop("reason"))
    assert kept.violations(without_reason) == (Violation("", "required", '"reason" is a required property'),)
    without_until = changed(CLOSURE, lambda it: it.pop("until"))
    assert kept.violations(without_until) == (Violation("", "required", '"until" is a required property'),)
    draft_07 = {"$schema": "http://json-schema.org/draft-07/schema#"}
    beside_a_reference: Schema = {"properties": {"a": {"$ref": "#/definitions/any", "type": "string"}}}
    assert contract(draft_07 | beside_a_reference | {"definitions": {"any": True}}).accepts({"a": 1})
    assert not contract(beside_a_reference | {"definitions": {"any": True}}).accepts({"a": 1})


@pytest.mark.parametrize(
    ("document", "accepted"),
    [(10**30, True), (1.0, True), (1.5, False), (True, False), ("1", False)],
)
def test_numbers_are_judged_by_their_value(document: object, accepted: bool) -> None:
    assert contract({"type": "integer"}).accepts(document) is accepted


def test_text_that_is_no_unicode_keeps_no_promise_about_text() -> None:
    kept = contract({"type": "string"})
    assert not kept.accepts("\ud800")
    (found,) = kept.violations("\ud800")
    assert (found.path, found.rule) == ("", "json")
    assert found.message.startswith("The document is not JSON: ")


def test_an_unknown_format_and_an_unknown_keyword_are_ignored() -> None:
    assert contract({"format": "train-number", "x-owner": {"$ref": "nowhere"}}).accepts("anything")


def test_contains_speaks_of_its_bounds() -> None:
    kept = contract({"contains": {"const": 1}, "maxContains": 2, "minContains": 1})
    message = "The number of items that match 'contains' is out of its bounds"
    assert kept.violations([0]) == kept.violations([1, 1, 1]) == (Violation("", "contains", message),)


@pytest.mark.parametrize(
    ("definition", "found"),
    [(True, "a boolean"), (None, "null"), ([], "an array"), ("{}", "a string"), (7, "a number")],
)
def test_a_schema_is_an_object(definition: object, found: str) -> None:
    message = f"A schema that can serve as a contract is a JSON object, not {found}"
    assert only_violation(definition) == Violation("", "type", message)


@pytest.mark.parametrize(
    ("definition", "path", "rule", "message"),
    [
        ({"type": "strin"}, "/type", "anyOf", "\"strin\" is not valid under any of the schemas listed in the 'anyOf'"),
        ({"properties": []}, "/properties", "type", '[] is not of type "object"'),
        ({"properties": {"a": 1}}, "/properties/a", "type", '1 is not of types "boolean", "object"'),
        ({"items": [{}]}, "/items", "type", '[{}] is not of types "boolean", "object"'),
        ({"multipleOf": 0}, "/multipleOf", "exclusiveMinimum", "0 is less than or equal to the minimum of 0"),
        ({"$defs": {"a/b": {"maxLength": -1}}}, "/$defs/a~1b/maxLength", "minimum", "-1 is less than the minimum of 0"),
        ({"pattern": "(?=a)b"}, "/pattern", "pattern", 'The pattern cannot be taken ("(?=a)b" is not a "regex"): '),
        ({"pattern": r"(a)\1"}, "/pattern", "pattern", r'The pattern cannot be taken ("(a)\\1" is not a "regex"): '),
        ({"pattern": "["}, "/pattern", "pattern", 'The pattern cannot be taken ("[" is not a "regex"): '),
        ({"pattern": "a{1,1000}{1,1000}"}, "/pattern", "pattern", "The pattern cannot be taken ("),
        ({"patternProperties": {"(": {}}}, "/patternProperties/(", "pattern", "The pattern cannot be taken ("),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, "/$schema", "$schema", "$schema 'http://json-schema."),
        (
            {"$schema": 7},
            "/$schema",
            "$schema",
            "$schema 7 is no dialect of ours; take one of https://json-schema.org/",
        ),
    ],
)
def test_what_is_no_schema_is_refused(definition: Schema, path: str, rule: str, message: str) -> None:
    found = only_violation(definition)
    assert (found.path, found.rule) == (path, rule)
    assert found.message.startswith(message)


def test_all_that_is_wrong_is_listed() -> None:
    refusal = refusal_of({"type": 1, "minLength": "x", "required": 7})
    assert sorted(found.path for found in refusal.violations) == ["/minLength", "/required", "/type"]
    assert refusal.detail == f"{refusal.violations[0].message}, at {refusal.violations[0].path} (and 2 more)"


def nested(levels: int) -> Schema:
    definition: Schema = {}
    for _ in range(levels - 1):
        definition = {"not": definition}
    return definition


def test_a_schema_has_bounded_depth() -> None:
    check_definition(nested(64))
    assert only_violation(nested(65)) == Violation("", "json", "The schema is nested more than 64 levels deep")
    assert only_violation(nested(500)) == Violation("", "json", "The schema is nested more than 64 levels deep")


def test_a_schema_has_bounded_size() -> None:
    padding = SCHEMA_BYTES_MAX - len(encode_definition({"title": ""}))
    assert len(encode_definition({"title": "x" * padding})) == SCHEMA_BYTES_MAX
    message = f"The schema has {SCHEMA_BYTES_MAX + 1} bytes; at most {SCHEMA_BYTES_MAX} are taken"
    assert only_violation({"title": "x" * (padding + 1)}) == Violation("", "size", message)


def test_a_schema_is_json() -> None:
    assert only_violation({"maximum": float("inf")}).message == "The schema is not JSON: inf is no number there"
    assert only_violation({"title": "\ud800"}).rule == "json"


def test_an_example_has_bounds_of_its_own() -> None:
    assert encode_example({"å": [1, None]}) == '{"å":[1,null]}'.encode()
    assert len(encode_example("x" * (EXAMPLE_BYTES_MAX - 2))) == EXAMPLE_BYTES_MAX
    with pytest.raises(SchemaInvalid) as raised:
        encode_example("x" * EXAMPLE_BYTES_MAX)
    assert raised.value.detail == "The example has 65538 bytes; at most 65536 are taken"


def test_a_long_explanation_is_cut() -> None:
    kept = contract({"items": {"type": "string"}})
    assert len(kept.violations([1] * 500)) == 100
    assert [found.path for found in kept.violations([1] * 500, limit=3)] == ["/0", "/1", "/2"]


def test_a_huge_document_is_explained_by_its_first_breach() -> None:
    kept = contract({"items": {"type": "string"}})
    document = [1] * EXPLAINED_CHECKS_MAX
    assert kept.violations(document) == (Violation("/0", "type", '1 is not of type "string"'),)
    kept_after_all = ["x"] * EXPLAINED_CHECKS_MAX
    assert kept.violations(kept_after_all) == ()


def test_a_huge_document_under_branches_is_explained_in_general_words() -> None:
    kept = contract({"items": {"anyOf": [{"type": "string"}, {"items": {"type": "string"}}]}})
    document = [[1] * 100] * 200
    begun = time.thread_time()
    message = "The document breaks the contract and is too large to say where"
    assert kept.violations(document) == (Violation("", "size", message),)
    assert time.thread_time() - begun < 0.5


def test_a_long_value_is_not_repeated_in_full() -> None:
    (found,) = contract({"maxLength": 5}).violations("x" * 100_000)
    assert found.message == '"' + "x" * 79 + " … " + "x" * (200 - 83 - len('" is longer than 5 characters')) + (
        '" is longer than 5 characters'
    )


def test_a_contract_does_not_depend_on_later_changes_of_its_definition() -> None:
    definition = json.loads(json.dumps(TRAIN_ARRIVED))
    kept = contract(definition)
    definition["required"].append("nothing")
    assert kept.accepts(ARRIVAL)
