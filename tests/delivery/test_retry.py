"""The schedule: which pause follows which attempt, and when there is none."""

import re
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from event_issuer.delivery import handshake
from event_issuer.delivery.attempt import INTERNAL
from event_issuer.delivery.lane import PARKED_MAX
from event_issuer.delivery.outcome import Outcome, OutcomeKind
from event_issuer.delivery.retry import JITTER, REFUSED_ATTEMPTS_MAX, next_attempt_at
from event_issuer.domain.subscriptions import STANDARD_RETRY_DELAYS_S, DeliverySettings
from event_issuer.domain.time import SECOND_US
from event_issuer.settings import DAY_S, Settings
from tests.delivery.world import SETTINGS

RETRY = Outcome(OutcomeKind.RETRY, 503)
REFUSED = Outcome(OutcomeKind.REFUSED, 422)
STANDARD = replace(SETTINGS, retry_delays_s=STANDARD_RETRY_DELAYS_S)
UNITS_S = {"s": 1, "min": 60, "h": 3600}
PAGE = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text("utf-8")


class Fixed(Random):
    """`random()` gives what the test wants."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self._value = value

    def random(self) -> float:
        return self._value


def pause_s(settings: DeliverySettings, outcome: Outcome, attempts: int, chance: float) -> float | None:
    due_at = next_attempt_at(settings, outcome, attempts, 1_000 * SECOND_US, Fixed(chance))
    return None if due_at is None else due_at / SECOND_US - 1_000


@pytest.mark.parametrize(("attempts", "delay_s"), list(enumerate(STANDARD_RETRY_DELAYS_S, 1)))
def test_the_pause_is_the_schedule_and_up_to_a_fifth(attempts: int, delay_s: float) -> None:
    assert pause_s(STANDARD, RETRY, attempts, 0.0) == delay_s
    assert pause_s(STANDARD, RETRY, attempts, 0.5) == pytest.approx(delay_s * 1.1)
    assert JITTER == 0.2


@pytest.mark.parametrize("delays_s", [(), (1.0,), STANDARD_RETRY_DELAYS_S])
def test_after_the_schedule_there_is_no_further_attempt(delays_s: tuple[float, ...]) -> None:
    settings = replace(SETTINGS, retry_delays_s=delays_s)
    due = [pause_s(settings, RETRY, attempts, 0.0) for attempts in range(1, len(settings.retry_delays_s) + 3)]
    assert due == [*delays_s, None, None]


def test_a_refused_event_is_tried_three_times() -> None:
    assert [pause_s(STANDARD, REFUSED, attempts, 0.0) for attempts in (1, 2, 3, 4)] == [5.0, 300.0, None, None]
    assert REFUSED_ATTEMPTS_MAX == 3


def test_our_own_fault_is_not_tried_again() -> None:
    assert pause_s(STANDARD, INTERNAL, 1, 0.0) is None


def test_the_documents_print_the_schedule() -> None:
    (row,) = re.findall(r"^\| delay \|(.*)\|$", PAGE, re.MULTILINE)
    delays = [cell.split() for cell in row.split("|")]
    assert tuple(float(number) * UNITS_S[unit] for number, unit in delays) == STANDARD_RETRY_DELAYS_S


def test_the_documents_print_the_bounds() -> None:
    words = " ".join(PAGE.split())
    (list_of_delays,) = re.findall(r"we ask again after ([^.]*)\.", words)
    delays = re.findall(r"(\d+) (s|min)", list_of_delays)
    assert tuple(int(number) * UNITS_S[unit] for number, unit in delays) == handshake.RETRY_DELAYS_S
    assert f"no answer within {handshake.TIMEOUT_S:g} seconds" in words
    assert f"a dead letter after {REFUSED_ATTEMPTS_MAX} attempts" in words
    assert f"A subscription may have {PARKED_MAX:,} parked events on each partition" in words
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    attempts_max, dead_letters_max = defaults["attempts_max"], defaults["dead_letters_max"]
    assert f"The newest {attempts_max:,} attempts of a subscription are kept, for at most 30 days" in words
    assert f"for 30 days (the newest {dead_letters_max:,} of a subscription)" in words
    assert defaults["attempts_retention_s"] == defaults["dead_letters_retention_s"] == 30 * DAY_S
