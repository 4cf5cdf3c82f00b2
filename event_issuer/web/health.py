"""/healthz: the process answers. /readyz: it can do its work. Knows what to ask, not what the answers mean.

Anybody may ask, so an answer has the names of what fails and nothing more; the reasons are in the log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from event_issuer.domain.json_text import render_json

Check = Callable[[], Awaitable[None]]  # raises when the part cannot do its work

CHECK_TIMEOUT_S: Final = 2.0  # those who ask give up after some seconds themselves
_HEADERS: Final = {"Cache-Control": "no-store"}

logger = structlog.get_logger(__name__)


def build_health_routes(checks: Mapping[str, Check], timeout_s: float = CHECK_TIMEOUT_S) -> list[Route]:
    async def healthz(_: Request) -> Response:
        return _answer(200, {"status": "ok"})

    async def readyz(_: Request) -> Response:
        passed = await asyncio.gather(*(_passes(name, check, timeout_s) for name, check in checks.items()))
        failing = [name for name, is_passed in zip(checks, passed, strict=True) if not is_passed]
        return (
            _answer(503, {"status": "unavailable", "failing": failing}) if failing else _answer(200, {"status": "ok"})
        )

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


async def _passes(name: str, check: Check, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await check()
    except Exception as reason:
        logger.warning("not ready", check=name, reason=repr(reason))
        return False
    return True


def _answer(status: int, document: Mapping[str, object]) -> Response:
    return Response(render_json(document), status, _HEADERS, "application/json")
