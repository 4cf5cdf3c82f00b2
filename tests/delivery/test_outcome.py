"""The judge's table: the one in the code, cell by cell, is the one that the documents print."""

import re
from pathlib import Path

import pytest

from event_issuer.delivery.outcome import ERROR_LENGTH_MAX, Outcome, OutcomeKind, judge
from event_issuer.egress.messages import FailureKind
from tests.delivery.senders import answer, failure

PAGE = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text("utf-8")
TABLE = PAGE.partition("| answer | outcome |")[2].partition("\n\n")[0]


def documented() -> dict[int, str]:
    """Status → outcome as the table says; what it does not name is "every other status"."""
    rows = re.findall(r"^\| ([^|]+) \| ([A-Z]+) \|", TABLE, re.MULTILINE)
    found: dict[int, str] = {}
    (other,) = (kind for statuses, kind in rows if "every other status" in statuses)
    for statuses, kind in rows:
        for status in re.findall(r"\b\d(?:\d\d|xx)\b", statuses):
            numbers = range(int(status[0]) * 100, int(status[0]) * 100 + 100) if "x" in status else [int(status)]
            for number in numbers:
                if "x" not in status or number not in found:
                    found[number] = kind
    return {status: found.get(status, other) for status in range(100, 600)}


def test_every_status_has_the_outcome_that_is_documented() -> None:
    assert {status: judge(answer(status)).kind.value for status in range(100, 600)} == documented()


def test_the_documented_table_names_what_matters() -> None:
    table = documented()
    assert [status for status, kind in table.items() if kind == "DELIVERED"] == list(range(200, 300))
    assert [status for status, kind in table.items() if kind == "REFUSED"] == [400, 413, 415, 422]
    assert [status for status, kind in table.items() if kind == "GONE"] == [410]


def test_a_delivered_event_keeps_no_excerpt() -> None:
    assert judge(answer(204, b"thanks")) == Outcome(OutcomeKind.DELIVERED, 204)


def test_a_failure_keeps_an_excerpt_without_secrets() -> None:
    outcome = judge(answer(500, b"your key k3y is wrong"), ["k3y"])
    assert outcome == Outcome(OutcomeKind.RETRY, 500, "The endpoint answered 500.", "your key [redacted] is wrong")
    assert judge(answer(500)).response_excerpt is None


@pytest.mark.parametrize("kind", FailureKind)
def test_no_answer_is_tried_again(kind: FailureKind) -> None:
    assert judge(failure(kind, "it happened")) == Outcome(OutcomeKind.RETRY, error=f"{kind}: it happened")


def test_a_long_message_is_cut() -> None:
    assert len(judge(failure(FailureKind.TLS, "x" * 1_000)).error or "") == ERROR_LENGTH_MAX
