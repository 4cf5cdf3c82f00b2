"""The comparison itself: it tells apart what differs, and nothing else."""

import pytest

from event_issuer.domain.events import ReadEvent
from event_issuer.domain.json_format import event_from_json
from tests.interop.readings import (
    Differs,
    Json,
    Reading,
    Refused,
    canonical,
    comparable,
    data_of,
    difference,
    same_value,
)

ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/s", "type": "a.b"}
TEXT = {"datacontenttype": "text/plain"}


def ours(**members: object) -> ReadEvent:
    return event_from_json({**ATTRIBUTES, **members})


@pytest.mark.parametrize(
    ("theirs", "event", "differs"),
    [
        (Reading(ATTRIBUTES, None), ours(), None),
        (Reading({**ATTRIBUTES, "datacontenttype": "application/json"}, None), ours(), None),
        (Reading({**ATTRIBUTES, "ext": "x"}, None), ours(), Differs.ATTRIBUTES),
        (Reading({**ATTRIBUTES, "id": "2"}, None), ours(), Differs.ATTRIBUTES),
        (Reading(ATTRIBUTES, Json({"a": 1})), ours(data={"a": 1}), None),
        (Reading(ATTRIBUTES, b'{"a":1}'), ours(data={"a": 1}), None),
        (Reading(ATTRIBUTES, b'{"a": 1}'), ours(data={"a": 1}), Differs.DATA),
        (Reading(ATTRIBUTES, Json({"a": 1})), ours(), Differs.DATA),
        (Reading(ATTRIBUTES, None), ours(data=None), Differs.DATA),
        (Reading(ATTRIBUTES, Json(None)), ours(data=None), None),
        (Reading({**ATTRIBUTES, "ext": "x"}, Json(1)), ours(), Differs.BOTH),
        (Reading({**ATTRIBUTES, **TEXT}, "a"), ours(**TEXT, data="a"), None),
        (Reading({**ATTRIBUTES, **TEXT}, "b"), ours(**TEXT, data="a"), Differs.DATA),
        (Reading({**ATTRIBUTES, **TEXT}, Json("a")), ours(**TEXT, data="a"), Differs.DATA),
        (Refused("no"), ours(), Differs.THEY_REFUSE),
        (Reading(ATTRIBUTES, None), Refused("no"), Differs.WE_REFUSE),
        (Refused("no"), Refused("neither"), None),
    ],
)
def test_a_difference_is_told(theirs: Reading | Refused, event: ReadEvent | Refused, differs: Differs | None) -> None:
    assert difference(theirs, event) is differs


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("2026-11-24T10:00:00Z", "2026-11-24t10:00:00.000z", True),
        ("2026-11-24T10:00:00+00:00", "2026-11-24T10:00:00Z", True),
        ("2026-11-24T10:00:00.120Z", "2026-11-24T10:00:00.12Z", True),
        ("2026-11-24T10:00:00.1234567Z", "2026-11-24T10:00:00.123456Z", False),
        ("2026-11-24T11:00:00+01:00", "2026-11-24T10:00:00Z", False),
    ],
)
def test_a_time_is_compared_with_its_offset_and_every_digit(one: str, other: str, equal: bool) -> None:
    assert (comparable({"time": one}) == comparable({"time": other})) is equal


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (None, False, False),
        ("1", 1, False),
        (2**53 + 1, float(2**53), False),
        ({"a": [1, None]}, {"a": [1.0, None]}, True),
        ({"a": [1]}, {"a": [True]}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([1, 2], [1], False),
        ([1, 2], [2, 1], False),
    ],
)
def test_json_values_are_compared_by_type_and_value(one: object, other: object, equal: bool) -> None:
    assert same_value(one, other) is equal


def test_native_values_become_canonical_strings() -> None:
    values = {"a": True, "b": -5, "c": "x", "d": None, "e": 1.5}
    assert canonical(values) == {"a": "true", "b": "-5", "c": "x", "e": "1.5"}


def test_an_unparsed_string_is_a_json_value_where_the_type_is_json() -> None:
    assert data_of("a", None) == Json("a")
    assert data_of("a", "text/plain") == "a"
    assert data_of({}, "text/plain") == Json({})
    assert data_of(b"a", None) == b"a"
    assert data_of(None, None) is None
