"""The schema: root types, scalars, limits and caches joined into one. Errors are coded by the face that sends them."""

import strawberry
from graphql import GraphQLArgument, GraphQLInputField, GraphQLInputObjectType, GraphQLObjectType, Undefined
from strawberry.schema.config import StrawberryConfig

from event_issuer.graphql.limits import extensions
from event_issuer.graphql.mutations import Mutation
from event_issuer.graphql.queries import Query
from event_issuer.graphql.scalars import SCALARS


def build_schema() -> strawberry.Schema:
    """One per process: building it takes some 100 ms."""
    schema = strawberry.Schema(
        query=Query, mutation=Mutation, extensions=extensions(), config=StrawberryConfig(scalar_map=SCALARS)
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
