"""Sharing: any number of processes that each decide for themselves soon hold equally many partitions, and stay so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_issuer.domain.sharing import MOVES_MAX, Share, divided, fair_share, quota

COUNTS = st.integers(0, 60)
LIVING = st.integers(1, 9)


@given(COUNTS, LIVING)
def test_quotas_are_all_partitions_and_differ_by_one_at_most(partitions: int, living: int) -> None:
    quotas = [quota(partitions, living, rank) for rank in range(living)]
    assert sum(quotas) == partitions
    assert max(quotas) - min(quotas) <= 1


@given(COUNTS, LIVING)
def test_who_joins_takes_and_who_leaves_gives(partitions: int, living: int) -> None:
    before = [quota(partitions, living, rank) for rank in range(living)]
    joined = [quota(partitions, living + 1, rank) for rank in range(living)]
    assert all(new <= old for old, new in zip(before, joined, strict=True))
    for gone in range(living if living > 1 else 0):
        left = [quota(partitions, living - 1, rank) for rank in range(living - 1)]
        assert all(new >= old for old, new in zip(before[:gone] + before[gone + 1 :], left, strict=True))


@pytest.mark.parametrize(
    ("rank", "held", "free", "leaving", "share"),
    [
        (0, [1, 2], [], [], Share()),
        (0, [1, 2, 3], [], [], Share(leaving=(1,))),
        (0, [1, 2, 3], [], [3], Share(leaving=(3,))),
        (0, [2, 4, 6], [], [], Share(leaving=(2,))),
        (1, [2], [4, 3], [], Share(claimed=(3,))),
        (1, [], [4, 6, 8], [], Share(claimed=(4, 6))),
        (1, [3], [], [3], Share()),
    ],
)
def test_four_partitions_and_two_processes(
    rank: int, held: list[int], free: list[int], leaving: list[int], share: Share
) -> None:
    assert fair_share(4, 2, rank, held, free, leaving) == share


def test_a_bounded_number_leaves_at_a_time() -> None:
    held = range(4 * MOVES_MAX)
    assert len(fair_share(len(held), 2, 0, held, [], []).leaving) == MOVES_MAX


class Model:
    """Partitions with owners; processes in the order in which they joined, each with what is leaving it."""

    def __init__(self, partitions: int) -> None:
        self.owner: dict[int, int | None] = dict.fromkeys(range(partitions))
        self.leaving: dict[int, tuple[int, ...]] = {}
        self.moves = 0

    def join(self, process: int) -> None:
        self.leaving[process] = ()

    def leave(self, process: int) -> None:
        del self.leaving[process]
        self.owner = {id_: None if owner == process else owner for id_, owner in self.owner.items()}

    def step(self, process: int, *, closed: bool) -> None:
        """Decides anew; `closed`: the lanes of what was leaving have closed meanwhile."""
        if closed:
            for id_ in self.leaving[process]:
                self.owner[id_] = None
            self.leaving[process] = ()
        living = list(self.leaving)
        held = [id_ for id_, owner in self.owner.items() if owner == process]
        free = [id_ for id_, owner in self.owner.items() if owner is None]
        share = fair_share(len(self.owner), len(living), living.index(process), held, free, self.leaving[process])
        assert not set(share.claimed) - set(free)
        assert not set(share.leaving) - set(held)
        assert not (share.claimed and share.leaving)
        self.moves += len(share.claimed) + len(set(share.leaving) - set(self.leaving[process]))
        self.owner |= dict.fromkeys(share.claimed, process)
        self.leaving[process] = share.leaving

    def check_settled(self) -> None:
        """Three rounds settle everything: to see what is too much, to give it back, to claim. Then nothing moves."""
        for _ in range(3):
            for process in list(self.leaving):
                self.step(process, closed=True)
        counts = [list(self.owner.values()).count(process) for process in self.leaving]
        if counts:
            assert sum(counts) == len(self.owner)
            assert max(counts) - min(counts) <= 1
        before = self.moves
        for process in list(self.leaving):
            self.step(process, closed=True)
        assert self.moves == before


@given(st.integers(0, 40), st.lists(st.tuples(st.sampled_from("jlsc"), st.integers(0, 5)), max_size=60))
def test_any_comings_and_goings_end_in_equal_shares(partitions: int, acts: list[tuple[str, int]]) -> None:
    model = Model(partitions)
    for act, process in acts:
        if act == "j" and process not in model.leaving:
            model.join(process)
        elif act == "l" and process in model.leaving:
            model.leave(process)
        elif act in "sc" and process in model.leaving:
            model.step(process, closed=act == "c")
    model.check_settled()


@given(st.integers(1, 40), st.integers(1, 6))
def test_a_process_that_joins_moves_no_more_than_its_share(partitions: int, living: int) -> None:
    model = Model(partitions)
    for process in range(living):
        model.join(process)
    model.check_settled()
    before = model.moves
    model.join(living)
    model.check_settled()
    assert model.moves - before == 2 * quota(partitions, living + 1, living)  # each leaves one and reaches another


@given(st.integers(1, 256), st.lists(st.integers(0, 8), min_size=1, max_size=8))
def test_the_parts_of_a_limit_stay_near_it(limit: int, lanes: list[int]) -> None:
    holders = [here for here in lanes if here]
    parts = [divided(limit, here, sum(lanes)) for here in holders]
    assert all(part >= 1 for part in parts)
    assert sum(parts) <= max(limit, len(holders)) + len(holders) - 1
    assert sum(parts) > limit - len(holders) or not holders


def test_one_process_has_the_whole_limit() -> None:
    assert [divided(16, 3, 3), divided(16, 1, 3), divided(1, 1, 3), divided(16, 0, 0)] == [16, 5, 1, 16]
