"""Counters that one process writes and another reads while both run: 64-bit words in a memory-mapped file.

Reading them costs the measured process nothing. Knows nothing of what is counted.
"""

import mmap
from pathlib import Path
from typing import Final

DONE: Final = 0  # requests, calls or rows, as its writer says
FAILED: Final = 1  # answers that were not what was asked for
HANDSHAKES: Final = 2  # OPTIONS requests, which are no deliveries
SAMPLED: Final = 3  # latencies that were ever written
SENT: Final = 4  # events in calls that were begun
_SAMPLES: Final = 8  # where the ring of latencies begins

SAMPLES_MAX: Final = 1 << 17  # two minutes at 1,000/s; a window is some seconds
_WORDS: Final = _SAMPLES + SAMPLES_MAX


class Counters:
    """`words[DONE] += 1` is the whole interface of the hot path. One writer, any number of readers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        with path.open("r+b") as file:
            file.truncate(_WORDS * 8)
            self.words = memoryview(mmap.mmap(file.fileno(), _WORDS * 8)).cast("Q")

    def sample(self, latency_us: int) -> None:
        count = self.words[SAMPLED]
        self.words[_SAMPLES + count % SAMPLES_MAX] = latency_us
        self.words[SAMPLED] = count + 1

    def samples(self, first: int, end: int) -> list[int]:
        """The latencies in microseconds from number `first` up to, but not with, `end`."""
        first = max(first, end - SAMPLES_MAX)
        return [self.words[_SAMPLES + number % SAMPLES_MAX] for number in range(first, end)]
