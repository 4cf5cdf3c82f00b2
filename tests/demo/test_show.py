"""What the terminal shows, to the letter."""

import io

import pytest

from event_issuer.demo import show
from event_issuer.demo.client import Result, Violation
from event_issuer.demo.receiver import Received
from event_issuer.demo.show import Style, style_of
from event_issuer.demo.tally import Delivery, Tally
from event_issuer.demo.traffic import Outcome
from tests.demo.happenings import entry, received

PLAIN = Style()
ASCII = Style(encoding="ascii")
COLOURED = Style(has_colours=True)
BROKEN = Result(
    "REJECTED",
    "CONTRACT_BROKEN",
    '"track" is a required property, at the document (and 1 more)',
    (Violation("/delaySeconds", "type", '"18" is not of type "integer"'), Violation("", "required", "no track")),
)


def test_what_was_set_up() -> None:
    assert show.opening(PLAIN) == ["Half an hour on a railway line, from a GraphQL mutation to a signed webhook", ""]
    assert show.step(PLAIN, "event type", "a.b.v1") == "event type    a.b.v1"
    assert show.step(COLOURED, "event type", "a.b.v1") == "\x1b[2mevent type   \x1b[0m a.b.v1"


def test_an_accepted_event() -> None:
    assert show.heading(PLAIN) == "outcome    line event type               key          subject"
    assert show.answered(PLAIN, entry(7), Result("PERSISTED")) == [
        "✓ accepted    7 train-arrived            807          OSL"
    ]


def test_a_duplicate() -> None:
    assert show.answered(PLAIN, entry(33), Result("DUPLICATE")) == [
        "= duplicate  33 train-arrived            807          OSL    stored once"
    ]


def test_a_refused_event_with_its_violations() -> None:
    assert show.answered(PLAIN, entry(12), BROKEN) == [
        "✗ refused    12 train-arrived            807          OSL    CONTRACT_BROKEN",
        '                /delaySeconds  type      "18" is not of type "integer"',
        "                (data)         required  no track",
    ]


def test_a_refused_event_without_violations_shows_the_reason() -> None:
    detail = "Another event of source '/traffic' has the id 'id-28'; an id is never given twice."
    assert show.answered(PLAIN, entry(28), Result("REJECTED", "CONFLICT", detail)) == [
        "✗ refused    28 train-arrived            807          OSL    CONFLICT",
        "                Another event of source '/traffic' has the id 'id-28'; an id is",
        "                never given twice.",
    ]


def test_an_unknown_outcome() -> None:
    assert show.answered(PLAIN, entry(1), Result("POSSIBLY_PERSISTED", "UNAVAILABLE", "No answer came.")) == [
        "? possibly    1 train-arrived            807          OSL    UNAVAILABLE",
        "                No answer came.",
    ]


@pytest.mark.parametrize(
    ("delivery", "line"),
    [
        (
            Delivery(received(entry(7)), entry(7), 0.0124),
            "→ delivered   7 train-arrived            807          OSL    signature ok  12 ms",
        ),
        (
            Delivery(received(entry(7)), entry(7), 1.5, is_repeat=True),
            "→ repeated    7 train-arrived            807          OSL    signature ok 1500 ms",
        ),
        (
            Delivery(received(entry(7), is_signed=False), entry(7), 0.0124),
            "→ delivered   7 train-arrived            807          OSL    BAD SIGNATURE",
        ),
        (
            Delivery(Received({"type": "a.b.hello.v1", "id": "1"}, {}, True, 0.0)),
            "→ delivered     hello                                        signature ok",
        ),
        (
            Delivery(Received({"type": "a.b.hello.v1", "id": "1"}, {}, None, 0.0)),
            "→ delivered     hello                                        not checked",
        ),
    ],
)
def test_a_delivery(delivery: Delivery, line: str) -> None:
    assert show.delivered(PLAIN, delivery) == line
    assert len(line) <= 81 - ("1500" not in line)


def test_a_terminal_without_unicode_gets_plain_signs() -> None:
    at_skoyen = entry(7, subject="SKØ")
    assert [
        *show.answered(ASCII, at_skoyen, Result("PERSISTED")),
        *show.answered(ASCII, at_skoyen, Result("DUPLICATE")),
        *show.answered(ASCII, at_skoyen, Result("REJECTED", "CONFLICT", "Ø")),
        show.delivered(ASCII, Delivery(received(at_skoyen), at_skoyen, 0.0124)),
    ] == [
        "+ accepted    7 train-arrived            807          SK?",
        "= duplicate   7 train-arrived            807          SK?    stored once",
        "x refused     7 train-arrived            807          SK?    CONFLICT",
        "                ?",
        "> delivered   7 train-arrived            807          SK?    signature ok  12 ms",
    ]


def test_colours_mark_the_kind_of_happening_only() -> None:
    (line,) = show.answered(COLOURED, entry(7), Result("PERSISTED"))
    assert line == "\x1b[32m✓ accepted \x1b[0m   7 train-arrived            807          OSL"


def test_what_strangers_wrote_cannot_steer_the_terminal() -> None:
    evil = Received({"type": "a.\x1b[2J.v1", "id": "1", "subject": "x" * 99}, {}, True, 0.0)
    assert show.delivered(COLOURED, Delivery(evil)).endswith(
        " ?[2J                                  xxxxxx signature ok"
    )
    head, *reasons = show.answered(PLAIN, entry(1), Result("REJECTED", "CONFLICT", "a\nb\x1b]0;c\x07" + "d" * 999))
    assert head.isprintable()
    assert [reason.strip() for reason in reasons] == ["a?b?]0;c?" + "d" * 55, "d" * 64, "d" * 32]


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "has_colours"),
    [
        ({}, True),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "vt"}, True),
    ],
)
def test_colours_need_a_terminal_and_leave(environ: dict[str, str], has_colours: bool) -> None:
    assert style_of(Terminal(io.BytesIO(), "ascii"), environ) == Style(has_colours, "ascii")
    assert style_of(io.TextIOWrapper(io.BytesIO(), "utf-8"), environ) == Style(False, "utf-8")


def test_the_summary_of_a_good_run() -> None:
    lines = [entry(1), entry(2, type_="a.b.train-departed.v1"), entry(3, expected=Outcome("DUPLICATE"))]
    tally = Tally(lines)
    tally.sent(lines, at_s=0.0)
    for line, status in zip(lines, ["PERSISTED", "PERSISTED", "DUPLICATE"], strict=True):
        tally.answered(line, Result(status))
    tally.delivered(received(lines[0], at_s=0.010))
    tally.delivered(received(lines[1], at_s=0.020))
    assert show.summary(PLAIN, tally) == [
        "",
        "                               sent   accepted  duplicate    refused  delivered",
        "train-departed                    1          1          0          0          1",
        "train-arrived                     2          1          1          0          1",
        "all                               3          2          1          0          2",
        "",
        "From the mutation to the signed webhook: 10 ms at best, 15 ms median, 20 ms at most.",
        "Each accepted event was delivered, signed and in order; each refusal was the expected one.",
        "",
    ]


def test_the_summary_of_a_bad_run() -> None:
    tally = Tally([entry(1)])
    assert show.summary(PLAIN, tally) == [
        "",
        "                               sent   accepted  duplicate    refused  delivered",
        "train-arrived                     0          0          0          0          0",
        "all                               0          0          0          0          0",
        "",
        "Not as expected:",
        "  Line 1 got no answer.",
        "",
    ]


def test_the_invitation_can_be_pasted() -> None:
    url, hook = "http://127.0.0.1:8000/graphql", "http://127.0.0.1:8001/unchecked"
    lines = show.invitation(PLAIN, url, "eik_abc", hook, "mutation {\n  a\n}")
    assert f"  GraphiQL  {url}" in lines
    assert f"  URL={url} KEY=eik_abc HOOK={hook}" in lines
    assert lines[lines.index("  mutation {") + 1] == "    a"


def test_a_failure_is_shown_line_by_line() -> None:
    assert show.failure(PLAIN, "SCHEMA_INVALID: none\n  /type enum: wrong") == [
        "",
        "The demo cannot go on:",
        "  SCHEMA_INVALID: none",
        "    /type enum: wrong",
    ]
