"""An attempt's place in a trace: the trace of its event where that names one, else a trace of its own.

Source: CloudEvents distributed tracing extension 1.0.2 (the attributes say what the event's trace is, and stay as they
are), W3C Trace Context §3 (each hop has a span id of its own). Knows nothing of how a request is sent.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from event_issuer.domain.trace_context import SAMPLED, TRACEPARENT, TRACESTATE, read_trace
from event_issuer.eventlog.protocol import LogRecord
from event_issuer.telemetry.traces import Traces

# W3C Trace Context, level 1, §3.2.2; an id of zeros alone, which it forbids, does not come about in our time.
TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8
_TRACE_ID_DIGITS: Final = 2 * TRACE_ID_BYTES
_FLAGS: Final = ("00", "01", "02", "03")  # all that go on


class Hop(NamedTuple):
    """The ids of one attempt. `parent_id` is the span that the event came from, if it says so."""

    trace_id: str
    span_id: str
    parent_id: str | None = None
    flags: int = SAMPLED
    state: str = ""
    is_recorded: bool = False

    def header_lines(self) -> bytes:
        line = f"traceparent: 00-{self.trace_id}-{self.span_id}-{_FLAGS[self.flags]}\r\n"
        return (f"{line}tracestate: {self.state}\r\n" if self.state else line).encode()


def hop_of(record: LogRecord, ids: str, traces: Traces) -> Hop:
    """`ids` are fresh: a trace id and a span id, in hexadecimal.

    An attempt is recorded where its trace is sampled, or its event's production was. What is not recorded while others
    are says so in its flags; with traces off the flag says what it always does: that our history has the attempt.
    """
    trace_id, span_id = ids[:_TRACE_ID_DIGITS], ids[_TRACE_ID_DIGITS:]
    attributes = record.event.attributes
    told = attributes.get(TRACEPARENT)
    if told is None and not traces.is_on:  # most of all
        return Hop(trace_id, span_id)
    known = None if told is None else read_trace(told, attributes.get(TRACESTATE))
    if known is not None:
        trace_id = known.trace_id
    is_recorded = traces.is_on and (record.origin is not None or traces.samples(trace_id))
    if known is None:
        flags = SAMPLED if is_recorded or not traces.is_on else 0
        return Hop(trace_id, span_id, None, flags, "", is_recorded)
    flags = known.flags | SAMPLED if is_recorded else known.flags
    return Hop(trace_id, span_id, known.parent_id, flags, known.state, is_recorded)


def hop_of_batch(records: Sequence[LogRecord], ids: str, traces: Traces) -> Hop:
    """A batch has a trace of its own: its events may be of many traces, and each says its own in its attributes.

    It is recorded where its trace is sampled, or the production of one of its events was.
    """
    trace_id, span_id = ids[:_TRACE_ID_DIGITS], ids[_TRACE_ID_DIGITS:]
    if not traces.is_on:
        return Hop(trace_id, span_id)
    is_recorded = traces.samples(trace_id) or any(record.origin is not None for record in records)
    return Hop(trace_id, span_id, None, SAMPLED if is_recorded else 0, "", is_recorded)
