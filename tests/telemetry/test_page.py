"""docs/telemetry.md lists every metric of a running issuer, as the registry describes it, and nothing else."""

import re
from pathlib import Path

import pytest

from event_issuer.app import open_issuer
from event_issuer.security.sealing import new_sealing_key
from event_issuer.settings import load_settings
from tests.telemetry.scraping import scraped

PAGE = Path(__file__).parents[2] / "docs/telemetry.md"
ROW = re.compile(r"^\| `(event_issuer_\w+)` \| (\w+) \| ([^|]*) ?\| (.*) \|$", re.MULTILINE)


@pytest.fixture
def listed() -> list[tuple[str, ...]]:
    return [match.groups() for match in ROW.finditer(PAGE.read_text("utf-8"))]


async def test_the_page_lists_what_is_registered(tmp_path: Path, listed: list[tuple[str, ...]]) -> None:
    settings = load_settings(database_url=f"sqlite:///{tmp_path}/issuer.db", sealing_key=new_sealing_key())
    async with open_issuer(settings, "http://issuer.example.com") as issuer:
        families = [one for one in issuer.metrics.registry.collect() if one.name.startswith("event_issuer_")]
        series = scraped(issuer.metrics.registry)
    suffixes = {"counter": "_total", "info": "_info"}
    kinds = {"info": "gauge"}  # as Prometheus's text format has it
    described = [
        (one.name + suffixes.get(one.type, ""), kinds.get(one.type, one.type), one.documentation) for one in families
    ]
    assert sorted((name, kind, meaning) for name, kind, _, meaning in listed) == sorted(described)
    labels = {name.partition("{")[0]: re.findall(r'(\w+)="', name) for name in series if "{" in name}
    assert labels["build_info"] == ["version"]
    assert labels["attempts_total"] == ["outcome"]


def test_labels_that_are_listed_are_those_that_are_bounded(listed: list[tuple[str, ...]]) -> None:
    labels = {label for _, _, labels, _ in listed for label in re.findall(r"`(\w+)`", labels)}
    assert labels == {"event_type", "code", "reason", "outcome", "method", "route", "status", "version"}
