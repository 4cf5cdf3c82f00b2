"""Gathering a batch: full by count, bytes or time, and never over a cut."""

from dataclasses import replace

import pytest

from event_issuer.delivery.gathering import Gathering
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.time import SECOND_US
from event_issuer.eventlog.protocol import LogRecord
from tests.delivery.world import SETTINGS, STARTED_AT

NOW = STARTED_AT


def record(offset: int, *, recorded_at: int = NOW) -> LogRecord:
    return LogRecord(1, offset, recorded_at, None, CloudEvent({}, None))


def gathering(**settings: int | float) -> Gathering:
    return Gathering(replace(SETTINGS, **{f"batch_{name}": value for name, value in settings.items()}))  # type: ignore[arg-type]


def batches(gathering: Gathering, sizes: list[int], *, first: int = 0) -> list[list[int]]:
    """The offsets of the batches that events of these sizes make, the last one as far as it has come."""
    made: list[list[int]] = []
    for offset, size in enumerate(sizes, first):
        if not gathering.fits(record(offset), size):
            made.append([one.offset for one in gathering.take()])
        gathering.add(record(offset), size, NOW)
    return [*made, [one.offset for one in gathering.take()]]


def test_a_batch_has_so_many_events_at_most() -> None:
    assert batches(gathering(events_max=2), [1] * 5) == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([511, 511, 1], [[0, 1], [2]]),  # with brackets and commas 1,024 bytes: as many as there may be
        ([511, 512, 1], [[0], [1, 2]]),
        ([2000, 10, 10], [[0], [1, 2]]),  # too large for any batch: alone
        ([10, 2000, 10], [[0], [1], [2]]),
    ],
)
def test_a_body_has_so_many_bytes_at_most(sizes: list[int], expected: list[list[int]]) -> None:
    assert batches(gathering(bytes_max=1024), sizes) == expected


@pytest.mark.parametrize(("recorded_at", "waits_s"), [(NOW, 2), (NOW - SECOND_US, 1), (NOW + SECOND_US, 2)])
def test_it_waits_from_when_its_first_event_was_recorded(recorded_at: int, waits_s: int) -> None:
    """Whatever the clock of the process that recorded it says."""
    made = gathering(wait_max_s=2.0)
    assert not made.is_due(NOW + 10**9)
    made.add(record(0, recorded_at=recorded_at), 1, NOW)
    made.add(record(1), 1, NOW + SECOND_US)
    assert made.send_by == NOW + waits_s * SECOND_US
    assert [made.is_due(NOW + waits_s * SECOND_US + more) for more in (-1, 0)] == [False, True]
    made.clear()
    assert made.records == []
    assert made.send_by is None


def test_a_batch_that_was_cut_comes_in_halves_and_goes_with_nothing_else() -> None:
    made = gathering(events_max=8)
    made.cut([record(offset) for offset in range(5)])
    assert batches(made, [1] * 7) == [[0, 1, 2], [3, 4], [5, 6]]
    made.cut([record(offset) for offset in range(5)])
    made.cut([record(offset) for offset in range(3)])
    assert batches(made, [1] * 7) == [[0, 1], [2], [3, 4], [5, 6]]
    assert batches(made, [1] * 7, first=10) == [[10, 11, 12, 13, 14, 15, 16]]
