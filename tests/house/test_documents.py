"""The documents keep the rules of the house, and each rule finds what it is for."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.house import document_rules

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.txt", "requirements-dev.txt")


def tracked() -> list[Path]:
    """What is committed or about to be, relative to the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [Path(line) for line in listed.splitlines() if (ROOT / line).is_file()]


def read(path: Path) -> str | None:
    full = ROOT / path
    if full.is_dir():
        return ""
    return full.read_text("utf-8", errors="replace") if full.is_file() else None


def text_of(path: str | Path) -> str:
    text = read(Path(path))
    assert text is not None, f"{path} is missing"
    return text


def test_adrs_are_short_and_numbered_without_gaps() -> None:
    adrs = sorted(path for path in tracked() if path.match("docs/adr/*.md"))
    assert [path.name[:5] for path in adrs] == [f"{n:04}-" for n in range(1, len(adrs) + 1)]
    assert [complaint for path in adrs for complaint in document_rules.long_adr(path, text_of(path))] == []


def test_no_tracked_file_names_a_package_registry() -> None:
    found = [c for path in tracked() for c in document_rules.registry_hosts(path, text_of(path))]
    assert found == []


def test_the_glossary_defines_every_word_of_the_vocabulary() -> None:
    assert document_rules.missing_words(Path("docs/glossary.md"), text_of("docs/glossary.md")) == []


def test_the_changelog_has_a_place_for_the_next_change() -> None:
    assert document_rules.missing_unreleased(Path("CHANGELOG.md"), text_of("CHANGELOG.md")) == []


def test_links_lead_somewhere() -> None:
    pages = [path for path in tracked() if path.suffix == ".md"]
    assert [c for page in pages for c in document_rules.broken_links(page, text_of(page), read)] == []


def test_the_readme_names_the_two_commands_that_ci_and_newcomers_run() -> None:
    readme = text_of("README.md")
    assert "make demo" in readme
    assert "make test" in readme
    assert "\nmake test\n" in text_of(".ci/run")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_with_hashes(lock: str) -> None:
    requirements = re.split(r"\n(?=\S)", text_of(lock).strip())
    assert requirements
    assert [line for line in requirements if not re.match(r"[\w.-]+==\S+ .*--hash=sha256:", line, re.S)] == []


def test_the_locks_agree_with_the_project() -> None:
    """Each direct requirement is locked, and both locks pin the same versions."""
    run, dev = (dict(re.findall(r"^([\w.-]+)==(\S+)", text_of(lock), re.M)) for lock in LOCKS)
    project = tomllib.loads(text_of("pyproject.toml"))
    groups = project["dependency-groups"]
    assert names(project["project"]["dependencies"] + groups["build"]) <= run.keys()
    assert names(groups["dev"]) <= dev.keys()
    assert run.items() <= dev.items()


def names(requirements: list[str]) -> set[str]:
    found = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return {match[0].lower().replace("_", "-") for match in found if match}


def test_a_long_adr_is_found() -> None:
    path = Path("docs/adr/0009-x.md")
    assert document_rules.long_adr(path, "line\n" * 21) == ["docs/adr/0009-x.md: 21 lines, at most 20"]
    assert document_rules.long_adr(path, "line\n" * 20) == []


def test_a_registry_host_is_found() -> None:
    host = document_rules.REGISTRIES[0]
    found = document_rules.registry_hosts(Path("a.txt"), f"--index-url https://{host}/simple")
    assert found == [f"a.txt: names the registry {host}"]


def test_a_missing_word_is_found() -> None:
    defined = "".join(f"\n| **{word}** | what it is |" for word in document_rules.VOCABULARY if word != "lane")
    assert document_rules.missing_words(Path("g.md"), defined) == ["g.md: does not define 'lane'"]


def test_a_changelog_without_a_next_section_is_found() -> None:
    found = document_rules.missing_unreleased(Path("C.md"), "# Changelog\n\n## [0.1.0]\n")
    assert found == ["C.md: has no section [Unreleased]"]


@pytest.mark.parametrize("target", ["missing.md", "../docs/missing/", "#no-such-heading", "b.md#no-such-heading"])
def test_a_broken_link_is_found(target: str) -> None:
    pages = {Path("docs/a.md"): "# Title", Path("docs/b.md"): "# Other\n```\n# in a fence\n```"}
    found = document_rules.broken_links(Path("docs/a.md"), f"[x]({target})", pages.get)
    assert found == [f"docs/a.md: broken link {target}"]


@pytest.mark.parametrize("target", ["b.md", "b.md#who-may-do-what", "#title", "https://example.com/x"])
def test_a_good_link_is_left_alone(target: str) -> None:
    pages = {Path("docs/a.md"): "# Title", Path("docs/b.md"): "## Who may do what?"}
    text = f"# Title\n[x]({target})\n```\n[in a fence](nowhere.md)\n```"
    assert document_rules.broken_links(Path("docs/a.md"), text, pages.get) == []
