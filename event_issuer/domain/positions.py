"""Positions in the log as callers hold them: one event's id, and cursors to read on from.

Both carry the log's id, so that those of another log (a restored database, a recreated topic) are refused rather
than misread. Both are opaque and versioned: base64url of JSON. Knows no store.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from event_issuer.domain.errors import BadInput

VERSION: Final = 1
CURSOR_LENGTH_MAX: Final = 64 * 1024  # some thousand partitions
OFFSET_MAX: Final = 2**62


@dataclass(frozen=True, slots=True)
class LogCursor:
    """`offsets[event type][partition number]` is the next offset to read."""

    log_id: str
    offsets: Mapping[str, Mapping[int, int]]

    def encode(self) -> str:
        offsets = {name: {str(number): offset for number, offset in of.items()} for name, of in self.offsets.items()}
        text = json.dumps([VERSION, self.log_id, offsets], separators=(",", ":"), ensure_ascii=False)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parse_cursor(text: str, log_id: str) -> LogCursor:
    """Raises BadInput for what is no cursor, of a version we do not know, or of another log."""
    if len(text) > CURSOR_LENGTH_MAX:
        raise BadInput(f"A cursor has at most {CURSOR_LENGTH_MAX} characters, not {len(text)}.")
    try:
        padded = text + "=" * (-len(text) % 4)
        version, its_log, offsets = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        parsed = {str(name): {int(number): _offset(at) for number, at in of.items()} for name, of in offsets.items()}
    except (binascii.Error, ValueError, TypeError, AttributeError, RecursionError):
        raise BadInput(f"{text[:80]!r} is no cursor of the log; take one from an earlier answer.") from None
    if version != VERSION:
        raise BadInput(f"The cursor is of version {str(version)[:20]}; this server reads version {VERSION}.")
    if its_log != log_id:
        raise BadInput("The cursor is of another log; start from EARLIEST, LATEST or a time instead.")
    return LogCursor(log_id, parsed)


def _offset(value: object) -> int:
    if type(value) is int and 0 <= value <= OFFSET_MAX:
        return value
    raise ValueError(value)
