"""What a lane has read and not yet taken: one page of its partition, turned when it is at its end.

Knows nothing of keys, limits or requests.
"""

from collections.abc import Callable, Sequence

from event_issuer.delivery.reading import PartitionReader
from event_issuer.domain.cursor import Cursor
from event_issuer.eventlog.protocol import LogRecord


class Intake:
    """`offset` is that of the next record to be taken. Offsets that the log no longer has are settled in passing;
    `on_pass` hears of the cursor having moved so. `is_overtaken`: retention took events that were not
    settled, and the lane has lost its position."""

    def __init__(self, reader: PartitionReader, cursor: Cursor, on_pass: Callable[[], None]) -> None:
        self._reader, self._cursor, self._on_pass = reader, cursor, on_pass
        self.offset = cursor.next_offset
        self._page: Sequence[LogRecord] = ()
        self._index = 0
        self._page_end = self.offset
        self.is_overtaken = False

    def has_next(self) -> bool:
        """Whether there is more on the page in hand."""
        return self._index < len(self._page)

    def peek(self) -> LogRecord:
        """The next record of the page in hand, which stays to be taken."""
        return self._page[self._index]

    def take(self) -> LogRecord:
        """The next record of the page in hand."""
        record = self._page[self._index]
        self._index += 1
        if record.offset > self.offset:
            self._cursor.settle_range(self.offset, record.offset)
        self.offset = record.offset + 1
        return record

    async def turn(self) -> bool:
        """Reads the next page; False at the head."""
        if self._page_end > self.offset:
            self._cursor.settle_range(self.offset, self._page_end)
            self._on_pass()
            self.offset = self._page_end
        page = await self._reader.read(self.offset)
        if await self._reader.is_overtaken(page, self.offset, self._cursor):
            self.is_overtaken = True
            return False
        self._page, self._index, self._page_end = page.records, 0, page.next_offset
        return bool(page.records) or page.next_offset > self.offset

    def rewind(self) -> None:
        """Begins again at the lowest unsettled offset."""
        self.offset = self._page_end = self._cursor.next_offset
        self._page, self._index = (), 0
