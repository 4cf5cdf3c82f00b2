"""One pair of schemas compared both ways, and every answer held against validators that took no part in it."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import jsonschema
import jsonschema_rs

from event_issuer.domain.compatibility import Comparison, CompatibilityMode, CompatibilityVerdict, compare
from event_issuer.domain.compatibility_forms import has_opaque
from event_issuer.domain.compatibility_pairs import pair_of
from event_issuer.domain.contracts import check_definition
from event_issuer.domain.dialects import dialect_named
from event_issuer.domain.errors import SchemaInvalid
from tests.fuzz.pairs import DRAFT_07, DRAFT_2019_09, DRAFT_2020_12, Pairs, Schema

DOCUMENTS = 120
MODES = (CompatibilityMode.BACKWARD, CompatibilityMode.FORWARD)
_OPINIONS = {
    DRAFT_07: jsonschema.Draft7Validator,
    DRAFT_2019_09: jsonschema.Draft201909Validator,
    DRAFT_2020_12: jsonschema.Draft202012Validator,
}
# Where the `jsonschema` library is known to judge otherwise, or not at all.
_DISPUTED = ("format", "multipleOf", "dependencies", "contentEncoding", "contentMediaType", "uniqueItems", "$ref")


@dataclass
class Tally:
    """What came of the pairs: counts, complaints (each a fault), and the processor seconds of each comparison."""

    counts: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.counts += other.counts
        self.complaints += other.complaints
        self.seconds += other.seconds


class Judges:
    """The validators of one schema: jsonschema-rs with its other engine for patterns, and `jsonschema`."""

    def __init__(self, definition: Schema) -> None:
        self._rust = jsonschema_rs.validator_for(definition, validate_formats=True, offline=True)
        text = repr(definition)
        disputed = any(f"'{keyword}'" in text for keyword in _DISPUTED)
        # In 2019-09, `jsonschema` 4.26 reads a schema under `additionalProperties` as names that are evaluated.
        disputed |= definition["$schema"] == DRAFT_2019_09 and "'unevaluated" in text
        self._python = None if disputed else _OPINIONS[str(definition["$schema"])](definition)

    def accepts(self, document: object) -> bool:
        return self._rust.is_valid(document)

    def second_opinion(self, document: object) -> bool | None:
        """None where `jsonschema` has none, fails, or reads numbers otherwise: to jsonschema-rs a double is the
        decimal that it is printed as, which beyond 2**53 is another number."""
        if self._python is None or _has_huge_number(document):
            return None
        try:
            return bool(self._python.is_valid(document))
        except TypeError:  # of `items: true` beside `unevaluatedItems`, for one
            return None


def _has_huge_number(value: object) -> bool:
    if isinstance(value, (dict, list)):
        return any(map(_has_huge_number, value.values() if isinstance(value, dict) else value))
    return isinstance(value, (int, float)) and abs(value) > 2**53


def valid_pairs(supply: Pairs, count: int) -> Iterator[tuple[Schema, Schema]]:
    """As many pairs as asked for that can serve as contracts both."""
    while count:
        old, new = supply.pair()
        try:
            check_definition(old)
            check_definition(new)
        except SchemaInvalid:
            continue
        count -= 1
        yield old, new


def checked(old: Schema, new: Schema, supply: Pairs, tally: Tally) -> None:
    """Compares in both directions; what does not hold becomes a complaint."""
    judges = {"old": Judges(old), "new": Judges(new)}
    documents = supply.documents([old, new], DOCUMENTS)
    tally.counts["pairs"] += 1
    for fault in _wrong_forms(old, new, judges, documents):
        tally.counts["wrong forms"] += 1
        tally.complaints.append(f"wrong form: {fault} | {old} | {new}")
    for mode in MODES:
        begun = time.thread_time()
        comparison = compare(old, new, mode)
        tally.seconds.append(time.thread_time() - begun)
        tally.counts[comparison.verdict.value] += 1
        sides = ("old", "new") if mode.backward else ("new", "old")
        taking, refusing = (judges[side] for side in sides)
        for fault in _faults(comparison, taking, refusing, documents):
            tally.counts[fault.split(":")[0]] += 1
            tally.complaints.append(f"{fault} | {mode.value} | {old} | {new}")


def _wrong_forms(old: Schema, new: Schema, judges: dict[str, Judges], documents: list[object]) -> Iterator[str]:
    """Documents that a schema and its form judge differently. What is opaque is only said by the schema."""
    dialects = [dialect_named(schema["$schema"]) for schema in (old, new)]
    assert dialects[0] is not None
    assert dialects[1] is not None
    pair = pair_of((old, dialects[0]), (new, dialects[1]))
    if any(map(has_opaque, (pair.old, pair.new, *pair.definitions.values()))):
        return
    for side, form in (("old", pair.old), ("new", pair.new)):
        schema = {"allOf": [form], "$defs": dict(pair.definitions)}
        validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True)
        for document in documents:
            if validator.is_valid(document) != judges[side].accepts(document):
                yield f"{side}, {document!r}"


def _faults(comparison: Comparison, taking: Judges, refusing: Judges, documents: list[object]) -> Iterator[str]:
    witnessed = [problem.witness for problem in comparison.problems if problem.witnessed]
    if comparison.verdict is CompatibilityVerdict.COMPATIBLE:
        for document in documents:
            if taking.accepts(document) and not refusing.accepts(document):
                yield f"unsound: {document!r}"
        for document in documents[:20]:
            if taking.second_opinion(document) is True and refusing.second_opinion(document) is False:
                yield f"unsound: by the second opinion, {document!r}"
    elif comparison.verdict is CompatibilityVerdict.INCOMPATIBLE and not witnessed:
        yield "unconfirmed: no witness"
    for document in witnessed:
        if not taking.accepts(document) or refusing.accepts(document):
            yield f"unconfirmed: {document!r}"
        if taking.second_opinion(document) is False or refusing.second_opinion(document) is True:
            yield f"unconfirmed: by the second opinion, {document!r}"
