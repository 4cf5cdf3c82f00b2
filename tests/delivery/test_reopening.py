"""When a subscription may be opened: the pauses after faults, and the pace after a restart."""

from event_issuer.delivery.reopening import Faults, Openings
from event_issuer.domain.time import SECOND_US
from tests.delivery.test_retry import Fixed


def test_a_subscription_that_faults_again_and_again_pauses_longer_and_longer() -> None:
    faults = Faults()
    pauses = [faults.pause_s(1, second * SECOND_US) for second in range(11)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0]
    assert faults.pause_s(2, 11 * SECOND_US) == 1.0


def test_faults_are_forgotten() -> None:
    faults = Faults()
    faults.pause_s(1, 0)
    assert faults.pause_s(1, 600 * SECOND_US) == 2.0
    assert faults.pause_s(1, 1_200 * SECOND_US + 1) == 1.0


def test_200_are_opened_in_a_second_and_the_first_20_at_once() -> None:
    openings = Openings(Fixed(0.5))
    waits_s = [openings.wait_s(100.0) for _ in range(220)]
    assert waits_s[:20] == [0.0] * 20
    assert [round(wait_s, 3) for wait_s in waits_s[20:23]] == [0.005, 0.01, 0.015]
    assert round(waits_s[-1], 3) == 1.0
    assert openings.wait_s(102.0) == 0.0
