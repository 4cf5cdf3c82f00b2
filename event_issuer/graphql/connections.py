"""Relay connections over slices: one generic pair of types, and the four arguments that every list takes."""

from collections.abc import Callable
from typing import Annotated, Generic, TypeAlias, TypeVar

import strawberry

from event_issuer.domain.paging import PAGE_SIZE, PAGE_SIZE_MAX, Slice, encode_cursor
from event_issuer.graphql.fields import field

NodeT = TypeVar("NodeT")
Item = TypeVar("Item")

First: TypeAlias = Annotated[
    int | None,
    strawberry.argument(description=f"How many from the beginning: {PAGE_SIZE} unless said, at most {PAGE_SIZE_MAX}."),
]
After: TypeAlias = Annotated[str | None, strawberry.argument(description="Only what comes after this cursor.")]
Last: TypeAlias = Annotated[
    int | None, strawberry.argument(description=f"How many from the end, at most {PAGE_SIZE_MAX}.")
]
Before: TypeAlias = Annotated[str | None, strawberry.argument(description="Only what comes before this cursor.")]


@strawberry.interface(description="An object with a globally unique id.")
class Node:
    id: strawberry.ID = strawberry.field(description="Globally unique and opaque.")


@strawberry.type(description="Whether there is more, and where to go on.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more come after this page.")
    has_previous_page: bool = strawberry.field(description="Whether more come before this page.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first item.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last item; go on with `after`.")


@strawberry.type(description="An item with its cursor.")
class Edge(Generic[NodeT]):
    cursor: str = strawberry.field(description="Where this item is in the list; opaque.")
    node: NodeT = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list that can grow.")
class Connection(Generic[NodeT]):
    edges: list[Edge[NodeT]] = strawberry.field(description="The items with their cursors.")
    page_info: PageInfo = strawberry.field(description="Whether there is more.")

    @field("The items alone.")
    def nodes(self) -> list[NodeT]:
        return [edge.node for edge in self.edges]


def connection(
    found: Slice[Item], key: Callable[[Item], str | int], node: Callable[[Item], NodeT]
) -> Connection[NodeT]:
    """The slice as a connection; `key` is what its cursors say."""
    edges = [Edge(cursor=encode_cursor(str(key(item))), node=node(item)) for item in found.items]
    return Connection(edges=edges, page_info=page_info(edges, found.has_next, found.has_previous))


def page_info(edges: list[Edge[NodeT]], has_next: bool, has_previous: bool) -> PageInfo:
    return PageInfo(
        has_next_page=has_next,
        has_previous_page=has_previous,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )
