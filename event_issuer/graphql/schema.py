"""The schema: root types, scalars, limits and caches joined into one. Errors are coded by the face that sends them."""

import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    Undefined,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from event_issuer.graphql.caches import DocumentCache
from event_issuer.graphql.mutations import Mutation
from event_issuer.graphql.queries import Query
from event_issuer.graphql.scalars import SCALARS


class QuietSchema(strawberry.Schema):
    """Leaves logging to the face, which knows a refusal from a fault of ours and masks what it must."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Strawberry's own would write every refusal to the log, with its traceback."""


def build_schema() -> strawberry.Schema:
    """One per process: building it takes some 100 ms."""
    schema = QuietSchema(
        query=Query,
        mutation=Mutation,
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
