"""Debian's Chromium without a window, driven over the DevTools protocol.

It keeps a record of every address that it asks for. What the tests wait for is waited for inside the page.
"""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,800",
    "--remote-debugging-port=0",
)
START_WAIT_S = 60
WAIT_S = 30
MESSAGE_BYTES_MAX = 64 * 1024 * 1024


def find_chromium() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab. `requested` has every address it asked for, `said` what its scripts and its policy complained about."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.session: str | None = None
        self.requested: list[str] = []
        self.said: list[str] = []

    async def listen(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message)
            elif message["method"] == "Network.requestWillBeSent":
                self.requested.append(message["params"]["request"]["url"])
            elif message["method"] == "Log.entryAdded" and message["params"]["entry"]["source"] != "network":
                self.said.append(message["params"]["entry"]["text"])
            elif message["method"] == "Runtime.exceptionThrown":
                self.said.append(str(message["params"]["exceptionDetails"]))
            elif message["method"] == "Page.loadEventFired":
                self._loaded.set()

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        call = {"id": number, "method": method, "params": parameters}
        await self._socket.send(json.dumps(call | ({"sessionId": self.session} if self.session else {})))
        message = await asyncio.wait_for(answer, WAIT_S)
        assert "error" not in message, message
        return dict(message["result"])

    async def go(self, url: str) -> None:
        async with self.loading():
            await self.call("Page.navigate", url=url)

    @asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        """Until the page that is asked for inside is there."""
        self._loaded.clear()
        yield
        await asyncio.wait_for(self._loaded.wait(), WAIT_S)

    async def evaluate(self, expression: str) -> Any:
        result = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, expression: str, every_ms: int = 10) -> Any:
        """The expression's first value that is true."""
        return await self.evaluate(
            "new Promise(resolve => { const look = () => { const seen = (() => { try { return "
            f"{expression} }} catch {{ return null }} }})();"
            f"seen ? resolve(seen) : setTimeout(look, {every_ms}) }}; look(); }})"
        )

    async def click(self, selector: str) -> None:
        await self.until(f"(document.querySelector({json.dumps(selector)}).click(), true)")

    async def type_into(self, selector: str, text: str) -> None:
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.call("Input.insertText", text=text)


@asynccontextmanager
async def opened(chromium: str) -> AsyncIterator[Page]:
    """An empty tab of a browser that has never been used."""
    profile = Path(tempfile.mkdtemp(prefix="issuer-chromium-"))
    process = await asyncio.create_subprocess_exec(
        chromium,
        *FLAGS,
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        address = await asyncio.wait_for(_address(process), START_WAIT_S)
        async with connect(address, max_size=MESSAGE_BYTES_MAX, proxy=None) as socket:
            page = Page(socket)
            listening = asyncio.create_task(page.listen())
            targets = await page.call("Target.getTargets")
            (tab,) = [target["targetId"] for target in targets["targetInfos"] if target["type"] == "page"]
            attached = await page.call("Target.attachToTarget", targetId=tab, flatten=True)
            page.session = attached["sessionId"]
            for domain in ("Network", "Log", "Runtime", "Page"):
                await page.call(f"{domain}.enable")
            try:
                yield page
            finally:
                listening.cancel()
    finally:
        process.kill()
        await process.communicate()
        shutil.rmtree(profile, ignore_errors=True)


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        if b"DevTools listening on " in line:
            return line.decode().partition(" on ")[2].strip()
    raise AssertionError("Chromium ended before it listened")
