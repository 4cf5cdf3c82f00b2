"""Pairs of schemas that nobody chose: every verdict is held against validators that took no part in it.

`make fuzz` does the same with many more.
"""

import pytest

from tests.fuzz.checking import Tally, checked, valid_pairs
from tests.fuzz.pairs import Pairs

PAIRS = 100  # times three seeds: some seconds


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_verdict_is_wrong(seed: int) -> None:
    tally, supply = Tally(), Pairs(seed)
    for old, new in valid_pairs(supply, PAIRS):
        checked(old, new, supply, tally)
    assert tally.complaints == []
    assert tally.counts["pairs"] == PAIRS
    assert tally.counts["UNDECIDED"] < PAIRS // 10  # of twice as many comparisons
    assert min(tally.counts["COMPATIBLE"], tally.counts["INCOMPATIBLE"]) > PAIRS // 2


def test_the_same_seed_makes_the_same_pairs() -> None:
    assert list(valid_pairs(Pairs(7), 20)) == list(valid_pairs(Pairs(7), 20))
