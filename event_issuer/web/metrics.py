"""GET /metrics for Prometheus, as an application of its own: it goes on a listener that partners do not reach.

Text format or OpenMetrics, as the header Accept asks. Knows nothing of what is measured.
"""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def build_metrics_app(registry: CollectorRegistry) -> Starlette:
    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), 200, {"Cache-Control": "no-store", "Content-Type": content_type})

    return Starlette(routes=[Route("/metrics", metrics)])
