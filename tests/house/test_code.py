"""The code keeps the rules of the house, and each rule finds what it is for."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.house import code_rules
from tests.house.code_rules import Module

ROOT = Path(__file__).parents[2]
ALL = ("event_issuer", "tests", "bench")
Rule = Callable[[Module], list[str]]


def modules(*folders: str) -> list[Module]:
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [Module.parse(path.relative_to(ROOT), path.read_text("utf-8")) for path in paths]


@pytest.mark.parametrize(
    ("rule", "folders"),
    [
        (code_rules.long_functions, ALL),
        (code_rules.long_files, ALL),
        (code_rules.vague_names, ALL),
        (code_rules.missing_docstrings, ALL),
        (code_rules.mocks, ["tests"]),
        (code_rules.sleeps, ["tests"]),
        (code_rules.sql_outside_db, ["event_issuer"]),
        (code_rules.unguarded_resolvers, ["event_issuer/resolvers"]),
    ],
)
def test_the_code_keeps_the_rule(rule: Rule, folders: Sequence[str]) -> None:
    found = modules(*folders)
    assert found
    assert [complaint for module in found for complaint in rule(module)] == []


def function_of(lines: int) -> str:
    return "def run():\n" + "    step()\n" * (lines - 1)


BAD = [
    (code_rules.long_functions, "a.py", function_of(60), ["a.py:1: run has 60 lines, at most 59"]),
    (code_rules.long_files, "a.py", "x = 1\n" * 400, ["a.py:1: the file has 400 lines, at most 399"]),
    (code_rules.vague_names, "web/utils.py", "", ["web/utils.py:1: 'utils' says nothing: name the thing"]),
    (code_rules.vague_names, "core/a.py", "", ["core/a.py:1: 'core' says nothing: name the thing"]),
    (code_rules.missing_docstrings, "a.py", "x = 1", ["a.py:1: the module has no docstring"]),
    (
        code_rules.mocks,
        "a.py",
        "from unittest.mock import patch",
        ["a.py:1: imports unittest.mock.patch: use the real part"],
    ),
    (
        code_rules.mocks,
        "a.py",
        "from unittest import mock",
        ["a.py:1: imports unittest.mock: use the real part"],
    ),
    (code_rules.mocks, "a.py", "def test(mocker): ...", ["a.py:1: takes mocker: use the real part"]),
    (
        code_rules.mocks,
        "a.py",
        "monkeypatch.setattr(clock, 'now', f)",
        ["a.py:1: patches with monkeypatch.setattr: pass the part in"],
    ),
    (
        code_rules.sleeps,
        "a.py",
        "import time\ntime.sleep(1)",
        ["a.py:2: time.sleep(1): wait for an event or step the clock"],
    ),
    (
        code_rules.sleeps,
        "a.py",
        "from asyncio import sleep as nap\nawait nap(0.1)",
        ["a.py:2: nap(0.1): wait for an event or step the clock"],
    ),
    (
        code_rules.sql_outside_db,
        "event_issuer/web/a.py",
        "run(f'SELECT * FROM {table}')",
        ["event_issuer/web/a.py:1: SQL outside db/: 'SELECT * FROM ?'"],
    ),
    (
        code_rules.sql_outside_db,
        "event_issuer/eventlog/a.py",
        "Q = 'INSERT OR IGNORE INTO log VALUES (1)'",
        ["event_issuer/eventlog/a.py:1: SQL outside db/: 'INSERT OR IGNORE INTO log VALUES (1)'"],
    ),
    (
        code_rules.sql_outside_db,
        "event_issuer/eventlog/a.py",
        "Q = 'WITH old AS (SELECT 1) DELETE FROM log'",
        ["event_issuer/eventlog/a.py:1: SQL outside db/: 'WITH old AS (SELECT 1) DELETE FROM log'"],
    ),
]


@pytest.mark.parametrize(("rule", "path", "source", "complaints"), BAD)
def test_a_rule_finds_what_it_is_for(rule: Rule, path: str, source: str, complaints: list[str]) -> None:
    assert rule(Module.parse(path, source)) == complaints


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (code_rules.long_functions, "a.py", function_of(59)),
        (code_rules.long_files, "a.py", "x = 1\n" * 399),
        (code_rules.vague_names, "web/health.py", ""),
        (code_rules.missing_docstrings, "__init__.py", ""),
        (code_rules.mocks, "a.py", "monkeypatch.setenv('A', 'b')"),
        (code_rules.sleeps, "a.py", "import asyncio\nawait asyncio.sleep(0)\nawait clock.sleep(5)"),
        (code_rules.sql_outside_db, "event_issuer/db/a.py", "Q = 'SELECT 1 FROM log'"),
        (
            code_rules.sql_outside_db,
            "event_issuer/cli.py",
            "say('select an event from the list, or delete it')",
        ),
        (code_rules.sql_outside_db, "event_issuer/cli.py", '"""SELECT what you need FROM db/."""'),
    ],
)
def test_a_rule_leaves_good_code_alone(rule: Rule, path: str, source: str) -> None:
    assert rule(Module.parse(path, source)) == []


def in_resolver(method: str) -> Module:
    body = "\n".join(f"    {line}" for line in method.splitlines())
    return Module.parse("event_issuer/resolvers/events.py", f"class Events:\n{body}\n")


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("async def get(self, id): ...", "take"),
        ("async def get(self, id, caller): caller.authorise(READ)", "take"),
        ("async def get(self, *, caller): caller.authorise(READ)", "take"),
        ("async def get(self, caller, id): return await self.log.read(id)", "authorise"),
        ("async def get(self, caller):\n    'Docstring.'", "authorise"),
        ("async def get(self, caller):\n    if self.strict:\n        caller.authorise(READ)", "authorise"),
        ("async def get(self, caller):\n    self.strict and caller.authorise(READ)", "authorise"),
        ("async def get(self, caller):\n    await self.access.authorise(self.operator)", "authorise"),
        ("def get(self, caller): return self.rows", "authorise"),
        ("async def _one(self): ...\ndef get(self, caller): return self.rows", "authorise"),
    ],
)
def test_an_unguarded_resolver_is_found(method: str, fault: str) -> None:
    (complaint,) = code_rules.unguarded_resolvers(in_resolver(method))
    assert complaint.startswith("event_issuer/resolvers/events.py:")
    assert complaint.endswith(f"get does not {fault} `caller` first")


@pytest.mark.parametrize(
    "method",
    [
        "async def get(self, caller):\n    'Docstring.'\n    caller.authorise(READ)\n    return 1",
        "async def get(self, caller, id): await self.access.authorise(caller, READ, id)",
        "async def get(self, caller): grants = await self.access.authorise_each(caller)",
        "async def get(self, caller):\n    async with self.access.authorised(caller): ...",
        "async def get(self, caller): caller.require_operator()",
        "async def _row(self, id): return id",
    ],
)
def test_a_guarded_resolver_is_left_alone(method: str) -> None:
    assert code_rules.unguarded_resolvers(in_resolver(method)) == []


def test_a_bare_coroutine_in_resolvers_is_a_resolver() -> None:
    module = Module.parse("a.py", "async def get(id): ...\nasync def _row(id): ...\ndef name(row): ...")
    assert code_rules.unguarded_resolvers(module) == ["a.py:1: get does not take `caller` first"]
