"""What an expression costs to evaluate at most, and what is wrong with it before any event is seen.

Knows the syntax tree, and no filter.
"""

from collections.abc import Iterator
from typing import Final

from event_issuer.domain.cesql.evaluating import missing_function
from event_issuer.domain.cesql.functions import TEXT_LENGTH_MAX, function_named
from event_issuer.domain.cesql.syntax import (
    Attribute,
    Call,
    Chain,
    Exists,
    Fault,
    FaultKind,
    In,
    Like,
    Literal,
    Node,
    children,
)
from event_issuer.domain.events import VALUE_LENGTH_MAX

# Characters compared by all LIKEs together at worst, about a nanosecond each: no event may take many milliseconds.
LIKE_WORK_MAX: Final = 4_000_000


def nodes_of(tree: Node) -> Iterator[Node]:
    yield tree
    for child in children(tree):
        yield from nodes_of(child)


def names_in(tree: Node) -> Iterator[tuple[str, int]]:
    """The attributes that are named, each with its column."""
    for node in nodes_of(tree):
        if isinstance(node, Attribute | Exists):
            yield node.name, node.column


def clauses_in(tree: Node) -> int:
    """Operators and calls."""
    return sum(_clauses(node) for node in nodes_of(tree))


def _clauses(node: Node) -> int:
    match node:
        case Literal() | Attribute():
            return 0
        case Chain(_, rest):
            return len(rest)
        case In(_, elements):
            return 1 if all(isinstance(element, Literal) for element in elements) else len(elements)
    return 1


def faults_of(tree: Node) -> Iterator[Fault]:
    """Functions that are not there, and patterns that would take too long."""
    for node in nodes_of(tree):
        if isinstance(node, Call) and function_named(node.name, len(node.arguments)) is None:
            yield missing_function(node)
    likes = [node for node in nodes_of(tree) if isinstance(node, Like)]
    if sum(map(_work, likes)) > LIKE_WORK_MAX:
        longest = max(likes, key=_work)
        yield Fault(FaultKind.PARSE, longest.column, "The patterns are too long to be searched for in every event.")


def _work(node: Like) -> int:
    match node.operand:
        case Literal(value):
            length = len(str(value))
        case Attribute():
            length = VALUE_LENGTH_MAX
        case _:
            length = TEXT_LENGTH_MAX
    return len(node.pattern) * length
