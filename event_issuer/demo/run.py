"""The demo, joined: a temporary folder, a real issuer in it, a receiver, and the partner's script."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from event_issuer.app import open_access
from event_issuer.demo import show, traffic
from event_issuer.demo.client import ApiError, Client
from event_issuer.demo.receiver import Receiver, receiving
from event_issuer.demo.script import DemoFailed, Say, Script, example_mutation
from event_issuer.demo.show import Style, style_of
from event_issuer.demo.traffic import Entry
from event_issuer.domain.access import EVERYTHING, Action, Policy
from event_issuer.resolvers.access import CONSOLE
from event_issuer.security.sealing import new_sealing_key
from event_issuer.serving import serving
from event_issuer.settings import Settings, load_settings

PACE_S: Final = 0.3  # the whole file in some five seconds
FOLDER_PREFIX: Final = "event-issuer-demo-"


def print_line(line: str) -> None:
    print(line, flush=True)


async def run(
    once: bool,
    say: Say = print_line,
    style: Style | None = None,
    *,
    pace_s: float = PACE_S,
    entries: Sequence[Entry] | None = None,
    parent: Path | None = None,
) -> int:
    """Plays the file of events (or other `entries`), and goes on until it is cancelled unless `once`.

    The exit status is 0 when each accepted event was delivered and each refusal was the expected one. The folder is
    made in `parent`, by default where the system keeps such. Raises SettingsInvalid, Unavailable: no issuer started.
    """
    style = style_of(sys.stdout, os.environ) if style is None else style
    script, status = Script(say, style, pace_s, traffic.entries() if entries is None else entries), 1
    try:
        with _ended_by_sigterm(), TemporaryDirectory(prefix=FOLDER_PREFIX, dir=parent) as folder:
            async with _stage(Path(folder), script) as (client, receiver, api_key):
                _say_all(say, show.opening(style))
                await script.set_up(client, receiver)
                await script.play(client)
                _say_all(say, show.summary(style, script.tally))
                status = 1 if script.tally.verdict() else 0
                if not once:
                    hook, mutation = receiver.unchecked_url, example_mutation()
                    _say_all(say, show.invitation(style, client.url, api_key, hook, mutation))
                    await asyncio.Event().wait()
    except (ApiError, DemoFailed) as failure:
        _say_all(say, show.failure(style, str(failure)))
    except asyncio.CancelledError:  # Ctrl-C or SIGTERM: the ordinary end of a demo that goes on
        say("Stopped; what it had stored is removed.")
    return status


@asynccontextmanager
async def _stage(folder: Path, script: Script) -> AsyncIterator[tuple[Client, Receiver, str]]:
    """An issuer that serves on a free port of the loopback, a receiver beside it, and a partner with a key."""
    settings = demo_settings(folder)
    async with open_access(settings) as access:
        policies = [Policy(action, EVERYTHING) for action in Action]
        created = await access.create_key(CONSOLE, "railway", "demo", policies)
    async with (
        receiving(script.on_received) as receiver,
        serving(settings) as address,
        Client(f"{address}/graphql", created.key) as client,
    ):
        yield client, receiver, created.key


def demo_settings(folder: Path) -> Settings:
    """What keeps the demo to itself, whatever the environment says: its folder, its key, the loopback."""
    return load_settings(
        database_url=f"sqlite:///{folder.resolve()}/demo.db",
        sealing_key=new_sealing_key(),
        host="127.0.0.1",
        port=0,
        metrics_port=0,
        public_url=None,
        http_allowed=True,
        allowed_networks=("127.0.0.0/8",),
        grace_s=5.0,
    )


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM cancels this task, as Ctrl-C does, so that the folder does not stay."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _say_all(say: Say, lines: Sequence[str]) -> None:
    for line in lines:
        say(line)
