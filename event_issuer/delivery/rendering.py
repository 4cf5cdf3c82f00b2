"""The HTTP forms of an event, each rendered once for all lanes that send it, and kept on its record.

Binary mode sends the data as they are, so its form costs a record little more than its headers. The structured form
repeats the data: such forms are kept up to a number of bytes, the oldest are let go first. Knows no subscriptions.
"""

from collections import deque
from typing import Final

from event_issuer.domain.deprecation import Deprecation
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.http_binding import Wire, outgoing, structured
from event_issuer.eventlog.protocol import LogRecord

# Lanes near each other share a form within moments; those far behind the head render what they send themselves.
STRUCTURED_BYTES_MAX: Final = 8 * 1024 * 1024


def render(record: LogRecord, deprecation: Deprecation | None) -> Wire:
    """The form of binary mode."""
    _make_current(record, deprecation)
    wire = record.wire = outgoing(record.event if deprecation is None else deprecation.told_by(record.event))
    return wire


class StructuredForms:
    def __init__(self, bytes_max: int = STRUCTURED_BYTES_MAX) -> None:
        self.renderings = 0
        self._bytes_max, self._bytes = bytes_max, 0
        self._kept: deque[tuple[LogRecord, int]] = deque()

    def of(self, record: LogRecord, deprecation: Deprecation | None) -> Wire:
        _make_current(record, deprecation)
        wire = record.structured
        if wire is None:
            told = record.event if deprecation is None else deprecation.told_by(record.event)
            # In order of their names, as the log that is read anew has them: the same bytes before a restart and after.
            ordered = CloudEvent(dict(sorted(told.attributes.items())), told.data)
            wire = record.structured = structured(ordered)
            self.renderings += 1
            self._keep(record, len(wire.body))
        return wire

    def _keep(self, record: LogRecord, body_bytes: int) -> None:
        self._kept.append((record, body_bytes))
        self._bytes += body_bytes
        while self._bytes > self._bytes_max:
            oldest, oldest_bytes = self._kept.popleft()
            oldest.structured = None
            self._bytes -= oldest_bytes


def _make_current(record: LogRecord, deprecation: Deprecation | None) -> None:
    """Forgets the forms that say something else of the event's type than is true by now."""
    if record.deprecation is not deprecation:
        record.wire = record.structured = None
        record.deprecation = deprecation
