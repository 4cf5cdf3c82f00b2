"""Whose turn it is: the first deliveries of a key, one at a time in log order. In memory, of one lane.

Knows nothing of events that failed.
"""

from collections import deque
from collections.abc import Sequence
from itertools import chain

from event_issuer.eventlog.protocol import LogRecord


class Turns:
    """`ready`: their turn has come, but there was no room."""

    def __init__(self) -> None:
        self.ready: deque[LogRecord] = deque()
        self._behind: dict[str, deque[LogRecord]] = {}  # key with a first delivery under way → who waits behind it

    def begin(self, key: str, record: LogRecord) -> bool:
        """Whether it is the record's turn; else it waits."""
        behind = self._behind.get(key)
        if behind is not None:
            behind.append(record)
            return False
        self._behind[key] = deque()
        return True

    def end(self, key: str) -> None:
        """The key's delivery has ended: the next one is ready."""
        behind = self._behind[key]
        if behind:
            self.ready.append(behind.popleft())
        else:
            del self._behind[key]

    def dissolve(self, key: str) -> Sequence[LogRecord]:
        """The key is blocked: those that waited."""
        return self._behind.pop(key)

    def waiting(self) -> list[int]:
        """The offsets of those that have not begun."""
        return [record.offset for record in chain(self.ready, *self._behind.values())]

    def clear(self) -> None:
        self.ready.clear()
        self._behind.clear()
