"""Instants: microseconds since the Unix epoch, as an int. The one form of time inside the house.

One integer serves both stores, sorts, subtracts and never meets a time zone. Faces turn it into RFC 3339. The clock
is passed in, so that tests own it; `system_clock` is the only place that asks the machine.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

Instant: TypeAlias = int
Clock: TypeAlias = Callable[[], Instant]

SECOND_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def system_clock() -> Instant:
    return time.time_ns() // 1000


def to_datetime(instant: Instant) -> datetime:
    return _EPOCH + timedelta(microseconds=instant)


def from_datetime(moment: datetime) -> Instant:
    """`moment` carries its offset; a naive one has no place in the house."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=64)  # one batch has hundreds of results, and few instants
def to_rfc3339(instant: Instant) -> str:
    return to_datetime(instant).isoformat(timespec="microseconds").replace("+00:00", "Z")
