"""Replays: events delivered again, from one place in the log up to another. Their words and bounds. Pure rules."""

from enum import StrEnum
from typing import Final

from event_issuer.domain.global_ids import encode_id
from event_issuer.domain.subscriptions import PARKED_MAX


class ReplayStatus(StrEnum):
    COUNTING = "COUNTING"  # a dry run whose events are being counted
    COUNTED = "COUNTED"  # a dry run that has ended
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"  # every event of it is delivered, a dead letter, or filtered out
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"  # it cannot go on; the subscription's errors say why


OPEN: Final = frozenset({ReplayStatus.COUNTING, ReplayStatus.RUNNING})
OPEN_MAX: Final = 4  # of one subscription: each reads the log for itself, and all share one part of its requests
KEPT: Final = 100  # that have ended, of one subscription: for its owner to see what was done
IN_FLIGHT_PART: Final = 4  # replays have one of so many requests that may be under way, so that live events go first
PARKED_PART: Final = PARKED_MAX // 2  # with more parked events a replay reads no further: the rest is for live ones
ATTEMPT_KIND: Final = "REPLAY"
HEADER: Final = "webhook-replay"  # beside the same `webhook-id` as ever; `docs/replay.md` explains it


def global_id(replay_id: int) -> str:
    """The id of a replay as the API and its requests have it."""
    return encode_id("Replay", replay_id)


def header_line(replay_id: int) -> bytes:
    return f"{HEADER}: {global_id(replay_id)}\r\n".encode()
