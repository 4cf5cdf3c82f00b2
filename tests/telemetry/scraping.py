"""Metrics as Prometheus reads them: parsed by the client library's own parser, one number per series."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

Series = Mapping[str, float]


def series(text: str) -> dict[str, float]:
    """`name{label="value"}` → value; the prefix `event_issuer_` is left out."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[sample.name.removeprefix("event_issuer_") + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def scraped(registry: CollectorRegistry) -> dict[str, float]:
    return series(generate_latest(registry).decode())


def counted(found: Series) -> dict[str, float]:
    """The counters that are not at zero, the process's own left out."""
    return {
        name: value
        for name, value in found.items()
        if value and name.partition("{")[0].endswith("_total") and not name.startswith("process_")
    }
