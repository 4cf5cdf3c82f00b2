"""The demo's files: schemas that can serve as contracts, and exactly these faults among the events."""

from collections import Counter

import jsonschema
import pytest

from event_issuer.demo import traffic
from event_issuer.demo.traffic import ACCEPTED, Entry, Outcome
from event_issuer.domain.contracts import Contract, check_definition
from event_issuer.domain.errors import BadInput, Violation
from event_issuer.domain.json_format import event_from_json

PREFIX = "cloud.open.operational."
NAMES = [f"{PREFIX}{name}.v1" for name in ("track-possession-changed", "train-arrived", "train-departed")]
TYPES = {event_type.name: event_type for event_type in traffic.event_types()}
CONTRACTS = {name: Contract(event_type.schema) for name, event_type in TYPES.items()}
ENTRIES = traffic.entries()

BROKEN = "CONTRACT_BROKEN"
FAULTS = {
    12: Outcome("REJECTED", BROKEN, (("", "required"), ("/delaySeconds", "type"))),
    20: Outcome("REJECTED", BROKEN, (("/actualArrival", "format"),)),
    24: Outcome("REJECTED", BROKEN, (("", "required"),)),
    28: Outcome("REJECTED", "CONFLICT"),
    31: Outcome("REJECTED", "NOT_FOUND"),
    33: Outcome("DUPLICATE"),
    37: Outcome(
        "REJECTED", BROKEN, (("/affectedTrains", "uniqueItems"), ("/state", "enum"), ("/toStationCode", "pattern"))
    ),
    41: Outcome("REJECTED", "BAD_USER_INPUT", (("/id", "required"),)),
    44: Outcome("REJECTED", "BAD_USER_INPUT", (("/time", "attribute"),)),
}


def entry(line: int) -> Entry:
    return ENTRIES[line - 1]


def test_there_are_three_event_types() -> None:
    assert list(TYPES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_can_serve_as_a_contract_and_its_example_keeps_it(name: str) -> None:
    event_type = TYPES[name]
    check_definition(event_type.schema)
    assert CONTRACTS[name].violations(event_type.example) == ()
    jsonschema.Draft202012Validator.check_schema(event_type.schema)
    jsonschema.Draft202012Validator(event_type.schema).validate(event_type.example)


@pytest.mark.parametrize("name", NAMES)
def test_every_property_is_described(name: str) -> None:
    schema = TYPES[name].schema
    properties, shared = schema["properties"], schema["$defs"]
    assert isinstance(properties, dict)
    assert isinstance(shared, dict)
    targets = [shared[value["$ref"].rpartition("/")[2]] if "$ref" in value else value for value in properties.values()]
    assert [target for target in targets if not target.get("description")] == []
    assert TYPES[name].description


def test_exactly_these_lines_are_not_simply_accepted() -> None:
    assert len(ENTRIES) == 61
    assert [one.line for one in ENTRIES] == list(range(1, 62))
    assert {one.line: one.expected for one in ENTRIES if one.expected != ACCEPTED} == FAULTS


def test_the_accepted_lines_are_half_an_hour_of_six_trains_and_a_possession() -> None:
    accepted = [one for one in ENTRIES if one.expected == ACCEPTED]
    times = [one.attribute("time") for one in accepted]
    assert (times[0], times[-1]) == ("2026-11-24T07:15:12+01:00", "2026-11-24T07:45:44+01:00")
    assert times == sorted(times)
    assert Counter(one.attribute("partitionkey") for one in accepted) == {
        "2117": 10,
        "2118": 10,
        "706": 8,
        "807": 8,
        "3720": 8,
        "5812": 4,
        "TP-2026-4117": 4,
    }
    assert len({one.attribute("id") for one in accepted}) == len(accepted)


def test_each_line_is_what_its_expected_outcome_says() -> None:
    """Judged here without a server: form, type and contract; duplicates are the next test's."""
    assert {one.line: judged(one) for one in ENTRIES if one.line not in (28, 33)} == {
        one.line: one.expected for one in ENTRIES if one.line not in (28, 33)
    }


def test_line_33_repeats_an_earlier_line_and_line_28_contradicts_one() -> None:
    assert entry(33).event == entry(29).event
    contradicted = entry(23)
    assert entry(28).attribute("id") == contradicted.attribute("id")
    assert entry(28).event != contradicted.event
    assert judged(entry(28)) == judged(entry(33)) == ACCEPTED


def judged(one: Entry) -> Outcome:
    try:
        event, document = event_from_json(one.event)
    except BadInput as refusal:
        return Outcome("REJECTED", refusal.code, broken(refusal.violations))
    if event.type not in CONTRACTS:
        return Outcome("REJECTED", "NOT_FOUND")
    violations = CONTRACTS[event.type].violations(document)
    return Outcome("REJECTED", BROKEN, broken(violations)) if violations else ACCEPTED


def broken(violations: tuple[Violation, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((violation.path, violation.rule) for violation in violations))
