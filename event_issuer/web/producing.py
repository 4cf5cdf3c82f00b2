"""The CloudEvents HTTP binding for producers: one event in binary or structured mode, a batch, a tombstone.

An answer has for each event its id, its time as the producer gave it, and a persistenceStatus: Persisted (for one that
was sent before, too), PossiblyPersisted or NotPersisted. A refusal is problem+json with every violation; in a batch it
stands beside the event it is about. Knows no rule of what may be produced.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from event_issuer.domain.access import Caller
from event_issuer.domain.errors import BadInput
from event_issuer.domain.events import ReadEvent
from event_issuer.domain.http_binding import Mode, incoming, mode_of
from event_issuer.domain.json_format import event_from_text
from event_issuer.domain.json_text import parse_json, render_json
from event_issuer.domain.time import to_rfc3339
from event_issuer.resolvers.produce import Produced, ProduceStatus, Producing
from event_issuer.web.body import BODY_TIMEOUT_S, read_body
from event_issuer.web.media_types import JSON, is_utf8_json
from event_issuer.web.problems import MEDIA_TYPE, HttpRefusal, problem_document, problem_of

CONTENT_TYPE_LENGTH_MAX: Final = 1024  # names and parameters; data of a longer type is nobody's
PERSISTENCE: Final = {
    ProduceStatus.PERSISTED: "Persisted",
    ProduceStatus.DUPLICATE: "Persisted",  # the log has it: that is what was asked
    ProduceStatus.POSSIBLY_PERSISTED: "PossiblyPersisted",
    ProduceStatus.REJECTED: "NotPersisted",
}
_HEADERS: Final = {"Cache-Control": "no-store"}
_ITEMS: Final = msgspec.json.Decoder(list[Raw])


@dataclass(frozen=True, slots=True)
class ProducingFace:
    """What the routes need: `caller_of` tells who asks, and refuses a key that is not good."""

    producing: Producing
    caller_of: Callable[[Request], Awaitable[Caller]]
    body_bytes_max: int
    body_timeout_s: float = BODY_TIMEOUT_S

    async def one(self, request: Request) -> Response:
        caller, body = await self._begin(request)
        tenant = request.path_params["tenant"]
        event = _read_one(request, body)
        if request.method == "DELETE":
            return _answer(await self.producing.produce_tombstone(caller, event, tenant=tenant))
        return _answer((await self.producing.produce(caller, [event], tenant=tenant))[0])

    async def batch(self, request: Request) -> Response:
        caller, body = await self._begin(request)
        items = _read_batch(request, body)
        results = await self.producing.produce(caller, items, tenant=request.path_params["tenant"])
        return Response(render_json([_told(result) for result in results]), 200, _HEADERS, JSON)

    async def _begin(self, request: Request) -> tuple[Caller, bytes]:
        """Who asks comes first: a stranger's body is not read."""
        caller = await self.caller_of(request)
        caller.authorise_presence()
        _refuse_encoded(request)
        return caller, await read_body(request, self.body_bytes_max, self.body_timeout_s)


def build_producing_routes(face: ProducingFace) -> list[Route]:
    return [
        Route("/v1/{tenant}/produce", face.one, methods=["POST", "DELETE"]),
        Route("/v1/{tenant}/produce/batch", face.batch, methods=["POST"]),
    ]


def _read_one(request: Request, body: bytes) -> ReadEvent:
    match _mode(request):
        case Mode.BINARY:
            return incoming(request.headers.raw, body)
        case Mode.STRUCTURED:
            return event_from_text(body)
    raise _unsupported("Batches go to …/produce/batch; one event goes here, in binary mode or as JSON.")


def _read_batch(request: Request, body: bytes) -> list[Raw]:
    content_type = request.headers.get("content-type")
    if _mode(request) is not Mode.BATCH and not is_utf8_json(content_type):
        raise _unsupported(f"A batch is application/cloudevents-batch+json in UTF-8, not {content_type!r:.200}.")
    try:
        return _ITEMS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = parse_json(body)  # says where it is no JSON
        raise BadInput(f"A batch is a JSON array of CloudEvents, not {found!r:.80}.") from None


def _mode(request: Request) -> Mode:
    content_types = request.headers.getlist("content-type")
    if len(content_types) > 1:
        raise BadInput("The header Content-Type occurs more than once.")
    content_type = content_types[0] if content_types else None
    if content_type is not None and len(content_type) > CONTENT_TYPE_LENGTH_MAX:
        raise _unsupported(f"The header Content-Type has more than {CONTENT_TYPE_LENGTH_MAX} characters.")
    mode = mode_of(content_type)
    if mode is None:
        raise _unsupported(f"CloudEvents are taken as JSON in UTF-8, not as {content_type!r:.200}.")
    return mode


def _refuse_encoded(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise HttpRefusal(
            415,
            BadInput(f"Bodies are taken as they are, not encoded as {encoding:.80}."),
            {"Accept-Encoding": "identity"},
        )


def _unsupported(detail: str) -> HttpRefusal:
    return HttpRefusal(415, BadInput(detail), {"Accept": "application/cloudevents+json, application/json"})


def _told(result: Produced) -> dict[str, Any]:
    attributes = result.attributes
    told: dict[str, Any] = {
        "id": attributes.get("id"),
        "time": attributes.get("time"),
        "persistenceStatus": PERSISTENCE[result.status],
    }
    if result.problem is not None:
        told["problem"] = problem_document(problem_of(result.problem))
    elif result.recorded_at is not None:
        told["persistedAt"] = to_rfc3339(result.recorded_at)
    return told


def _answer(result: Produced) -> Response:
    told = _told(result)
    problem = told.pop("problem", None)
    if problem is None:
        return Response(render_json(told), 200, _HEADERS, JSON)
    return Response(render_json(problem | told), problem["status"], _HEADERS, MEDIA_TYPE)
