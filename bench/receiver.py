"""The receiver: 200 webhook endpoints in one process that answer as fast as Python lets them.

It finds where a request ends and parses nothing else, so that it is not what is measured. Each endpoint has a port of
its own on loopback.
"""

import asyncio
from pathlib import Path
from typing import Final, cast

import uvloop

from bench.counters import DONE, HANDSHAKES, Counters
from bench.processes import argument, parent_left, say_ready
from bench.traffic import now_us

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
# CloudEvents webhook specification 1.0.2, §4: the endpoint agrees to receive, from whoever asks.
AGREED: Final = (
    b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nWebHook-Allowed-Rate: *\r\nAllow: POST, OPTIONS\r\n"
    b"Content-Length: 0\r\n\r\n"
)
_LENGTH: Final = b"Content-Length: "  # as all our clients spell it


class Endpoint(asyncio.Protocol):
    def __init__(self, counters: Counters, is_timing: bool) -> None:
        self._counters, self._is_timing = counters, is_timing
        self._partial = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._partial:
            data = self._partial + data
            self._partial = b""
        end = data.find(b"\r\n\r\n")
        found = data.find(_LENGTH, 0, end)
        length = int(data[found + len(_LENGTH) : data.find(b"\r", found)]) if found >= 0 else 0
        if end < 0 or len(data) < end + 4 + length:
            self._partial = data
        elif data.startswith(b"OPTIONS"):
            self._counters.words[HANDSHAKES] += 1
            self._transport.write(AGREED)
        else:
            self._counters.words[DONE] += 1
            if self._is_timing:
                self._counters.sample(now_us() - made_at_us(data))
            self._transport.write(OK)


def made_at_us(request: bytes) -> int:
    """When the event was made: the first part of its id. See `bench.traffic.Events`."""
    start = request.index(b"\r\nce-id: ") + len(b"\r\nce-id: ")
    return int(request[start : request.index(b"-", start)])


async def serve(count: int, counters: Counters, is_timing: bool) -> None:
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(lambda: Endpoint(counters, is_timing), "127.0.0.1", 0, backlog=512)
        for _ in range(count)
    ]
    say_ready(ports=[server.sockets[0].getsockname()[1] for server in servers])
    await parent_left()


if __name__ == "__main__":
    given = argument()
    uvloop.run(serve(given["endpoints"], Counters(Path(given["counters"])), given["is_timing"]))
