"""Filters on records of the log: equal ones are evaluated once per record, and data are parsed once, for all who ask.

What was found stays on the record while the page cache keeps it. Knows no lanes and no callers.
"""

from collections import deque
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

from event_issuer.domain.filter_clauses import json_data
from event_issuer.domain.filters import Filter
from event_issuer.domain.json_pointers import NOTHING
from event_issuer.eventlog.protocol import NOT_PARSED, LogRecord, weight_bytes

JUDGED_MAX: Final = 32  # verdicts kept of one record, some 100 bytes each; a further filter is evaluated each time
PARSED_BYTES_MAX: Final = 8 * 1024 * 1024  # of events whose data are kept parsed, which takes some 5 times as much


class RecordFilter:
    """One filter for all who have an equal one; made by `FilterTable.shared`."""

    def __init__(self, filter_: Filter, documents: "Documents") -> None:
        self.canonical = filter_.canonical
        self.needs_data = filter_.clause.needs_data
        self.is_heavy = self.needs_data or filter_.has_expressions
        self.is_shared = False  # whether anybody else ever had it: else there is no use in keeping verdicts
        self.evaluations = 0
        self._test, self._documents = filter_.clause.passes, documents

    def passes(self, record: LogRecord) -> bool:
        if not self.is_shared:
            return self._evaluate(record)
        judged = record.judged
        if judged is None:
            judged = record.judged = {}
        taken = judged.get(self.canonical)
        if taken is None:
            taken = self._evaluate(record)
            if len(judged) < JUDGED_MAX:
                judged[self.canonical] = taken
        return taken

    def _evaluate(self, record: LogRecord) -> bool:
        self.evaluations += 1
        if self.needs_data:
            return self._test(record.event.attributes, partial(self._documents.of, record))
        return self._test(record.event.attributes, _no_document)


class FilterTable:
    """The filters in use in this process, by their canonical text."""

    def __init__(self) -> None:
        self.documents = Documents()
        self._filters: WeakValueDictionary[str, RecordFilter] = WeakValueDictionary()

    def shared(self, filter_: Filter) -> RecordFilter:
        """The one that everybody with an equal filter has; it goes when nobody has it any more."""
        found = self._filters.get(filter_.canonical)
        if found is None:
            found = self._filters[filter_.canonical] = RecordFilter(filter_, self.documents)
        else:
            found.is_shared = True
        return found


class Documents:
    """Parsed data, kept on their records: bounded, the oldest are let go first."""

    def __init__(self, bytes_max: int = PARSED_BYTES_MAX) -> None:
        self.parses = 0
        self._bytes_max, self._bytes = bytes_max, 0
        self._kept: deque[LogRecord] = deque()

    def of(self, record: LogRecord) -> object:
        """The record's data; `NOTHING` where they are not JSON."""
        if record.document is not NOT_PARSED:
            return record.document
        document = record.document = json_data(record.event)
        if document is NOTHING:
            return document
        self.parses += 1
        self._kept.append(record)
        self._bytes += weight_bytes(record.event)
        while self._bytes > self._bytes_max:
            oldest = self._kept.popleft()
            self._bytes -= weight_bytes(oldest.event)
            oldest.document = NOT_PARSED
        return document


def _no_document() -> object:
    return NOTHING
