"""Compares many pairs of schemas and holds every answer against other validators: `python -m tests.fuzz`.

The pairs go in chunks, each to a process of its own: one that dies is a crash, and its seed is shown. Ends with 1 if
a single answer was wrong.
"""

import argparse
import json
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from event_issuer.domain.compatibility import CompatibilityVerdict
from tests.fuzz.checking import Tally, checked, valid_pairs
from tests.fuzz.pairs import Pairs

CHUNK = 500
CHUNK_TIMEOUT_S = 600.0
SHOWN_MAX = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--chunk", action="store_true", help="print what came of one chunk, as JSON")
    arguments = parser.parse_args()
    if arguments.chunk:
        print(json.dumps(vars(chunk(arguments.seed, arguments.pairs))))
        return 0
    seeds = [arguments.seed * 1_000_000 + number for number in range(-(-arguments.pairs // CHUNK))]
    tally = Tally()
    with ThreadPoolExecutor(arguments.processes) as pool:
        for found in pool.map(_in_a_process, seeds):
            tally.add(found)
    return report(tally)


def chunk(seed: int, pairs: int) -> Tally:
    tally, supply = Tally(), Pairs(seed)
    for old, new in valid_pairs(supply, pairs):
        checked(old, new, supply, tally)
    return tally


def _in_a_process(seed: int) -> Tally:
    command = [sys.executable, "-m", "tests.fuzz", "--chunk", "--seed", str(seed), "--pairs", str(CHUNK)]
    tally = Tally()
    try:
        done = subprocess.run(command, capture_output=True, timeout=CHUNK_TIMEOUT_S, check=True)
    except subprocess.SubprocessError as problem:
        tally.counts["crashes"] += 1
        tally.complaints.append(f"crash: seed {seed}: {problem}")
        return tally
    found = json.loads(done.stdout)
    tally.counts.update(found["counts"])
    tally.complaints += found["complaints"]
    tally.seconds += found["seconds"]
    return tally


def report(tally: Tally) -> int:
    counts = tally.counts
    comparisons = len(tally.seconds)
    cuts = statistics.quantiles(tally.seconds, n=100) if comparisons > 1 else [0.0] * 99
    print(f"pairs                  {counts['pairs']:>9,}, each compared both ways")
    for verdict in CompatibilityVerdict:
        share = counts[verdict.value] / max(comparisons, 1)
        print(f"{verdict.value.lower():<22} {counts[verdict.value]:>9,}  {share:6.2%}")
    print(f"unsound COMPATIBLE     {counts['unsound']:>9,}")
    print(f"unconfirmed witnesses  {counts['unconfirmed']:>9,}")
    print(f"wrong forms            {counts['wrong forms']:>9,}")
    print(f"crashes                {counts['crashes']:>9,}")
    p50, p99, longest = cuts[49] * 1e3, cuts[98] * 1e3, max(tally.seconds, default=0) * 1e3
    print(f"one comparison (CPU)   p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {longest:.1f} ms")
    for complaint in tally.complaints[:SHOWN_MAX]:
        print(complaint, file=sys.stderr)
    return 1 if tally.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
