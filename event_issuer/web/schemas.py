"""GET /v1/schemas/{event_type}/{version}: the JSON Schema document that `dataschema` of an event names.

A version never changes, so its document may be kept for ever: by anybody when its event type is open, else only by
the client that proved who it is. Knows neither who may see it nor where it comes from.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from event_issuer.domain.dataschemas import PATH, version_number
from event_issuer.domain.errors import Forbidden, NotFound
from event_issuer.resolvers.schemas import SchemaDocument
from event_issuer.web.etags import etag_of, is_known
from event_issuer.web.problems import no_such_path

MEDIA_TYPE: Final = "application/schema+json"
_FOR_A_YEAR: Final = "max-age=31536000, immutable"


DocumentOf = Callable[[Request, str, int], Awaitable[SchemaDocument]]
"""From the request (for who asks), the event type's name and the version. Raises NotFound or Forbidden."""


def build_schema_route(document_of: DocumentOf) -> Route:
    async def schema(request: Request) -> Response:
        event_type, version = request.path_params["event_type"], request.path_params["version"]
        number = version_number(version)
        if number is None:
            raise no_such_path(request.url.path)
        try:
            document = await document_of(request, event_type, number)
        except (Forbidden, NotFound):  # in the same words: whether it exists is nobody else's business
            raise NotFound(f"There is no schema {event_type[:200]!r} version {version} that you may see.") from None
        return _answer(request, document)

    return Route(PATH + "{event_type}/{version}", schema)


def _answer(request: Request, document: SchemaDocument) -> Response:
    etag = etag_of(document.body)
    headers = {
        "Cache-Control": f"{'public' if document.is_public else 'private'}, {_FOR_A_YEAR}",
        "ETag": etag,
        "Vary": "X-API-Key",
    }
    if is_known(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(document.body, 200, headers, MEDIA_TYPE)
