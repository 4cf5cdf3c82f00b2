"""The rules of the house for documents: each takes a path and a text and returns its complaints.

Links are followed inside the repository only; an address on the web is not looked up.
"""

import re
from collections.abc import Callable
from pathlib import Path

ADR_LINES_MAX = 20
VOCABULARY = (
    "tenant",
    "principal",
    "policy",
    "event type",
    "schema version",
    "event",
    "position",
    "subscription",
    "lane",
    "cursor",
    "attempt",
    "settled",
    "parked",
    "dead letter",
    "stream",
    "lease",
)
# In two halves, so that this file does not name them either.
REGISTRIES = tuple(
    ".".join(halves)
    for halves in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("yarnpkg", "com"),
        ("crates", "io"),
        ("golang", "org"),
        ("repo.maven", "apache"),
        ("repo1.maven", "org"),
        ("deb.debian", "org"),
    ]
)

_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


def long_adr(path: Path, text: str) -> list[str]:
    """An ADR is short enough to be read."""
    length = len(text.splitlines())
    return [f"{path}: {length} lines, at most {ADR_LINES_MAX}"] if length > ADR_LINES_MAX else []


def registry_hosts(path: Path, text: str) -> list[str]:
    """No file depends on where packages come from."""
    return [f"{path}: names the registry {host}" for host in REGISTRIES if host in text]


def missing_words(path: Path, text: str) -> list[str]:
    """The glossary defines each word of the vocabulary, in bold at the start of its line."""
    return [f"{path}: does not define {word!r}" for word in VOCABULARY if f"\n| **{word}** |" not in text]


def missing_unreleased(path: Path, text: str) -> list[str]:
    """The changelog has a place for the next change (Keep a Changelog 1.1.0)."""
    return [] if "\n## [Unreleased]\n" in text else [f"{path}: has no section [Unreleased]"]


def broken_links(path: Path, text: str, read: Callable[[Path], str | None]) -> list[str]:
    """Links lead to files and headings that exist; `read` gives a file's text, "" for a folder, else None."""
    targets = _LINK.findall(_FENCE.sub("", text))
    return [
        f"{path}: broken link {target}"
        for target in targets
        if "://" not in target and not target.startswith("mailto:") and not _leads_somewhere(path, target, read)
    ]


def _leads_somewhere(path: Path, target: str, read: Callable[[Path], str | None]) -> bool:
    file, _, anchor = target.partition("#")
    text = read(path.parent / file if file else path)
    return text is not None and (not anchor or anchor in _anchors(text))


def _anchors(text: str) -> set[str]:
    """The anchors of a Markdown page: headings in lower case, without punctuation, hyphens for spaces."""
    headings = _HEADING.findall(_FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
