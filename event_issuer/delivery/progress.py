"""What a lane has in memory of one event. Asked by people, so it may look through what the lane holds; it costs the
lane nothing otherwise."""

from collections.abc import Iterable

from event_issuer.delivery.parked import ParkedEvents
from event_issuer.domain.cursor import Cursor
from event_issuer.domain.explaining import Progress


def progress_of(
    offset: int, cursor: Cursor, parked: ParkedEvents, read_offset: int, waiting: Iterable[int]
) -> Progress:
    """`cursor` is the lane's own, which is ahead of what is written down; `waiting` are offsets that were read and have
    not been sent."""
    if parked.holds(offset):
        return Progress.REQUEST if parked.is_taken(offset) else Progress.NONE
    if offset >= read_offset:
        return Progress.NONE
    if cursor.is_settled(offset):
        return Progress.ENDED
    return Progress.NONE if offset in set(waiting) else Progress.REQUEST
