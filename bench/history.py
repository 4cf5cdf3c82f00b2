"""`python -m bench.history`: whether history costs anything. Prints ratios, on both stores.

Pages of attempts out of a large table beside the same pages out of one with 1,000 rows, and the p95 from call to
receipt while a million attempts are being pruned beside the p95 before and after. Everything goes through the product's
own code.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench.limits import Bench, receiving
from bench.performance import LATENCY_CONNECTIONS, Run
from bench.processes import BenchFailed
from bench.product import Issuer, issuing, set_up
from bench.stores import STORES, Store, opened
from bench.windows import Plan
from event_issuer.db import attempts
from event_issuer.db.attempts import ALL, Criteria
from event_issuer.db.database import Database, open_database
from event_issuer.db.migrate import migrate
from event_issuer.db.tables import TABLES
from event_issuer.db.work import Statement, Work
from event_issuer.domain.paging import PageRequest

BRIEF: Final = Plan(warm_up_s=0.3, window_s=0.5, windows=3, windows_max=3)  # shorter than a part takes to be pruned
SMALL: Final = 1_000
CHUNK: Final = 100_000  # rows in one transaction
REPEATS: Final = 300
PAGE: Final = 50
FAR_PAGE: Final = 1_000
NOW_US: Final = 1_760_000_000_000_000
PRUNE_WAIT_S: Final = 600.0
SUBSCRIPTIONS: Final = 10  # upkeep looks at all of them in one step
KEPT: Final = 10_000  # the default of `attempts_max`
FEW: Final = 5_000  # deliveries go on to be written down
RATIO_MAX: Final = 1.5
P95_RATIO_MAX: Final = 1.2

# Nine of ten are one subscription's; of these 6 in 100 are RETRY and 1 is REFUSED.
_FILL: Final = """
INSERT INTO attempts (subscription_id, partition_id, log_offset, kind, number, started_at_us, duration_us, outcome,
                      http_status, trace_id)
SELECT CASE WHEN n % 10 = 3 THEN 2 + n % 1000 ELSE {subscription} END, 1 + n % 8, n / 8, 'DELIVERY', 1,
       {now} + n * 1000, 1500, CASE WHEN n * 7919 % 100 < 6 THEN 'RETRY' WHEN n * 7919 % 100 < 7 THEN 'REFUSED'
       ELSE 'DELIVERED' END, 200, '0123456789abcdef0123456789abcdef'
FROM {numbers}"""
_NUMBERS: Final = {
    "sqlite": "(WITH RECURSIVE counted(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM counted WHERE n + 1 < {end}) "
    "SELECT n FROM counted) AS numbers",
    "postgresql": "generate_series(CAST({first} AS BIGINT), {end} - 1) AS numbers(n)",
}
CRITERIA: Final = {
    "all": ALL,
    "outcome RETRY": Criteria(outcome="RETRY"),
    "outcome DELIVERED": Criteria(outcome="DELIVERED"),
}


@dataclass(frozen=True)
class Look:
    """A page of one table, and how long it took each time, in milliseconds."""

    database: Database
    request: PageRequest
    criteria: Criteria
    took_ms: list[float]

    async def again(self) -> None:
        for table in TABLES:
            table._meta.db = self.database.engine
        began = time.perf_counter()
        found = await attempts.page(self.database, 1, self.request, self.criteria)
        self.took_ms.append((time.perf_counter() - began) * 1000)
        if len(found.items) != PAGE:
            raise BenchFailed(f"a page has {len(found.items)} attempts instead of {PAGE}")


async def fill(database: Database, rows: int, subscription_id: int = 1) -> None:
    def filling(first: int, end: int) -> Work[None]:
        numbers = _NUMBERS[database.dialect].format(first=first, end=end)
        yield Statement(_FILL.format(subscription=subscription_id, now=NOW_US, numbers=numbers))

    for first in range(0, rows, CHUNK):
        await database.run(filling(first, min(first + CHUNK, rows)))


async def pages(store: Store, rows: int) -> list[str]:
    """A line for each kind of page: the large table's first and 1,000th beside the small one's first."""
    small, large = [await open_database(store.fresh_url(f"pages-{count}"), tables=TABLES) for count in (SMALL, rows)]
    lines = []
    try:
        for database, count in ((small, SMALL), (large, rows)):
            await migrate(database, NOW_US)
            await fill(database, count)
            if database.dialect == "postgresql":
                await analyse(database)
        for name, criteria in CRITERIA.items():
            far = await far_cursor(large, criteria)
            looks = [
                Look(small, PageRequest(PAGE), criteria, []),
                Look(large, PageRequest(PAGE), criteria, []),
                Look(large, PageRequest(PAGE, after=far), criteria, []),
            ]
            for _ in range(REPEATS):  # in turn, so that what the machine does meanwhile meets all alike
                for look in looks:
                    await look.again()
            least, first, thousandth = (median(look.took_ms) for look in looks)
            worst = max(first, thousandth) / least
            lines.append(
                f"  {name:18} small {least:6.3f} ms   first {first / least:5.2f} x   {FAR_PAGE:,}th "
                f"{thousandth / least:5.2f} x   target <= {RATIO_MAX} x   {'met' if worst <= RATIO_MAX else 'SHORT'}"
            )
    finally:
        await small.close()
        await large.close()
    return lines


async def analyse(database: Database) -> None:
    def analysing() -> Work[None]:
        yield Statement("SET LOCAL statement_timeout = 0")
        yield Statement("ANALYZE attempts")

    await database.run(analysing())


async def far_cursor(database: Database, criteria: Criteria) -> str:
    """Behind the last row of page 999."""
    outcome = "" if criteria.outcome is None else f"AND outcome = '{criteria.outcome}'"
    skipped = PAGE * (FAR_PAGE - 1) - 1
    sql = f"SELECT id FROM attempts WHERE subscription_id = 1 {outcome} ORDER BY id LIMIT 1 OFFSET {skipped}"
    rows = await database.read(Statement(sql))
    if not rows:
        raise BenchFailed(f"the table is too small for {FAR_PAGE:,} pages")
    return str(rows[0][0])


def pruning(bench: Bench, store: Store, rows: int, rounds: int, rate: float) -> list[str]:
    """p95 from call to receipt while attempts are pruned beside the p95 just before and after, in each of several
    rounds: the median of the ratios bears that the machine has other things to do, too."""
    with receiving(bench, is_timing=True) as receiver, issuing(store) as issuer:
        run = Run(bench, store, issuer, receiver, set_up(issuer, receiver.ports[:SUBSCRIPTIONS], (1,)))

        def p95_ms() -> float:
            return run.produce(1, events=0, connections=LATENCY_CONNECTIONS, rate=rate).latency_ms(0.95)

        looks: list[tuple[float, float]] = []
        for _ in range(rounds):
            before = p95_ms()
            asyncio.run(overfill(issuer.database_url, rows // rounds))
            excess_of(issuer, lambda left: left < rows // rounds)
            meanwhile = p95_ms()
            left = asyncio.run(count_left(issuer.database_url))
            if not left:
                raise BenchFailed("all attempts were pruned before the measurement ended: prune more of them")
            excess_of(issuer, lambda left: left <= FEW)
            usual = (before + p95_ms()) / 2
            looks.append((usual, meanwhile))
            print(f"    p95 {usual:.2f} ms, while pruning {meanwhile:.2f} ms, {left:,} rows left", flush=True)
    ratio = median(meanwhile / usual for usual, meanwhile in looks)
    return [
        f"  p95 at {rate:g}/s, {rounds} rounds, {rows:,} attempts pruned: {ratio:.2f} x   "
        f"target <= {P95_RATIO_MAX} x   {'met' if ratio <= P95_RATIO_MAX else 'SHORT'}"
    ]


def excess_of(issuer: Issuer, is_enough: Callable[[int], bool]) -> int:
    """Waits until the first subscription's attempts beyond those that are kept are so many; how many they are."""
    deadline = time.monotonic() + PRUNE_WAIT_S
    while not is_enough(left := asyncio.run(count_left(issuer.database_url))):
        if time.monotonic() > deadline:
            raise BenchFailed(f"{left} attempts are left after {PRUNE_WAIT_S:g} s")
        time.sleep(0.5)
    return left


async def overfill(url: str, rows: int) -> None:
    """The first subscription gets so many more than are kept."""
    database = await open_database(url)
    await fill(database, rows)
    await database.close()


async def count_left(url: str) -> int:
    """Attempts of the first subscription beyond those that are kept."""
    database = await open_database(url)
    rows = await database.read(Statement("SELECT COUNT(*) FROM attempts WHERE subscription_id = 1"))
    await database.close()
    return max(0, int(rows[0][0]) - KEPT)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.history", description=__doc__)
    parser.add_argument("--store", choices=(*STORES, "both"), default="both")
    parser.add_argument("--rows", type=int, default=10_000_000, help="of the large table; 0 leaves the pages out")
    parser.add_argument("--pruned", type=int, default=1_000_000, help="attempts to prune; 0 leaves pruning out")
    parser.add_argument("--rate", type=float, default=200, help="events a second while pruning is measured")
    parser.add_argument("--rounds", type=int, default=10, help="of pruning a part of them, and not pruning")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="issuer-history-") as folder:
            bench = Bench(BRIEF, Path(folder))
            for name in STORES if options.store == "both" else (options.store,):
                print(name, flush=True)
                with opened(name, bench.folder) as store:
                    if options.rows:
                        print("\n".join(asyncio.run(pages(store, options.rows))), flush=True)
                    if options.pruned:
                        print(
                            "\n".join(pruning(bench, store, options.pruned, options.rounds, options.rate)), flush=True
                        )
    except BenchFailed as failure:
        print(f"The bench has failed: {failure}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
