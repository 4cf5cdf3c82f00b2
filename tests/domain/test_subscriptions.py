"""Subscriptions: the table of transitions, in code and on its page, and the bounds of delivery settings."""

import math
from pathlib import Path

import pytest

from event_issuer.domain.errors import BadInput, Conflict
from event_issuer.domain.subscriptions import (
    DELIVERING,
    STANDARD_RETRY_DELAYS_S,
    TRANSITIONS,
    Command,
    DeliverySettings,
    Status,
    transition,
)

PAGE = Path(__file__).parents[2] / "docs" / "subscriptions.md"
FINDINGS = {Command.VERIFIED, Command.OPENED, Command.DRAINED, Command.FAIL}
EVERY_CELL = [(status, command) for status in Status for command in Command]


def cells(line: str) -> list[str]:
    return [cell.strip(" *") for cell in line.strip("|").split("|")]


def table_under(heading: str) -> list[list[str]]:
    section = PAGE.read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [cells(line) for line in section.splitlines() if line.startswith("|") and not line.startswith("|---")]


@pytest.mark.parametrize(("status", "command"), EVERY_CELL)
def test_each_transition_is_on_the_page_or_a_conflict(status: Status, command: Command) -> None:
    header, *rows = table_under("Transitions")
    assert header == ["state", *Command]
    assert [row[0] for row in rows] == list(Status)
    cell = next(row for row in rows if row[0] == status)[header.index(command)]
    if cell != "–":
        assert transition(status, command) is Status(cell)
        return
    with pytest.raises(Conflict) as raised:
        transition(status, command)
    possible = ", ".join(TRANSITIONS[status])
    assert raised.value.detail == (
        f"A subscription that is {status} cannot take {command}; it can take {possible} or delete."
    )


def test_the_page_explains_every_state() -> None:
    assert {row[0] for row in table_under("States")} == {"state", *Status}


def test_no_state_is_a_dead_end_and_all_but_one_are_reached() -> None:
    reached = {after for row in TRANSITIONS.values() for after in row.values()}
    assert reached == set(Status)
    assert all(set(row.values()) - {status} for status, row in TRANSITIONS.items())


def test_only_what_agreed_is_delivered_to() -> None:
    """From INITIALIZING, nothing but the endpoint's consent or a stop leads on; a new URL leads back there."""
    assert frozenset({Status.STARTING, Status.RUNNING, Status.RESTART}) == DELIVERING
    ways_out = {command for command, after in TRANSITIONS[Status.INITIALIZING].items() if after in DELIVERING}
    assert ways_out == {Command.VERIFIED}
    assert {transition(status, Command.UPDATE_URL) for status in DELIVERING} == {Status.INITIALIZING}
    assert transition(Status.FAILED, Command.VERIFY) is Status.INITIALIZING


def test_an_owner_can_stop_whatever_is_not_at_rest() -> None:
    moving = {status for status, row in TRANSITIONS.items() if Command.STOP in row}
    assert moving == {Status.INITIALIZING, Status.STARTING, Status.RUNNING, Status.RESTART}
    assert FINDINGS.isdisjoint(TRANSITIONS[Status.STOPPED])


def settings(max_in_flight: int = 32, timeout_s: float = 15.0, *delays_s: float) -> DeliverySettings:
    return DeliverySettings(max_in_flight, timeout_s, delays_s)


@pytest.mark.parametrize(
    "accepted", [settings(1, 0.1), settings(256, 60.0, *[7 * 86400.0] * 50), settings(32, 15.0, 0.0, 0.5)]
)
def test_settings_up_to_their_bounds_are_taken_and_kept(accepted: DeliverySettings) -> None:
    assert DeliverySettings.from_json(accepted.to_json()) == accepted


def test_the_standard_schedule_is_taken() -> None:
    assert len(settings(32, 15.0, *STANDARD_RETRY_DELAYS_S).retry_delays_s) == 9


@pytest.mark.parametrize(
    ("max_in_flight", "timeout_s", "delays_s", "detail"),
    [
        (0, 15.0, (), "maxInFlight is 1 to 256, not 0."),
        (257, 15.0, (), "maxInFlight is 1 to 256, not 257."),
        (32, 0.09, (), "timeoutSeconds is 0.1 to 60.0, not 0.09."),
        (32, 60.1, (), "timeoutSeconds is 0.1 to 60.0, not 60.1."),
        (32, math.nan, (), "timeoutSeconds is 0.1 to 60.0, not nan."),
        (32, 15.0, (1.0,) * 51, "A schedule has at most 50 delays, not 51."),
        (32, 15.0, (1.0, -0.5), "A retry delay is 0 to 604800.0 seconds, not -0.5."),
        (32, 15.0, (604800.5,), "A retry delay is 0 to 604800.0 seconds, not 604800.5."),
        (32, 15.0, (math.inf,), "A retry delay is 0 to 604800.0 seconds, not inf."),
        (32, 15.0, (math.nan,), "A retry delay is 0 to 604800.0 seconds, not nan."),
    ],
)
def test_settings_beyond_their_bounds_are_refused(
    max_in_flight: int, timeout_s: float, delays_s: tuple[float, ...], detail: str
) -> None:
    with pytest.raises(BadInput) as raised:
        DeliverySettings(max_in_flight, timeout_s, delays_s)
    assert raised.value.detail == detail
