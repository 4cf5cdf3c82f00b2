"""The sender's timings of an attempt as they are stored. Called once per attempt, so the usual case comes first."""

from event_issuer.domain.time import SECOND_US
from event_issuer.domain.timings import AttemptTimings, written_kept
from event_issuer.egress.messages import Timings


def timings_text(timings: Timings | None) -> str | None:
    if timings is None:
        return None
    opening = timings.opening
    if opening is None:
        return written_kept(_us(timings.first_byte_s))
    return AttemptTimings(_us(timings.first_byte_s), *map(_us, opening)).written()


def _us(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * SECOND_US)
