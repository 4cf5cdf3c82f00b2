"""Parses and validates each GraphQL document once: both cost ten times what executing a small mutation costs.

Strawberry's ParserCache and ValidationCache are not used: they keep documents of any length, and to find a validated
one they hash its whole tree on each request. Here the text is the key, and only short, valid documents are kept. Knows
neither resolvers nor HTTP.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, specified_rules
from strawberry import Schema
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document
from strawberry.types import ExecutionContext

from event_issuer.domain.errors import BadInput
from event_issuer.graphql.limits import check_document, check_request, operations, parse_document
from event_issuer.graphql.variables import read_variables
from event_issuer.telemetry.requests import current_request

CHARACTERS_MAX: Final = 256 * 1024  # of all documents kept, some 500; a tree takes up to 300 bytes per character
DOCUMENT_CHARACTERS_MAX: Final = 16 * 1024  # a longer document has its data inside and will hardly come again


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A valid document; `varies` as `check_document` says."""

    document: DocumentNode
    varies: bool


class DocumentCache:
    """The documents of one schema: `Schema(..., extensions=[DocumentCache().extension])`.

    `parsed` and `validated` count the work done, for tests and the bench.
    """

    def __init__(
        self, characters_max: int = CHARACTERS_MAX, document_characters_max: int = DOCUMENT_CHARACTERS_MAX
    ) -> None:
        self._characters_max, self._document_characters_max = characters_max, document_characters_max
        self._known: OrderedDict[str, KnownDocument] = OrderedDict()
        self._characters = 0
        self.parsed = self.validated = 0

    def __len__(self) -> int:
        return len(self._known)

    def extension(self) -> SchemaExtension:
        """What Strawberry wants for each request."""
        return _CachedDocument(self)

    def get(self, query: str) -> KnownDocument | None:
        known = self._known.get(query)
        if known is not None:
            self._known.move_to_end(query)
        return known

    def parse(self, query: str) -> DocumentNode:
        """Raises GraphQLSyntaxError."""
        self.parsed += 1
        return parse_document(query)

    def validate(self, schema: Schema, query: str, document: DocumentNode) -> tuple[bool, list[GraphQLError]]:
        """Whether the size varies, and what is wrong. A document without errors is kept. Raises TooLarge."""
        self.validated += 1
        varies = check_document(schema._schema, document)
        errors = validate_document(schema._schema, document, tuple(specified_rules))
        if not errors and len(query) <= self._document_characters_max and query not in self._known:
            self._keep(query, KnownDocument(document, varies))
        return varies, errors

    def _keep(self, query: str, known: KnownDocument) -> None:
        self._known[query] = known
        self._characters += len(query)
        while self._characters > self._characters_max:
            oldest, _ = self._known.popitem(last=False)
            self._characters -= len(oldest)


class _CachedDocument(SchemaExtension):
    """One request's use of the cache."""

    execution_context: ExecutionContext

    def __init__(self, cache: DocumentCache) -> None:
        self._cache = cache
        self._known: KnownDocument | None = None

    def on_parse(self) -> Iterator[None]:
        query = self._query
        self._known = self._cache.get(query)
        context = self.execution_context
        context.graphql_document = self._known.document if self._known else self._cache.parse(query)
        yield

    def on_validate(self) -> Iterator[None]:
        self.execution_context.pre_execution_errors = self._errors()
        yield

    @property
    def _query(self) -> str:
        return cast(str, self.execution_context.query)  # a request without one does not get here

    def _errors(self) -> list[GraphQLError]:
        context = self.execution_context
        document = cast(DocumentNode, context.graphql_document)
        try:
            if self._known:
                varies = self._known.varies
            else:
                varies, errors = self._cache.validate(context.schema, self._query, document)
                if errors:
                    return errors
            operation = _chosen(document, context)
            _note(operation)
            if context.variables:
                context.variables = read_variables(operation, context.variables)
            if varies:
                check_request(context.schema._schema, document, operation, context.variables)
        except GraphQLError as refusal:
            return [refusal]
        except BadInput as refusal:
            return [GraphQLError(refusal.detail, original_error=refusal)]
        return []


def _note(operation: OperationDefinitionNode) -> None:
    """For the request's line in the log."""
    facts = current_request.get()
    if facts is not None:
        facts.operation_type = operation.operation.value
        facts.operation = operation.name.value if operation.name else None


def _chosen(document: DocumentNode, context: ExecutionContext) -> OperationDefinitionNode:
    """The operation to run. Where the request names none of several, Strawberry would run the first; GraphQL §6.1
    (GetOperation) refuses. Raises GraphQLError."""
    candidates = operations(document)
    if len(candidates) == 1:
        return candidates[0]
    if context._provided_operation_name is None:
        raise GraphQLError(f"The document has {len(candidates)} operations; operationName must say which one to run.")
    return next(one for one in candidates if one.name and one.name.value == context.operation_name)
