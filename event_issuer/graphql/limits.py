"""How much one GraphQL request may ask for: tokens, fields, depth, aliases and directives.

Sizes are counted with every fragment spread and every page multiplied, as execution would do, but each fragment is
measured once, so that counting is linear in the document (Strawberry's own limiters are exponential in spreads). It
happens before validation, whose rules therefore never see a monster. Knows the schema only for where lists are paged;
who asks, and with what rights, it does not know.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    parse,
)
from graphql.validation.rules import overlapping_fields_can_be_merged

from event_issuer.domain.paging import PAGE_SIZE, PAGE_SIZE_MAX

# Parsing and validating cost some 20 µs per token on one core, and nothing else runs meanwhile. What people and
# generators write has a few hundred tokens; data belongs into variables.
TOKENS_MAX: Final = 4000
SOURCE_CHARACTERS_MAX: Final = 128 * 1024  # bounds what no token counts: spaces, comments, long strings
COMMENTS_MAX: Final = 1000  # the parser keeps them in memory

FIELDS_MAX: Final = 25_000  # the largest page of one list, with over twenty fields each: some 10 µs per resolved field
DEPTH_MAX: Final = 20  # introspection as GraphiQL asks it has 15; our longest path with its pages has 12
ALIASES_MAX: Final = 100  # aliases make one request do one thing many times
DIRECTIVES_MAX: Final = 100  # each is evaluated wherever its fragment is spread
NESTING_MAX: Final = 100  # of selections and spreads in each other, since counting recurses; depth is less than this

# The rule that compares fields of one name is quadratic; the budget that graphql-core gives it lasts half a second.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 100_000

Variables = Mapping[str, object]


class TooLarge(GraphQLError):
    """The message says which bound was passed, by how much, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Size:
    """`varies` says that a variable sets the size of a page: the true size is known with the variables only."""

    fields: int = 0
    depth: int = 0
    aliases: int = 0
    directives: int = 0
    varies: bool = False

    def __add__(self, other: "Size") -> "Size":
        return Size(
            self.fields + other.fields,
            max(self.depth, other.depth),
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.varies or other.varies,
        )


def parse_document(query: str) -> DocumentNode:
    """Raises GraphQLSyntaxError, also for a text beyond the limits."""
    return parse(
        query,
        max_lexical_tokens=TOKENS_MAX,
        max_comments=COMMENTS_MAX,
        max_source_length=SOURCE_CHARACTERS_MAX,
    )


def check_document(schema: GraphQLSchema, document: DocumentNode) -> bool:
    """Whether a request must be checked with its variables too. Raises TooLarge for what is so with any variables."""
    measure = _Measure(schema, document, None)
    sizes = [_checked(measure.operation(operation)) for operation in operations(document)]
    return any(size.varies for size in sizes)


def check_request(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Variables | None
) -> None:
    """Raises TooLarge for what the operation asks for with these variables, which are as yet unchecked JSON."""
    known = {**_defaults(operation), **(variables or {})}
    _checked(_Measure(schema, document, known).operation(operation))


def operations(document: DocumentNode) -> list[OperationDefinitionNode]:
    return [definition for definition in document.definitions if isinstance(definition, OperationDefinitionNode)]


def _checked(size: Size) -> Size:
    for what, asked, allowed in (
        ("fields, with every page counted in full", size.fields, FIELDS_MAX),
        ("levels of fields", size.depth, DEPTH_MAX),
        ("aliases", size.aliases, ALIASES_MAX),
        ("directives", size.directives, DIRECTIVES_MAX),
    ):
        if asked > allowed:
            raise TooLarge(f"The operation asks for {asked} {what}; at most {allowed} are allowed.")
    return size


def _defaults(operation: OperationDefinitionNode) -> dict[str, object]:
    return {
        definition.variable.name.value: int(definition.default_value.value)
        for definition in operation.variable_definitions or ()
        if isinstance(definition.default_value, IntValueNode)
    }


class _Measure:
    """Measures the operations of one document; without variables, a page that one of them sets counts once."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: Variables | None) -> None:
        self._schema = schema
        self._variables = variables
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._measured: dict[str, Size] = {}
        self._under_way: set[str] = set()

    def operation(self, operation: OperationDefinitionNode) -> Size:
        root = self._schema.get_root_type(operation.operation)
        return _directives_of(operation) + self._selections(operation.selection_set, root, 1)

    def _selections(self, selections: SelectionSetNode, parent: GraphQLNamedType | None, nesting: int) -> Size:
        if nesting > NESTING_MAX:
            raise TooLarge(f"Selections and fragments are nested too deeply; at most {NESTING_MAX} levels are allowed.")
        return sum((self._selection(selection, parent, nesting) for selection in selections.selections), Size())

    def _selection(self, node: SelectionNode, parent: GraphQLNamedType | None, nesting: int) -> Size:
        if isinstance(node, FieldNode):
            return self._field(node, parent, nesting)
        if isinstance(node, InlineFragmentNode):
            if node.type_condition is not None:
                parent = self._schema.get_type(node.type_condition.name.value)
            return _directives_of(node) + self._selections(node.selection_set, parent, nesting + 1)
        if isinstance(node, FragmentSpreadNode):
            return _directives_of(node) + self._fragment(node.name.value, nesting + 1)
        return Size()

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None, nesting: int) -> Size:
        field = _field_of(parent, node.name.value)
        own = Size(1, 1, int(node.alias is not None), len(node.directives or ()))
        if node.selection_set is None:
            return own
        below = self._selections(node.selection_set, get_named_type(field.type) if field else None, nesting + 1)
        page, varies = self._page(node, field)
        return own + Size(page * below.fields, 1 + below.depth, below.aliases, below.directives, below.varies or varies)

    def _fragment(self, name: str, nesting: int) -> Size:
        """What a spread of it adds. A fragment that spreads itself, or is missing, adds nothing: validation says so."""
        if name in self._measured:
            return self._measured[name]
        fragment = self._fragments.get(name)
        if fragment is None or name in self._under_way:
            return Size()
        self._under_way.add(name)
        condition = self._schema.get_type(fragment.type_condition.name.value)
        size = _directives_of(fragment) + self._selections(fragment.selection_set, condition, nesting)
        self._under_way.discard(name)
        self._measured[name] = size
        return size

    def _page(self, node: FieldNode, field: GraphQLField | None) -> tuple[int, bool]:
        """How many items the field may answer with, and whether a variable says so."""
        if field is None or not ("first" in field.args or "last" in field.args):
            return 1, False
        asked = [argument.value for argument in node.arguments or () if argument.name.value in ("first", "last")]
        varies = any(isinstance(value, VariableNode) for value in asked)
        if varies and self._variables is None:
            return 1, True
        return max((self._page_size(value) for value in asked), default=PAGE_SIZE), varies

    def _page_size(self, value: ValueNode) -> int:
        """Clipped: a size out of bounds is refused where the page is read, in better words."""
        known: object = None
        if isinstance(value, IntValueNode):
            known = int(value.value)
        elif isinstance(value, VariableNode) and self._variables is not None:
            known = self._variables.get(value.name.value)
        return min(max(known, 1), PAGE_SIZE_MAX) if type(known) is int else PAGE_SIZE


def _directives_of(
    node: OperationDefinitionNode | FragmentDefinitionNode | InlineFragmentNode | FragmentSpreadNode,
) -> Size:
    return Size(directives=len(node.directives or ()))


def _field_of(parent: GraphQLNamedType | None, name: str) -> GraphQLField | None:
    return parent.fields.get(name) if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) else None
