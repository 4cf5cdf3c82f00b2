"""A cursor against a plain set of settled offsets, and its written form."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_issuer.domain.cursor import Cursor

START, END = 100, 140
offsets = st.integers(START - 3, END)
steps = st.lists(offsets | st.tuples(offsets, offsets), max_size=60)


def settled(given_steps: list[int | tuple[int, int]]) -> Cursor:
    cursor = Cursor(START)
    for step in given_steps:
        if isinstance(step, tuple):
            cursor.settle_range(*step)
        else:
            cursor.settle(step)
    return cursor


def ranges(cursor: Cursor) -> list[list[int]]:
    found = json.loads(cursor.settled_above())
    assert isinstance(found, list)
    return found


@given(steps)
def test_a_cursor_is_a_set_of_settled_offsets(given_steps: list[int | tuple[int, int]]) -> None:
    model = set(range(START))
    for step in given_steps:
        model |= set(range(*step)) if isinstance(step, tuple) else {step}
    cursor = settled(given_steps)
    assert [cursor.is_settled(offset) for offset in range(END + 2)] == [offset in model for offset in range(END + 2)]
    assert cursor.next_offset == min(set(range(END + 2)) - model)
    assert cursor.count_above == len([offset for offset in model if offset > cursor.next_offset])
    assert cursor.end == max(model) + 1


@given(steps)
def test_ranges_are_ordered_apart_and_above_the_next_offset(given_steps: list[int | tuple[int, int]]) -> None:
    cursor = settled(given_steps)
    edges = [cursor.next_offset, *(edge for pair in ranges(cursor) for edge in pair)]
    assert edges == sorted(set(edges))


@given(steps, steps)
def test_a_cursor_that_was_written_down_goes_on_as_before(
    before: list[int | tuple[int, int]], after: list[int | tuple[int, int]]
) -> None:
    kept = settled(before)
    reread = Cursor.parse(kept.next_offset, kept.settled_above())
    for step in after:
        for cursor in (kept, reread):
            if isinstance(step, tuple):
                cursor.settle_range(*step)
            else:
                cursor.settle(step)
    assert (reread.next_offset, reread.settled_above()) == (kept.next_offset, kept.settled_above())


@given(steps)
def test_the_order_of_settling_does_not_matter(given_steps: list[int | tuple[int, int]]) -> None:
    forwards, backwards = settled(given_steps), settled(given_steps[::-1])
    assert (forwards.next_offset, forwards.settled_above()) == (backwards.next_offset, backwards.settled_above())


@pytest.mark.parametrize(
    ("given_steps", "next_offset", "settled_above"),
    [
        ([], 100, "[]"),
        ([100], 101, "[]"),
        ([99, 100, 100], 101, "[]"),
        ([102], 100, "[[102,103]]"),
        ([102, 104, 103], 100, "[[102,105]]"),
        ([103, 101], 100, "[[101,102],[103,104]]"),
        ([101, 102, 100], 103, "[]"),
        ([(102, 105), (104, 108), (110, 111)], 100, "[[102,108],[110,111]]"),
        ([101, 103, (100, 106)], 106, "[]"),
        ([(90, 100), (105, 105), (107, 104)], 100, "[]"),
    ],
)
def test_what_is_written_down(given_steps: list[int | tuple[int, int]], next_offset: int, settled_above: str) -> None:
    cursor = settled(given_steps)
    assert (cursor.next_offset, cursor.settled_above()) == (next_offset, settled_above)


def test_a_range_of_a_million_offsets_is_one_range() -> None:
    cursor = Cursor(0)
    cursor.settle_range(5, 10**15)
    assert (cursor.next_offset, ranges(cursor)) == (0, [[5, 10**15]])
