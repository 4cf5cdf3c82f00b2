"""The clauses of a filter: each knows its place in the filter, whether it takes an event, and if not, why.

Two filters with the same canonical text take the same events: members and alternatives are in order and told once,
numbers and expressions are spelled one way. Clauses that need the data come last. Evaluation raises nothing. Knows no
JSON that is not yet read, no bounds and no log.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from event_issuer.domain.cesql.evaluating import Program
from event_issuer.domain.cesql.syntax import Fault, FaultKind
from event_issuer.domain.events import CloudEvent, shown
from event_issuer.domain.json_format import document_of
from event_issuer.domain.json_pointers import NOTHING, equality_with, value_at
from event_issuer.domain.violations import pointer_token

Document: TypeAlias = Callable[[], object]
Test: TypeAlias = Callable[[Mapping[str, str], Document], bool]


class Clause(Protocol):
    @property
    def canonical(self) -> str: ...

    @property
    def needs_data(self) -> bool: ...

    @property
    def passes(self) -> Test: ...

    def why_not(self, attributes: Mapping[str, str], document: Document) -> str | None:
        """The clause at fault by its JSON Pointer, and what it wants; None where the event passes."""
        ...


def json_data(event: CloudEvent) -> object:
    """The event's data; `NOTHING` where there are none, or none in JSON."""
    if event.data is None or not event.has_json_data:
        return NOTHING
    try:
        return document_of(event.data)
    except ValueError:  # it came from outside the API
        return NOTHING


_WORDS: Final = {"exact": "is not", "prefix": "does not begin with", "suffix": "does not end with"}


class Attributes:
    """exact, prefix, suffix: all of these attributes are there and agree."""

    needs_data = False

    def __init__(self, place: str, dialect: str, wanted: Mapping[str, str]) -> None:
        self._place, self._dialect = place, dialect
        self._tests = {name: _attribute_test(dialect, name, text) for name, text in sorted(wanted.items())}
        self._wanted = wanted
        self.canonical = _written({dialect: dict(sorted(wanted.items()))})
        self.passes = _every(list(self._tests.values()))

    def why_not(self, attributes: Mapping[str, str], document: Document) -> str | None:
        for name, test in self._tests.items():
            if not test(attributes, document):
                place = f"{self._place}/{pointer_token(name)}"
                return f"{place}: the attribute {name} {_WORDS[self._dialect]} {shown(self._wanted[name])}."
        return None


def _attribute_test(dialect: str, name: str, text: str) -> Test:
    """An absent attribute agrees with nothing: no text that is compared is empty."""
    if dialect == "exact":
        return lambda attributes, _: attributes.get(name) == text
    if dialect == "prefix":
        return lambda attributes, _: attributes.get(name, "").startswith(text)
    return lambda attributes, _: attributes.get(name, "").endswith(text)


class Data:
    """data: each of these pointers leads to this value."""

    needs_data = True

    def __init__(self, place: str, wanted: Sequence[tuple[str, tuple[str, ...], object]]) -> None:
        self._place = place
        self._members = sorted(wanted, key=lambda member: member[0])
        self._tests = [(tokens, equality_with(value)) for _, tokens, value in self._members]
        self.canonical = _written({"data": {pointer: _plain(value) for pointer, _, value in self._members}})

    def passes(self, attributes: Mapping[str, str], document: Document) -> bool:
        found = document()
        return all(is_wanted(value_at(found, tokens)) for tokens, is_wanted in self._tests)

    def why_not(self, attributes: Mapping[str, str], document: Document) -> str | None:
        found = document()
        for (pointer, _, value), (tokens, is_wanted) in zip(self._members, self._tests, strict=True):
            if not is_wanted(value_at(found, tokens)):
                place = f"{self._place}/{pointer_token(pointer)}"
                return f"{place}: the data do not have {_written(value):.80} at {shown(pointer)}."
        return None


_FAULTS: Final = {
    FaultKind.MATH: "a calculation has no result",
    FaultKind.CAST: "a value cannot be cast",
    FaultKind.MISSING_ATTRIBUTE: "an attribute is absent",
    FaultKind.MISSING_FUNCTION: "there is no such function",
    FaultKind.FUNCTION_EVALUATION: "a function cannot do what it is asked",
}


class Sql:
    """sql: the expression's value is true. A fault, and a value that is no boolean, is a no (CESQL §1.2)."""

    needs_data = False

    def __init__(self, place: str, program: Program, canonical: str) -> None:
        self._place, self._run = place, program.run
        self.canonical = _written({"sql": canonical})

    def passes(self, attributes: Mapping[str, str], document: Document) -> bool:
        try:
            return self._run(attributes) is True
        except Fault:
            return False

    def why_not(self, attributes: Mapping[str, str], document: Document) -> str | None:
        try:
            value = self._run(attributes)
        except Fault as fault:
            return f"{self._place}: column {fault.column}: {_FAULTS[fault.kind]}."
        if value is True:
            return None
        return f"{self._place}: the expression is {'false' if value is False else 'no boolean'}."


class AllOf:
    def __init__(self, place: str, inner: Sequence[Clause]) -> None:
        self._place, self._inner = place, inner
        ordered = _ordered(inner)
        self.needs_data = any(one.needs_data for one in inner)
        self.canonical = _group("all", ordered)
        self.passes = _every([one.passes for one in ordered])

    def why_not(self, attributes: Mapping[str, str], document: Document) -> str | None:
        return next(filter(None, (one.why_not(attributes, document) for one in self._inner)), None)


class AnyOf:
    def __init__(self, place: str, inner: Sequence[Clause]) -> None:
        self._place, self._inner = place, inner
        ordered = _ordered(inner)
        self.needs_data = any(one.needs_data for one in inner)
        self.canonical = _group("any", ordered)
        self._tests = [one.passes for one in ordered]

    def passes(self, attributes: Mapping[str, str], document: Document) -> bool:
        return any(test(attributes, document) for test in self._tests)

    def why_not(self, attributes: Mapping[str, str], document: Document) -> str | None:
        if self.passes(attributes, document):
            return None
        return f"{self._place}: none of its {len(self._inner)} filters takes the event."


class Not:
    def __init__(self, place: str, inner: Clause) -> None:
        self._place, self.needs_data = place, inner.needs_data
        self.canonical = f'{{"not":{inner.canonical}}}'
        test = inner.passes
        self.passes: Test = lambda attributes, document: not test(attributes, document)

    def why_not(self, attributes: Mapping[str, str], document: Document) -> str | None:
        return None if self.passes(attributes, document) else f"{self._place}: the filter inside takes the event."


def _every(tests: Sequence[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def passes(attributes: Mapping[str, str], document: Document) -> bool:
        return all(test(attributes, document) for test in tests)

    return passes


def _ordered(inner: Sequence[Clause]) -> list[Clause]:
    distinct = {one.canonical: one for one in inner}
    return sorted(distinct.values(), key=lambda one: (one.needs_data, one.canonical))


def _group(dialect: str, ordered: Sequence[Clause]) -> str:
    return f'{{"{dialect}":[{",".join(one.canonical for one in ordered)}]}}'


def _written(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _plain(value: object) -> object:
    """The same JSON value with members in order and whole numbers as integers."""
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in sorted(value.items())}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
