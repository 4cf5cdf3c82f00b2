"""POST and GET /graphql as "GraphQL over HTTP" wants them: media types, statuses, coded errors.

Strawberry's view is the base, so that streams can use its transports; this one replaces how a request is read and how
a result is told. A request that could not be executed has no `data` and a 4xx status, which clients of plain
application/json get as 200, as the specification asks, when the request itself was well formed. No batches. Knows
the schema only as something that reads its variables, from values or from JSON text, and executes.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
import strawberry
from cross_web import AsyncHTTPRequestAdapter, HTTPException, StarletteRequestAdapter
from graphql import GraphQLError, GraphQLSyntaxError
from msgspec import Raw
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from event_issuer.domain.errors import BadInput, IssuerError
from event_issuer.domain.json_text import parse_json, render_json
from event_issuer.telemetry.requests import current_request
from event_issuer.web import media_types
from event_issuer.web.body import BODY_TIMEOUT_S, read_body
from event_issuer.web.problems import (
    INTERNAL_SERVER_ERROR,
    HttpRefusal,
    Problem,
    graphql_error,
    masked,
    no_such_method,
    problem_of,
    problem_of_any,
)

METHODS: Final = ("GET", "POST")
PARSE_FAILED: Final = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED: Final = "GRAPHQL_VALIDATION_FAILED"
_OPERATIONS: Final = {
    "GET": {OperationType.QUERY},  # a link must change nothing
    "POST": {OperationType.QUERY, OperationType.MUTATION},
}
_HEADERS: Final = {"Cache-Control": "no-store", "Vary": "Accept"}


class PersistedQueryNotFound(BadInput):
    """We keep no persisted queries: the client sends the query's text next (the protocol is Apollo's)."""

    code = "PERSISTED_QUERY_NOT_FOUND"


class GraphQLView(GraphQL[object, None]):
    """`page` is what a browser gets; `context_of` may raise an IssuerError, which is told like any other refusal."""

    def __init__(
        self,
        schema: strawberry.Schema,
        context_of: Callable[[Request], Awaitable[object]],
        *,
        body_bytes_max: int,
        body_timeout_s: float = BODY_TIMEOUT_S,
        page: ASGIApp | None = None,
    ) -> None:
        super().__init__(schema, graphql_ide=None, subscription_protocols=())
        self._context_of = context_of
        self._page = page
        # Strawberry only calls it, and annotates it narrower than its base does.
        self.request_adapter_class = lambda request: _BoundedRequest(  # type: ignore[assignment]
            request, body_bytes_max, body_timeout_s
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._refuse_websocket(WebSocket(scope, receive, send))
            return
        request = Request(scope, receive)
        if self._page is not None and _is_for_a_browser(request):
            await self._page(scope, receive, send)
            return
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _refuse_websocket(self, websocket: WebSocket) -> None:
        """Streams over WebSocket will go to `run`, which is Strawberry's, from here."""
        refusal = BadInput("WebSockets are not spoken here; send queries and mutations with POST.")
        await websocket.send_denial_response(_refused(problem_of(HttpRefusal(404, refusal)), media_types.JSON))

    async def _answer(self, request: Request) -> Response:
        media_type = media_types.graphql_response_type(request.headers.get("accept"))
        try:
            if media_type is None:
                wanted = f"{media_types.GRAPHQL_RESPONSE} or {media_types.JSON}"
                raise HttpRefusal(406, BadInput(f"An answer is {wanted}; the header Accept allows neither."))
            if request.method not in METHODS:
                raise no_such_method(request.method, ", ".join(METHODS))
            return await self.run(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it
        except HTTPException as error:
            problem = problem_of(HttpRefusal(error.status_code, BadInput(f"{error.reason}.")))
        except PersistedQueryNotFound as error:
            # The request is well formed: Apollo's clients want a 200 where application/json can say it.
            problem = problem_of(HttpRefusal(200 if media_type == media_types.JSON else 400, error))
        except Exception as error:
            problem = problem_of_any(error, request)
        return _refused(problem, media_type or media_types.JSON)

    # The rest is what Strawberry's `run` calls, in this order.

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """Carries the media type to `create_response`."""
        return Response(media_type=media_types.graphql_response_type(request.headers.get("accept")))

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> object:
        return await self._context_of(cast(Request, request))

    def should_render_graphql_ide(self, request: object) -> bool:
        return False

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        if request.method == "GET":
            return _request_data(_query_parameters(request.query_params))
        if not media_types.is_utf8_json(request.headers.get("content-type")):
            refusal = BadInput("The header Content-Type must be application/json, in UTF-8.")
            raise HttpRefusal(415, refusal, {"Accept": media_types.JSON})
        return _request_data(_members(await request.get_body()))

    async def execute_operation(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: GraphQLRequestData | list[GraphQLRequestData],
        context: object,
        root_value: None,
        sub_response: Response,
    ) -> ExecutionResult:
        data = cast(GraphQLRequestData, request_data)
        try:
            result = await self.schema.execute(
                data.query,
                variable_values=data.variables,
                context_value=context,
                operation_name=data.operation_name,
                allowed_operation_types=_OPERATIONS[request.method],
                operation_extensions=data.extensions,
            )
        except CannotGetOperationTypeError as error:
            raise BadInput(_without_operation(error)) from None
        except InvalidOperationTypeError as error:
            raise _wrong_operation(error.operation_type) from None
        unreadable = [found.original_error for found in result.errors or () if isinstance(result, PreExecutionError)]
        for problem in unreadable:
            if isinstance(problem, BadInput):  # variables that are no JSON: the body was not well formed
                raise problem
        return result

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        response = GraphQLHTTPResponse()
        if result.errors:
            errors = [_formatted(error, result) for error in result.errors]
            _note_codes(errors)
            response["errors"] = [*errors]
        if not result.errors or result.data is not None or any(error.path for error in result.errors):
            response["data"] = result.data
        if result.extensions:
            response["extensions"] = result.extensions
        return response

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        media_type = sub_response.media_type or media_types.JSON
        return _response(
            200 if "data" in response_data else _status(response_data, media_type), response_data, media_type
        )


class _BoundedRequest(StarletteRequestAdapter):
    """Strawberry's way to a request, with a bounded body."""

    def __init__(self, request: Request, body_bytes_max: int, body_timeout_s: float) -> None:
        super().__init__(request)
        self._starlette_request = request
        self._body_bytes_max, self._body_timeout_s = body_bytes_max, body_timeout_s

    async def get_body(self) -> bytes:
        return await read_body(self._starlette_request, self._body_bytes_max, self._body_timeout_s)


def _is_for_a_browser(request: Request) -> bool:
    return (
        request.method == "GET"
        and "query" not in request.query_params
        and media_types.is_html_wanted(request.headers.get("accept"))
    )


def _members(body: bytes) -> object:
    """What a request says. Its variables stay text, which the schema reads as what their types are."""
    try:
        members = _MEMBERS.decode(body)
        variables = members.pop("variables", _NULL)
        read: dict[str, object] = {name: parse_json(bytes(member)) for name, member in members.items()}
        read["variables"] = None if variables == _NULL else _MEMBERS.decode(variables)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return parse_json(body)  # says what is wrong with it
    return read


_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_NULL: Final = Raw(b"null")


def _query_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """GraphQL over HTTP §GET: variables and extensions are JSON inside the query string."""
    members = dict(parameters)
    for name in ("variables", "extensions"):
        if members.get(name):
            members[name] = parse_json(members[name].encode())
    return members


def _request_data(members: object) -> GraphQLRequestData:
    """Raises BadInput for what is no GraphQL request."""
    if isinstance(members, list):
        raise BadInput("Batches are not taken: send one GraphQL request, a JSON object.")
    if not isinstance(members, dict):
        raise BadInput("A GraphQL request is a JSON object with the member query.")
    for name, kind, is_what in (
        ("query", str, "a string"),
        ("operationName", str, "a string or null"),
        ("variables", dict, "an object or null"),
        ("extensions", dict, "an object or null"),
    ):
        if not isinstance(members.get(name), kind | None):
            raise BadInput(f"The member {name} of a GraphQL request is {is_what}.")
    query, extensions = members.get("query"), members.get("extensions")
    if not query:
        if extensions and "persistedQuery" in extensions:
            raise PersistedQueryNotFound("PersistedQueryNotFound")
        raise BadInput("The member query of the GraphQL request is missing or empty.")
    return GraphQLRequestData(query, members.get("variables"), members.get("operationName"), extensions)


def _without_operation(error: CannotGetOperationTypeError) -> str:
    if error.operation_name is None:
        return "The document has no operation."
    return f"The document has no operation named {error.operation_name[:80]!r}."


def _wrong_operation(operation_type: OperationType) -> BadInput | HttpRefusal:
    if operation_type is OperationType.MUTATION:
        return HttpRefusal(405, BadInput("Send mutations with POST."), {"Allow": "POST"})
    return BadInput("A subscription needs a transport that streams; this is none. Send queries and mutations.")


def _formatted(error: GraphQLError, result: ExecutionResult) -> Mapping[str, Any]:
    """The error as the specification prints it, with a code. What nobody coded is a fault of ours, told as such."""
    extensions = error.extensions or {}
    if "code" in extensions:
        return error.formatted
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if isinstance(cause, IssuerError):
        return _with_problem(error, problem_of(cause))
    if cause is not None or error.path:
        return _with_problem(error, masked(cause or error, path=error.path))
    return {**error.formatted, "extensions": {"code": _request_error_code(error, result), **extensions}}


def _note_codes(errors: Sequence[Mapping[str, Any]]) -> None:
    """For the request's line in the log, which a status of 200 would leave without a word of them."""
    facts = current_request.get()
    if facts is not None:
        facts.error_codes = sorted({str(error["extensions"]["code"]) for error in errors})


def _with_problem(error: GraphQLError, problem: Problem) -> dict[str, Any]:
    return {**error.formatted, **graphql_error(problem)}


def _request_error_code(error: GraphQLError, result: ExecutionResult) -> str:
    if isinstance(error, GraphQLSyntaxError):
        return PARSE_FAILED
    return VALIDATION_FAILED if isinstance(result, PreExecutionError) else BadInput.code


def _status(response: Any, media_type: str) -> int:
    """Of a request that could not be executed."""
    if any(error["extensions"]["code"] == INTERNAL_SERVER_ERROR for error in response["errors"]):
        return 500
    return 200 if media_type == media_types.JSON else 400


def _refused(problem: Problem, media_type: str) -> Response:
    response = _response(problem.status, {"errors": [graphql_error(problem)]}, media_type)
    response.headers.update(problem.headers)
    return response


def _response(status: int, document: object, media_type: str) -> Response:
    return Response(render_json(document), status, _HEADERS, f"{media_type}; charset=utf-8")
