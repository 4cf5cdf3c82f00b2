"""Serving: a listening socket, uvicorn around the application, and an end that leaves nothing half done.

Knows how a server process is set up, and nothing of what the application does. A process that delivers without faces
listens too: for those who ask after its health.
"""

import asyncio
import gc
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

import uvicorn
from starlette.applications import Starlette

from event_issuer.app import Issuer, asgi_app, open_issuer
from event_issuer.domain.errors import SettingsInvalid
from event_issuer.roles import Role
from event_issuer.settings import Settings
from event_issuer.telemetry.metrics import Metrics
from event_issuer.web.health import build_health_routes
from event_issuer.web.metrics import build_metrics_app

KEEP_ALIVE_S: Final = 75  # longer than clients and load balancers (60 s) keep a connection: they should close first
OTHER_FILES: Final = 512  # beside connections to endpoints: clients of the API, the database, the trial of schemas
SCRAPES_MAX: Final = 20  # connections for metrics: a few Prometheus servers, and somebody who looks
SCRAPE_GRACE_S: Final = 1.0  # a scrape that is cut off comes again
SWITCH_INTERVAL_S: Final = 0.0002  # far above the microseconds that a switch costs
COLLECTION_THRESHOLDS: Final = (20_000, 50, 1_000)  # young objects, and how many rounds until older ones are looked at


@dataclass(frozen=True, slots=True)
class Place:
    """What a server process is among others. `worker` is its number from 0 among those of one `serve`: a listener that
    each of them needs for itself adds it to its port. `owner` names it where it holds leases."""

    role: Role = Role.SERVE
    worker: int = 0
    owner: str | None = None


def listening_socket(host: str, port: int) -> socket.socket:
    """Listens, so that port 0 has become a number and early connections wait. Raises SettingsInvalid where the
    address is not to be had."""
    return _listener(host, port, "")


def metrics_socket(settings: Settings, worker: int = 0) -> socket.socket | None:
    """The same for metrics, on a port of its own for each worker; None where they are not served."""
    if settings.metrics_port == 0:
        return None
    hint = " EVENT_ISSUER_METRICS_PORT chooses another port for metrics; 0 serves none."
    return _listener(settings.metrics_host, settings.metrics_port + worker, hint)


def _listener(host: str, port: int, hint: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise SettingsInvalid(f"{host}:{port} cannot be listened on: {error.strerror}.{hint}") from None
    return listener


def local_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """A server in this event loop until the context ends; its address. Raises SettingsInvalid, Unavailable."""
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(listening_socket(settings.host, settings.port))
        metrics = stack.enter_context(metrics_socket(settings) or nullcontext())
        url = local_url(listener)
        issuer = await stack.enter_async_context(open_issuer(settings, (settings.public_url or url).rstrip("/")))
        await stack.enter_async_context(_serving_metrics(metrics, issuer.metrics))
        server = _Server(_server_config(asgi_app(issuer, settings), settings.grace_s))
        running = asyncio.create_task(server.serve([listener]))
        stack.push_async_callback(_end, server, running)
        yield url


async def serve_until_stopped(
    settings: Settings, say: Callable[[str], None], place: Place = Place(), listener: socket.socket | None = None
) -> None:
    """What `event-issuer serve`, `api` and `deliver` do: SIGTERM or Ctrl-C ends it, and what is under way is settled.

    A worker is given its `listener`, which others listen on too, and ends when the process that started it does.
    """
    allow_open_files(settings.connections_max + OTHER_FILES)
    is_worker = listener is not None
    listener = listener or listening_socket(settings.host, _port(settings, place.role))
    url = local_url(listener)
    with listener, metrics_socket(settings, place.worker) or nullcontext() as metrics:
        public_url = _public_url(settings, place.role, url)
        async with (
            open_issuer(settings, public_url, role=place.role, owner=place.owner) as issuer,
            _serving_metrics(metrics, issuer.metrics),
        ):
            tune_interpreter()
            server = _Server(_server_config(_app(issuer, settings, place.role), settings.grace_s))
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, server.handle_exit, number, None)
            orphaned = asyncio.create_task(_end_when_orphaned(server)) if is_worker else None
            say(_greeting(place.role, url))
            await server.serve([listener])
            if orphaned is not None:
                orphaned.cancel()


def _port(settings: Settings, role: Role) -> int:
    return settings.port if role.has_faces else settings.health_port


def _public_url(settings: Settings, role: Role, url: str) -> str:
    """Also for a process without faces the address of those: webhooks say whence they come."""
    if settings.public_url is not None:
        return settings.public_url.rstrip("/")
    if role.has_faces:
        return url
    if settings.port == 0:
        raise SettingsInvalid(
            "EVENT_ISSUER_PUBLIC_URL is not set and EVENT_ISSUER_PORT is 0: `deliver` cannot know the API's address."
        )
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def _app(issuer: Issuer, settings: Settings, role: Role) -> Starlette:
    if role.has_faces:
        return asgi_app(issuer, settings)
    return Starlette(routes=build_health_routes(issuer.checks()))


def _greeting(role: Role, url: str) -> str:
    if role.has_faces:
        return f"Serving on {url}; GraphiQL is at {url}/graphql."
    return f"Delivering; {url}/readyz tells whether all is well."


async def _end_when_orphaned(server: uvicorn.Server) -> None:
    """Standard input is a pipe whose other end only the starting process has: it ends when that does, however."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    server.handle_exit(signal.SIGTERM, None)


def allow_open_files(count: int) -> None:
    """Raises this process's soft limit, which is often 1024. Raises SettingsInvalid where the hard limit forbids it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise SettingsInvalid(
            f"This process may open {hard} files; EVENT_ISSUER_CONNECTIONS_MAX and {OTHER_FILES} others make {count}. "
            "Raise the limit (ulimit -n) or lower the setting."
        )
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def tune_interpreter() -> None:
    """Hands the interpreter over often, and collects garbage seldom. For a process that is a server.

    SQLite's thread takes the interpreter a dozen times per transaction; while the event loop is busy it waits 5 ms each
    time with Python's default. And a batch makes some ten thousand objects that all live until it is settled: with
    Python's default of 700 the collector walks them again and again, which was a quarter of the server's time.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTION_THRESHOLDS)


class _Server(uvicorn.Server):
    """Leaves the signals to who runs the event loop: uvicorn's own way ends the process by the signal once the server
    has stopped, before what is under way is settled and the database closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server_config(app: Starlette, grace_s: float, requests_max: int | None = None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=requests_max,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(grace_s)),
    )


@asynccontextmanager
async def _serving_metrics(listener: socket.socket | None, metrics: Metrics) -> AsyncIterator[None]:
    """`/metrics` on a listener of its own, in this event loop, until the context ends."""
    if listener is None:
        yield
        return
    server = _Server(_server_config(build_metrics_app(metrics.registry), SCRAPE_GRACE_S, SCRAPES_MAX))
    running = asyncio.create_task(server.serve([listener]))
    try:
        yield
    finally:
        await _end(server, running)


async def _end(server: uvicorn.Server, running: "asyncio.Task[None]") -> None:
    server.should_exit = True
    await running
