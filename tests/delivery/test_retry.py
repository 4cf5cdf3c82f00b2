"""The schedule: which pause follows which attempt, and when there is none."""

import re
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from event_issuer.delivery import handshake
from event_issuer.delivery.attempt import INTERNAL
from event_issuer.delivery.outcome import Outcome, OutcomeKind
from event_issuer.delivery.retry import SLOW_RETRY_S, next_attempt_at
from event_issuer.domain.subscriptions import PARKED_MAX, STANDARD_RETRY_DELAYS_S, DeliverySettings
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


def pause_s(
    settings: DeliverySettings, outcome: Outcome, attempts: int, chance: float, age_s: float = 0.0
) -> float | None:
    age_us, now = round(age_s * SECOND_US), 1_000 * SECOND_US
    due_at = next_attempt_at(settings, outcome, attempts, age_us, now, Fixed(chance))
    return None if due_at is None else due_at / SECOND_US - 1_000


@pytest.mark.parametrize(("attempts", "delay_s"), list(enumerate(STANDARD_RETRY_DELAYS_S, 1)))
def test_the_pause_is_any_part_of_the_scheduled_delay(attempts: int, delay_s: float) -> None:
    for chance in (0.0, 0.25, 1.0):
        assert pause_s(STANDARD, RETRY, attempts, chance) == pytest.approx(delay_s * chance)


@pytest.mark.parametrize("delays_s", [(), (1.0,), STANDARD_RETRY_DELAYS_S])
def test_after_the_schedule_there_is_no_further_attempt(delays_s: tuple[float, ...]) -> None:
    settings = replace(SETTINGS, retry_delays_s=delays_s)
    due = [pause_s(settings, RETRY, attempts, 1.0) for attempts in range(1, len(settings.retry_delays_s) + 3)]
    assert due == [*delays_s, None, None]


def test_a_refused_event_is_tried_three_times_unless_the_settings_say_otherwise() -> None:
    assert [pause_s(STANDARD, REFUSED, attempts, 1.0) for attempts in (1, 2, 3, 4)] == [5.0, 300.0, None, None]
    once = replace(STANDARD, refused_attempts_max=1)
    assert pause_s(once, REFUSED, 1, 1.0) is None


def test_an_event_that_has_grown_too_old_is_not_tried_again() -> None:
    settings = replace(STANDARD, retry_age_max_s=400.0)
    assert pause_s(settings, RETRY, 2, 1.0, age_s=100.0) == 300.0
    assert pause_s(settings, RETRY, 2, 1.0, age_s=100.1) is None
    assert pause_s(settings, RETRY, 2, 0.5, age_s=250.0) == 150.0


def test_what_somebody_has_to_repair_is_not_tried_soon() -> None:
    missing_rights = Outcome(OutcomeKind.RETRY, 401, is_slow=True)
    assert [pause_s(STANDARD, missing_rights, attempts, 0.5) for attempts in (1, 2, 3)] == [300.0, 300.0, 900.0]


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
    assert f"`refusedAttemptsMax` attempts, {SETTINGS.refused_attempts_max} where nobody says" in words
    assert f"but not sooner than in {SLOW_RETRY_S / 60:g} min" in words
    assert f"A subscription may have {PARKED_MAX:,} parked events" in words
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    attempts_max, dead_letters_max = defaults["attempts_max"], defaults["dead_letters_max"]
    assert f"The newest {attempts_max:,} attempts of a subscription are kept, for at most 30 days" in words
    assert f"for 30 days (the newest {dead_letters_max:,} of a subscription)" in words
    assert defaults["attempts_retention_s"] == defaults["dead_letters_retention_s"] == 30 * DAY_S
