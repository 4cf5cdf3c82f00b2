"""The tally: what it counts, and everything that it must complain about."""

from collections import Counter

import pytest

from event_issuer.demo.client import Result, Violation
from event_issuer.demo.tally import COMPLAINTS_MAX, Tally
from event_issuer.demo.traffic import Outcome
from tests.demo.happenings import TYPE, entry, received

ACCEPTED = Result("PERSISTED")
CONFLICT = Result("REJECTED", "CONFLICT", "Another event has the id.")
EXPECTED_CONFLICT = Outcome("REJECTED", "CONFLICT")


def test_a_run_that_goes_as_expected_has_no_complaints() -> None:
    broken = Outcome("REJECTED", "CONTRACT_BROKEN", (("", "required"), ("/b", "type")))
    lines = [entry(1), entry(2, expected=broken), entry(3, expected=Outcome("DUPLICATE")), entry(4)]
    tally = Tally(lines)
    was_complete = [tally.is_complete]
    tally.sent(lines, at_s=10.0)
    violations = (Violation("/b", "type", "wrong"), Violation("", "required", "missing"))
    for line, result in zip(
        lines,
        [ACCEPTED, Result("REJECTED", "CONTRACT_BROKEN", "x", violations), Result("DUPLICATE"), ACCEPTED],
        strict=True,
    ):
        tally.answered(line, result)
    was_complete.append(tally.is_complete)
    first = tally.delivered(received(lines[0], at_s=10.25))
    assert (first.entry, first.latency_s, first.is_repeat) == (lines[0], 0.25, False)
    was_complete.append(tally.is_complete)
    tally.delivered(received(lines[3], at_s=10.125))
    assert [*was_complete, tally.is_complete] == [False, False, False, True]
    assert tally.verdict() == []
    assert tally.latencies_s() == [0.125, 0.25]
    assert tally.counts() == {TYPE: Counter(sent=4, accepted=2, refused=1, duplicate=1, delivered=2)}


def test_counts_are_by_event_type() -> None:
    lines = [entry(1, type_="a.b.v1"), entry(2, type_="a.c.v1")]
    tally = Tally(lines)
    tally.sent(lines[:1], at_s=0.0)
    assert {name: dict(+counter) for name, counter in tally.counts().items()} == {"a.b.v1": {"sent": 1}, "a.c.v1": {}}


def test_a_repeated_delivery_is_no_complaint_and_counts_once() -> None:
    tally = accepted_lines(1)
    assert tally.delivered(received(entry(1), at_s=1.0)).is_repeat is False
    assert tally.delivered(received(entry(1), at_s=5.0)).is_repeat is True
    assert tally.verdict() == []
    assert tally.latencies_s() == [1.0]


def accepted_lines(*numbers: int) -> Tally:
    lines = [entry(number) for number in numbers]
    tally = Tally(lines)
    tally.sent(lines, at_s=0.0)
    for line in lines:
        tally.answered(line, ACCEPTED)
    return tally


def test_an_accepted_line_that_should_be_refused_is_a_complaint() -> None:
    tally = Tally([entry(1, expected=EXPECTED_CONFLICT)])
    tally.sent(tally.entries, at_s=0.0)
    tally.answered(tally.entries[0], ACCEPTED)
    tally.delivered(received(tally.entries[0]))
    assert tally.verdict() == ["Line 1 became PERSISTED, not REJECTED CONFLICT."]


@pytest.mark.parametrize(
    ("result", "named"),
    [
        (CONFLICT, "REJECTED CONFLICT"),
        (
            Result("REJECTED", "CONTRACT_BROKEN", "", (Violation("", "type", "x"),)),
            "REJECTED CONTRACT_BROKEN (data) type",
        ),
        (Result("POSSIBLY_PERSISTED", "UNAVAILABLE"), "POSSIBLY_PERSISTED UNAVAILABLE"),
    ],
)
def test_a_refused_line_that_should_be_accepted_is_a_complaint(result: Result, named: str) -> None:
    tally = Tally([entry(1)])
    tally.answered(tally.entries[0], result)
    assert tally.verdict() == [f"Line 1 became {named}, not PERSISTED."]


def test_the_wrong_violations_are_a_complaint() -> None:
    tally = Tally([entry(1, expected=Outcome("REJECTED", "CONTRACT_BROKEN", (("/a", "type"),)))])
    tally.answered(tally.entries[0], Result("REJECTED", "CONTRACT_BROKEN", "", (Violation("/a", "enum", "x"),)))
    assert tally.verdict() == ["Line 1 became REJECTED CONTRACT_BROKEN /a enum, not REJECTED CONTRACT_BROKEN /a type."]


def test_what_is_missing_is_a_complaint() -> None:
    tally = Tally([entry(1), entry(2)])
    tally.answered(tally.entries[0], ACCEPTED)
    assert tally.verdict() == ["Line 2 got no answer.", "Line 1 was accepted and not delivered."]


def test_a_bad_signature_is_a_complaint_and_no_delivery() -> None:
    tally = accepted_lines(1)
    tally.delivered(received(entry(1), is_signed=False))
    assert tally.verdict() == [
        "Line 1 was delivered without a good signature.",
        "Line 1 was accepted and not delivered.",
    ]


def test_a_delivery_to_somebody_else_is_not_ours() -> None:
    tally = accepted_lines(1)
    assert tally.delivered(received(entry(1), is_signed=None)).entry is None
    assert tally.complaints == []
    assert tally.verdict() == ["Line 1 was accepted and not delivered."]


def test_a_refused_or_changed_event_that_arrives_is_a_complaint() -> None:
    tally = accepted_lines(1)
    tally.answered(entry(2), CONFLICT)
    stranger = tally.delivered(received(entry(2)))
    changed = tally.delivered(received(entry(1), data={"line": 9}))
    assert (stranger.entry, stranger.latency_s, changed.entry) == (None, None, None)
    assert tally.complaints[1:] == [
        "Something that was never accepted was delivered: id-2.",
        "Something that was never accepted was delivered: id-1.",
    ]
    assert not tally.is_complete


def test_order_is_judged_per_event_type_and_key() -> None:
    lines = [entry(1), entry(2, key="706"), entry(3, type_="a.b.v1"), entry(4)]
    tally = Tally(lines)
    tally.sent(lines, at_s=0.0)
    for line in lines:
        tally.answered(line, ACCEPTED)
    for line in (lines[2], lines[3], lines[1], lines[0]):
        tally.delivered(received(line))
    assert tally.verdict() == ["Line 1 was delivered after line 4 of the same key."]


def test_complaints_are_bounded() -> None:
    tally = Tally([])
    for number in range(COMPLAINTS_MAX + 1):
        tally.delivered(received(entry(number)))
    assert len(tally.complaints) == len(tally.verdict()) == COMPLAINTS_MAX
