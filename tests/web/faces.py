"""A small schema behind the real routes, over ASGI in process or a real uvicorn on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from strawberry.types import Info

from event_issuer.domain.errors import BadInput, Forbidden, LimitExceeded, NotFound, Unauthenticated, Violation
from event_issuer.graphql.caches import DocumentCache
from event_issuer.resolvers.catalogue import CatalogueDocument, DocumentFormat
from event_issuer.resolvers.schemas import SchemaDocument
from event_issuer.web.catalogue import build_catalogue_routes
from event_issuer.web.health import Check
from event_issuer.web.routes import build_app

BODY_BYTES_MAX = 64 * 1024
API_KEY = "eik_swordfish"


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "hei"

    @strawberry.field
    def who(self, info: Info[dict[str, str], None]) -> str:
        return info.context["key"]

    @strawberry.field
    def forbidden(self) -> str | None:
        raise Forbidden("You may not read the log of trains.")

    @strawberry.field
    def faulty(self) -> str | None:
        raise RuntimeError("the password is swordfish")

    @strawberry.field
    def required(self) -> str:
        raise BadInput("No.", violations=[Violation("/a", "type", "a is a string.")])

    @strawberry.field
    def twice(self, number: int) -> int:
        return number * 2


@strawberry.type
class Mutation:
    @strawberry.mutation
    def note(self, info: Info[Any, None], text: str = "") -> int:
        info.context["notes"].append(text)
        return len(info.context["notes"])


class QuietSchema(strawberry.Schema):
    def process_errors(self, *_: object, **__: object) -> None:
        pass


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self) -> AsyncIterator[int]:
        yield 1


def build_schema() -> strawberry.Schema:
    return QuietSchema(Query, Mutation, Subscription, extensions=[DocumentCache().extension])


@dataclass
class Face:
    """The application with everything around it in the tests' hands."""

    notes: list[str] = field(default_factory=list)
    checks: dict[str, Check] = field(default_factory=dict)
    documents: dict[tuple[str, int], SchemaDocument] = field(default_factory=dict)
    catalogues: dict[tuple[DocumentFormat, str], CatalogueDocument] = field(default_factory=dict)
    contexts: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def context_of(self, request: Request) -> object:
        key = request.headers.get("x-api-key")
        if key is None:
            raise Unauthenticated("Send a valid API key in the header X-API-Key.")
        if key == "broken":
            raise RuntimeError("the password is swordfish")
        self.contexts += 1
        self.asked.set()
        return {"key": key, "notes": self.notes}

    async def document_of(self, request: Request, event_type: str, version: int) -> SchemaDocument:
        document = self.documents.get((event_type, version))
        if document is None:
            raise NotFound("no row")
        if not document.is_public and request.headers.get("x-api-key") != API_KEY:
            raise Forbidden("You may not see it.")
        return document

    async def catalogue_of(self, request: Request, format_: DocumentFormat, name_prefix: str) -> CatalogueDocument:
        document = self.catalogues.get((format_, name_prefix))
        if document is None:
            raise LimitExceeded("The catalogue is too large for one document.")
        return CatalogueDocument(document.body, "x-api-key" not in request.headers)

    def app(self) -> Starlette:
        return build_app(
            build_schema(),
            self.context_of,
            document_of=self.document_of,
            more=build_catalogue_routes(self.catalogue_of),
            checks=self.checks,
            body_bytes_max=BODY_BYTES_MAX,
        )


@asynccontextmanager
async def in_process(app: Callable[..., Awaitable[None]]) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://issuer.test", headers={"X-API-Key": API_KEY}
    ) as client:
        yield client


@asynccontextmanager
async def served(app: Callable[..., Awaitable[None]]) -> AsyncIterator[int]:
    """The port of a real server on loopback."""
    started = asyncio.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    config = uvicorn.Config(app, host="127.0.0.1", port=0, http="httptools", log_config=None, access_log=False)
    server = Server(config)
    serving = asyncio.create_task(server.serve())
    await started.wait()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving
