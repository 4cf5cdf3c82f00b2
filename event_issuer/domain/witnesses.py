"""Witnesses: documents that one version of a schema takes and the other refuses, found, confirmed and made small.

A witness is only one when the contracts themselves say so, those that judge events. Not to have found one proves
nothing. The search is deterministic and bounded. Knows no versions by number and no modes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import jsonschema_rs

from event_issuer.domain.compatibility_forms import Form, text_of
from event_issuer.domain.compatibility_pairs import Pair
from event_issuer.domain.contracts import PATTERN_BYTES_MAX, Contract
from event_issuer.domain.dialects import Dialect
from event_issuer.domain.generating import Generator
from event_issuer.domain.violations import pointer_token, violation

# Ways to break a schema that are reported, each with a witness of its own.
WITNESSES_MAX: Final = 20
# Once there is a witness, the search for other places goes on for so many steps.
STEPS_AFTER_FIRST: Final = 500
# A proof is held against so many steps of search: a few milliseconds against a fault in it.
STEPS_OF_SECOND_LOOK: Final = 200
# Documents judged in making witnesses smaller: so many for all of them, but some for each.
SHRINKING_MAX: Final = 400
SHRINKING_MIN: Final = 40
# Of a witness as JSON. What is longer is confirmed, but no person reads it.
WITNESS_CHARS_MAX: Final = 20_000
# Documents that show what a schema takes at all, in case that no way through the keywords leads to a witness.
_PLAIN: Final[tuple[object, ...]] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    0.5,
    "",
    "a",
    [],
    [0],
    [0, 0],
    {},
    {"extra": 0},
    {"extra": None},
)


@dataclass(frozen=True, slots=True)
class Witness:
    """`document` is refused because of `rule`, a keyword, at `path`, a JSON Pointer into the schema that refuses it.

    `others`: for how many reasons more it is refused.
    """

    document: object
    path: str
    rule: str
    message: str
    others: int


class Judge:
    """A contract, and where in its schema a document fails."""

    def __init__(self, definition: dict[str, object], dialect: Dialect) -> None:
        """Raises `SchemaInvalid` if it does not compile."""
        self._definition = definition
        self._dialect = dialect
        self._contract = Contract(definition)
        self._explaining: jsonschema_rs.Validator | None = None

    def accepts(self, document: object) -> bool:
        return self._contract.accepts(document)

    def refusals(self, document: object) -> dict[str, Witness]:
        """By their place in the schema, all the reasons for which the document is refused."""
        if self._explaining is None:
            self._explaining = self._dialect.validator(
                self._definition,
                validate_formats=True,
                offline=True,
                pattern_options=jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES_MAX),
            )
        errors = list(self._explaining.iter_errors(document))
        found = [_witness(document, error, len(errors) - 1) for error in errors]
        return {witness.path: witness for witness in reversed(found)}


def _witness(document: object, error: jsonschema_rs.ValidationError, others: int) -> Witness:
    steps = [str(step) for step in error.schema_path]
    rule = error.kind.name
    if rule == "falseSchema" and steps:  # the keyword that holds it says more
        rule = next((step for step in reversed(steps) if step in _HOLDERS), rule)
    shown = violation("".join(f"/{pointer_token(step)}" for step in steps), rule, error.message)
    return Witness(document, shown.path, shown.rule, shown.message, others)


_HOLDERS: Final = frozenset(
    [
        *("properties", "patternProperties", "additionalProperties", "items", "prefixItems", "additionalItems"),
        *("dependentSchemas", "dependencies", "unevaluatedProperties", "unevaluatedItems", "then", "else", "contains"),
    ]
)


def witnesses(pair: Pair, covered: Form, covering: Form, taking: Judge, refusing: Judge) -> list[Witness]:
    """Documents that `taking` accepts and `refusing` does not, one for each place in the schema that refuses them.

    `covered` and `covering` are the forms of the two, in that order.
    """
    found: dict[str, Witness] = {}
    generator = Generator(pair.definitions)
    for document in _candidates(generator, pair.definitions, covered, covering):
        if _witnesses(document, taking, refusing):
            generator.hurry(STEPS_AFTER_FIRST)
            for path, witness in refusing.refusals(document).items():
                if path not in found or _rank(witness) < _rank(found[path]):
                    found[path] = witness
        if len(found) >= WITNESSES_MAX or (found and generator.exhausted):
            break
    tries = max(SHRINKING_MAX // max(len(found), 1), SHRINKING_MIN)
    return [_shrunk(found[path], taking, refusing, tries) for path in sorted(found)[:WITNESSES_MAX]]


def is_witnessed(pair: Pair, covered: Form, covering: Form, taking: Judge, refusing: Judge) -> bool:
    """Whether a short search finds a witness: the second look at what was proved."""
    generator = Generator(pair.definitions, STEPS_OF_SECOND_LOOK)
    documents = (*generator.documents({"allOf": [covered, {"not": covering}]}), *_PLAIN)
    return any(_witnesses(document, taking, refusing) for document in documents)


def _witnesses(document: object, taking: Judge, refusing: Judge) -> bool:
    return not refusing.accepts(document) and taking.accepts(document)


def _candidates(
    generator: Generator, definitions: Mapping[str, Form], covered: Form, covering: Form
) -> Iterator[object]:
    yield from generator.documents({"allOf": [covered, {"not": covering}]})
    yield from _PLAIN
    yield from Generator(definitions, STEPS_OF_SECOND_LOOK).documents(covered)


def _shrunk(witness: Witness, taking: Judge, refusing: Judge, tries: int) -> Witness:
    """Refused at the same place, without what the document can do without, and with simpler values in it."""
    again = True
    while again:
        again = False
        for smaller in _smaller(witness.document):
            tries -= 1
            if tries < 0:
                return witness
            found = refusing.refusals(smaller) if _witnesses(smaller, taking, refusing) else {}
            if witness.path in found and found[witness.path].others <= witness.others:
                witness, again = found[witness.path], True
                break
    return witness


def _rank(witness: Witness) -> tuple[int, int]:
    """What shows one thing only comes first, then what is short."""
    return witness.others, len(text_of(witness.document))


def _smaller(value: object) -> Iterator[object]:
    """Simpler values of the same kind, the simplest first; each has less in it, so that this ends."""
    if isinstance(value, dict):
        yield {}
        for name in value:
            yield {key: member for key, member in value.items() if key != name}
        for name in value:
            yield from (value | {name: smaller} for smaller in _smaller(value[name]))
    elif isinstance(value, list):
        yield []
        for index in range(len(value)):
            yield value[:index] + value[index + 1 :]
        for index, item in enumerate(value):
            yield from ([*value[:index], smaller, *value[index + 1 :]] for smaller in _smaller(item))
    elif isinstance(value, str) and value:
        yield from dict.fromkeys(("", "a"[: len(value) - 1], value[: len(value) // 2], value[:-1]))
