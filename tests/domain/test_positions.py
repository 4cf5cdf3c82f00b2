"""Cursors of the log: they come back whole, and what is no cursor of this log is refused."""

import base64
import json

import pytest

from event_issuer.domain.errors import BadInput
from event_issuer.domain.positions import LogCursor, parse_cursor

LOG = "0123456789abcdef"


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_cursor_comes_back() -> None:
    cursor = LogCursor(LOG, {"a.b": {0: 17, 1: 0}, "æ.ø": {0: 2**40}})
    assert parse_cursor(cursor.encode(), LOG) == cursor
    assert cursor.encode().isascii()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no cursor of the log"),
        ("nonsense", "'nonsense' is no cursor of the log"),
        (encoded([1, LOG]), "is no cursor of the log"),
        (encoded([1, LOG, {"a.b": {"0": -1}}]), "is no cursor of the log"),
        (encoded([1, LOG, {"a.b": {"0": 2**63}}]), "is no cursor of the log"),
        (encoded([1, LOG, {"a.b": {"0": 1.5}}]), "is no cursor of the log"),
        (encoded([1, LOG, {"a.b": {"x": 1}}]), "is no cursor of the log"),
        (encoded([1, LOG, {"a.b": [1]}]), "is no cursor of the log"),
        (encoded([2, LOG, {}]), "The cursor is of version 2; this server reads version 1."),
        (encoded([1, "another", {}]), "The cursor is of another log; start from EARLIEST, LATEST or a time instead."),
        ("a" * 65_537, "A cursor has at most 65536 characters, not 65537."),
        (encoded([1, LOG, "[" * 20_000]), "is no cursor of the log"),
    ],
)
def test_what_is_no_cursor_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_cursor(text, LOG)
    assert message in refused.value.detail
