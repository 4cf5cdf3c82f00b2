"""Metrics: what is counted and measured, in a registry of this issuer's own.

Every part counts per batch, not per event. The numbers begin at zero when the process starts; those of several
processes are added up by who reads them. No label has a value that a partner may choose, but for event types, which
are bounded. Knows nothing of HTTP.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Info, ProcessCollector, disable_created_metrics

from event_issuer.telemetry.histograms import Histogram
from event_issuer.telemetry.labels import OTHER, BoundedLabel
from event_issuer.telemetry.watching import ByState, Standing

EVENT_TYPES_MAX: Final = 100  # event types with numbers of their own; a dozen series each
US: Final = 1_000_000  # per second

# Seconds. From the log to the receiver: milliseconds when all is well, hours for what was tried again and again.
LATENCY_BOUNDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    *(60, 300, 1_800, 7_200, 21_600, 86_400),
)
DURATION_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
COMMIT_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
BATCH_BOUNDS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)

# A second series beside each counter, with the time of its first count: nobody asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call]

METHODS: Final = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"})


class Metrics:
    """One per issuer. Its parts are named as the glossary names what they count."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.event_types = BoundedLabel(EVENT_TYPES_MAX)
        self._ingest()
        self._settling()
        self._requests()
        ProcessCollector(registry=self.registry)
        build = Info("event_issuer_build", "The program.", registry=self.registry)
        build.info({"version": version("event-issuer")})

    def _ingest(self) -> None:
        self.accepted = self._counter("events_accepted", "Events that the log took.", "event_type")
        self.duplicates = self._counter("events_duplicate", "Events that the log had already.")
        self.refused = self._counter("events_refused", "Events that were refused, by the code of the refusal.", "code")
        self.unknown = self._counter("events_outcome_unknown", "Events that the log may have taken, or not.")
        self.quarantined = self._counter(
            "events_quarantined",
            "Records from outside the API that are withheld, by what is wrong with them.",
            "reason",
        )
        self.append_records = Histogram(
            self.registry, "event_issuer_append_records", "Events that share one commit to the log.", BATCH_BOUNDS
        )
        self.append_duration = self._seconds("append_duration", "One commit to the log.", COMMIT_BOUNDS)

    def _settling(self) -> None:
        self.attempts = self._counter("attempts", "Requests to endpoints, by outcome.", "outcome")
        self.delivered = self._counter("events_delivered", "Deliveries that an endpoint took.", "event_type")
        self.parked = self._counter("events_parked", "Events that failed and began to wait for another attempt.")
        self.dead_lettered = self._counter(
            "events_dead_lettered", "Events that became dead letters, by the outcome of the last attempt.", "outcome"
        )
        self.latency = self._seconds(
            "delivery_latency", "From an event's record in the log to the answer that took it.", LATENCY_BOUNDS
        )
        self.attempt_duration = self._seconds(
            "attempt_duration", "One request to an endpoint with its whole answer.", DURATION_BOUNDS
        )
        self.settle_attempts = Histogram(
            self.registry, "event_issuer_settle_attempts", "Attempts that are written down together.", BATCH_BOUNDS
        )
        self.settle_duration = self._seconds("settle_duration", "One commit of what became of events.", COMMIT_BOUNDS)
        self.settle_failures = self._counter("settle_failures", "Commits of what became of events that failed.")

    def _requests(self) -> None:
        self.requests = Counter(
            "event_issuer_requests",
            "Answered HTTP requests.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._requests_by: dict[tuple[str, str, str], Counter] = {}  # finding a series costs more than counting in it
        self.request_duration = self._seconds("request_duration", "One HTTP request to the API.", DURATION_BOUNDS)

    def request(self, method: str, route: str, status: str, duration_us: int) -> None:
        """`route` is a template of ours, never a path as it came."""
        named = (method if method in METHODS else OTHER, route, status)
        counter = self._requests_by.get(named)
        if counter is None:
            counter = self._requests_by[named] = self.requests.labels(*named)
        counter.inc()
        self.request_duration.observe(duration_us)

    def watch(self, gauges: Mapping[str, str], read: Callable[[], Mapping[str, float]]) -> None:
        """Gauges that `read` fills, all with one look, at each scrape; `gauges` says what each name means."""
        Standing(self.registry, gauges, read)

    def watch_by(self, name: str, documentation: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """One gauge by the values of one label, which `read` gives at each scrape: such as breakers by their state."""
        ByState(self.registry, name, documentation, label, read)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"event_issuer_{name}", documentation, labels, registry=self.registry)

    def _seconds(self, name: str, documentation: str, bounds: tuple[float, ...]) -> Histogram:
        return Histogram(self.registry, f"event_issuer_{name}_seconds", documentation, bounds, scale=US)
