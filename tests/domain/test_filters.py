"""Filters: what each dialect takes, what is refused and where, and the laws that hold of any filter."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_issuer.domain.errors import BadInput
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.filters import CLAUSES_MAX, Filter, parse_filter, passes, why_not

TRAIN = {"number": "4521", "cars": 6, "late": True, "stops": [{"at": "OSL"}, {"at": None}], "a/b": {"~": 1e2}}


def event(data: bytes | None = None, **attributes: str) -> CloudEvent:
    fixed = {"specversion": "1.0", "id": "1", "source": "/rail/line-2", "type": "rail.arrived.v1"}
    return CloudEvent(fixed | attributes, json.dumps({"train": TRAIN}).encode() if data is None else data)


EVENT = event(subject="Oslo S")

TAKEN: list[Any] = [
    {"exact": {"subject": "Oslo S", "type": "rail.arrived.v1"}},
    {"prefix": {"source": "/rail/", "subject": "Oslo S"}},
    {"suffix": {"type": ".v1"}},
    {"all": [{"exact": {"id": "1"}}, {"suffix": {"subject": "S"}}]},
    {"any": [{"exact": {"id": "2"}}, {"exact": {"id": "1"}}]},
    {"not": {"exact": {"id": "2"}}},
    {"not": {"exact": {"absent": "x"}}},
    {"not": {"data": {"/absent": None}}},
    {"not": {"sql": "ttl > 3"}},
    {"sql": "subject LIKE 'Oslo%'"},
    {"data": {"/train/number": "4521", "/train/cars": 6}},
    {"data": {"/train/cars": 6.0}},
    {"data": {"/train/late": True}},
    {"data": {"/train/stops/0/at": "OSL"}},
    {"data": {"/train/stops/1/at": None}},
    {"data": {"/train/stops": [{"at": "OSL"}, {"at": None}]}},
    {"data": {"/train/a~1b/~0": 100}},
    {"data": {"": {"train": TRAIN}}},
]

# What does not take EVENT, with the reason that is given.
LEFT: list[tuple[Any, str]] = [
    (
        {"exact": {"type": "rail.arrived.v1", "subject": "oslo s"}},
        '/exact/subject: the attribute subject is not "oslo s".',
    ),
    ({"exact": {"absent": "x"}}, '/exact/absent: the attribute absent is not "x".'),
    ({"prefix": {"source": "rail"}}, '/prefix/source: the attribute source does not begin with "rail".'),
    ({"suffix": {"type": ".v2"}}, '/suffix/type: the attribute type does not end with ".v2".'),
    ({"all": [{"exact": {"id": "1"}}, {"exact": {"id": "2"}}]}, '/all/1/exact/id: the attribute id is not "2".'),
    ({"any": [{"exact": {"id": "2"}}, {"exact": {"id": "3"}}]}, "/any: none of its 2 filters takes the event."),
    ({"not": {"exact": {"id": "1"}}}, "/not: the filter inside takes the event."),
    ({"all": [{"not": {"not": {"sql": "FALSE"}}}]}, "/all/0/not: the filter inside takes the event."),
    ({"sql": "id = '2'"}, "/sql: the expression is false."),
    ({"sql": "id"}, "/sql: the expression is no boolean."),
    ({"sql": "id = '1' AND ttl > 3"}, "/sql: column 14: an attribute is absent."),
    ({"sql": "subject > 3"}, "/sql: column 9: a value cannot be cast."),
    ({"sql": "1 / 0 = 1"}, "/sql: column 3: a calculation has no result."),
    ({"sql": "LEFT(id, -1) = '1'"}, "/sql: column 1: a function cannot do what it is asked."),
    ({"data": {"/train/number": 4521}}, '/data/~1train~1number: the data do not have 4521 at "/train/number".'),
    ({"data": {"/train/late": 1}}, '/data/~1train~1late: the data do not have 1 at "/train/late".'),
    ({"data": {"/train/cars": True}}, '/data/~1train~1cars: the data do not have true at "/train/cars".'),
    ({"data": {"/train/stops/2": None}}, '/data/~1train~1stops~12: the data do not have null at "/train/stops/2".'),
    ({"data": {"/train/stops/00/at": "OSL"}}, "/data/~1train~1stops~100~1at: the data do not have "),
    ({"data": {"/train/stops": [{"at": "OSL"}]}}, "/data/~1train~1stops: the data do not have "),
    ({"data": {"/train/stops/1": {"at": False}}}, "/data/~1train~1stops~11: the data do not have "),
    ({"data": {"/train/a~1b": {"~": 100, "": 1}}}, "/data/~1train~1a~01b: the data do not have "),
    ({"data": {"/train/number/0": "4"}}, "/data/~1train~1number~10: the data do not have "),
]


@pytest.mark.parametrize("value", TAKEN, ids=json.dumps)
def test_what_a_filter_takes(value: Any) -> None:
    filter_ = parse_filter(value)
    assert passes(filter_, EVENT) is True
    assert why_not(filter_, EVENT) is None
    assert filter_.value is value


@pytest.mark.parametrize(("value", "reason"), LEFT, ids=[json.dumps(value) for value, _ in LEFT])
def test_what_a_filter_leaves_and_which_clause_says_so(value: Any, reason: str) -> None:
    filter_ = parse_filter(value)
    assert passes(filter_, EVENT) is False
    assert str(why_not(filter_, EVENT)).startswith(reason)


@pytest.mark.parametrize(
    "other",
    [
        CloudEvent(EVENT.attributes, None),
        event(b'{"train": {"number": "4521"'),
        event(b'{"train": {"number": "4521"}, "train": {"number": "4521"}}'),
        event(b'{"train": {"number": "4521"}}', datacontenttype="text/plain"),
        event(b"\xff"),
    ],
)
def test_data_that_are_no_json_have_no_values(other: CloudEvent) -> None:
    wanted = parse_filter({"data": {"/train/number": "4521"}})
    assert passes(wanted, other) is False
    assert why_not(wanted, other) is not None
    assert passes(parse_filter({"data": {"": None}}), other) is False
    assert passes(parse_filter({"not": {"data": {"": None}}}), other) is True


@pytest.mark.parametrize(
    ("data", "wanted", "equal"),
    [
        (b"18446744073709551617", 18446744073709551617, True),
        (b"18446744073709551616", 18446744073709551617, False),
        (b"9007199254740993", 9007199254740992.0, False),
        (b"1e2", 100, True),
        (b"-0.0", 0, True),
        (b"null", None, True),
        (b"false", 0, False),
        (b"[]", {}, False),
        (b"[1.0, true]", [1, True], True),
        (b"[1, 1]", [1, True], False),
        (b'{"a": 1, "b": [{}]}', {"b": [{}], "a": 1}, True),
        (b'{"a": 1}', {"a": 1, "b": None}, False),
        ('"å"'.encode(), "a\u030a", False),
    ],
)
def test_values_are_compared_as_json(data: bytes, wanted: object, equal: bool) -> None:
    assert passes(parse_filter({"data": {"": wanted}}), event(data)) is equal


REFUSED: list[tuple[Any, list[tuple[str, str]], str]] = [
    ([], [("", "filter")], "A filter is an object with one member, not an array. At its root."),
    ({}, [("", "filter")], "A filter is an object with one member, not one with 0 members. At its root."),
    ({"exact": {"id": "1"}, "sql": "TRUE"}, [("", "filter")], "not one with 2 members. At its root."),
    (
        {"like": 1},
        [("/like", "dialect")],
        '"like" is no filter dialect; there are exact, prefix, suffix, all, any, not',
    ),
    ({"exact": {}}, [("/exact", "type")], "an object of attributes and their values, not an empty one. At /exact."),
    ({"exact": "id"}, [("/exact", "type")], "not a string. At /exact."),
    ({"exact": {"id": ""}}, [("/exact/id", "type")], "An attribute is compared with a string, not an empty one."),
    ({"prefix": {"id": None}}, [("/prefix/id", "type")], "compared with a string, not null. At /prefix/id."),
    ({"suffix": {"seq": 3}}, [("/suffix/seq", "type")], "compared with a string, not a number."),
    ({"exact": {"Subject": "x"}}, [("/exact/Subject", "attribute")], '"Subject" is no attribute: its name has 1 to 64'),
    ({"exact": {"a" * 65: "x"}}, [("/exact/" + "a" * 65, "attribute")], "is no attribute"),
    ({"exact": {"": "x"}}, [("/exact/", "attribute")], '"" is no attribute'),
    ({"exact": {"a/b~c": "x"}}, [("/exact/a~1b~0c", "attribute")], "is no attribute"),
    ({"exact": {"data": "x"}}, [("/exact/data", "attribute")], "values in the data are compared by the dialect data"),
    ({"all": []}, [("/all", "type")], "Here stands an array of filters, not an empty one. At /all."),
    ({"any": {"exact": {"id": "1"}}}, [("/any", "type")], "not an object. At /any."),
    ({"not": [{"sql": "TRUE"}]}, [("/not", "filter")], "one member, not an array. At /not."),
    ({"sql": 3}, [("/sql", "type")], "A CESQL expression is a string, not a number. At /sql."),
    ({"sql": "id = "}, [("/sql", "sql")], "column 6: Here stands the end, where an attribute"),
    ({"sql": "WHO(id)"}, [("/sql", "sql")], "column 1: There is no function WHO of 1 arguments."),
    ({"sql": "id = '1' OR data = 'x'"}, [("/sql", "attribute")], 'column 13: "data" is no attribute'),
    ({"sql": "EXISTS " + "a" * 65}, [("/sql", "attribute")], "column 1: "),
    ({"sql": "NOT id = 'x'"}, [("/sql", "sql")], "column 1: NOT binds more strongly than =: put what it negates in"),
    ({"sql": "id = 'x' OR id = 'y' AND id = 'z'"}, [("/sql", "sql")], "column 22: AND, OR and XOR bind equally"),
    ({"data": {}}, [("/data", "type")], "an object of JSON Pointers and values, not an empty one. At /data."),
    ({"data": {"train": 1}}, [("/data/train", "pointer")], "A JSON Pointer is empty or begins with /"),
    ({"data": {"/a~2": 1}}, [("/data/~1a~02", "pointer")], "and ~ stands in ~0 and ~1 only (RFC 6901)."),
    ({"data": {"/a": float("nan")}}, [("", "json")], "The filter is not JSON: nan is no number there. At its root."),
    ({"exact": {"id": "x" * 4096}}, [("", "size")], "A filter has at most 4096 bytes, as JSON; this one has 4115."),
    (
        {"any": [{"exact": {"id": 1}}, {"all": [{"sql": ""}, {"x": 1}]}]},
        [("/any/0/exact/id", "type"), ("/any/1/all/0/sql", "sql"), ("/any/1/all/1/x", "dialect")],
        "not a number. At /any/0/exact/id (and 2 more).",
    ),
]


@pytest.mark.parametrize(("value", "places", "message"), REFUSED, ids=[str(row[0])[:60] for row in REFUSED])
def test_what_is_refused_and_where(value: Any, places: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_filter(value)
    assert [(one.path, one.rule) for one in refused.value.violations] == places
    assert refused.value.detail.startswith("The filter cannot be used: ")
    assert message in refused.value.detail


def nested(levels: int) -> Any:
    value: Any = {"sql": "TRUE"}
    for _ in range(levels - 1):
        value = {"not": value}
    return value


def test_filters_are_bounded_in_depth_and_number() -> None:
    assert passes(parse_filter(nested(8)), EVENT) is False
    with pytest.raises(BadInput, match="at most 8 levels inside each other") as refused:
        parse_filter(nested(9))
    assert refused.value.violations[0].path == "/not" * 8
    whole = {"sql": "OR".join(["(1=1)"] * (CLAUSES_MAX // 2))}
    assert passes(parse_filter(whole), EVENT) is True
    with pytest.raises(BadInput, match="at most 256 comparisons; this one makes 257"):
        parse_filter({"all": [whole, {"exact": {"id": "1", "subject": "2"}}]})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"exact": {"a": "1", "b": "2"}}, {"exact": {"b": "2", "a": "1"}}, True),
        ({"exact": {"a": "1"}}, {"prefix": {"a": "1"}}, False),
        ({"all": [{"sql": "a"}, {"sql": "b"}]}, {"all": [{"sql": " b"}, {"sql": "a"}, {"sql": "(a)"}]}, True),
        ({"all": [{"sql": "a"}]}, {"any": [{"sql": "a"}]}, False),
        (
            {"not": {"data": {"/a": 1.0, "/b": [{"x": 1, "y": 2}]}}},
            {"not": {"data": {"/b": [{"y": 2, "x": 1}], "/a": 1}}},
            True,
        ),
        ({"data": {"/a": 1}}, {"data": {"/a": True}}, False),
        ({"data": {"/a": 1}}, {"data": {"/a": "1"}}, False),
        ({"data": {"/a": -0.0}}, {"data": {"/a": 0}}, True),
    ],
)
def test_filters_that_say_the_same_have_one_canonical_text(one: Any, other: Any, same: bool) -> None:
    assert (parse_filter(one).canonical == parse_filter(other).canonical) is same


def test_data_are_asked_for_only_where_the_answer_depends_on_them() -> None:
    asked: list[str] = []

    def document() -> object:
        asked.append("data")
        return {"a": 1}

    both = parse_filter({"all": [{"data": {"/a": 1}}, {"exact": {"id": "1"}}]})
    assert both.clause.needs_data is True
    assert parse_filter({"sql": "TRUE"}).clause.needs_data is False
    assert both.passes({"id": "2"}, document) is False
    assert asked == []
    assert both.passes({"id": "1"}, document) is True
    assert asked == ["data"]


NAMES = st.sampled_from(["id", "subject", "x"])
TEXTS = st.sampled_from(["1", "2", "12", "Oslo", "true"])
ATTRIBUTES = st.dictionaries(NAMES, TEXTS)
SCALARS = st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from([1.0, 0.5, -0.0]) | TEXTS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab0"), inner), max_leaves=5
)
POINTERS = st.lists(st.sampled_from(["a", "b", "0", "1"]), max_size=3).map(lambda keys: "".join(f"/{k}" for k in keys))
EXPRESSIONS = st.sampled_from(
    ["id = '1'", "x > 1", "EXISTS subject", "subject LIKE '%o'", "1 / INT(id) = 1", "x", "id IN ('1', x)", "NOT x"]
)
LEAVES: st.SearchStrategy[Any] = (
    st.tuples(st.sampled_from(["exact", "prefix", "suffix"]), st.dictionaries(NAMES, TEXTS, min_size=1)).map(
        lambda pair: {pair[0]: pair[1]}
    )
    | st.dictionaries(POINTERS, JSON, min_size=1, max_size=2).map(lambda members: {"data": members})
    | EXPRESSIONS.map(lambda text: {"sql": text})
)
FILTERS: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: (
        st.tuples(st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3)).map(
            lambda pair: {pair[0]: pair[1]}
        )
        | inner.map(lambda one: {"not": one})
    ),
    max_leaves=6,
)
EVENTS = st.tuples(ATTRIBUTES, st.none() | JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=3))


def taken(value: Any, given_: tuple[dict[str, str], bytes | None]) -> bool:
    return passes(parse_filter(value), CloudEvent(*given_))


@given(st.lists(FILTERS, min_size=1, max_size=3), EVENTS)
def test_all_any_and_not_are_those_of_logic(inner: list[Any], given_: tuple[dict[str, str], bytes | None]) -> None:
    each = [taken(one, given_) for one in inner]
    assert taken({"all": inner}, given_) is all(each)
    assert taken({"any": inner}, given_) is any(each)
    assert taken({"not": inner[0]}, given_) is not each[0]
    assert taken({"not": {"any": inner}}, given_) is taken({"all": [{"not": one} for one in inner]}, given_)


@given(FILTERS, EVENTS)
def test_a_reason_is_given_for_each_no_and_for_no_yes(value: Any, given_: tuple[dict[str, str], bytes | None]) -> None:
    filter_, one = parse_filter(value), CloudEvent(*given_)
    reason = why_not(filter_, one)
    assert passes(filter_, one) is (reason is None)
    if reason is not None:
        place = reason.partition(": ")[0]
        assert place.startswith("/")
        assert leads_into(value, place)


def leads_into(value: Any, place: str) -> bool:
    for token in place.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return True


def shuffled(value: Any) -> Any:
    """The same filter, with members and alternatives in another order."""
    if isinstance(value, dict):
        return {name: shuffled(member) for name, member in reversed(value.items())}
    return value


def turned(value: Any) -> Any:
    ((dialect, content),) = value.items()
    if dialect in ("all", "any"):
        return {dialect: [turned(one) for one in reversed(content)] + [turned(content[0])]}
    return {"not": turned(content)} if dialect == "not" else {dialect: shuffled(content)}


@given(FILTERS, EVENTS)
def test_the_canonical_text_is_stable_and_says_the_same(
    value: Any, given_: tuple[dict[str, str], bytes | None]
) -> None:
    first = parse_filter(value)
    again: Filter = parse_filter(json.loads(first.canonical))
    assert again.canonical == first.canonical
    assert parse_filter(turned(value)).canonical == first.canonical
    assert taken(again.value, given_) is taken(value, given_)


@given(
    st.recursive(
        SCALARS | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["exact", "all", "not", "sql", "data", "any", "/a", "id"]) | st.text(),
                inner,
                max_size=2,
            )
        ),
    )
)
def test_any_json_is_a_filter_or_refused_with_a_place(value: Any) -> None:
    refused: list[BadInput] = []
    try:
        assert passes(parse_filter(value), EVENT) in (True, False)
    except BadInput as refusal:
        refused.append(refusal)
    assert [one for one in refused if not one.violations] == []
