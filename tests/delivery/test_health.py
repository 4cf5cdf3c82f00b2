"""The breaker, step by step: when it opens, what a probe decides, and how time stands still."""

import pytest

from event_issuer.delivery.health import (
    FAILURES_IN_A_ROW,
    PAUSES_IN_A_ROW,
    PROBE_DELAYS_S,
    Breaker,
    Health,
    HealthRecord,
)
from event_issuer.domain.time import SECOND_US
from tests.delivery.test_retry import Fixed

NOW = 1_000 * SECOND_US


def health(record: HealthRecord | None = None) -> Health:
    return Health(record or HealthRecord(), Fixed(0.0))


def opened(now: int = NOW) -> Health:
    broken = health()
    for _ in range(FAILURES_IN_A_ROW):
        broken.fail(now)
    return broken


def probing(now: int) -> Health:
    broken = opened()
    assert broken.pass_time(now) is True
    return broken


def test_failures_in_a_row_open_it() -> None:
    broken = health()
    assert [broken.fail(NOW) for _ in range(FAILURES_IN_A_ROW)] == [False] * (FAILURES_IN_A_ROW - 1) + [True]
    assert (broken.breaker, broken.may_send()) == (Breaker.OPEN, False)
    assert broken.record == HealthRecord(0, NOW + 5 * SECOND_US, None, 0, 0, NOW)
    assert broken.next_change_at == NOW + 5 * SECOND_US


def test_a_success_between_them_begins_the_row_anew() -> None:
    well = health()
    for _ in range(2):
        assert [well.fail(NOW) for _ in range(FAILURES_IN_A_ROW - 1)] == [False] * (FAILURES_IN_A_ROW - 1)
        well.succeed(NOW)
    assert well.breaker is Breaker.CLOSED


@pytest.mark.parametrize(("failures", "breaker"), [(1, Breaker.OPEN), (0, Breaker.CLOSED)])
def test_half_of_the_requests_open_it_and_fewer_do_not(failures: int, breaker: Breaker) -> None:
    """Every second one, or two of five, for 1,000 requests."""
    suffering = health()
    for number in range(1_000):
        fails = number % 2 == 0 if failures else number % 5 in (0, 2)
        if fails:
            suffering.fail(NOW)
        else:
            suffering.succeed(NOW)
    assert suffering.breaker is breaker


def test_a_probe_that_fails_puts_off_the_next_one() -> None:
    broken, now, delays_s = opened(), NOW, []
    for _ in range(len(PROBE_DELAYS_S) + 2):
        probe_at = broken.record.probe_at
        assert probe_at is not None
        assert broken.pass_time(probe_at - 1) is False
        assert broken.pass_time(probe_at) is True
        assert (broken.breaker, broken.may_send()) == (Breaker.HALF_OPEN, True)
        delays_s.append((probe_at - now) / SECOND_US)
        now = probe_at
        assert broken.fail(now) is True
    assert delays_s == [*PROBE_DELAYS_S, PROBE_DELAYS_S[-1], PROBE_DELAYS_S[-1]]


def test_a_probe_that_succeeds_closes_it_and_time_goes_on() -> None:
    later = NOW + 5 * SECOND_US
    well = probing(later)
    assert well.succeed(later + 7) is True
    assert (well.breaker, well.may_send(), well.next_change_at) == (Breaker.CLOSED, True, None)
    assert well.record == HealthRecord(frozen_us=5 * SECOND_US + 7)
    assert well.frozen_us(later + 100) == 5 * SECOND_US + 7


def test_what_was_under_way_when_it_opened_does_not_close_it() -> None:
    broken = opened()
    assert broken.succeed(NOW + 1) is False
    assert broken.fail(NOW + 2) is False
    assert (broken.breaker, broken.record.probe_step) == (Breaker.OPEN, 0)


def test_a_pause_ends_by_itself_and_costs_no_time() -> None:
    well = health()
    well.pause(60, NOW)
    assert (well.may_send(), well.breaker, well.next_change_at) == (False, Breaker.CLOSED, NOW + 60 * SECOND_US)
    well.pause(30, NOW + 1)  # of a request that was under way, too
    assert (well.record.pauses, well.record.paused_until) == (1, NOW + 60 * SECOND_US)
    assert well.pass_time(NOW + 60 * SECOND_US - 1) is False
    assert well.pass_time(NOW + 60 * SECOND_US) is True
    assert (well.may_send(), well.record.frozen_us, well.record.pauses) == (True, 60 * SECOND_US, 1)
    assert well.succeed(NOW) is True
    assert well.record.pauses == 0


def test_pause_after_pause_opens_it() -> None:
    tired, now = health(), NOW
    for number in range(1, PAUSES_IN_A_ROW):
        tired.pause(1, now)
        assert (tired.breaker, tired.record.pauses) == (Breaker.CLOSED, number)
        now += SECOND_US
        tired.pass_time(now)
    tired.pause(600, now)
    assert (tired.breaker, tired.record.probe_at) == (Breaker.OPEN, now + 5 * SECOND_US)
    tired.pass_time(now + 5 * SECOND_US)
    assert tired.may_send() is False  # the pause is the longer one
    tired.pass_time(now + 600 * SECOND_US)
    assert (tired.breaker, tired.may_send()) == (Breaker.HALF_OPEN, True)


def test_it_is_what_was_stored() -> None:
    stored = opened().record
    again = health(stored)
    assert (again.breaker, again.may_send(), again.next_change_at) == (Breaker.OPEN, False, NOW + 5 * SECOND_US)
    assert again.frozen_us(NOW + 3) == 3
    paused = health(HealthRecord(paused_until=NOW, frozen_since=NOW - 10))
    paused.pass_time(NOW)
    assert (paused.may_send(), paused.record.frozen_us) == (True, 10)


def test_probes_are_spread_by_chance() -> None:
    broken = Health(HealthRecord(), Fixed(0.999), failures_in_a_row=1)
    broken.fail(NOW)
    assert broken.record.probe_at == NOW + round(5 * (1 - 0.5 * 0.999) * SECOND_US)
