"""The batch that a lane is making: what is in it, whether more fits, and until when it may wait for more.

A batch that was refused is cut in two: from then on no batch reaches over the cut, so that the halves go one after the
other, and the guilty event stands alone in the end. Knows nothing of requests.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence

from event_issuer.domain.subscriptions import DeliverySettings
from event_issuer.domain.time import SECOND_US, Instant
from event_issuer.eventlog.protocol import LogRecord


class Gathering:
    """`send_by`: then it goes, whatever is in it. It is counted from when its first event was recorded: what has waited
    in the log already does not wait again, and a part of what was refused not at all."""

    def __init__(self, settings: DeliverySettings) -> None:
        self._settings = settings
        self.records: list[LogRecord] = []
        self.send_by: Instant | None = None
        self._body_bytes = 0
        self._cuts: list[int] = []  # offsets, each that of the first event behind a cut

    def fits(self, record: LogRecord, event_bytes: int) -> bool:
        """The first one always fits: an event larger than a batch may be goes alone."""
        if not self.records:
            return True
        return not (
            self.is_full
            or self._body_bytes + event_bytes + 1 > self._settings.batch_bytes_max
            or bisect_right(self._cuts, record.offset) > bisect_right(self._cuts, self.records[0].offset)
        )

    def add(self, record: LogRecord, event_bytes: int, now: Instant) -> None:
        if not self.records:
            is_part = bool(self._cuts) and record.offset < self._cuts[-1]
            wait_us = 0 if is_part else round(self._settings.batch_wait_max_s * SECOND_US)
            self.send_by = min(now, record.recorded_at) + wait_us  # the clock of who recorded it may be ahead
        self.records.append(record)
        self._body_bytes += event_bytes + 1  # a comma, or the brackets

    @property
    def is_full(self) -> bool:
        full = len(self.records) >= self._settings.batch_events_max
        return full or self._body_bytes >= self._settings.batch_bytes_max

    def is_due(self, now: Instant) -> bool:
        return self.send_by is not None and now >= self.send_by

    def take(self) -> Sequence[LogRecord]:
        """What has gathered; the next batch begins."""
        records = self.records
        del self._cuts[: bisect_right(self._cuts, records[0].offset)]
        self.clear()
        return records

    def clear(self) -> None:
        """It will be gathered again, from the log."""
        self.records, self.send_by, self._body_bytes = [], None, 0

    def cut(self, records: Sequence[LogRecord]) -> None:
        """These, two or more, are to be sent in halves, and not together with what follows them."""
        for offset in (records[(len(records) + 1) // 2].offset, records[-1].offset + 1):
            if offset not in self._cuts:
                insort(self._cuts, offset)
