"""The judge's table: the one in the code is the one that the documents print, and every status has its row."""

from pathlib import Path

import pytest

from event_issuer.delivery.outcome import (
    ERROR_LENGTH_MAX,
    PAUSE_MAX_S,
    Outcome,
    OutcomeKind,
    judge,
    judge_table,
)
from event_issuer.egress.messages import FailureKind, Response
from tests.delivery.senders import TIMINGS, answer, failure
from tests.delivery.world import STARTED_AT

PAGE = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text("utf-8")
NOW = STARTED_AT


def with_header(status: int, name: str, value: str) -> Response:
    return Response(status, [(name.encode(), value.encode())], b"", TIMINGS)


def test_the_documents_print_the_table() -> None:
    assert judge_table() in PAGE


def test_every_status_has_its_outcome() -> None:
    kinds: dict[str, list[int]] = {}
    for status in range(100, 600):
        kinds.setdefault(judge(answer(status), NOW).kind.value, []).append(status)
    others = kinds.pop("RETRY")
    assert kinds == {"DELIVERED": list(range(200, 300)), "REFUSED": [400, 413, 415, 422], "GONE": [410]}
    assert len(others) == 500 - 100 - 4 - 1


def test_what_counts_against_the_endpoint() -> None:
    counting = {status for status in range(100, 600) if judge(answer(status), NOW).counts_against_endpoint}
    assert counting == set(range(100, 600)) - set(range(200, 300)) - {400, 410, 413, 415, 422}


def test_only_missing_rights_are_slow() -> None:
    assert [status for status in range(100, 600) if judge(answer(status), NOW).is_slow] == [401, 403]


@pytest.mark.parametrize(
    ("value", "pause_s"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("999999999999", PAUSE_MAX_S),
        ("Thu, 09 Oct 2025 08:54:20 GMT", 60.0),
        ("Thu, 09 Oct 2025 08:53:20 GMT", 0.0),
        ("Thu, 09 Oct 2024 08:53:20 GMT", 0.0),
        ("Fri, 09 Oct 2099 08:53:20 GMT", PAUSE_MAX_S),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_an_endpoint_may_ask_for_a_pause(status: int, value: str, pause_s: float) -> None:
    outcome = judge(with_header(status, "Retry-After", value), NOW)
    assert (outcome.kind, outcome.pause_s, outcome.counts_against_endpoint) == (OutcomeKind.RETRY, pause_s, False)


@pytest.mark.parametrize("value", ["", "-1", "1.5", "soon", "Thu, 99 Oct 2025 08:54:20 GMT", "²"])
def test_a_pause_that_cannot_be_read_is_none(value: str) -> None:
    outcome = judge(with_header(503, "retry-after", value), NOW)
    assert (outcome.pause_s, outcome.counts_against_endpoint) == (None, True)


def test_only_429_and_503_pause() -> None:
    assert [s for s in range(100, 600) if judge(with_header(s, "retry-after", "5"), NOW).pause_s is not None] == [
        429,
        503,
    ]


def test_an_endpoint_may_refuse_this_event_or_all() -> None:
    aborted = judge(with_header(500, "webhook-delivery", "abort-message"), NOW)
    assert (aborted.kind, aborted.is_final, aborted.counts_against_endpoint) == (OutcomeKind.REFUSED, True, False)
    disabled = judge(with_header(503, "Webhook-Delivery", " Disable "), NOW)
    assert (disabled.kind, disabled.is_final) == (OutcomeKind.GONE, False)
    assert judge(with_header(200, "webhook-delivery", "disable"), NOW) == Outcome(OutcomeKind.DELIVERED, 200)
    assert judge(with_header(500, "webhook-delivery", "whatever"), NOW).kind is OutcomeKind.RETRY


def test_a_delivered_event_keeps_no_excerpt() -> None:
    assert judge(answer(204, b"thanks"), NOW) == Outcome(OutcomeKind.DELIVERED, 204)


def test_a_failure_keeps_an_excerpt_without_secrets() -> None:
    outcome = judge(answer(500, b"your key k3y is wrong"), NOW, ["k3y"])
    assert outcome == Outcome(
        OutcomeKind.RETRY,
        500,
        "The endpoint answered 500.",
        "your key [redacted] is wrong",
        counts_against_endpoint=True,
    )
    assert judge(answer(500), NOW).response_excerpt is None


@pytest.mark.parametrize("kind", FailureKind)
def test_no_answer_is_tried_again(kind: FailureKind) -> None:
    assert judge(failure(kind, "it happened"), NOW) == Outcome(
        OutcomeKind.RETRY, error=f"{kind}: it happened", counts_against_endpoint=True
    )


def test_a_long_message_is_cut() -> None:
    assert len(judge(failure(FailureKind.TLS, "x" * 1_000), NOW).error or "") == ERROR_LENGTH_MAX
