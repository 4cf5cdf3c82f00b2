"""One keep-alive HTTP connection on httptools: a request, its response, the next request. No futures, no tasks.

The barest client that Python offers; limits and load generators share it. Knows nothing of what it sends.
"""

import asyncio
from abc import abstractmethod
from typing import cast

import httptools


class Connection(asyncio.Protocol):
    """Subclasses say what to send when the connection is up, and what to do with each answer."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._body = b""
        self._is_complete = False
        self.is_lost = False

    @abstractmethod
    def connected(self) -> None: ...

    @abstractmethod
    def answered(self, status: int, body: bytes) -> None: ...

    def send(self, request: bytes) -> None:
        self._body = b""
        self._is_complete = False
        self._transport.write(request)

    def close(self) -> None:
        self._transport.close()

    # What the event loop and the parser call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.connected()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        if self._is_complete:
            self.answered(self._parser.get_status_code(), self._body)

    def on_body(self, chunk: bytes) -> None:
        self._body += chunk

    def on_message_complete(self) -> None:
        self._is_complete = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
