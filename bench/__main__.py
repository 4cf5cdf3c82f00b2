"""`python -m bench`: probes the limits of this machine, measures the product in the same run, prints both."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import limits, report
from bench.limits import Bench
from bench.performance import measure_product
from bench.processes import BenchFailed
from bench.report import L1, L1A, L1C, L2, L4, L5, Figures
from bench.stores import KAFKA, STORES, opened
from bench.windows import DEFAULT, QUICK, Measured, joined
from bench.workers import measure_workers


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything was measured, whether or not a target was met; 1 when a figure would mean nothing."""
    options = _options(arguments)
    figures = Figures(QUICK if options.quick else DEFAULT)
    stores = {"both": STORES, "all": (*STORES, KAFKA)}.get(options.store, (options.store,))
    started_at = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="issuer-bench-") as folder:
            _measure(figures, Bench(figures.plan, Path(folder)), stores, options)
    except BenchFailed as failure:
        print(f"The bench has failed: {failure}.", file=sys.stderr)
        return 1
    print(f"\n{report.table(figures)}\n\n{time.monotonic() - started_at:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(report.document(figures), indent=2) + "\n")
    return 0


def _measure(figures: Figures, bench: Bench, stores: Sequence[str], options: argparse.Namespace) -> None:
    found = figures.limits
    clients = {L1: "bare", L1C: "callback", L1A: "aiohttp"}
    if options.quick:
        del clients[L1C]
    if options.workers:
        clients = {L1: "bare"}
    for name, client in clients.items():
        found[name] = _told(name, limits.posting(bench, client))
    if not options.workers:
        found[L4] = _told(L4, limits.mutating(bench))
        found[L5] = _told(L5, limits.parsing(bench))
    for name in stores:
        print(name, flush=True)
        with opened(name, bench.folder) as store:
            measured = figures.stores[name] = {L2: _told(L2, limits.appending(bench, store))}
            if options.workers:
                workers, figures.counts[name] = measure_workers(bench, store, _told)
                measured |= workers
            elif not options.limits_only:
                profile = options.profile and options.profile / f"{name}.prof"
                product, figures.counts[name] = measure_product(bench, store, _told, profile)
                measured |= product
    if not options.quick:
        # The machine may have become faster or slower meanwhile: the limit is what it allowed in the whole run.
        found[L1] = joined(found[L1], _told(L1, limits.posting(bench, "bare")))


def _told(name: str, measured: Measured) -> Measured:
    print("  " + "  ".join(filter(None, report.line(name, measured))), flush=True)
    return measured


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than a minute, coarse")
    parser.add_argument("--store", choices=(*STORES, KAFKA, "both", "all"), default="both")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument("--limits-only", action="store_true", help="leave out the product")
    parser.add_argument("--workers", action="store_true", help="of the product, what two workers do beside one")
    parser.add_argument(
        "--profile",
        type=Path,
        metavar="FOLDER",
        help="run the issuer under cProfile, which slows it; one file per store",
    )
    options = parser.parse_args(arguments)
    if options.profile:
        options.profile.mkdir(parents=True, exist_ok=True)
        options.profile = options.profile.resolve()
    return options


if __name__ == "__main__":
    sys.exit(main())
