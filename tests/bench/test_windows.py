"""A figure is the median of clean windows; a window that others disturbed does not count."""

from collections.abc import Sequence

import pytest

from bench.windows import (
    FOREIGN_MAX,
    NS,
    Measured,
    Meter,
    Plan,
    Window,
    choose,
    foreign_share,
    joined,
    measure,
    percentile,
)

PLAN = Plan(warm_up_s=1.0, window_s=0.5, windows=2, windows_max=3)


def window(rate: int, foreign: float = 0.0, latencies_us: Sequence[int] = ()) -> Window:
    return Window(2.0, 2 * rate, {"server": 0.5}, foreign, latencies_us)


def test_what_is_neither_idle_nor_ours_is_foreign() -> None:
    assert foreign_share(elapsed_ns=2 * NS, idle_ns=NS, own_ns=2 * NS, cores=2) == 0.25


def test_accounting_that_finds_more_than_there_was_is_no_foreign_time() -> None:
    assert foreign_share(elapsed_ns=NS, idle_ns=NS, own_ns=NS + 1, cores=2) == 0.0


def test_the_figure_is_the_median_of_the_clean_windows() -> None:
    measured = choose([window(100), window(900, foreign=FOREIGN_MAX + 0.01), window(200), window(400)])
    assert (measured.rate, len(measured.windows), measured.dropped) == (200, 3, 1)
    assert not measured.is_disturbed
    assert measured.spread == 1.5


def test_without_a_clean_window_the_least_disturbed_one_counts_and_says_so() -> None:
    measured = choose([window(100, foreign=0.5), window(300, foreign=0.2)])
    assert (measured.rate, measured.foreign, measured.dropped, measured.is_disturbed) == (300, 0.2, 1, True)


def test_cpu_time_is_told_per_thing_and_per_core() -> None:
    measured = Measured([window(100)])
    assert measured.cpu_us_each("server") == 2500
    assert measured.cpu_share("server") == 0.25


def test_two_looks_are_one_and_a_disturbed_one_does_not_count_beside_a_clean_one() -> None:
    clean, other = choose([window(100), window(300)]), choose([window(500)])
    disturbed = choose([window(900, foreign=0.9)])
    assert joined(clean, other).rate == 300
    assert joined(clean, disturbed).rate == 200
    assert not joined(clean, disturbed).is_disturbed
    assert joined(disturbed, disturbed).is_disturbed


@pytest.mark.parametrize(("part", "value"), [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_the_nearest_rank(part: float, value: int) -> None:
    assert percentile(list(range(100, 0, -1)), part) == value


def test_latencies_are_the_median_over_windows() -> None:
    measured = Measured([window(1, latencies_us=[ms * 1000] * 10) for ms in (3, 1, 2)])
    assert measured.latency_ms(0.99) == 2.0


def test_no_latencies_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no percentiles"):
        percentile([], 0.5)


def meter(done: Sequence[int]) -> Meter:
    counts = iter(done)
    return Meter({}, lambda: next(counts), lambda: 0, lambda first, end: ())


def test_a_run_is_watched_for_as_many_windows_as_are_wanted() -> None:
    """On a machine that others use none may be clean; then it is as many as are allowed."""
    slept: list[float] = []
    checks: list[int] = []
    measured = measure(PLAN, meter(range(100)), lambda: checks.append(1), slept.append)
    seen = len(measured.windows) + measured.dropped
    assert seen in (PLAN.windows, PLAN.windows_max)
    assert slept == [1.0, *[0.5] * seen]
    assert len(checks) == 1 + seen
    assert all(one.done == 1 for one in measured.windows)


def test_a_run_that_goes_wrong_has_no_figure() -> None:
    def fail() -> None:
        raise RuntimeError("the server has ended")

    with pytest.raises(RuntimeError, match="has ended"):
        measure(PLAN, meter([]), fail, lambda seconds: None)
