"""Gauges that are read when somebody asks: how things stand with a part, in the part's own words.

A part gives a function that looks; it is called once per scrape, in the event loop. Knows nothing of the parts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from event_issuer.telemetry.labels import OTHER

STATES_MAX: Final = 20  # values of one label; what is beyond is counted together

logger = structlog.get_logger(__name__)


class Standing(Collector):
    """Several gauges that one look fills: `gauges` maps their names to what they mean, `read` gives their values."""

    def __init__(
        self, registry: CollectorRegistry, gauges: Mapping[str, str], read: Callable[[], Mapping[str, float]]
    ) -> None:
        self._gauges, self._read = dict(gauges), read
        registry.register(self)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return [GaugeMetricFamily(name, documentation) for name, documentation in self._gauges.items()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        values = _looked(self._read, next(iter(self._gauges)))
        for name, documentation in self._gauges.items():
            if name in values:
                yield GaugeMetricFamily(name, documentation, value=values[name])


class ByState(Collector):
    """One gauge by one label: `read` gives its values by those of the label."""

    def __init__(
        self,
        registry: CollectorRegistry,
        name: str,
        documentation: str,
        label: str,
        read: Callable[[], Mapping[str, float]],
    ) -> None:
        self._name, self._documentation, self._label, self._read = name, documentation, label, read
        registry.register(self)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return [GaugeMetricFamily(self._name, self._documentation, labels=[self._label])]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        values = list(_looked(self._read, self._name).items())
        family = GaugeMetricFamily(self._name, self._documentation, labels=[self._label])
        for state, value in values[:STATES_MAX]:
            family.add_metric([state], value)
        if len(values) > STATES_MAX:
            family.add_metric([OTHER], sum(value for _, value in values[STATES_MAX:]))
        yield family


def _looked(read: Callable[[], Mapping[str, float]], name: str) -> Mapping[str, float]:
    """A look that fails leaves its own gauges out, not the whole scrape."""
    try:
        return read()
    except Exception:
        logger.exception("a gauge could not be read", gauge=name)
        return {}
