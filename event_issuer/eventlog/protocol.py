"""What an event log is: the three verbs, and the records that travel through them.

An offset is a record's place in its partition. `append` answers only when the outcome is known and durable. Readers
get pages of parsed records that they share: a record is never changed after it was read, but for what is found out
about it once for a thousand lanes: `wire` is its HTTP form, `structured` that of structured mode, both rendered with
`deprecation`; `judged` says which schema versions it keeps and which filters it passes, `document` is its data, parsed
for filters.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol, TypeAlias

from event_issuer.domain.deprecation import Deprecation
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.http_binding import Wire
from event_issuer.domain.records import Appended, NewRecord
from event_issuer.domain.time import Instant
from event_issuer.domain.unreadable import Unreadable
from event_issuer.domain.verdicts import Verdict


class NotParsed(Enum):
    NOT_PARSED = "NOT_PARSED"


NOT_PARSED: Final = NotParsed.NOT_PARSED


@dataclass(slots=True)
class LogRecord:
    partition_id: int
    offset: int
    recorded_at: Instant
    schema_version: int | None
    event: CloudEvent
    wire: Wire | None = None
    deprecation: Deprecation | None = None
    judged: dict[int | str, bool] | None = None  # by versions that are pinned, and by filters in canonical form
    verdict: Verdict | None = None  # on an event that came by another way than the API
    document: object = field(default=NOT_PARSED, compare=False, repr=False)
    structured: Wire | None = field(default=None, compare=False, repr=False)
    origin: tuple[str, str] | None = None  # the recorded trace and span of its production, while it is in memory
    expunged_at: Instant | None = None  # since then it has no data, and is not delivered
    unreadable: Unreadable | None = None  # why it is no event: `event` stands in for it, and is never delivered


@dataclass(frozen=True, slots=True)
class Page:
    """Records in offset order, from the offset that was asked; `next_offset` is where the next page begins."""

    records: Sequence[LogRecord]
    next_offset: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a partition holds: offsets from `first` up to, but not with, `next`. Everything before `start` was trimmed;
    between `start` and `first` there may be what compaction has taken."""

    first: int
    next: int
    start: int = 0


RECORD_OVERHEAD_BYTES: Final = 1_000  # what a record weighs beside its texts: objects, rendered headers


def weight_bytes(event: CloudEvent) -> int:
    """The memory that an event takes, roughly: what queues and caches are bounded by."""
    return RECORD_OVERHEAD_BYTES + len(event.data or b"") + len("".join(event.attributes.values()))


HeadListener: TypeAlias = Callable[[int, int], None]
Outsider: TypeAlias = CloudEvent | Unreadable
Judge: TypeAlias = Callable[[int, Mapping[int, Outsider]], Awaitable[Mapping[int, Verdict]]]
"""Verdicts by offset, of what lies in one partition and nobody may have judged yet. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class TypeStorage:
    """What an event type asks of its log; None leaves a retention to the settings."""

    event_type: str
    partitions: int
    retention_s: int | None = None
    retention_bytes: int | None = None
    compacts: bool = False


Loop: TypeAlias = tuple[str, Callable[[], Awaitable[None]]]
"""Its name, and what runs for ever."""


class EventLog(Protocol):
    """Partitions are known by their id in our database, on every engine. One of the loops writes what is appended."""

    log_id: str
    can_expunge: bool
    keeps_itself: bool  # retention and compaction are its own affair

    def loops(self) -> Sequence[Loop]: ...

    async def step(self) -> int:
        """Writes one group of requests, as the loop does again and again; how many they were."""
        ...

    async def answers(self) -> None:
        """Raises Unavailable when the log cannot be read and written now."""
        ...

    async def prepare(self, storage: TypeStorage) -> int:
        """Makes room for an event type that is about to be; the number of partitions that it has there.

        Raises Unavailable, and Conflict where there can be no such room.
        """
        ...

    async def retain(self, storage: TypeStorage) -> None:
        """Keeps the events of a type as it says from now on. Raises Unavailable."""
        ...

    def partition_of(self, event: CloudEvent, partition_ids: Sequence[int]) -> int:
        """Where the event belongs, among the partitions of its type: those of one key share a partition."""
        ...

    async def append(self, records: Sequence[NewRecord]) -> Sequence[Appended]:
        """One outcome per record, in order.

        Raises LimitExceeded when too much is waiting already, and Unavailable when the log cannot write now: nothing
        was appended. OutcomeUnknown: it may have been, or a part of it. NotFound: there is no such partition.
        """
        ...

    async def read(self, partition_id: int, offset: int) -> Page:
        """The next page at `offset`; empty at the head. Positions that retention took are skipped.

        What this log has answered can be read at once; what another process appends, within a quarter of a second.
        Raises Unavailable, and NotFound for a partition that is not there.
        """
        ...

    async def bounds(self, partition_ids: Sequence[int]) -> dict[int, Bounds]:
        """Of those among the partitions that there are. Raises Unavailable."""
        ...

    def known_head(self, partition_id: int) -> int | None:
        """The next offset as it was last seen, without a look; None where nobody has asked yet."""
        ...

    async def notice(self, partition_ids: Sequence[int]) -> int:
        """Looks at these partitions' heads, which another process may have moved, and tells the listeners.

        The number of heads that have moved. Raises Unavailable.
        """
        ...

    async def note_heads(self, partition_ids: Sequence[int]) -> None:
        """Brings what the database says of these heads up to now. Raises Unavailable."""
        ...

    def reload(self, partition_id: int) -> None:
        """Something has become of events of this partition: what is in memory does not know."""
        ...

    async def offset_at(self, partition_id: int, instant: Instant) -> int:
        """The first offset recorded at or after `instant`; the head when there is none."""
        ...

    async def remembered(self, identities: Sequence[bytes]) -> list[tuple[Instant, int, int]]:
        """When and where events of these identities were recorded, as far as they are remembered for deduplication:
        instants, partition ids and offsets."""
        ...

    async def trim(self, partition_id: int, before_offset: int) -> int:
        """Removes records below `before_offset`, in bounded batches; the number removed."""
        ...

    def watch(self, listener: HeadListener) -> None:
        """Calls `listener(partition_id, next_offset)` in this event loop whenever a head is seen to move."""
        ...
