"""A histogram that takes many values at a time: the client library's own takes one, with a lock, at ten times the cost.

Values are integers (microseconds, records), so that sums do not drift; `scale` turns them into the unit that is shown.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class Histogram(Collector):
    """`bounds` are in the unit that is shown, ascending. To be used from one thread."""

    def __init__(
        self, registry: CollectorRegistry, name: str, documentation: str, bounds: Sequence[float], *, scale: int = 1
    ) -> None:
        self._name, self._documentation, self._scale = name, documentation, scale
        self._labels = [*(str(float(bound)) for bound in bounds), "+Inf"]
        self._index_of = partial(bisect_left, [round(bound * scale) for bound in bounds])
        self._counts = [0] * len(self._labels)
        self._sum = 0
        registry.register(self)

    def observe(self, value: int) -> None:
        self._counts[self._index_of(value)] += 1
        self._sum += value

    def observe_all(self, values: Sequence[int]) -> None:
        for index, count in Counter(map(self._index_of, values)).items():
            self._counts[index] += count
        self._sum += sum(values)

    def describe(self) -> Iterable[HistogramMetricFamily]:
        return [HistogramMetricFamily(self._name, self._documentation)]

    def collect(self) -> Iterator[HistogramMetricFamily]:
        buckets = list(zip(self._labels, accumulate(self._counts), strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets, self._sum / self._scale)
