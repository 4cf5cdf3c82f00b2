"""Roles: what a process of the program does, and which loops it runs for that. Knows no loop but its name."""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """The command that starts such a process."""

    SERVE = "serve"  # both of the others in one
    API = "api"
    DELIVER = "deliver"

    @property
    def has_faces(self) -> bool:
        return self is not Role.DELIVER

    @property
    def delivers(self) -> bool:
        return self is not Role.API


_FACES: Final = frozenset({Role.SERVE, Role.API})
_DELIVERY: Final = frozenset({Role.SERVE, Role.DELIVER})

# The table in docs/operations.md. Those of `HOUSEKEEPING` run in one process at a time: the oldest that delivers.
LOOPS: Final = {
    "changes": _FACES | _DELIVERY,  # hears what other processes have changed
    "log": _FACES,  # writes what is produced
    "backbone": _FACES | _DELIVERY,  # sees whether Kafka answers, and tells the database of its heads
    "heads": _DELIVERY,  # sees what other processes have produced
    "deprecations": _DELIVERY,
    "engine": _DELIVERY,
    "handshakes": _DELIVERY,
    "test events": _DELIVERY,
    "replays": _DELIVERY,
    "upkeep": _DELIVERY,
    "retention": _DELIVERY,
    "compaction": _DELIVERY,
}
HOUSEKEEPING: Final = frozenset({"replays", "upkeep", "retention", "compaction"})
