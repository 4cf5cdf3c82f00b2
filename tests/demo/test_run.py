"""The demo from end to end: a real issuer, real HTTP on the loopback, and the README's tour while it runs."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from event_issuer.demo import traffic
from event_issuer.demo.run import run
from event_issuer.demo.script import example_mutation
from event_issuer.demo.show import Style
from event_issuer.demo.traffic import Entry, Outcome

README = Path(__file__).parents[2] / "README.md"
PLAIN = Style()
LINE_TIMEOUT_S = 60
STOPPED = "Stopped; what it had stored is removed."
FINE = "Each accepted event was delivered, signed and in order; each refusal was the expected one."


class Screen:
    """What was said, and a way to wait for a line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._news = asyncio.Event()

    def say(self, line: str) -> None:
        self.lines.append(line)
        self._news.set()

    async def line(self, pattern: str) -> re.Match[str]:
        """The first line in which the pattern is found, once it has been said; TimeoutError when it never is."""
        async with asyncio.timeout(LINE_TIMEOUT_S):
            while True:
                for line in self.lines:
                    if found := re.search(pattern, line):
                        return found
                self._news.clear()
                await self._news.wait()

    def count(self, outcome: str) -> int:
        return sum(line[2:].startswith(outcome) for line in self.lines)


async def test_once_it_ends_with_0_and_leaves_nothing_behind(tmp_path: Path) -> None:
    screen = Screen()
    assert await run(True, screen.say, PLAIN, pace_s=0, parent=tmp_path) == 0
    outcomes = ("accepted", "refused", "duplicate", "delivered", "repeated")
    assert [screen.count(outcome) for outcome in outcomes] == [52, 8, 1, 52, 0]
    table = [line.split() for line in screen.lines[screen.lines.index("") :] if re.search(r"( +\d+){5}$", line)]
    assert table == [
        ["track-possession-changed", "5", "4", "0", "1", "4"],
        ["train-arrived", "25", "22", "0", "3", "22"],
        ["train-cancelled", "1", "0", "0", "1", "0"],
        ["train-departed", "30", "26", "1", "3", "26"],
        ["all", "61", "52", "1", "8", "52"],
    ]
    assert screen.lines[-2:] == [FINE, ""]
    assert list(tmp_path.iterdir()) == []


async def test_it_shows_what_was_wrong_with_a_refused_event(tmp_path: Path) -> None:
    screen = Screen()
    first_batches = traffic.entries()[:15]
    assert await run(True, screen.say, PLAIN, pace_s=0, entries=first_batches, parent=tmp_path) == 0
    refused = screen.lines.index("✗ refused    12 train-arrived            2117         SV     CONTRACT_BROKEN")
    assert sorted(screen.lines[refused + 1 : refused + 3]) == [
        '                (data)         required  "track" is a required property',
        '                /delaySeconds  type      "18" is not of type "integer"',
    ]


async def test_it_ends_with_1_when_something_is_not_as_expected(tmp_path: Path) -> None:
    screen = Screen()
    wrong = [Entry(1, traffic.entries()[0].event, Outcome("REJECTED", "CONFLICT"))]
    assert await run(True, screen.say, PLAIN, pace_s=0, entries=wrong, parent=tmp_path) == 1
    assert screen.lines[-3:] == ["Not as expected:", "  Line 1 became PERSISTED, not REJECTED CONFLICT.", ""]
    assert list(tmp_path.iterdir()) == []


Ask = Callable[[str], Awaitable[dict[str, Any]]]


@asynccontextmanager
async def going_on(screen: Screen, parent: Path) -> AsyncIterator[tuple[Ask, str]]:
    """A demo that has played one event and goes on until the end of the block; how to ask its API, and its hook."""
    one = traffic.entries()[:1]
    running = asyncio.create_task(run(False, screen.say, PLAIN, pace_s=0, entries=one, parent=parent))
    url, key, hook = (await screen.line(r"URL=(\S+) KEY=(\S+) HOOK=(\S+)$")).groups()
    async with httpx.AsyncClient(headers={"X-API-Key": key}, trust_env=False) as client:

        async def ask(query: str) -> dict[str, Any]:
            answer = (await client.post(url, json={"query": query})).json()
            assert "errors" not in answer
            data: dict[str, Any] = answer["data"]
            return data

        try:
            yield ask, hook
        finally:
            running.cancel()
    assert await running == 0
    assert screen.lines[-1] == STOPPED
    assert list(parent.iterdir()) == []


async def test_the_mutation_that_it_offers_is_delivered(tmp_path: Path) -> None:
    screen = Screen()
    async with going_on(screen, tmp_path) as (ask, _):
        produced = await ask(example_mutation())
        assert produced == {"produceEvents": {"results": [{"status": "PERSISTED", "violations": [], "problem": None}]}}
        line = await screen.line(r"delivered +train-arrived")
        assert line.string == "→ delivered     train-arrived            807          OSL    signature ok"


async def test_the_tour_of_the_readme(tmp_path: Path) -> None:
    queries = re.findall(r"^gql <<END\n(.*?)^END$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    create, validate, subscribe, produce, look_back = queries
    screen = Screen()
    async with going_on(screen, tmp_path) as (ask, hook):
        created = (await ask(create))["createEventType"]["eventType"]
        assert (created["name"], created["latestSchema"]["version"]) == ("cloud.open.demo.door-opened.v1", 1)
        validation = (await ask(validate))["validateEvent"]
        assert validation["valid"] is False
        assert [(one["path"], one["rule"]) for one in validation["violations"]] == [("/door", "minimum")]
        subscribed = (await ask(subscribe.replace("$HOOK", hook)))["createWebhookSubscription"]
        assert subscribed["webhookSubscription"]["status"] == "INITIALIZING"
        assert subscribed["signingSecret"]["secret"].startswith("whsec_")
        assert (await ask(produce))["produceEvents"]["results"][0]["status"] == "PERSISTED"
        await screen.line(r"delivered +door-opened +807 +OSL +not checked$")
        assert (await ask(produce))["produceEvents"]["results"][0]["status"] == "DUPLICATE"
        changed = await ask(produce.replace("door: 2", "door: 3"))
        assert changed["produceEvents"]["results"][0]["status"] == "REJECTED"
        found = (await ask(look_back))["events"]["edges"]
        assert [edge["node"]["cloudEvent"]["data"] for edge in found] == [{"train": "807", "door": 2}]


def listen_to_ctrl_c() -> None:
    """What a shell starts in the background, these tests perhaps, is deaf to it, and so are its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("stopping", "after", "status"),
    [
        pytest.param(signal.SIGINT, "Your turn.", 0, id="Ctrl-C at its end"),
        pytest.param(signal.SIGTERM, " delivered ", 1, id="SIGTERM half-way"),
    ],
)
async def test_a_signal_stops_the_command_and_nothing_stays(
    tmp_path: Path, stopping: signal.Signals, after: str, status: int
) -> None:
    command = Path(sys.executable).with_name("event-issuer")
    pipe = asyncio.subprocess.PIPE
    environ = os.environ | {"TMPDIR": str(tmp_path), "PYTHONIOENCODING": "utf-8"}
    process = await asyncio.create_subprocess_exec(
        command, "demo", stdout=pipe, stderr=pipe, env=environ, preexec_fn=listen_to_ctrl_c
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async for line in process.stdout:
        if after in line.decode():
            break
    assert len(list(tmp_path.iterdir())) == 1
    process.send_signal(stopping)
    rest, complaints = await process.stdout.read(), await process.stderr.read()
    assert (rest.decode().splitlines()[-1], complaints, await process.wait()) == (STOPPED, b"", status)
    assert list(tmp_path.iterdir()) == []
