"""Subjects and event types: names, and which version is which."""

import pytest

from event_issuer.domain.bundling import REGISTRY_DIALECT
from event_issuer.domain.errors import BadInput, Conflict
from event_issuer.domain.subjects import (
    Placing,
    Theirs,
    check_template,
    described,
    event_type_name,
    place,
    said_here,
    said_in_registry,
    sense,
    subject_of,
)

Schema = dict[str, object]


def titled(title: str) -> Schema:
    return {"$schema": REGISTRY_DIALECT, "title": title}


A, B, C = titled("A"), titled("B"), titled("C")


@pytest.mark.parametrize(
    ("subject", "template", "name"),
    [
        ("acme.orders-value", "{topic}", "acme.orders"),
        ("orders-value", "acme.{topic}.v1", "acme.orders.v1"),
        ("acme.Order", "{topic}", "acme.Order"),
        ("orders-value", "acme.{subject}", "acme.orders-value"),
        ("{topic}-value", "a.{subject}", "a.{topic}-value"),
    ],
)
def test_a_subject_names_an_event_type(subject: str, template: str, name: str) -> None:
    check_template(template)
    assert event_type_name(subject, template) == name


def test_a_topic_is_one_again() -> None:
    assert event_type_name(subject_of("acme.orders"), "{topic}") == "acme.orders"


@pytest.mark.parametrize("template", ["", "acme.orders", "{}", "{topic}" * 29])
def test_a_template_that_names_nothing_is_refused(template: str) -> None:
    with pytest.raises(BadInput, match="eventTypeName is a name with"):
        check_template(template)


def test_schemas_of_keys_are_refused() -> None:
    with pytest.raises(BadInput, match="It has the schemas of keys"):
        event_type_name("orders-key", "{topic}")


def test_the_dialect_is_said_on_the_way() -> None:
    assert said_here({"a": 1}) == {"$schema": "http://json-schema.org/draft-07/schema#", "a": 1}
    assert said_in_registry({"a": 1}) == {"$schema": "https://json-schema.org/draft/2020-12/schema", "a": 1}
    for said in (said_here, said_in_registry):
        assert said({"$schema": "x"}) == {"$schema": "x"}
    assert sense({"a": 1}) == sense(said_in_registry({"a": 1.0})) != sense(said_here({"a": 1}))


def test_a_description_is_what_the_schema_says() -> None:
    assert described({"description": "D", "title": "T"}, "s") == "D"
    assert described({"description": " ", "title": "T"}, "s") == "T"
    assert described({"title": " a\nb\0c"}, "s") == "a\nbc"
    assert described({"title": 1, "description": "\0"}, "s") == "The subject s of a schema registry."
    assert described({"title": "t" * 1001}, "s") == "t" * 999 + "…"


def placed(theirs: list[Schema], ours: dict[int, Schema], at: int = 0) -> Placing:
    return place([Theirs(number, 0, one) for number, one in enumerate(theirs, 1)], ours, at)


def test_versions_are_found_and_the_rest_is_fresh() -> None:
    assert placed([A, B], {}) == Placing((1, 2), (A, B))
    assert placed([A, A, B, A], {}) == Placing((1, 1, 2, 3), (A, B, A))
    assert placed([A, B], {1: A}) == Placing((1, 2), (B,))
    assert placed([B], {1: A, 2: B}) == Placing((2,), ())
    assert placed([A, B], {3: A}, 3) == Placing((3, 4), (B,))
    assert placed([], {3: A}, 3) == Placing((), ())


@pytest.mark.parametrize(
    ("theirs", "at", "message"),
    [
        ([C], 0, "whose versions are not the subject's"),
        ([A, C], 0, "Version 2 of the subject is none of the event type's, which goes on otherwise after version 1."),
        ([C], 1, "Version 1 of the subject is none of the event type's, which goes on otherwise after version 1."),
    ],
)
def test_what_went_another_way_is_refused(theirs: list[Schema], at: int, message: str) -> None:
    with pytest.raises(Conflict) as refused:
        placed(theirs, {1: A, 2: B}, at)
    assert message in refused.value.detail
