"""What follows when a lane's cursor stands where the log has nothing any more. Pure: a table of cases in a function.

A position is lost when retention has overtaken it, when it lies behind the end of the log (which was restored, or made
anew), and when it is of another log altogether. What compaction takes is not lost: a newer event says it better.
"""

from dataclasses import dataclass
from enum import StrEnum

from event_issuer.domain.cursor import Cursor


class OnPositionLost(StrEnum):
    """Where a subscription goes on (`delivery.onPositionLost`)."""

    EARLIEST = "EARLIEST"  # at the first event that the log has
    LATEST = "LATEST"  # behind the last one
    FAIL = "FAIL"  # nowhere, until its owner has decided


class LossKind(StrEnum):
    OVERTAKEN = "OVERTAKEN"
    BEYOND_HEAD = "BEYOND_HEAD"
    OTHER_LOG = "OTHER_LOG"


@dataclass(frozen=True, slots=True)
class LogExtent:
    """A partition as it is: before `start` everything was trimmed, `head` is the next offset to be given."""

    log_id: str
    start: int
    head: int


@dataclass(frozen=True, slots=True)
class PositionLoss:
    """`lost` events will never come; None where nobody can know. The lane goes on with `cursor`; None: it fails.

    `void_from`: parked events from this offset on are of a log that is no more; None: all are of this one.
    """

    kind: LossKind
    lost: int | None
    cursor: Cursor | None
    void_from: int | None = None


def position_loss(log_id: str | None, cursor: Cursor, extent: LogExtent, policy: OnPositionLost) -> PositionLoss | None:
    """None while the position is good. A lane that says no log (`log_id` None) is of this one."""
    if log_id is not None and log_id != extent.log_id:
        return PositionLoss(LossKind.OTHER_LOG, None, _anew(extent, policy), void_from=0)
    if cursor.next_offset > extent.head:
        lost = cursor.next_offset - extent.head
        return PositionLoss(LossKind.BEYOND_HEAD, lost, _anew(extent, policy), void_from=extent.head)
    trimmed = cursor.unsettled(cursor.next_offset, extent.start)
    if not trimmed:
        return None
    if policy is OnPositionLost.FAIL:
        return PositionLoss(LossKind.OVERTAKEN, trimmed, None)
    goal = extent.start if policy is OnPositionLost.EARLIEST else extent.head
    lost = cursor.unsettled(cursor.next_offset, goal)
    return PositionLoss(LossKind.OVERTAKEN, lost, _moved(cursor, goal))


def replay_loss(log_id: str | None, cursor: Cursor, end: int, extent: LogExtent) -> PositionLoss | None:
    """The same for a replay, which ends before `end`. Where retention has overtaken it, it goes on with the first event
    that is there. Another log, or one that ends before it does, has not what was asked for: it fails."""
    if log_id is not None and log_id != extent.log_id:
        return PositionLoss(LossKind.OTHER_LOG, None, None)
    if end > extent.head:
        return PositionLoss(LossKind.BEYOND_HEAD, end - extent.head, None)
    kept = LogExtent(extent.log_id, min(extent.start, end), extent.head)
    return position_loss(log_id, cursor, kept, OnPositionLost.EARLIEST)


def told_of_replay(loss: PositionLoss, replay: str, place: str, cursor: Cursor, extent: LogExtent) -> str:
    """The loss in words, for the subscription's errors. `replay` is its id, `place` names the partition."""
    match loss.kind:
        case LossKind.OVERTAKEN:
            what = (
                f"The log of {place} begins at offset {extent.start}, and replay {replay} stood at "
                f"{cursor.next_offset}: {loss.lost} events are lost to it. It goes on with the first event that is "
                "there."
            )
        case LossKind.BEYOND_HEAD:
            what = (
                f"The log of {place} ends at offset {extent.head}, {loss.lost} events before replay {replay} would "
                "end: it has failed."
            )
        case LossKind.OTHER_LOG:
            what = f"The log of {place} is another one than before, so replay {replay} has failed."
    return what


def told(loss: PositionLoss, place: str, cursor: Cursor, extent: LogExtent, policy: OnPositionLost) -> str:
    """The loss in words, for the subscription's errors. `place` names the partition."""
    match loss.kind:
        case LossKind.OVERTAKEN:
            what = (
                f"The log of {place} begins at offset {extent.start}, and the subscription stood at "
                f"{cursor.next_offset}: {loss.lost} events are lost to it."
            )
        case LossKind.BEYOND_HEAD:
            what = (
                f"The log of {place} ends at offset {extent.head}, and the subscription stood at "
                f"{cursor.next_offset}: the log has lost {loss.lost} events."
            )
        case LossKind.OTHER_LOG:
            what = f"The log of {place} is another one than before; how many events are lost is not known."
    return f"{what} {_NEXT[policy]}"


_NEXT = {
    OnPositionLost.EARLIEST: "It goes on with the first event that is there (onPositionLost: EARLIEST).",
    OnPositionLost.LATEST: "It goes on behind the last event that is there (onPositionLost: LATEST).",
    OnPositionLost.FAIL: "Set delivery.onPositionLost to EARLIEST or LATEST and verify it again; FAIL stops it here.",
}


def _anew(extent: LogExtent, policy: OnPositionLost) -> Cursor | None:
    if policy is OnPositionLost.FAIL:
        return None
    return Cursor(extent.start if policy is OnPositionLost.EARLIEST else extent.head)


def _moved(cursor: Cursor, goal: int) -> Cursor:
    """A copy that has settled everything before `goal`; what is settled above it stays so."""
    moved = Cursor.parse(cursor.next_offset, cursor.settled_above())
    moved.settle_range(moved.next_offset, goal)
    return moved
