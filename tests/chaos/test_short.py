"""Short runs of chaos, of real processes, on each store and on Kafka: `make chaos` does all of them, for minutes."""

import uuid
from pathlib import Path

import pytest

from tests.chaos import runs
from tests.chaos.backbone import Backbone

DELIVERIES = 2_000


@pytest.mark.parametrize("store", ["sqlite"])
async def test_a_killed_worker_is_replaced_and_nothing_is_lost(database_url: str, tmp_path: Path) -> None:
    trouble = runs.killing_workers(1)
    report = await runs.run("kill -9", database_url, tmp_path, runs.WORKERS, trouble, deliveries=DELIVERIES)
    print(f"\n{report.line()}")
    assert report.is_good(), report.line()
    assert report.remarks == []


@pytest.mark.parametrize("store", ["postgresql"])
async def test_a_process_that_was_stopped_past_its_lease_writes_nothing_more(database_url: str, tmp_path: Path) -> None:
    trouble = runs.stopping_past_the_lease(1)
    report = await runs.run("SIGSTOP", database_url, tmp_path, runs.APART, trouble, deliveries=DELIVERIES)
    print(f"\n{report.line()}")
    assert report.is_good(), report.line()
    assert report.takeovers == 1


@pytest.mark.parametrize("store", ["sqlite"])
async def test_two_processes_deliver_from_kafka_and_one_is_killed(
    database_url: str, kafka_address: str, tmp_path: Path
) -> None:
    backbone, trouble = Backbone(kafka_address, f"c{uuid.uuid4().hex[:12]}"), runs.killing_apart(1)
    report = await runs.run(
        "kill -9", database_url, tmp_path, runs.APART, trouble, deliveries=DELIVERIES, backbone=backbone
    )
    print(f"\n{report.line()}")
    assert report.is_good(), report.line()
    assert report.remarks == ["6 of 6 partitions used", "0 events written twice (bound 0)"]
