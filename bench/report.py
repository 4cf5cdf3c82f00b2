"""The figures for people and for programs: one table, one JSON document. Knows names, units and targets.

A figure of the product stands beside its limit of the same run, because absolute figures drift with the machine.
"""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.cpu import CORES
from bench.performance import BATCH, HTTP_BATCH, LATENCY_1, LATENCY_10, SINGLE, WHOLE_1, WHOLE_10
from bench.windows import FOREIGN_MAX, Measured, Plan
from bench.workers import ONE_1, ONE_10, TWO_1, TWO_10

L1: Final = "L1 bare asyncio POSTs"
L1A: Final = "L1a aiohttp POSTs"
L1C: Final = "L1c POSTs from callbacks"
L2: Final = "L2 raw batch append"
L4: Final = "L4 no-op mutation"
L5: Final = "L5 parse a batch"

UNITS: Final = {
    L1: "POSTs/s",
    L1A: "POSTs/s",
    L1C: "POSTs/s",
    L2: "rows/s",
    L4: "calls/s",
    L5: "events/s",
    WHOLE_1: "deliveries/s",
    WHOLE_10: "deliveries/s",
    ONE_1: "deliveries/s",
    TWO_1: "deliveries/s",
    ONE_10: "deliveries/s",
    TWO_10: "deliveries/s",
    SINGLE: "mutations/s",
    BATCH: "events/s",
    HTTP_BATCH: "events/s",
    LATENCY_1: "events/s",
    LATENCY_10: "events/s",
}


@dataclass(frozen=True)
class Target:
    """`least` of the limit, or of another measure of the product, is what the product sets itself."""

    measure: str
    limit: str
    least: float


TARGETS: Final = (
    Target(WHOLE_1, L1, 0.16),
    Target(WHOLE_10, L1, 0.22),
    Target(SINGLE, L4, 0.65),
    Target(BATCH, L5, 0.30),
    Target(HTTP_BATCH, L5, 0.50),
    Target(BATCH, HTTP_BATCH, 0.50),
    Target(TWO_1, ONE_1, 1.25),
    Target(TWO_10, ONE_10, 1.40),
)
LATENCY_P99_MS: Final = 15.0
COMPARED: Final = (L2, WHOLE_1, WHOLE_10, SINGLE, BATCH, HTTP_BATCH, ONE_1, TWO_1, ONE_10, TWO_10)


@dataclass
class Figures:
    """`limits` hold for every store; of each store's figures L2 is one. `counts` say what the product did in all."""

    plan: Plan
    limits: dict[str, Measured] = field(default_factory=dict)
    stores: dict[str, dict[str, Measured]] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)


def document(figures: Figures) -> dict[str, Any]:
    """For programs; plain JSON values."""
    return {
        "machine": _machine(),
        "plan": vars(figures.plan),
        "foreign_max": FOREIGN_MAX,
        "limits": {name: _figure(name, found) for name, found in figures.limits.items()},
        "stores": {
            store: {
                "figures": {name: _figure(name, found) for name, found in measured.items()},
                "ratios": list(_ratios(figures.limits, measured)),
                "counts": figures.counts.get(store, {}),
            }
            for store, measured in figures.stores.items()
        },
        "between": list(_between(figures)),
    }


def _machine() -> dict[str, object]:
    return {
        "cores": CORES,
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


def _figure(name: str, measured: Measured) -> dict[str, Any]:
    roles = measured.windows[0].cpu_s
    figure: dict[str, Any] = {
        "unit": UNITS[name],
        "rate": round(measured.rate, 1),
        "spread": round(measured.spread, 3),
        "cpu_us_each": {role: round(measured.cpu_us_each(role), 2) for role in roles},
        "cores_used": {role: round(measured.cpu_share(role), 3) for role in roles},
        "windows": len(measured.windows),
        "dropped": measured.dropped,
        "foreign": round(measured.foreign, 4),
        "disturbed": measured.is_disturbed,
    }
    if name in (LATENCY_1, LATENCY_10):
        figure |= {"p50_ms": round(measured.latency_ms(0.5), 3), "p99_ms": round(measured.latency_ms(0.99), 3)}
    return figure


def _verdict(is_met: bool, *looks: Measured) -> bool | None:
    """None where one of the figures was disturbed: such a ratio says nothing."""
    return None if any(look.is_disturbed for look in looks) else is_met


def _ratios(limits: Mapping[str, Measured], measured: Mapping[str, Measured]) -> Iterator[dict[str, Any]]:
    known = {**limits, **measured}
    for target in TARGETS:
        if target.measure in measured and target.limit in known:
            product, limit = measured[target.measure], known[target.limit]
            ratio = product.rate / limit.rate
            yield {
                "what": target.measure,
                "of": target.limit,
                "ratio": round(ratio, 4),
                "target": target.least,
                "met": _verdict(ratio >= target.least, product, limit),
            }
    for name in (LATENCY_1, LATENCY_10):
        if name in measured:
            p99_ms = measured[name].latency_ms(0.99)
            yield {
                "what": name,
                "p99_ms": round(p99_ms, 3),
                "target_ms": LATENCY_P99_MS,
                "met": _verdict(p99_ms <= LATENCY_P99_MS, measured[name]),
            }


HEADER: Final = ("", "rate", "", "± spread", "server µs", "store µs", "receiver", "windows", "")


def line(name: str, measured: Measured) -> tuple[str, ...]:
    """One row of the table: what is said while the measurements go on, too."""
    roles = measured.windows[0].cpu_s
    worker = "server" if "server" in roles else "load"  # a limit without a server is its own load
    remarks = []
    if name in (LATENCY_1, LATENCY_10):
        remarks.append(f"p50 {measured.latency_ms(0.5):.1f} ms, p99 {measured.latency_ms(0.99):.1f} ms")
    if measured.is_disturbed:
        remarks.append(f"DISTURBED: others took {measured.foreign:.0%} of the machine")
    return (
        name,
        f"{measured.rate:,.0f}",
        UNITS[name],
        f"{measured.spread:.0%}",
        f"{measured.cpu_us_each(worker):.1f}",
        f"{measured.cpu_us_each('database'):.1f}" if "database" in roles else "",
        f"{measured.cpu_share('receiver'):.0%}" if "receiver" in roles else "",
        f"{len(measured.windows)}" + (f" (-{measured.dropped})" if measured.dropped else ""),
        "; ".join(remarks),
    )


def table(figures: Figures) -> str:
    """For people."""
    parts = [_aligned([HEADER, *(line(name, found) for name, found in figures.limits.items())])]
    for store, measured in figures.stores.items():
        parts.append(f"{store}\n" + _aligned([HEADER, *(line(name, found) for name, found in measured.items())]))
        ratios = list(_ratios(figures.limits, measured))
        if ratios:
            parts.append(_aligned([_ratio_line(ratio) for ratio in ratios]))
        if store in figures.counts:
            accepted, delivered = figures.counts[store]["accepted"], figures.counts[store]["delivered"]
            parts.append(f"{accepted:,} events accepted, {delivered:,} deliveries due and received, each once.")
    between = list(_between(figures))
    if between:
        parts.append(_aligned([(one["what"], f"{one['ratio']:.3f} × {one['of']}") for one in between]))
    return "\n\n".join(parts)


def _between(figures: Figures) -> Iterator[dict[str, Any]]:
    """What is the same on each store, beside each store that was measured before."""
    stores = list(figures.stores)
    for index, store in enumerate(stores):
        for other in stores[:index]:
            for name in COMPARED:
                if name in figures.stores[store] and name in figures.stores[other]:
                    ratio = figures.stores[store][name].rate / figures.stores[other][name].rate
                    yield {"what": f"{name}, {store}", "of": other, "ratio": round(ratio, 4)}


def _ratio_line(ratio: Mapping[str, Any]) -> tuple[str, ...]:
    verdict = {True: "met", False: "SHORT", None: "no verdict: disturbed"}[ratio["met"]]
    if "p99_ms" in ratio:
        return (ratio["what"], f"p99 {ratio['p99_ms']:.1f} ms", f"target ≤ {ratio['target_ms']:g} ms", verdict)
    return (ratio["what"], f"{ratio['ratio']:.3f} × {ratio['of']}", f"target ≥ {ratio['target']:g}", verdict)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first and the last to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.ljust(width) if index == 0 or not cell[:1].isdigit() else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(text.rstrip() for text in lines)
