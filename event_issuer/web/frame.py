"""What every answer has around it: security headers, and a problem instead of a fault. Pure ASGI; knows no route."""

from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from event_issuer.web.problems import problem_of_any, problem_response

# OWASP's for an API, which is not meant to be framed, guessed at or leaked by links. A page brings its own policy.
_POLICY: Final = b"content-security-policy"
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
_CLOSED_POLICY: Final = (_POLICY, b"default-src 'none'; frame-ancestors 'none'")


class Frame:
    """Goes around the router. An exception after the answer has begun goes on to the server, which closes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def framed_send(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                message["headers"] = [*message.get("headers", ()), *_HEADERS, *_missing_policy(message)]
            await send(message)

        try:
            await self._app(scope, receive, framed_send)
        except ClientDisconnect:
            return  # nobody is left to answer
        except Exception as error:
            if has_begun:
                raise
            response = problem_response(problem_of_any(error, Request(scope)))
            await response(scope, receive, framed_send)


def _missing_policy(message: Message) -> tuple[tuple[bytes, bytes], ...]:
    return () if any(name == _POLICY for name, _ in message.get("headers", ())) else (_CLOSED_POLICY,)
