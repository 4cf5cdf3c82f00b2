"""Request bodies, read whole within bounds of size and time. Knows no format."""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from event_issuer.domain.errors import BadInput
from event_issuer.web.problems import HttpRefusal

BODY_TIMEOUT_S: Final = 30.0  # some megabytes over a slow line; a client that drips does not hold memory for longer
_LENGTH_DIGITS_MAX: Final = 18  # a longer length is beyond any bound


async def read_body(request: Request, bytes_max: int, timeout_s: float) -> bytes:
    """Raises HttpRefusal (413, 408), and ClientDisconnect when there is nobody left to refuse."""
    announced = request.headers.get("content-length", "0")
    if len(announced) > _LENGTH_DIGITS_MAX or (announced.isdecimal() and int(announced) > bytes_max):
        raise _too_large(bytes_max)
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(request, bytes_max)
    except TimeoutError:
        refusal = BadInput(f"The body did not arrive within {timeout_s:g} seconds.")
        raise HttpRefusal(408, refusal, {"Connection": "close"}) from None


async def _read(request: Request, bytes_max: int) -> bytes:
    # Not Request.stream(): a body of one chunk, the usual case, needs no generator and no copy.
    body, more = await _next_chunk(request)
    if more:
        whole = bytearray(body)
        while more and len(whole) <= bytes_max:
            chunk, more = await _next_chunk(request)
            whole += chunk
        body = bytes(whole)
    if len(body) > bytes_max:
        raise _too_large(bytes_max)
    return body


async def _next_chunk(request: Request) -> tuple[bytes, bool]:
    """The chunk, and whether more follow."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect()
    return message.get("body", b""), message.get("more_body", False)


def _too_large(bytes_max: int) -> HttpRefusal:
    return HttpRefusal(413, BadInput(f"The body is too large: at most {bytes_max} bytes are allowed."))
