"""The bench as a whole: a limit is measured in real processes, and its figures reach the table and the JSON."""

import json
from pathlib import Path

import pytest

from bench.limits import Bench, posting
from bench.performance import BATCH, LATENCY_1, WHOLE_1
from bench.processes import BenchFailed, Child
from bench.report import L1, L5, Figures, document, table
from bench.stores import Store
from bench.windows import Measured, Plan, Window, choose

BRIEF = Plan(warm_up_s=0.05, window_s=0.05, windows=1, windows_max=1)


def measured(rate: int, latency_ms: int = 0, foreign: float = 0.0) -> Measured:
    cpu_s = {"server": 0.5, "receiver": 0.25}
    return choose([Window(1.0, rate, cpu_s, foreign, [latency_ms * 1000] * 3)])


def figures(foreign: float = 0.0) -> Figures:
    product = {WHOLE_1: measured(1600), BATCH: measured(2999), LATENCY_1: measured(1000, latency_ms=16)}
    return Figures(
        BRIEF,
        {L1: measured(10_000, foreign=foreign), L5: measured(10_000)},
        {"sqlite": product},
        {"sqlite": {"accepted": 1234, "delivered": 2468}},
    )


def test_a_limit_is_measured_in_processes_of_its_own(tmp_path: Path) -> None:
    found = posting(Bench(BRIEF, tmp_path), "bare")
    assert found.rate > 0
    assert found.windows[0].cpu_s.keys() == {"load", "receiver", "bench"}
    assert found.cpu_us_each("load") > 0


def test_a_child_that_ends_before_it_is_ready_fails_the_bench() -> None:
    with pytest.raises(BenchFailed, match=r"bench\.posting was not ready"), Child("bench.posting", {"client": "none"}):
        pass


def test_the_json_has_each_figure_with_its_ratio_and_verdict() -> None:
    found = json.loads(json.dumps(document(figures())))
    assert found["limits"][L1]["rate"] == 10_000
    store = found["stores"]["sqlite"]
    assert store["figures"][WHOLE_1]["cpu_us_each"]["server"] == 312.5
    assert store["figures"][LATENCY_1]["p99_ms"] == 16.0
    assert [(ratio["what"], ratio["met"]) for ratio in store["ratios"]] == [
        (WHOLE_1, True),
        (BATCH, False),
        (LATENCY_1, False),
    ]
    assert [ratio.get("ratio") for ratio in store["ratios"]] == [0.16, 0.2999, None]


def test_the_table_says_what_was_met_and_what_is_short() -> None:
    lines = table(figures()).splitlines()
    (whole,) = [line for line in lines if line.startswith(WHOLE_1) and "target" in line]
    (batch,) = [line for line in lines if line.startswith(BATCH) and "target" in line]
    assert whole.endswith("met")
    assert batch.endswith("SHORT")
    assert "1,234 events accepted, 2,468 deliveries due and received, each once." in lines


def test_a_disturbed_figure_has_no_verdict() -> None:
    disturbed = figures(foreign=0.5)
    ratios = document(disturbed)["stores"]["sqlite"]["ratios"]
    assert [ratio["met"] for ratio in ratios] == [None, False, False]
    assert "no verdict: disturbed" in table(disturbed)
    assert "DISTURBED: others took 50% of the machine" in table(disturbed)


def test_a_store_stands_beside_those_that_were_measured_before_it() -> None:
    both = figures()
    both.stores["kafka"] = {WHOLE_1: measured(800)}
    assert document(both)["between"] == [{"what": "whole path, fan-out 1, kafka", "of": "sqlite", "ratio": 0.5}]
    assert table(both).splitlines()[-1] == "whole path, fan-out 1, kafka  0.500 × sqlite"
    assert document(figures())["between"] == []


def test_stores_of_one_run_share_no_database(tmp_path: Path) -> None:
    """A database belongs to one log for good: the issuer would refuse it with another."""
    assert Store("sqlite", tmp_path).fresh_url("issuer") == f"sqlite:///{tmp_path}/sqlite-issuer.db"
    assert Store("kafka", tmp_path).fresh_url("issuer") == f"sqlite:///{tmp_path}/kafka-issuer.db"
