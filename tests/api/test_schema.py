"""The schema itself: every part of it is described, and `schema.graphql` is what the program serves."""

from pathlib import Path

import strawberry
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType

from event_issuer.graphql.fields import field
from event_issuer.graphql.schema import build_schema, sdl

ROOT = Path(__file__).parents[2]
BUILT_IN = {"Boolean", "Float", "ID", "Int", "String"}


def undescribed(schema: strawberry.Schema) -> list[str]:
    found = []
    for name, type_ in schema._schema.type_map.items():
        if name.startswith("__") or name in BUILT_IN:
            continue
        if not type_.description:
            found.append(name)
        if isinstance(type_, GraphQLEnumType):
            found += [f"{name}.{value}" for value, one in type_.values.items() if not one.description]
        if isinstance(type_, GraphQLInputObjectType):
            found += [f"{name}.{field}" for field, one in type_.fields.items() if not one.description]
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for field, one in type_.fields.items():
                found += [] if one.description else [f"{name}.{field}"]
                found += [f"{name}.{field}({argument})" for argument, its in one.args.items() if not its.description]
    return found


def test_every_part_of_the_schema_is_described() -> None:
    assert undescribed(build_schema()) == []


def test_what_is_not_described_is_found() -> None:
    @strawberry.type
    class Query:
        @field("Described.")
        def here(self, there: int) -> int:
            return there

    assert undescribed(strawberry.Schema(query=Query)) == ["Query", "Query.here(there)"]


def test_the_file_is_the_schema_that_is_served() -> None:
    assert (ROOT / "schema.graphql").read_text("utf-8") == sdl()


def test_root_fields_are_nullable() -> None:
    """So that one refusal never wipes out another field's answer."""
    schema = build_schema()._schema
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    fields = schema.query_type.fields | schema.mutation_type.fields
    assert [name for name, field in fields.items() if str(field.type).endswith("!")] == []
