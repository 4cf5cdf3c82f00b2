"""The HTTP face joined: every route, what is around them, and problem+json for what no route answers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import strawberry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Lifespan

from event_issuer.domain.errors import BadInput
from event_issuer.telemetry.metrics import Metrics
from event_issuer.web.frame import Frame
from event_issuer.web.graphiql_page import build_asset_route, build_page
from event_issuer.web.graphql_view import GraphQLView
from event_issuer.web.health import Check, build_health_routes
from event_issuer.web.observing import Observed
from event_issuer.web.problems import HttpRefusal, no_such_method, no_such_path
from event_issuer.web.schemas import DocumentOf, build_schema_route


def build_app(
    schema: strawberry.Schema,
    context_of: Callable[[Request], Awaitable[object]],
    *,
    document_of: DocumentOf,
    more: Sequence[Route] = (),
    checks: Mapping[str, Check],
    body_bytes_max: int,
    metrics: Metrics | None = None,
    lifespan: Lifespan[Starlette] | None = None,
) -> Starlette:
    """`context_of` makes a request's GraphQL context and may refuse it; `checks` are what /readyz asks;
    `more` are the faces beside GraphQL."""
    graphql = GraphQLView(schema, context_of, body_bytes_max=body_bytes_max, page=build_page())
    routes: list[BaseRoute] = [
        # First, because it is asked most. The view refuses methods itself, in GraphQL's words.
        Route("/graphql", graphql),
        WebSocketRoute("/graphql", graphql),
        build_asset_route(),
        *more,
        build_schema_route(document_of),
        *build_health_routes(checks),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Observed, metrics=metrics or Metrics()), Middleware(Frame)],
        exception_handlers={HTTPException: _refused},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


async def _refused(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses, handed to the frame in our words."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        raise no_such_path(request.url.path)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "").split(", ")  # in any order
        raise no_such_method(request.method, ", ".join(sorted(allowed)))
    raise HttpRefusal(error.status_code, BadInput(f"{error.detail}."), error.headers)
