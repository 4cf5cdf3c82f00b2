"""JSON as bytes: the same bytes for the same value, exact numbers, and refusals of what others cannot read."""

import json

import orjson
import pytest
from hypothesis import given

from event_issuer.domain.json_values import DEPTH_MAX, json_bytes, json_document, json_type
from tests.domain.examples import json_values


def nested(levels: int) -> object:
    value: object = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": 1, "a": [True, None, "x"]}, b'{"b":1,"a":[true,null,"x"]}'),
        ("Lillestrøm \U0001f686", '"Lillestrøm \U0001f686"'.encode()),
        ('"\\/\x00\x1f\n', b'"\\"\\\\/\\u0000\\u001f\\n"'),
        ([1.0, -0.0, 0.1, 1e16, 1e-7, 5e-324], b"[1.0,-0.0,0.1,1e+16,1e-7,5e-324]"),
        ([2**63 - 1, -(2**63), 2**64 - 1], b"[9223372036854775807,-9223372036854775808,18446744073709551615]"),
        ([2**64, -(2**63) - 1], b"[18446744073709551616,-9223372036854775809]"),
        ("null", b'"null"'),
        (None, b"null"),
    ],
)
def test_a_value_is_written_compactly(value: object, written: bytes) -> None:
    assert json_bytes(value) == written


def test_a_big_integer_changes_nothing_else_about_what_is_written() -> None:
    rest = {"a": [1e-7, None, True, "å"], "b": {}}
    assert json_bytes({"big": 10**25} | rest) == b'{"big":10000000000000000000000000,' + json_bytes(rest)[1:]


@given(json_values)
def test_what_is_written_is_read_again_and_stays_as_it_is(value: object) -> None:
    written = json_bytes(value)
    assert json.loads(written) == value
    assert json_document(written) == value
    assert json_bytes(json_document(written)) == written


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (float("nan"), "not JSON: nan is no number there"),
        ({"a": [None, float("inf")]}, "not JSON: inf is no number there"),
        ([-float("inf"), 2**70], "not JSON: -inf is no number there"),
        ("\ud800", "not JSON: str is not valid UTF-8: surrogates not allowed"),
        ({"\udfff": 1}, "not JSON: str is not valid UTF-8: surrogates not allowed"),
        (10**309, "not portable: an integer beyond 1.8e308 is read as Infinity elsewhere"),
        ([-(10**5000)], "not portable: an integer beyond 1.8e308 is read as Infinity elsewhere"),
        ({1: 2}, "not JSON: Dict key must be str"),
        (b"bytes", "not JSON: Type is not JSON serializable: bytes"),
    ],
)
def test_what_others_cannot_read_is_not_written(value: object, problem: str) -> None:
    with pytest.raises(ValueError, match=r"^not") as raised:
        json_bytes(value)
    assert str(raised.value) == problem


def test_the_largest_integer_that_a_double_holds_is_written() -> None:
    largest = int(1.7976931348623157e308)
    assert json_document(json_bytes(largest)) == largest


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b' {"a" : 1}\n', {"a": 1}),
        (b"12345678901234567890123", 12345678901234567890123),
        (b"[1.0, -0.0, 1e2]", [1.0, -0.0, 100.0]),
        (b'"\\ud83d\\ude86 \\u00e5"', "\U0001f686 å"),
        (b'{"a": [1, 2.5, "x y"],\n "b c": {}}', {"a": [1, 2.5, "x y"], "b c": {}}),
    ],
)
def test_bytes_are_read(raw: bytes, value: object) -> None:
    read = json_document(raw)
    assert (read, repr(read)) == (value, repr(value))


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "Input is a zero-length, empty document: line 1 column 1 (char 0)"),
        (b"\xef\xbb\xbf{}", "UTF-8 byte order mark (BOM) is not supported: line 1 column 1 (char 0)"),
        (b"NaN", "unexpected character, expected a JSON value: line 1 column 1 (char 0)"),
        (b"[-Infinity]", "no digit after sign: line 1 column 3 (char 2)"),
        (b"1e400", "number is infinity when parsed as double: line 1 column 1 (char 0)"),
        (b"9" * 400, "number is infinity when parsed as double: line 1 column 1 (char 0)"),
        (b"{} {}", "unexpected content after document: line 1 column 4 (char 3)"),
        (b'"\\ud800"', "no low surrogate in string: line 1 column 2 (char 1)"),
        (b'"\xff"', "str is not valid UTF-8: surrogates not allowed: line 1 column 1 (char 0)"),
        (b'"\xed\xa0\x80"', "str is not valid UTF-8: surrogates not allowed: line 1 column 1 (char 0)"),
        (b"[1,]", "trailing comma is not allowed: line 1 column 3 (char 2)"),
        (b"[" * 100_000, "depth limit exceeded: line 1 column 1026 (char 1025)"),
    ],
)
def test_bytes_that_are_no_portable_json_are_refused(raw: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match="not JSON") as raised:
        json_document(raw)
    assert str(raised.value) == f"not JSON: {problem}"


@pytest.mark.parametrize(
    "text", [b'{"a":1,"a":1}', b'{"a": 1, "a": 2}', b'[{"b":{"a":1,"c":2,"a":3}}]', b'{"a":1,"\\u0061":1}']
)
def test_a_name_that_occurs_twice_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"^ambiguous: an object has the name 'a' twice$"):
        json_document(text)


@pytest.mark.parametrize("levels", [DEPTH_MAX, DEPTH_MAX + 1, 300, 900])
@pytest.mark.parametrize("innermost", [1, 2**70])
def test_depth_is_bounded_both_ways(levels: int, innermost: int) -> None:
    value = json.loads(json.dumps(nested(levels)).replace("1", str(innermost)))
    written = json.dumps(value, separators=(",", ":")).encode()
    if levels == DEPTH_MAX:
        assert json_bytes(value) == written
        assert json_document(written) == value
        return
    with pytest.raises(ValueError, match=r"^nested more than 64 levels deep$"):
        json_bytes(value)
    with pytest.raises(ValueError, match=r"^nested more than 64 levels deep$"):
        json_document(written)


def test_many_brackets_beside_each_other_are_not_deep() -> None:
    wide: list[object] = [[] for _ in range(1000)]
    assert json_bytes(wide) == orjson.dumps(wide)
    assert json_document(json_bytes(wide)) == wide


@pytest.mark.parametrize(
    ("value", "name"),
    [({}, "an object"), ([], "an array"), ("", "a string"), (True, "a boolean"), (None, "null"), (1, "a number")],
)
def test_types_have_names(value: object, name: str) -> None:
    assert json_type(value) == name
