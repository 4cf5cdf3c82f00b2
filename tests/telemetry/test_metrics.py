"""The registry: histograms that take batches, bounded labels, gauges that are read when asked."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as LibraryHistogram
from structlog.testing import capture_logs

from event_issuer.telemetry.histograms import Histogram
from event_issuer.telemetry.labels import OTHER, BoundedLabel
from event_issuer.telemetry.metrics import EVENT_TYPES_MAX, Metrics
from event_issuer.telemetry.watching import STATES_MAX
from tests.telemetry.scraping import counted, scraped


def test_a_histogram_says_what_the_librarys_own_would() -> None:
    bounds = (0.001, 0.5, 1, 60)
    values = [0, 1, 1_000, 1_001, 500_000, 999_999, 1_000_000, 60_000_001, 10**12]
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = Histogram(ours, "x_seconds", "X.", bounds, scale=1_000_000)
    histogram.observe_all(values[:4])
    histogram.observe_all([])
    histogram.observe_all(values[4:])
    library = LibraryHistogram("x_seconds", "X.", buckets=bounds, registry=theirs)
    for value in values:
        library.observe(value / 1_000_000)
    assert scraped(ours) == pytest.approx(scraped(theirs))
    assert scraped(ours)['x_seconds_bucket{le="0.001"}'] == 3
    histogram.observe(1_000)
    assert scraped(ours)['x_seconds_bucket{le="0.001"}'] == 4


def test_a_label_has_a_bounded_number_of_values() -> None:
    label = BoundedLabel(2)
    assert [label.of(value) for value in ("a", "b", "c", "a", "d", "b")] == ["a", "b", OTHER, "a", OTHER, "b"]


def test_event_types_beyond_the_bound_are_counted_together() -> None:
    metrics = Metrics()
    for number in range(EVENT_TYPES_MAX + 5):
        metrics.accepted.labels(metrics.event_types.of(f"type-{number}")).inc(2)
    found = counted(scraped(metrics.registry))
    assert len(found) == EVENT_TYPES_MAX + 1
    assert found['events_accepted_total{event_type="type-0"}'] == 2
    assert found['events_accepted_total{event_type="other"}'] == 10


def test_a_method_that_a_client_made_up_is_no_label() -> None:
    metrics = Metrics()
    metrics.request("BREW", "/graphql", "405", 1_500)
    assert counted(scraped(metrics.registry)) == {'requests_total{method="other",route="/graphql",status="405"}': 1}


def test_two_issuers_in_one_process_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.duplicates.inc(3)
    assert scraped(one.registry)["events_duplicate_total"] == 3
    assert scraped(other.registry)["events_duplicate_total"] == 0


def test_a_gauge_is_read_once_per_scrape() -> None:
    metrics, looks = Metrics(), [0]

    def look() -> dict[str, float]:
        looks[0] += 1
        return {"event_issuer_a": looks[0], "event_issuer_b": 7}

    metrics.watch({"event_issuer_a": "A.", "event_issuer_b": "B."}, look)
    assert looks == [0]
    found = scraped(metrics.registry)
    assert (found["a"], found["b"]) == (1, 7)
    assert looks == [1]


def test_a_gauge_by_state_keeps_its_bound() -> None:
    metrics = Metrics()
    metrics.watch_by("event_issuer_breakers", "B.", "state", lambda: {f"S{n}": 1 for n in range(STATES_MAX + 3)})
    found = {name: value for name, value in scraped(metrics.registry).items() if name.startswith("breakers")}
    assert len(found) == STATES_MAX + 1
    assert (found['breakers{state="S0"}'], found['breakers{state="other"}']) == (1, 3)


def test_a_gauge_that_fails_leaves_the_others_alone() -> None:
    def fail() -> dict[str, float]:
        raise RuntimeError("broken")

    metrics = Metrics()
    metrics.watch({"event_issuer_a": "A."}, fail)
    metrics.watch({"event_issuer_b": "B."}, lambda: {"event_issuer_b": 2})
    with capture_logs() as logs:
        found = scraped(metrics.registry)
    assert ("a" in found, found["b"]) == (False, 2)
    assert [(entry["event"], entry["gauge"]) for entry in logs] == [("a gauge could not be read", "event_issuer_a")]
