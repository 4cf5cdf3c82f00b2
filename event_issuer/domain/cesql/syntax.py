"""The syntax tree of an expression, and the faults that reading and evaluating it can have.

Source: CESQL 1.0.0 §2 and §3.3. A column counts characters from 1; each node has that of a token of its own, so that
no two nodes of a tree share one. Knows no text and no event.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Value: TypeAlias = bool | int | str


class FaultKind(StrEnum):
    """The error types of §3.3, as the specification's test kit spells them."""

    PARSE = "parse"
    MATH = "math"
    CAST = "cast"
    MISSING_ATTRIBUTE = "missingAttribute"
    MISSING_FUNCTION = "missingFunction"
    FUNCTION_EVALUATION = "functionEvaluation"


class Fault(Exception):
    """`value` is what the node returns beside it, where that is not the zero value of its type (§3.3, §3.5)."""

    def __init__(self, kind: FaultKind, column: int, message: str, value: Value | None = None) -> None:
        self.kind, self.column, self.message, self.value = kind, column, message, value

    def __str__(self) -> str:
        return f"column {self.column}: {self.message}"


@dataclass(frozen=True, slots=True)
class Literal:
    value: Value
    column: int


@dataclass(frozen=True, slots=True)
class Attribute:
    name: str
    column: int


@dataclass(frozen=True, slots=True)
class Exists:
    name: str
    column: int


@dataclass(frozen=True, slots=True)
class Unary:
    """`operator` is NOT or -."""

    operator: str
    operand: "Node"
    column: int


@dataclass(frozen=True, slots=True)
class Chain:
    """Operators of one precedence, applied from left to right. Flat, so that a long one is no deep tree."""

    first: "Node"
    rest: tuple["Link", ...]
    column: int


@dataclass(frozen=True, slots=True)
class Link:
    """One operator of a chain with its right operand."""

    operator: str
    operand: "Node"
    column: int


@dataclass(frozen=True, slots=True)
class Like:
    operand: "Node"
    pattern: str
    negated: bool
    column: int


@dataclass(frozen=True, slots=True)
class In:
    operand: "Node"
    elements: tuple["Node", ...]
    negated: bool
    column: int


@dataclass(frozen=True, slots=True)
class Call:
    """`name` is in upper case."""

    name: str
    arguments: tuple["Node", ...]
    column: int


Node: TypeAlias = Literal | Attribute | Exists | Unary | Chain | Like | In | Call

LOGIC = frozenset({"AND", "OR", "XOR"})
COMPARISONS = frozenset({"=", "!=", "<>", "<", "<=", ">", ">="})


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Unary() | Like():
            return (node.operand,)
        case Chain():
            return (node.first, *(link.operand for link in node.rest))
        case In():
            return (node.operand, *node.elements)
        case Call():
            return node.arguments
    return ()


def canonical(node: Node) -> str:
    """The expression with every parenthesis and without needless space: equal trees, equal texts."""
    match node:
        case Literal(value):
            return _literal(value)
        case Attribute(name):
            return name
        case Exists(name):
            return f"EXISTS {name}"
        case Unary(operator, operand):
            return f"({operator} {canonical(operand)})"
        case Chain(first, rest):
            links = "".join(f" {_operator(link.operator)} {canonical(link.operand)}" for link in rest)
            return f"({canonical(first)}{links})"
        case Like(operand, pattern, negated):
            return f"({canonical(operand)}{_not(negated)} LIKE {_literal(pattern)})"
        case In(operand, elements, negated):
            return f"({canonical(operand)}{_not(negated)} IN ({', '.join(map(canonical, elements))}))"
        case Call(name, arguments):
            return f"{name}({', '.join(map(canonical, arguments))})"


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "\\'") + "'"


def _operator(operator: str) -> str:
    return "!=" if operator == "<>" else operator


def _not(negated: bool) -> str:
    return " NOT" if negated else ""
