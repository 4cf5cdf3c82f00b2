"""Instants: microseconds since the epoch, to and from dates, exactly."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_issuer.domain.time import from_datetime, system_clock, to_datetime, to_rfc3339


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (1_772_364_896_123_456, "2026-03-01T11:34:56.123456Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_an_instant_as_rfc_3339(instant: int, text: str) -> None:
    assert to_rfc3339(instant) == text
    assert from_datetime(datetime.fromisoformat(text)) == instant


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_no_microsecond_is_lost(instant: int) -> None:
    assert from_datetime(to_datetime(instant)) == instant


def test_an_offset_is_taken_into_account() -> None:
    oslo = timezone(timedelta(hours=1))
    assert from_datetime(datetime(1970, 1, 1, 1, tzinfo=oslo)) == 0
    assert to_datetime(0).tzinfo is UTC


def test_a_naive_moment_has_no_place() -> None:
    with pytest.raises(TypeError):
        from_datetime(datetime(2026, 3, 1))


def test_the_system_clock_counts_microseconds() -> None:
    before = time.time_ns() // 1000
    assert before <= system_clock() <= time.time_ns() // 1000
