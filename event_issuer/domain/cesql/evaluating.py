"""Evaluation: a syntax tree becomes a function of an event's attributes, which returns its value or raises its Fault.

Source: CESQL 1.0.0 §3, in the fail-fast mode of §4.1, which §1.2 asks of filters: the first fault ends the evaluation,
and the value is the zero value of the expression's type. Nothing else is raised, whatever the attributes are. An
integer that leaves its 32 bits is a fault of kind MATH, of which the specification says nothing.
"""

import operator as operators
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from event_issuer.domain.cesql.casting import CASTS, like, to_boolean, to_integer, to_string
from event_issuer.domain.cesql.functions import Misuse, fault_of, function_named
from event_issuer.domain.cesql.parsing import INTEGER_MAX, INTEGER_MIN
from event_issuer.domain.cesql.patterns import matcher
from event_issuer.domain.cesql.syntax import (
    COMPARISONS,
    LOGIC,
    Attribute,
    Call,
    Chain,
    Exists,
    Fault,
    FaultKind,
    In,
    Like,
    Link,
    Literal,
    Node,
    Unary,
    Value,
)

Attributes: TypeAlias = Mapping[str, Value]
Run: TypeAlias = Callable[[Attributes], Value]
Step: TypeAlias = Callable[[Value, Attributes], Value]

_ZEROS: Final[Mapping[type[Value], Value]] = {bool: False, int: 0, str: ""}


@dataclass(frozen=True, slots=True)
class Result:
    value: Value
    fault: Fault | None = None


class Program:
    """An expression, ready to be evaluated."""

    def __init__(self, tree: Node) -> None:
        self._tree = tree
        self.run = compiled(tree)
        """The value. Raises Fault."""

    def evaluate(self, attributes: Attributes) -> Result:
        """The value with the fault that it came to, if any (§3.3)."""
        try:
            return Result(self.run(attributes))
        except Fault as fault:
            if fault.column == self._tree.column and fault.value is not None:
                return Result(fault.value, fault)
            return Result(_ZEROS[_type_of(self._tree)], fault)


def _type_of(node: Node) -> type[Value]:
    """What a node returns; a boolean where that cannot be told (§3.2)."""
    if isinstance(node, Literal):
        return type(node.value)
    if isinstance(node, Call):
        function = function_named(node.name, len(node.arguments))
        return bool if function is None else function.result
    if isinstance(node, Unary):
        return bool if node.operator == "NOT" else int
    if isinstance(node, Chain) and node.rest[-1].operator not in LOGIC | COMPARISONS:
        return int
    return bool


def compiled(node: Node) -> Run:
    match node:
        case Literal(value):
            return lambda _: value
        case Attribute(name, column):
            return _attribute(name, column)
        case Exists(name):
            return lambda attributes: name in attributes
        case Unary():
            return _unary(node)
        case Chain(first, rest):
            return _chain(compiled(first), [_step(link) for link in rest])
        case Like(operand, pattern, negated):
            return _like(compiled(operand), matcher(pattern), negated)
        case In():
            return _in(node)
        case Call():
            return _call(node)


def _attribute(name: str, column: int) -> Run:
    message = f"The event has no attribute {name}."

    def run(attributes: Attributes) -> Value:
        value = attributes.get(name)
        if value is None:
            raise Fault(FaultKind.MISSING_ATTRIBUTE, column, message)
        return value

    return run


def _unary(node: Unary) -> Run:
    operand, column = compiled(node.operand), node.column
    if node.operator == "NOT":
        return lambda attributes: not to_boolean(operand(attributes), column)
    return lambda attributes: _within(-to_integer(operand(attributes), column), column)


def _chain(first: Run, steps: list[Step]) -> Run:
    if len(steps) == 1:
        (step,) = steps
        return lambda attributes: step(first(attributes), attributes)

    def run(attributes: Attributes) -> Value:
        value = first(attributes)
        for step in steps:
            value = step(value, attributes)
        return value

    return run


def _step(link: Link) -> Step:
    """One operator of a chain, with its right operand: what it makes of the value to its left."""
    if link.operator in LOGIC:
        return _logic(link)
    if link.operator in ("=", "!=", "<>"):
        return _equality(link)
    if link.operator in COMPARISONS:
        return _comparison(link)
    return _arithmetic(link)


def _logic(link: Link) -> Step:
    right, column = compiled(link.operand), link.column
    if link.operator == "AND":
        return lambda left, attributes: to_boolean(left, column) and to_boolean(right(attributes), column)
    if link.operator == "OR":
        return lambda left, attributes: to_boolean(left, column) or to_boolean(right(attributes), column)
    return lambda left, attributes: to_boolean(left, column) is not to_boolean(right(attributes), column)


def _equality(link: Link) -> Step:
    """The right operand's type decides what is compared (§3.7)."""
    right, column, wanted = compiled(link.operand), link.column, link.operator == "="
    if isinstance(link.operand, Literal) and isinstance(link.operand.value, str):
        text = link.operand.value
        return lambda left, _: ((left if isinstance(left, str) else to_string(left)) == text) is wanted

    def step(left: Value, attributes: Attributes) -> Value:
        value = right(attributes)
        return (like(left, value, column) == value) is wanted

    return step


_COMPARED: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
}


def _comparison(link: Link) -> Step:
    right, column, compare = compiled(link.operand), link.column, _COMPARED[link.operator]

    def step(left: Value, attributes: Attributes) -> Value:
        value = right(attributes)
        return compare(to_integer(left, column), to_integer(value, column))

    return step


def _arithmetic(link: Link) -> Step:
    right, column, calculate = compiled(link.operand), link.column, _CALCULATED[link.operator]

    def step(left: Value, attributes: Attributes) -> Value:
        value = right(attributes)
        try:
            return _within(calculate(to_integer(left, column), to_integer(value, column)), column)
        except ZeroDivisionError:
            raise Fault(FaultKind.MATH, column, "This divides by zero.") from None

    return step


def _divided(x: int, y: int) -> int:
    """Rounded towards zero."""
    return x // y if (x < 0) == (y < 0) else -(-x // y)


def _remainder(x: int, y: int) -> int:
    """With the sign of x."""
    return x - y * _divided(x, y)


_CALCULATED: Final[Mapping[str, Callable[[int, int], int]]] = {
    "+": operators.add,
    "-": operators.sub,
    "*": operators.mul,
    "/": _divided,
    "%": _remainder,
}


def _within(number: int, column: int) -> int:
    if INTEGER_MIN <= number <= INTEGER_MAX:
        return number
    raise Fault(FaultKind.MATH, column, f"The result {number} has more than 32 bits.")


def _like(operand: Run, matches: Callable[[str], bool], negated: bool) -> Run:
    def run(attributes: Attributes) -> Value:
        value = operand(attributes)
        return matches(value if isinstance(value, str) else to_string(value)) is not negated

    return run


def _in(node: In) -> Run:
    """The left operand's type decides what is compared; elements behind the first equal one are not evaluated."""
    operand, column, negated = compiled(node.operand), node.column, node.negated
    literals = [element.value for element in node.elements if isinstance(element, Literal)]
    texts = frozenset(map(to_string, literals)) if len(literals) == len(node.elements) else None
    elements = [compiled(element) for element in node.elements]

    def run(attributes: Attributes) -> Value:
        value = operand(attributes)
        if texts is not None and isinstance(value, str):
            return (value in texts) is not negated
        return any(like(element(attributes), value, column) == value for element in elements) is not negated

    return run


def _call(node: Call) -> Run:
    function, column = function_named(node.name, len(node.arguments)), node.column
    if function is None:
        return _missing(node)
    arguments = [(compiled(one), CASTS[function.parameter(n)]) for n, one in enumerate(node.arguments)]
    function_run = function.run

    def run(attributes: Attributes) -> Value:
        values = [cast(argument(attributes), column) for argument, cast in arguments]
        try:
            return function_run(*values)
        except Misuse as misuse:
            raise fault_of(misuse, column) from None

    return run


def _missing(node: Call) -> Run:
    def run(_: Attributes) -> Value:
        raise missing_function(node)

    return run


def missing_function(node: Call) -> Fault:
    message = f"There is no function {node.name} of {len(node.arguments)} arguments."
    return Fault(FaultKind.MISSING_FUNCTION, node.column, message)
