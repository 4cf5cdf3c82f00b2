"""How many requests at a time: what halves it, what gives it back, and an even pace."""

from event_issuer.delivery.concurrency import SLOW_LEAST_US, Concurrency, Pace

MS = 1_000


def rounds(concurrency: Concurrency, count: int, duration_us: int = 10 * MS) -> list[int]:
    """What is allowed after each round of as many answers as were allowed."""
    allowed = []
    for _ in range(count):
        for _ in range(int(concurrency.allowed)):
            concurrency.succeed(duration_us)
        allowed.append(int(concurrency.allowed))
    return allowed


def test_an_endpoint_that_keeps_up_gets_what_was_asked_for() -> None:
    concurrency = Concurrency(16)
    assert rounds(concurrency, 5) == [16] * 5


def test_overload_halves_it_once_per_round_and_it_grows_by_one_per_round() -> None:
    concurrency = Concurrency(16)
    assert concurrency.fail(503) is True
    assert [concurrency.fail(429) for _ in range(15)] == [False] * 15  # they were under way together
    assert int(concurrency.allowed) == 8
    assert concurrency.fail(429) is True
    assert int(concurrency.allowed) == 4
    assert rounds(concurrency, 3) == [4, 5, 6]


def test_other_failures_say_nothing_of_overload() -> None:
    concurrency = Concurrency(16)
    assert [concurrency.fail(status) for status in (500, 404, None)] == [False] * 3
    assert concurrency.allowed == 16.0


def test_it_never_falls_below_one() -> None:
    concurrency = Concurrency(2)
    for _ in range(100):
        concurrency.fail(503)
    assert concurrency.allowed == 1.0


def test_an_endpoint_that_becomes_slow_gets_less() -> None:
    concurrency = Concurrency(10)
    rounds(concurrency, 10)
    concurrency.succeed(SLOW_LEAST_US + 1)
    assert concurrency.allowed == 9.0


def test_an_endpoint_that_is_always_slow_is_not_slower_than_usual() -> None:
    concurrency = Concurrency(10)
    assert rounds(concurrency, 20, 2 * SLOW_LEAST_US) == [10] * 20


def test_after_it_was_down_it_doubles_with_each_round() -> None:
    concurrency = Concurrency(20)
    concurrency.begin_again()
    assert int(concurrency.allowed) == 1
    assert rounds(concurrency, 6) == [2, 4, 8, 16, 20, 20]


def test_a_pace_is_even_with_a_tenth_of_a_second_at_once() -> None:
    pace, now_s, sent = Pace(50.0), 100.0, []
    while now_s < 101.0:
        wait_s = pace.wait_s(now_s)
        if wait_s > 1e-9:
            now_s += wait_s
        else:
            pace.take(now_s)
            sent.append(round(now_s - 100.0, 6))
    assert sent[:6] == [0.0, 0.0, 0.0, 0.0, 0.0, 0.02]
    assert (len(sent), sent[-1]) == (55, 1.0)


def test_a_slow_pace_has_no_burst() -> None:
    pace = Pace(0.5)
    pace.take(10.0)
    assert (pace.wait_s(10.0), pace.wait_s(11.5), pace.wait_s(12.0)) == (2.0, 0.5, 0.0)
