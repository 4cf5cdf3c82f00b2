"""What the terminal shows: one aligned line per happening, eighty columns wide, and a summary.

Every function returns lines; none prints. Colours and signs come from a `Style`, so that a pipe, a file or a terminal
without Unicode get plain text. What strangers wrote is shown without its control characters.
"""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final, Protocol

from event_issuer.demo.client import Result
from event_issuer.demo.tally import Delivery, Tally
from event_issuer.demo.traffic import Entry

_COLOURS: Final = {"green": "32", "red": "31", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}
_TYPE_WIDTH: Final = len("track-possession-changed")
_KEY_WIDTH: Final = len("TP-2026-4117")
_SUBJECT_WIDTH: Final = len("SV-ASR")
WIDTH: Final = 80
_INDENT: Final = " " * 16
_MESSAGE_WIDTH: Final = 160  # two lines of a terminal


class Terminal(Protocol):
    """What `style_of` needs to know of a stream."""

    @property
    def encoding(self) -> str: ...

    def isatty(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Style:
    has_colours: bool = False
    encoding: str = "utf-8"

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self.has_colours else text

    def sign(self, fine: str, plain: str) -> str:
        """`fine` where the terminal can show it."""
        return fine if self.text(fine) == fine else plain

    def text(self, text: str, width: int = 0) -> str:
        """The text as this terminal can show it, cut (when too long) or filled up to `width`, if there is one."""
        shown = "".join(sign if sign.isprintable() else "?" for sign in text)
        shown = shown.encode(self.encoding, "replace").decode(self.encoding)
        return shown if width == 0 else shown[:width].ljust(width)


def style_of(stream: Terminal, environ: Mapping[str, str]) -> Style:
    """Colours only on a terminal, and not when NO_COLOR is set to anything (no-color.org)."""
    is_plain = environ.get("NO_COLOR") or environ.get("TERM") == "dumb" or not stream.isatty()
    return Style(not is_plain, stream.encoding or "ascii")


def opening(style: Style) -> list[str]:
    title = "Half an hour on a railway line, from a GraphQL mutation to a signed webhook"
    return [style.paint(title, "bold"), ""]


def step(style: Style, name: str, text: str) -> str:
    """Something that was set up."""
    return f"{style.paint(f'{name:13}', 'dim')} {style.text(text)}"


def heading(style: Style) -> str:
    """Over the columns of the happenings."""
    cells = ["outcome".ljust(10), "line", "event type".ljust(_TYPE_WIDTH), "key".ljust(_KEY_WIDTH), "subject"]
    return style.paint(" ".join(cells), "dim")


def answered(style: Style, entry: Entry, result: Result) -> list[str]:
    """The answer to one produced event, with what was wrong with it."""
    match result.status:
        case "PERSISTED":
            return [_happening(style, "+", "✓", "accepted", "green", entry)]
        case "DUPLICATE":
            return [_happening(style, "=", "=", "duplicate", "yellow", entry, "stored once")]
        case "REJECTED":
            head = _happening(style, "x", "✗", "refused", "red", entry, result.code or "")
            return [head, *_reasons(style, result)]
    name = result.status.lower().partition("_")[0]
    return [_happening(style, "?", "?", name, "red", entry, result.code or ""), *_reasons(style, result)]


def delivered(style: Style, delivery: Delivery) -> str:
    received = delivery.received
    name = "repeated" if delivery.is_repeat else "delivered"
    note = _SIGNATURES[received.is_signed]
    if received.is_signed is False:
        note = style.paint(note, "red")
    elif delivery.latency_s is not None:
        note += f" {delivery.latency_s * 1000:3.0f} ms"
    source = received if delivery.entry is None else delivery.entry
    return _happening(style, ">", "→", name, "cyan", source, note)


_SIGNATURES: Final = {True: "signature ok", False: "BAD SIGNATURE", None: "not checked"}


class _Attributes(Protocol):
    def attribute(self, name: str) -> str: ...


def _happening(style: Style, plain: str, fine: str, name: str, colour: str, event: _Attributes, note: str = "") -> str:
    line = str(event.line) if isinstance(event, Entry) else ""
    cells = [
        style.paint(f"{style.sign(fine, plain)} {name:9}", colour),
        f"{line:>3}",
        style.text(short_type(event.attribute("type")), _TYPE_WIDTH),
        style.text(event.attribute("partitionkey"), _KEY_WIDTH),
        style.text(event.attribute("subject"), _SUBJECT_WIDTH),
        note,
    ]
    return " ".join(cells).rstrip()


def _reasons(style: Style, result: Result) -> list[str]:
    if not result.violations:
        return wrap(
            style.text(result.detail[:_MESSAGE_WIDTH]), WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT
        )
    path_width = max(len(_place(violation.path)) for violation in result.violations)
    rule_width = max(len(violation.rule) for violation in result.violations)
    return [
        f"{_INDENT}{style.text(_place(violation.path), path_width)}  {style.text(violation.rule, rule_width)}  "
        f"{style.text(violation.message[:_MESSAGE_WIDTH])}"
        for violation in result.violations
    ]


def _place(path: str) -> str:
    return path or "(data)"


def short_type(name: str) -> str:
    """The telling segment of an event type's name: train-arrived of cloud.open.operational.train-arrived.v1."""
    segments = name.split(".")
    return segments[-2] if len(segments) > 1 else name


_COLUMNS: Final = ("sent", "accepted", "duplicate", "refused", "delivered")


def summary(style: Style, tally: Tally) -> list[str]:
    """A table by event type, the latencies, and the verdict."""
    counts = tally.counts()
    total = sum(counts.values(), Counter())
    head = f"{'':{_TYPE_WIDTH}}" + "".join(f"{column:>11}" for column in _COLUMNS)
    rows = [_row(style.text(short_type(name), _TYPE_WIDTH), counts[name]) for name in sorted(counts)]
    table = [style.paint(head, "dim"), *rows, style.paint(_row(f"{'all':{_TYPE_WIDTH}}", total), "bold")]
    return ["", *table, "", *_latency(tally.latencies_s()), *_verdict(style, tally.verdict()), ""]


def _row(name: str, counter: Counter[str]) -> str:
    return name + "".join(f"{counter[column]:>11}" for column in _COLUMNS)


def _latency(latencies_s: Sequence[float]) -> list[str]:
    if not latencies_s:
        return []
    least, middle, most = (
        round(seconds * 1000) for seconds in (latencies_s[0], statistics.median(latencies_s), latencies_s[-1])
    )
    return [f"From the mutation to the signed webhook: {least} ms at best, {middle} ms median, {most} ms at most."]


def _verdict(style: Style, complaints: Sequence[str]) -> list[str]:
    if not complaints:
        fine = "Each accepted event was delivered, signed and in order; each refusal was the expected one."
        return [style.paint(fine, "green")]
    return [style.paint("Not as expected:", "red"), *(f"  {style.text(complaint)}" for complaint in complaints)]


def failure(style: Style, message: str) -> list[str]:
    """Why the demo could not go on."""
    head = style.paint("The demo cannot go on:", "red")
    return ["", head, *(f"  {style.text(line)}" for line in message.splitlines())]


def invitation(style: Style, url: str, api_key: str, hook: str, mutation: str) -> list[str]:
    """Where to go on: the GraphiQL page, the key, and something to paste."""
    return [
        style.paint("Your turn. The issuer goes on until Ctrl-C:", "bold"),
        "",
        f"  GraphiQL  {style.paint(url, 'cyan')}",
        f"  API key   {api_key}   (in the header X-API-Key)",
        "",
        "Produce an event in GraphiQL and watch its delivery here:",
        "",
        *(f"  {style.text(line)}" for line in mutation.splitlines()),
        "",
        "Or in another terminal; the README goes on from here:",
        "",
        f"  URL={url} KEY={api_key} HOOK={hook}",
        """  curl -s $URL -H "X-API-Key: $KEY" -H 'Content-Type: application/json' \\""",
        """    -d '{"query": "{ webhookSubscriptions { edges { node { url status lag { events } } } } }"}'""",
        "",
    ]
