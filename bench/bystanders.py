"""`python -m bench.bystanders`: what subscriptions cost that an event does not concern.

One real server. A few subscriptions get events, ever more of another tenant wait for types of their own, of which there
are none. Prints the CPU time of a delivery with 10, 1,000 and 100,000 of those, and how much of a core the server uses
while nothing happens.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.cpu import process_cpu_ns
from bench.limits import Bench, receiving
from bench.performance import Run
from bench.processes import BenchFailed
from bench.product import TENANT, Issuer, issuing, set_up
from bench.stores import STORES, Store, opened
from bench.windows import DEFAULT, NS
from event_issuer.db.database import Database, open_database
from event_issuer.db.tables import Subscription
from event_issuer.db.work import Statement, Work

COUNTS: Final = (10, 1_000, 100_000)
CONCERNED: Final = 20  # endpoints that get events
OTHER_TYPES: Final = 10
CHUNK: Final = 1_000  # copies in one transaction
IDLE_S: Final = 10.0
OPEN_WAIT_S: Final = 1_800.0  # they are opened at a bounded rate
LOOKS: Final = 3  # the middle one counts
RATIO_MAX: Final = 1.3

_COLUMNS: Final = ", ".join(
    column._meta.name
    for column in Subscription._meta.columns
    if column._meta.name not in ("id", "tenant_id", "status", "application_id")
)
_NUMBERS: Final = {
    "sqlite": "(WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < $2) "
    "SELECT n FROM counted) AS numbers",
    "postgresql": "generate_series(1, $2) AS numbers(n)",
}


@dataclass(frozen=True)
class Look:
    """With so many bystanders: CPU of the server for one delivery, and its share of a core while nothing happens."""

    count: int
    cpu_us: float
    rate: float
    idle_share: float


def bystanders(issuer: Issuer, templates: Sequence[int], count: int) -> None:
    """So many more, evenly of all `templates`; waits until all are open."""
    asyncio.run(_copied(issuer.database_url, templates, count))
    _wait_until_open(issuer)


def _wait_until_open(issuer: Issuer) -> None:
    deadline = time.monotonic() + OPEN_WAIT_S
    while asyncio.run(_waiting(issuer.database_url)):
        issuer.check()
        if time.monotonic() > deadline:
            raise BenchFailed(f"not all subscriptions are open after {OPEN_WAIT_S:g} s")
        time.sleep(1.0)


async def _copied(url: str, templates: Sequence[int], count: int) -> None:
    database = await open_database(url)
    for template in templates:
        left = count // len(templates)
        while left > 0:
            await database.run(_copy(database, template, min(left, CHUNK)))
            left -= CHUNK
    await database.close()


def _copy(database: Database, template: int, count: int) -> Work[None]:
    """Of a tenant of their own, so that the lists of the other need not page through them; the server hears of them."""
    ((last,),) = yield Statement("SELECT MAX(id) FROM subscriptions")
    yield Statement(
        "INSERT INTO tenants (name, status, created_at_us) SELECT 'bystanders', status, created_at_us FROM tenants "
        "WHERE name = $1 ON CONFLICT DO NOTHING",
        (TENANT,),
    )
    yield Statement(
        f"INSERT INTO subscriptions (tenant_id, status, application_id, {_COLUMNS}) "
        f"SELECT (SELECT id FROM tenants WHERE name = 'bystanders'), 'STARTING', 'bystander', {_COLUMNS} "
        f"FROM subscriptions CROSS JOIN {_NUMBERS[database.dialect]} WHERE id = $1",
        (template, count),
    )
    for table, columns in (
        ("subscription_event_types", "event_type_id"),
        ("lanes", "partition_id, start_offset, next_offset, settled_above, log_id"),
    ):
        theirs = ", ".join(f"{table}.{column}" for column in columns.split(", "))
        yield Statement(
            f"INSERT INTO {table} (subscription_id, {columns}) SELECT copies.id, {theirs} FROM {table} "
            f"CROSS JOIN subscriptions AS copies WHERE {table}.subscription_id = $1 AND copies.id > $2",
            (template, last),
        )
    yield Statement(
        "INSERT INTO changes (topic, object_id, at_us) SELECT 'subscription', id, $2 FROM subscriptions WHERE id > $1",
        (last, time.time_ns() // 1_000),
    )


async def _waiting(url: str) -> int:
    database = await open_database(url)
    ((count,),) = await database.read(Statement("SELECT COUNT(*) FROM subscriptions WHERE status <> 'RUNNING'"))
    await database.close()
    return int(count)


def look(run: Run, count: int) -> Look:
    begun_ns = process_cpu_ns(run.issuer.pid)
    time.sleep(IDLE_S)
    idle_ns = process_cpu_ns(run.issuer.pid) - begun_ns
    looks = sorted((run.whole(1) for _ in range(LOOKS)), key=lambda measured: measured.cpu_us_each("server"))
    measured = looks[LOOKS // 2]
    return Look(count, measured.cpu_us_each("server"), measured.rate, idle_ns / (IDLE_S * NS))


def measure(bench: Bench, store: Store, counts: Sequence[int]) -> bool:
    """Whether the most bystanders make a delivery hardly dearer than the fewest."""
    looks: list[Look] = []
    with receiving(bench) as receiver, issuing(store, purpose="bystanders") as issuer:
        run = Run(bench, store, issuer, receiver, set_up(issuer, receiver.ports[:CONCERNED], (1,)))
        templates = _templates(run, receiver.ports[CONCERNED : CONCERNED + OTHER_TYPES])
        run.whole(1)  # warm
        present = len(templates)
        for count in counts:
            begun_s = time.monotonic()
            bystanders(issuer, templates, count - present)
            present = count
            opened_s = time.monotonic() - begun_s
            looks.append(look(run, count))
            print(_line(looks[-1], looks[0], opened_s), flush=True)
    return looks[-1].cpu_us / looks[0].cpu_us <= RATIO_MAX


def _templates(run: Run, ports: Sequence[int]) -> list[int]:
    """One subscription each to a type that nobody produces; what they are copied from."""
    names = [f"bench.never.happened-{number}.v1" for number in range(len(ports))]
    for name, port in zip(names, ports, strict=True):
        run.issuer.create_event_type(name)
        run.issuer.subscribe(name, port)
    _wait_until_open(run.issuer)
    return asyncio.run(_newest(run.issuer.database_url, len(names)))


async def _newest(url: str, count: int) -> list[int]:
    database = await open_database(url)
    rows = await database.read(Statement("SELECT id FROM subscriptions ORDER BY id DESC LIMIT $1", (count,)))
    await database.close()
    return [row[0] for row in rows]


def _line(seen: Look, least: Look, opened_s: float) -> str:
    ratio = seen.cpu_us / least.cpu_us
    return (
        f"  {seen.count:7,} bystanders: {seen.cpu_us:6.1f} us CPU a delivery ({ratio:.2f} x), {seen.rate:7,.0f}/s, "
        f"{100 * seen.idle_share:5.2f} % of a core idle, open after {opened_s:.0f} s"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.bystanders", description=__doc__)
    parser.add_argument("--store", choices=(*STORES, "both"), default="both")
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS), metavar="N")
    options = parser.parse_args(arguments)
    verdicts = []
    try:
        with tempfile.TemporaryDirectory(prefix="issuer-bystanders-") as folder:
            bench = Bench(DEFAULT, Path(folder))
            for name in STORES if options.store == "both" else (options.store,):
                print(name, flush=True)
                with opened(name, bench.folder) as store:
                    verdicts.append(measure(bench, store, options.counts))
    except BenchFailed as failure:
        print(f"The bench has failed: {failure}.", file=sys.stderr)
        return 1
    print(f"target <= {RATIO_MAX} x: {'met' if all(verdicts) else 'SHORT'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
