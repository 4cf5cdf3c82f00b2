"""Limits L4 and L5: servers that do nothing with what they are sent.

`/graphql` is a mutation with the product's input whose resolver returns a constant, parser and validation cached;
`/batch` parses a batch of events with Starlette's own `request.json()`. Both run as the product does: uvicorn, uvloop,
httptools.
"""

import asyncio
import socket
from enum import Enum

import strawberry
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.scalars import JSON

from bench.processes import parent_left, say_ready


@strawberry.input
class CloudEventInput:
    id: str
    source: str
    type: str
    specversion: str = "1.0"
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    partitionkey: str | None = None
    extensions: JSON | None = None
    data: JSON | None = None
    data_base64: str | None = None


@strawberry.enum
class ProduceStatus(Enum):
    PERSISTED = "PERSISTED"


@strawberry.type
class ProducedEvent:
    status: ProduceStatus


@strawberry.type
class Query:
    ok: bool = True


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def produce_event(self, event: CloudEventInput) -> ProducedEvent | None:
        return ProducedEvent(status=ProduceStatus.PERSISTED)


async def batch(request: Request) -> JSONResponse:
    document = await request.json()
    return JSONResponse({"parsed": len(document["variables"]["events"])})


def application() -> Starlette:
    schema = strawberry.Schema(query=Query, mutation=Mutation, extensions=[ParserCache, ValidationCache])
    graphql: GraphQL[None, None] = GraphQL(schema)
    return Starlette(routes=[Route("/graphql", graphql), Route("/batch", batch, methods=["POST"])])


async def serve() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(application(), loop="uvloop", http="httptools", log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    say_ready(port=listener.getsockname()[1])
    await parent_left()
    server.should_exit = True
    await serving


if __name__ == "__main__":
    uvloop.run(serve())
