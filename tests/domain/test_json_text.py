"""JSON bodies: every number survives or is refused, and nothing else gets through."""

import json
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from event_issuer.domain.errors import BadInput
from event_issuer.domain.json_text import parse_json, render_json

DEPTH = 1025  # one more than orjson follows


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b'{"a": 1, "a": 2}', {"a": 2}),
        ('"Tromsø 🚆"'.encode(), "Tromsø 🚆"),
        (b'"\\ud83d\\ude86"', "🚆"),
        (b"12345678901234567890", 12345678901234567890),
        (b"[18446744073709551616, -9223372036854775809]", [18446744073709551616, -9223372036854775809]),
        (b'{"n": 123456789012345678901234567890}', {"n": 123456789012345678901234567890}),
        (b"1e2", 100.0),
        (b'{"lat": 59.913868999999998}', {"lat": 59.913869}),
        (b"[59.91386900000001, 1.7976931348623157e308, 5e-324]", [59.91386900000001, 1.7976931348623157e308, 5e-324]),
        (
            b'["12345678901234567890.123", "1e400", "b1e4", "-1e400"]',
            ["12345678901234567890.123", "1e400", "b1e4", "-1e400"],
        ),
    ],
)
def test_what_survives_is_kept(body: bytes, document: object) -> None:
    assert parse_json(body) == document
    assert json.loads(render_json(document)) == document


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b'{"n": 12345678901234567890.123}',
            "The number 12345678901234567890.123 would become 1.2345678901234567e+19 here; send it as a string.",
        ),
        (b"0.12345678901234567", "The number 0.12345678901234567 would become 0.12345678901234566 here;"),
        (b"[1e-400]", "The number 1e-400 would become 0.0 here; send it as a string."),
        (b"[1e-99999999999999999999]", "The number 1e-99999999999999999999 would become 0.0 here;"),
        (b"[1E400]", "The body is no JSON: number is infinity"),
        (b"[" + b"9" * 400 + b"]", "The body is no JSON: number is infinity"),
        (b"[0." + b"1" * 100 + b"]", f"The number 0.{'1' * 38}… would become 0.1111111111111111 here;"),
        (b"NaN", "The body is no JSON: "),
        (b"[-Infinity]", "The body is no JSON: "),
        (b"", "The body is no JSON: "),
        (b"{'a': 1}", "The body is no JSON: "),
        (b"[1,]", "The body is no JSON: "),
        (b"01", "The body is no JSON: "),
        (b"{} {}", "The body is no JSON: "),
        (b'"\xff"', "The body is no JSON: "),
        (b'"\\ud800"', "The body is no JSON: "),
        (b"\xef\xbb\xbf{}", "The body is no JSON: "),
        ("{}".encode("utf-16"), "The body is no JSON: "),
        (b"[" * DEPTH + b"]" * DEPTH, "The body is no JSON: depth limit exceeded"),
        (b'{"a":' * DEPTH + b"1e2" + b"}" * DEPTH, "The body is no JSON: depth limit exceeded"),
    ],
)
def test_what_would_not_survive_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        parse_json(body)
    assert refusal.value.detail.startswith(message)


def decimals() -> st.SearchStrategy[str]:
    """Numbers as JSON writes them, of up to 40 digits and with exponents near the ends of a double's range."""
    whole = st.integers(-(10**20), 10**20).map(str)
    fraction = st.from_regex(r"(\.[0-9]{1,20})?", fullmatch=True)
    exponent = st.from_regex(r"([eE][+-]?([0-9]|2[0-9]|3[0-9][0-9]))?", fullmatch=True)
    return st.tuples(whole, fraction, exponent).map("".join)


def prints_of(number: int | float) -> set[Decimal]:
    return {Decimal(repr(number)), Decimal(f"{number:.17g}")} if isinstance(number, float) else {Decimal(number)}


@given(decimals(), st.sampled_from(["%s", "[%s]", "[0,%s]", '{"a":%s}', '{"e1":\n\t%s}']))
@example("-0.0", "%s")
@example("9007199254740993.0", "[%s]")
def test_a_number_survives_or_is_refused(literal: str, form: str) -> None:
    try:
        document = parse_json((form % literal).encode())
    except BadInput:
        assert "." in literal or "e" in literal.lower()
        assert Decimal(literal) not in prints_of(float(literal))
        return
    while isinstance(document, list | dict):
        document = (document if isinstance(document, list) else list(document.values()))[-1]
    assert Decimal(literal) in prints_of(document)


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists))
def test_it_reads_what_json_reads(document: object) -> None:
    assert parse_json(json.dumps(document).encode()) == document
    assert parse_json(render_json(document)) == document


def test_what_json_cannot_hold_is_not_rendered() -> None:
    with pytest.raises(TypeError):
        render_json({"a": object()})


def test_an_unpaired_surrogate_is_rendered_as_an_escape() -> None:
    assert render_json({"a": "\ud800"}) == b'{"a":"\\ud800"}'
