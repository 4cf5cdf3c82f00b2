"""W3C Trace Context: `traceparent` and `tracestate` as they come in, and as they go on to the next hop.

Source: Trace Context level 1, with the flag that level 2 adds (random trace id). CloudEvents carries both texts in
attributes of the same names (distributed tracing extension 1.0.2). What is not well formed is as if it were not there,
as §4.3 asks. Knows nothing of spans, and makes up no id.
"""

import re
from dataclasses import dataclass
from typing import Final

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
SAMPLED: Final = 0x01  # §3.2.2.5.1: whoever sent it may have recorded it
_KNOWN_FLAGS: Final = 0x03  # level 2 §3.2.2.5.2: 0x02 says that the trace id is random; further bits go on as 0

STATE_LENGTH_MAX: Final = 2_048  # §3.3.1.5 asks for 512 at least; an attribute of an event has no more than this
_MEMBERS_MAX: Final = 32  # §3.3.1.1
_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# §3.3.1.3: a key, or a tenant and a system; a value of printable ASCII without comma and equals sign, not ending blank.
_MEMBER: Final = re.compile(
    r"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Ids in lower-case hexadecimal. `parent_id` is the span that asked; None where the trace begins here."""

    trace_id: str
    parent_id: str | None = None
    flags: int = SAMPLED
    state: str = ""


def read_trace(traceparent: str | None, tracestate: str | None = None) -> TraceContext | None:
    """None where the trace cannot be continued; a `tracestate` that is not well formed is left out (§3.3.1)."""
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if match is None:
        return None
    version, trace_id, parent_id, flags, more = match.groups()
    # §3.2.2.1 and §4.3: ff is no version, and only a later version than 00 may have more behind the flags.
    if version == "ff" or (version == "00" and more is not None):
        return None
    if not trace_id.strip("0") or not parent_id.strip("0"):
        return None
    state = tracestate if tracestate is not None and _is_state(tracestate) else ""
    return TraceContext(trace_id, parent_id, int(flags, 16) & _KNOWN_FLAGS, state)


def _is_state(text: str) -> bool:
    members = [member.strip(" \t") for member in text.split(",")]
    filled = [member for member in members if member]
    if len(text) > STATE_LENGTH_MAX or len(filled) > _MEMBERS_MAX:
        return False
    keys = {member.partition("=")[0] for member in filled}
    return len(keys) == len(filled) > 0 and all(_MEMBER.fullmatch(member) for member in filled)
