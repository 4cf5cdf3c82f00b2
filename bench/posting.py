"""Limits L1 and L1a: clients that do nothing but POST the signed webhook to the endpoints, as fast as they can.

All have a connection kept open per loop, and render and sign each request anew. `bare` awaits each response of a plain
asyncio protocol on httptools (L1), `aiohttp` does the same with the client one would otherwise take (L1a). `callback`
awaits nothing: the protocol itself sends the next request, which no program with a life of its own can do; it shows
how much more the receiver takes than L1 asks of it.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from functools import partial
from itertools import count, cycle, islice
from pathlib import Path
from typing import Final

import aiohttp
import uvloop

from bench.client import Connection
from bench.counters import DONE, FAILED, Counters
from bench.processes import argument, parent_left, say_ready
from bench.traffic import DATA, post, post_headers

CONNECTIONS: Final = 256  # on 200 endpoints: the widest row of the senders' comparison


class Awaited(Connection):
    """One request at a time; the future holds the status."""

    def __init__(self) -> None:
        super().__init__()
        self._reply: asyncio.Future[int]

    def post(self, request: bytes) -> asyncio.Future[int]:
        self._reply = asyncio.get_running_loop().create_future()
        self.send(request)
        return self._reply

    def connected(self) -> None:
        pass

    def answered(self, status: int, body: bytes) -> None:
        if not self._reply.done():  # cancelled: the measurement is over
            self._reply.set_result(status)


class SelfDriven(Connection):
    def __init__(self, port: int, numbers: Iterator[int], counters: Counters) -> None:
        super().__init__()
        self._opening = opening(port)
        self._numbers, self._counters = numbers, counters

    def connected(self) -> None:
        self.send(self._opening + post(next(self._numbers)))

    def answered(self, status: int, body: bytes) -> None:
        self._counters.words[DONE if status == 200 else FAILED] += 1
        self.send(self._opening + post(next(self._numbers)))


def opening(port: int) -> bytes:
    return b"POST /hook HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % port


async def post_callback(ports: Sequence[int], counters: Counters) -> None:
    loop, numbers = asyncio.get_running_loop(), count()
    for port in islice(cycle(ports), CONNECTIONS):
        await loop.create_connection(partial(SelfDriven, port, numbers, counters), "127.0.0.1", port)
    say_ready()
    await parent_left()


async def post_bare(ports: Sequence[int], counters: Counters) -> None:
    numbers = count()
    await _until_parent_left([_post_bare(port, numbers, counters) for port in islice(cycle(ports), CONNECTIONS)])


async def _post_bare(port: int, numbers: Iterator[int], counters: Counters) -> None:
    _, connection = await asyncio.get_running_loop().create_connection(Awaited, "127.0.0.1", port)
    opened = opening(port)
    while True:
        status = await connection.post(opened + post(next(numbers)))
        counters.words[DONE if status == 200 else FAILED] += 1


async def post_aiohttp(ports: Sequence[int], counters: Counters) -> None:
    numbers = count()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        clients = [_post_aiohttp(session, port, numbers, counters) for port in islice(cycle(ports), CONNECTIONS)]
        await _until_parent_left(clients)


async def _until_parent_left(clients: Sequence[Coroutine[None, None, None]]) -> None:
    posting = [asyncio.create_task(client) for client in clients]
    say_ready()
    await parent_left()
    for task in posting:
        task.cancel()
    await asyncio.gather(*posting, return_exceptions=True)


async def _post_aiohttp(session: aiohttp.ClientSession, port: int, numbers: Iterator[int], counters: Counters) -> None:
    url = f"http://127.0.0.1:{port}/hook"
    while True:
        headers = post_headers(next(numbers))
        async with session.post(url, data=DATA, headers=headers) as response:
            await response.read()
            counters.words[DONE if response.status == 200 else FAILED] += 1


if __name__ == "__main__":
    given = argument()
    client = {"bare": post_bare, "aiohttp": post_aiohttp, "callback": post_callback}[given["client"]]
    uvloop.run(client(given["ports"], Counters(Path(given["counters"]))))
