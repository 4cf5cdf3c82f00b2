"""Ranges of offsets, as text and back."""

import pytest

from event_issuer.domain.offset_ranges import count_in, offsets_in, ranges_text


@pytest.mark.parametrize(
    ("offsets", "text"),
    [([], "[]"), ([7], "[[7,8]]"), ([0, 1, 2], "[[0,3]]"), ([0, 2, 3, 9], "[[0,1],[2,4],[9,10]]")],
)
def test_offsets_are_the_same_after_a_turn_as_text(offsets: list[int], text: str) -> None:
    assert ranges_text(offsets) == text
    assert offsets_in(text) == offsets
    assert count_in(text) == len(offsets)
