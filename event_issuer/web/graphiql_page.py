"""GraphiQL for browsers: the page at /graphql and its files under /graphiql/, all from this package.

The page asks for an API key and sends it with each request; it needs no login itself and knows no schema.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from event_issuer.web.problems import no_such_path

_MEDIA_TYPES: Final = {
    "graphiql.min.css": "text/css",
    "graphiql.min.js": "text/javascript",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "react-dom.production.min.js": "text/javascript",
    "react.production.min.js": "text/javascript",
}
# Scripts from us only. GraphiQL's dialogs insert style elements, and its fonts lie in its style sheet.
_CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "font-src data:",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
_FOR_A_YEAR: Final = "public, max-age=31536000, immutable"  # the page names each file with its version


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    media_type: str
    version: str


@cache
def _assets() -> dict[str, Asset]:
    folder = files("event_issuer.web") / "graphiql"
    bodies = {name: (folder / name).read_bytes() for name in _MEDIA_TYPES}
    return {
        name: Asset(body, _MEDIA_TYPES[name], hashlib.sha256(body).hexdigest()[:16]) for name, body in bodies.items()
    }


def build_page() -> Response:
    html = (files("event_issuer.web") / "graphiql" / "index.html").read_text("utf-8")
    versioned = re.sub(r'"graphiql/([^"]+)"', lambda name: f'"graphiql/{name[1]}?{_assets()[name[1]].version}"', html)
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
        "Vary": "Accept",  # the same path answers GraphQL
    }
    return Response(versioned, 200, headers, "text/html; charset=utf-8")


async def _asset(request: Request) -> Response:
    asset = _assets().get(request.path_params["name"])
    if asset is None:
        raise no_such_path(request.url.path)
    headers = {"Cache-Control": _FOR_A_YEAR, "ETag": f'"{asset.version}"'}
    return Response(asset.body, 200, headers, f"{asset.media_type}; charset=utf-8")


def build_asset_route() -> Route:
    return Route("/graphiql/{name}", _asset)
