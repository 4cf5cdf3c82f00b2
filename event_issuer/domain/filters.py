"""Filters: which events a subscription takes. Parsed once, then asked about one event after another.

Source: CloudEvents Subscriptions API 0.1-wip §3.2.4.1 (exact, prefix, suffix, all, any, not, sql), CESQL 1.0.0, and a
dialect of ours, data, which compares values in JSON data with JSON Pointers to them. Evaluation raises nothing and is
bounded in time by what `parse_filter` lets through. Knows no subscription and no log.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from event_issuer.domain import filter_clauses as clauses
from event_issuer.domain.cesql.cost import clauses_in, faults_of, names_in
from event_issuer.domain.cesql.evaluating import Program
from event_issuer.domain.cesql.parsing import parse
from event_issuer.domain.cesql.syntax import Fault, canonical
from event_issuer.domain.errors import BadInput, Violation
from event_issuer.domain.events import DATA_MEMBERS, NAME_LENGTH_MAX, CloudEvent, shown
from event_issuer.domain.filter_clauses import Clause, Document, json_data
from event_issuer.domain.json_pointers import tokens_of
from event_issuer.domain.json_values import json_bytes, json_type
from event_issuer.domain.violations import VIOLATIONS_MAX, pointer_token, violation

FILTER_BYTES_MAX: Final = 4 * 1024  # as JSON: some dozen conditions, which is more than a person keeps in view
DEPTH_MAX: Final = 8  # filters inside each other
CLAUSES_MAX: Final = 256  # comparisons, operators and calls: some 0.2 µs each, so an event takes some 50 µs at most

_NAME: Final = re.compile(r"[a-z0-9]+", re.ASCII)
_DIALECTS: Final = "exact, prefix, suffix, all, any, not, sql, data"


@dataclass(frozen=True, slots=True)
class PointerInFilter:
    """`place` is where in the filter the pointer `tokens` stands, itself a JSON Pointer."""

    place: str
    pointer: str
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Filter:
    """`value` is the filter as it was given; filters with the same `canonical` text take the same events."""

    value: object
    canonical: str
    clause: Clause
    pointers: tuple[PointerInFilter, ...] = ()
    has_expressions: bool = False

    def passes(self, attributes: Mapping[str, str], document: Document) -> bool:
        """`document` is called where the answer depends on the data, at most once per clause."""
        return self.clause.passes(attributes, document)


def parse_filter(value: object) -> Filter:
    """`value` is parsed JSON. Raises BadInput with the place of each fault, a JSON Pointer into the filter."""
    try:
        written = json_bytes(value)
    except ValueError as problem:
        raise _refusal([violation("", "json", f"The filter is {problem}.")]) from None
    if len(written) > FILTER_BYTES_MAX:
        message = f"A filter has at most {FILTER_BYTES_MAX} bytes, as JSON; this one has {len(written)}."
        raise _refusal([violation("", "size", message)])
    reader = _Reader()
    clause = reader.filter(value, "", 1)
    if reader.count > CLAUSES_MAX:
        message = f"A filter makes at most {CLAUSES_MAX} comparisons; this one makes {reader.count}."
        reader.faults.append(violation("", "clauses", message))
    if reader.faults or clause is None:
        raise _refusal(reader.faults)
    return Filter(value, clause.canonical, clause, tuple(reader.pointers), reader.has_expressions)


def passes(filter_: Filter, event: CloudEvent) -> bool:
    return filter_.passes(event.attributes, lambda: json_data(event))


def why_not(filter_: Filter, event: CloudEvent) -> str | None:
    """Which clause refuses the event, by its JSON Pointer in the filter; None where it passes.

    Tells nothing of the event itself: who may see the filter need not be one who may consume the event.
    """
    return filter_.clause.why_not(event.attributes, lambda: json_data(event))


def refused_pointers(found: list[PointerInFilter]) -> BadInput:
    """For pointers that lead nowhere in any event."""
    return _refusal(
        [
            violation(
                one.place, "pointer", f"No schema version of the event types has a value at {shown(one.pointer)}."
            )
            for one in found
        ]
    )


def _refusal(faults: list[Violation]) -> BadInput:
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    detail = f"The filter cannot be used: {first.message} At {first.path or 'its root'}{more}."
    return BadInput(detail, violations=faults[:VIOLATIONS_MAX])


@dataclass(slots=True)
class _Reader:
    """Reads one filter; a part that is at fault leaves None, and reading goes on."""

    faults: list[Violation] = field(default_factory=list)
    pointers: list[PointerInFilter] = field(default_factory=list)
    count: int = 0
    has_expressions: bool = False

    def fault(self, place: str, rule: str, message: str) -> None:
        self.faults.append(violation(place, rule, message))

    def filter(self, value: object, place: str, depth: int) -> Clause | None:
        if not isinstance(value, dict) or len(value) != 1:
            what = f"one with {len(value)} members" if isinstance(value, dict) else json_type(value)
            self.fault(place, "filter", f"A filter is an object with one member, not {what}.")
            return None
        if depth > DEPTH_MAX:
            self.fault(place, "depth", f"Filters are at most {DEPTH_MAX} levels inside each other.")
            return None
        ((dialect, content),) = value.items()
        place = f"{place}/{pointer_token(dialect)}"
        match dialect:
            case "exact" | "prefix" | "suffix":
                return self.attributes(dialect, content, place)
            case "all" | "any":
                return self.group(dialect, content, place, depth)
            case "not":
                inner = self.filter(content, place, depth + 1)
                return None if inner is None else clauses.Not(place, inner)
            case "sql":
                return self.sql(content, place)
            case "data":
                return self.data(content, place)
        self.fault(place, "dialect", f"{shown(dialect)} is no filter dialect; there are {_DIALECTS}.")
        return None

    def members(self, content: object, place: str, what: str) -> Mapping[str, object]:
        if isinstance(content, dict) and content:
            self.count += len(content)
            return content
        found = "an empty one" if content == {} else json_type(content)
        self.fault(place, "type", f"Here stands an object of {what}, not {found}.")
        return {}

    def attributes(self, dialect: str, content: object, place: str) -> Clause:
        wanted: dict[str, str] = {}
        for name, text in self.members(content, place, "attributes and their values").items():
            inside = f"{place}/{pointer_token(name)}"
            self.attribute_name(name, inside)
            if isinstance(text, str) and text:
                wanted[name] = text
            else:
                found = "an empty one" if text == "" else json_type(text)
                self.fault(inside, "type", f"An attribute is compared with a string, not {found}.")
        return clauses.Attributes(place, dialect, wanted)

    def attribute_name(self, name: str, place: str, at: str = "") -> None:
        """Core §3.1: every name that is well formed may be an extension's; `data` is none."""
        if _NAME.fullmatch(name) is None or len(name) > NAME_LENGTH_MAX or name in DATA_MEMBERS:
            message = (
                f"{at}{shown(name)} is no attribute: its name has 1 to {NAME_LENGTH_MAX} characters of a-z and 0-9"
            )
            also = "; values in the data are compared by the dialect data" if name == "data" else ""
            self.fault(place, "attribute", f"{message}{also}.")

    def group(self, dialect: str, content: object, place: str, depth: int) -> Clause | None:
        if not isinstance(content, list) or not content:
            found = "an empty one" if content == [] else json_type(content)
            self.fault(place, "type", f"Here stands an array of filters, not {found}.")
            return None
        inner = [self.filter(one, f"{place}/{number}", depth + 1) for number, one in enumerate(content)]
        whole = [one for one in inner if one is not None]
        return clauses.AllOf(place, whole) if dialect == "all" else clauses.AnyOf(place, whole)

    def sql(self, content: object, place: str) -> Clause | None:
        if not isinstance(content, str):
            self.fault(place, "type", f"A CESQL expression is a string, not {json_type(content)}.")
            return None
        try:
            parsed = parse(content)
        except Fault as problem:
            self.fault(place, "sql", str(problem))
            return None
        self.count += clauses_in(parsed.tree)
        self.has_expressions = True
        for found in (*parsed.surprises, *faults_of(parsed.tree)):
            self.fault(place, "sql", str(found))
        for name, column in names_in(parsed.tree):
            self.attribute_name(name, place, f"column {column}: ")
        return clauses.Sql(place, Program(parsed.tree), canonical(parsed.tree))

    def data(self, content: object, place: str) -> Clause:
        wanted: list[tuple[str, tuple[str, ...], object]] = []
        for pointer, value in self.members(content, place, "JSON Pointers and values").items():
            inside = f"{place}/{pointer_token(pointer)}"
            try:
                tokens = tokens_of(pointer)
            except ValueError as problem:
                self.fault(inside, "pointer", str(problem))
                continue
            wanted.append((pointer, tokens, value))
            self.pointers.append(PointerInFilter(inside, pointer, tokens))
        return clauses.Data(place, wanted)
