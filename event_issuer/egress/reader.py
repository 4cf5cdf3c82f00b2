"""One HTTP/1.1 response after another from the bytes of one connection, within bounds. No I/O, no clock.

httptools (llhttp, in its strict mode) parses; this module keeps what the sender needs and refuses the rest.
"""

from typing import Final

import httptools

# Servers and proxies in use refuse heads of 8 to 32 KiB; one of 64 KiB is an accident or an attack.
HEAD_BYTES_MAX: Final = 64 * 1024
HEADERS_MAX: Final = 256
# The start of the body that an attempt's record keeps.
EXCERPT_BYTES_MAX: Final = 16 * 1024
# A body that goes on beyond this is not read to its end: a new connection is cheaper.
RESPONSE_BYTES_MAX: Final = HEAD_BYTES_MAX + EXCERPT_BYTES_MAX + 64 * 1024

HEAD_TOO_LONG: Final = f"the response has more than {HEADERS_MAX} headers or {HEAD_BYTES_MAX} bytes of them"


class MalformedResponse(Exception):
    """The bytes are no HTTP response, or one beyond its bounds; the connection is of no further use."""


class ResponseReader:
    """Fed bytes until `complete`; then `status`, `headers` and `body_excerpt` stand until `expect` is called.

    `keep_alive` says whether the connection may carry another response.
    """

    __slots__ = (
        "_fault",
        "_head_complete",
        "_parser",
        "_received_bytes",
        "body_excerpt",
        "complete",
        "headers",
        "keep_alive",
        "status",
    )

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.expect()

    def expect(self) -> None:
        """Make ready for the next response."""
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []  # raw, in order
        self.body_excerpt = b""
        self.complete = False
        self.keep_alive = False
        self._received_bytes = 0
        self._head_complete = False
        self._fault = ""

    def feed(self, data: bytes) -> None:
        """Raises MalformedResponse. Bytes beyond the response belong to nothing: they end `keep_alive`."""
        self._received_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self.complete:
                raise MalformedResponse(self._fault or f"the response is not HTTP/1.1: {error}") from None
            self.keep_alive = False
        if self.complete:
            return
        if not self._head_complete and self._received_bytes > HEAD_BYTES_MAX:
            raise MalformedResponse(HEAD_TOO_LONG)
        if self._received_bytes > RESPONSE_BYTES_MAX:
            self.complete = True

    def feed_eof(self) -> None:
        """The peer sends no more, which completes a body without a length (RFC 9112, section 6.3, rule 8)."""
        framed = any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self.headers)
        if self._head_complete and not framed:
            self.complete = True

    def on_message_begin(self) -> None:
        if self.complete:
            raise self._refuse("there is data after the response")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_complete:  # else it is a trailer
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 100 or self.status == 101:
            raise self._refuse(f"the response has the status {self.status}, which answers no request of ours")
        if len(self.headers) > HEADERS_MAX or self._head_is_too_long():
            raise self._refuse(HEAD_TOO_LONG)
        self._head_complete = self.status >= 200

    def on_body(self, chunk: bytes) -> None:
        room = EXCERPT_BYTES_MAX - len(self.body_excerpt)
        if room > 0:
            self.body_excerpt += chunk[:room]

    def on_message_complete(self) -> None:
        if self._head_complete:
            self.complete = True
            self.keep_alive = self._parser.should_keep_alive()
        else:  # 1xx: the response proper follows
            self.headers.clear()

    def _head_is_too_long(self) -> bool:
        # Body bytes may have come along; they are told apart only where it matters.
        if self._received_bytes <= HEAD_BYTES_MAX:
            return False
        return sum(len(name) + len(b": \r\n") + len(value) for name, value in self.headers) > HEAD_BYTES_MAX

    def _refuse(self, fault: str) -> ValueError:
        # The parser swallows what a callback raises and reports an error of its own; `feed` says what it was.
        self._fault = fault
        return ValueError(fault)
