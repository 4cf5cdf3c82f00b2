"""Fields with their descriptions: Strawberry's decorators, typed."""

from collections.abc import Callable
from typing import TypeVar, cast

import strawberry

from event_issuer.resolvers.subscription_changes import UNSET, Maybe, Value

Resolver = TypeVar("Resolver", bound=Callable[..., object])


def field(description: str) -> Callable[[Resolver], Resolver]:
    """A field that is computed by the method below it."""
    return cast("Callable[[Resolver], Resolver]", strawberry.field(description=description))


def mutation(description: str) -> Callable[[Resolver], Resolver]:
    return cast("Callable[[Resolver], Resolver]", strawberry.mutation(description=description))


def value(text: str, description: str) -> str:
    """One value of an enumeration; its member's value is `text`."""
    return cast(str, strawberry.enum_value(text, description=description))


def maybe(value: Value | None) -> Maybe[Value]:
    """Strawberry's absent value as ours."""
    return UNSET if value is strawberry.UNSET else value
