"""GET /v1/catalogue/asyncapi.json and /v1/catalogue/xregistry.json: the catalogue, of what who asks may see.

`?namePrefix=` asks for a part of it. Both change with the catalogue, so a client asks again with `If-None-Match`. Knows
neither who may see what nor where it comes from.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from event_issuer.domain.errors import BadInput
from event_issuer.resolvers.catalogue import CatalogueDocument, DocumentFormat
from event_issuer.web.etags import etag_of, is_known

NAME_PREFIX_LENGTH_MAX: Final = 200  # no event type has a longer name
# What everybody may see may be a minute old; what one caller may see is asked for anew, as policies change.
PUBLIC: Final = "public, max-age=60"
PRIVATE: Final = "private, no-cache"
MEDIA_TYPES: Final[Mapping[DocumentFormat, str]] = {
    DocumentFormat.ASYNCAPI: "application/vnd.aai.asyncapi+json;version=3.0.0",
    DocumentFormat.XREGISTRY: "application/json",
}

CatalogueOf = Callable[[Request, DocumentFormat, str], Awaitable[CatalogueDocument]]
"""From the request (for who asks), the format, and what the names begin with. Raises BadInput or LimitExceeded."""


def build_catalogue_routes(catalogue_of: CatalogueOf) -> list[Route]:
    def route(format_: DocumentFormat) -> Route:
        async def document(request: Request) -> Response:
            return _answer(request, format_, await catalogue_of(request, format_, _name_prefix(request)))

        return Route(f"/v1/catalogue/{format_}.json", document)

    return [route(format_) for format_ in DocumentFormat]


def _name_prefix(request: Request) -> str:
    prefix = request.query_params.get("namePrefix", "")
    if len(prefix) > NAME_PREFIX_LENGTH_MAX:
        raise BadInput(f"namePrefix has at most {NAME_PREFIX_LENGTH_MAX} characters, not {len(prefix)}.")
    return prefix


def _answer(request: Request, format_: DocumentFormat, document: CatalogueDocument) -> Response:
    etag = etag_of(document.body)
    headers = {
        "Cache-Control": PUBLIC if document.is_public else PRIVATE,
        "ETag": etag,
        "Vary": "X-API-Key",
    }
    if is_known(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(document.body, 200, headers, MEDIA_TYPES[format_])
