"""The schema: root types, scalars, limits and caches joined into one. Errors are coded by the face that sends them."""

import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLResolveInfoHelpers,
    Undefined,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionContext

from event_issuer.graphql.caches import DocumentCache
from event_issuer.graphql.mutations import Mutation
from event_issuer.graphql.queries import Query
from event_issuer.graphql.scalars import SCALARS


class AcyclicExecution(StrawberryGraphQLCoreExecutionContext):
    """Makes the helpers it hands to resolvers when they are asked for.

    graphql-core keeps them: bound methods of the execution, in the execution. In that circle each answered request
    stayed, with its variables (megabytes for a batch of events), until a garbage collection that took 0.4 s.
    """

    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:
        return GraphQLResolveInfoHelpers(gather=self.gather_async_work, track=self.track_async_work)

    @async_helpers.setter
    def async_helpers(self, kept: GraphQLResolveInfoHelpers) -> None:
        """What the base class would keep."""


class QuietSchema(strawberry.Schema):
    """Leaves logging to the face, which knows a refusal from a fault of ours and masks what it must."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Strawberry's own would write every refusal to the log, with its traceback."""


def build_schema() -> strawberry.Schema:
    """One per process: building it takes some 100 ms."""
    schema = QuietSchema(
        query=Query,
        mutation=Mutation,
        execution_context_class=AcyclicExecution,
        extensions=[DocumentCache().extension],
        config=StrawberryConfig(scalar_map=SCALARS),
    )
    for slot in _slots(schema):
        if slot.default_value is None:  # absent and null are not the same, and clients need not read `= null`
            slot.default_value = Undefined
    return schema


def sdl() -> str:
    return build_schema().as_str() + "\n"


def _slots(schema: strawberry.Schema) -> list[GraphQLArgument | GraphQLInputField]:
    """Every argument and input field."""
    found: list[GraphQLArgument | GraphQLInputField] = []
    for type_ in schema._schema.type_map.values():
        if isinstance(type_, GraphQLInputObjectType):
            found += type_.fields.values()
        elif isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            found += [argument for field in type_.fields.values() for argument in field.args.values()]
    return found
