"""What becomes of an event that reached the log from outside the API and breaks its contract. Knows no log, no store.

The verdict on a position is taken once. Where there is none, the event is delivered like any other.
"""

from enum import StrEnum
from typing import NamedTuple


class ValidationMode(StrEnum):
    """How an event type has such events treated."""

    ENFORCED = "ENFORCED"
    QUARANTINE = "QUARANTINE"
    OFF = "OFF"  # they are not judged


class Standing(StrEnum):
    HELD = "HELD"  # it waits in quarantine for somebody's decision
    DEAD_LETTERED = "DEAD_LETTERED"  # its event type enforces the contract: it is never delivered
    RELEASED = "RELEASED"
    DISCARDED = "DISCARDED"


class Verdict(NamedTuple):
    """`lanes_served`: lanes with an id up to this one were offered a released event when it was released, as a parked
    one, and pass it over in the log; later ones find it there."""

    standing: Standing
    lanes_served: int = 0

    @property
    def is_withheld(self) -> bool:
        return self.standing is not Standing.RELEASED

    def is_withheld_from(self, lane_id: int) -> bool:
        return self.is_withheld or lane_id <= self.lanes_served
