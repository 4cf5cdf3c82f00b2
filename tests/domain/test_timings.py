"""What is stored of an attempt's timings, and read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_issuer.domain.timings import AttemptTimings, written_kept

TIMES = st.none() | st.integers(0, 60_000_000)


@pytest.mark.parametrize(
    ("timings", "text"),
    [
        (AttemptTimings(), None),
        (AttemptTimings(1234), "1234"),
        (AttemptTimings(0), "0"),
        (AttemptTimings(1234, 5, 6, 7), "1234,5,6,7"),
        (AttemptTimings(None, 5), ",5"),
        (AttemptTimings(1234, None, 6), "1234,,6"),
    ],
)
def test_timings_are_written_short(timings: AttemptTimings, text: str | None) -> None:
    assert timings.written() == text
    assert AttemptTimings.parse(text) == timings


@given(st.builds(AttemptTimings, TIMES, TIMES, TIMES, TIMES))
def test_what_was_written_is_read(timings: AttemptTimings) -> None:
    assert AttemptTimings.parse(timings.written()) == timings


@given(TIMES)
def test_a_kept_connection_is_written_alike(first_byte_us: int | None) -> None:
    assert written_kept(first_byte_us) == AttemptTimings(first_byte_us).written()
