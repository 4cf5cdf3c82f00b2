"""Proofs that every document of one form is a document of another: found or not found, never wrong.

Two provers work together. jsonschema-rs decides whole schemas, but gives up on recursion, on patterns and on
`unevaluated*`. Where it does, the schema is taken apart: a form is a conjunction of keywords, and each keyword of
the covering form must follow from the covered one, place by place. A recursive schema is proved by induction on
the depth of the document: on the way down into a value, what is being proved may be taken as proved.

"S within C" stands for: each value that S accepts, C accepts.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import jsonschema_rs
from jsonschema_rs.canonical import CanonicalizationError, Containment, Satisfiability

from event_issuer.domain.compatibility_forms import (
    Form,
    count_under,
    form_under,
    forms_under,
    has_opaque,
    leaves_of,
    map_under,
    matches,
    references_in,
    text_of,
)
from event_issuer.domain.compatibility_pairs import Pair
from event_issuer.domain.compatibility_parts import (
    Parts,
    all_of,
    applied_to_item,
    applied_to_name,
    branches_taken,
    cases,
    cases_in,
    counts_evaluated,
    excludes_type,
    has_opaque_keyword,
    holding,
    is_opaque,
    states,
)
from event_issuer.domain.contracts import PATTERN_BYTES_MAX

# Questions taken up in one proof. Real changes need some dozen; alternatives beside each other multiply.
STEPS_MAX: Final = 400
# Work of jsonschema-rs in one proof, in characters of schemas; one takes about 0.1 µs.
WORK_MAX: Final = 2_500_000
# A case, one choice of a branch for each choice there is, was measured to take up to a millisecond; from some hundred
# on, jsonschema-rs gives up after a second.
CASE_WORK: Final = 10_000
CASES_MAX: Final = 256
# To compare takes the product of the two: lists are compared member by member, and so are cases.
CHARS_SQUARED: Final = 10_000
PAIR_WORK: Final = 300
# Schemas in which more alternatives than this apply to one value are not split into them.
ALTERNATIVES_MAX: Final = 32

_SCHEMA: Final = "https://json-schema.org/draft/2020-12/schema"
_OBJECT = ("properties", "patternProperties", "additionalProperties")
_ARRAY = ("prefixItems", "items")


class _Canonical(NamedTuple):
    """A form as jsonschema-rs has it, with the characters it was made from and the cases in it."""

    schema: jsonschema_rs.CanonicalSchema
    chars: int
    cases: int


class Prover:
    """One proof: its steps are counted, so that it ends. Make a new one for each question."""

    def __init__(self, pair: Pair, steps_max: int = STEPS_MAX) -> None:
        self._pair = pair
        self._steps = steps_max
        self._work = WORK_MAX
        self._canonicals: dict[str, _Canonical | None] = {}
        self._open: dict[tuple[str, str], int] = {}
        self._depth = 0
        self._leaned = 0
        self._proved: set[tuple[str, str]] = set()

    def within(self, covered: Form, covering: Form) -> bool:
        """Whether it is proved that each value that `covered` accepts is accepted by `covering`."""
        if covering is True or covered is False:
            return True
        question = (text_of(covered), text_of(covering))
        if question[0] == question[1] or question in self._proved:
            return True
        if question in self._open:  # by induction, if the value is a smaller one than where the question was put
            self._leaned += 1
            return self._open[question] < self._depth
        self._steps -= 1
        if self._steps < 0:
            return False
        leaned = self._leaned
        self._open[question] = self._depth
        try:
            found = self._within(covered, covering)
        finally:
            del self._open[question]
        if found and leaned == self._leaned:  # what leans on an open question is not proved before that one is
            self._proved.add(question)
        return found

    def _within(self, covered: Form, covering: Form) -> bool:
        decided = self._covers(covering, covered)
        if decided is not None:
            return decided
        if isinstance(covered, dict) and has_opaque_keyword(covered):
            wider: Form = {keyword: value for keyword, value in covered.items() if not is_opaque(keyword)}
            if self._covers(covering, wider) is True:
                return True
        parts = self._parts(covered)
        if any(part is False for part in parts):
            return True
        if all(self._follows(parts, part) for part in self._parts(covering)):
            return True
        return self._by_cases(parts, covering)

    def _below(self, covered: Form, covering: Form) -> bool:
        """`within`, of a value inside the present one."""
        self._depth += 1
        try:
            return self.within(covered, covering)
        finally:
            self._depth -= 1

    # What jsonschema-rs says.

    def _covers(self, covering: Form, covered: Form) -> bool | None:
        first, second = self._canonical(covering), self._canonical(covered)
        if first is None or second is None:
            return None
        self._work -= first.chars * second.chars // CHARS_SQUARED + PAIR_WORK * first.cases * second.cases
        if self._work < 0:
            return None
        try:
            answer = first.schema.covers(second.schema)
        except CanonicalizationError:
            return None
        return None if answer == Containment.UNKNOWN else answer == Containment.YES

    def _disjoint(self, one: Form, other: Form) -> bool:
        both = self._canonical(all_of([one, other]))
        return both is not None and both.schema.satisfiability() == Satisfiability.NO

    def _canonical(self, form: Form) -> _Canonical | None:
        text = text_of(form)
        if text not in self._canonicals:
            self._canonicals[text] = self._canonicalized(form)
        return self._canonicals[text]

    def _canonicalized(self, form: Form) -> _Canonical | None:
        definitions = self._reachable(form)
        everything = [form, *definitions.values()]
        chars, cases = sum(len(text_of(one)) for one in everything), max(map(cases_in, everything))
        self._work -= chars + CASE_WORK * cases
        if self._work < 0 or cases > CASES_MAX or any(map(has_opaque, everything)):
            return None
        schema = {"$schema": _SCHEMA, "$defs": definitions, **(form if isinstance(form, dict) else {"not": not form})}
        try:
            canonical = jsonschema_rs.canonicalize(
                schema,
                validate_formats=True,
                offline=True,
                pattern_options=jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES_MAX),
            )
        except CanonicalizationError:
            return None
        return _Canonical(canonical, chars, cases)

    def _reachable(self, form: Form) -> dict[str, Form]:
        found: dict[str, Form] = {}
        to_do = list(references_in(form))
        while to_do:
            name = to_do.pop()
            if name not in found:
                found[name] = self._pair.definitions[name]
                to_do += references_in(found[name])
        return found

    # Taken apart.

    def _parts(self, form: Form) -> Parts:
        """The conjuncts of a form: references followed, `allOf` opened, and a branch whose `if` holds added."""
        found: dict[str, Form] = {}
        taken: set[str] = set()
        to_do: list[Form] = [form]
        while to_do:
            part = to_do.pop()
            if isinstance(part, dict) and not counts_evaluated(part):
                part = dict(part)
                if "$ref" in part:
                    to_do.append(self._pair.target(part.pop("$ref")))
                to_do += forms_under({"allOf": part.pop("allOf", None)}, "allOf")
            if part is not True and part != {}:
                found[text_of(part)] = part
            if not to_do:
                news = {text_of(branch): branch for branch in branches_taken(found) if branch is not True}
                to_do = [branch for text, branch in news.items() if text not in taken]
                taken |= news.keys()
        return tuple(found.values())

    def _follows(self, parts: Parts, goal: Form) -> bool:
        """Whether each keyword of `goal`, a conjunct of the covering form, follows from the covered parts."""
        if isinstance(goal, bool):
            return goal
        if any(text_of(part) == text_of(goal) for part in parts):
            return True
        if counts_evaluated(goal):
            return False
        return (
            self._leaf_follows(parts, leaves_of(goal))
            and self._opaque_follows(parts, goal)
            and self._object_follows(parts, goal)
            and self._array_follows(parts, goal)
            and self._names_follow(parts, goal)
            and self._contains_follows(parts, goal)
            and self._logic_follows(parts, goal)
        )

    def _leaf_follows(self, parts: Parts, leaf: dict[str, object]) -> bool:
        for keyword, value in leaf.items():
            if not states(parts, keyword, leaf):
                known = all_of(leaves_of(part) if isinstance(part, dict) else part for part in parts)
                if self._covers({keyword: value}, known) is not True:
                    return False
        return True

    def _opaque_follows(self, parts: Parts, goal: dict[str, object]) -> bool:
        """What cannot be said in 2020-12 are draft-07's assertions about texts."""
        opaque = [keyword for keyword in goal if is_opaque(keyword)]
        return excludes_type(parts, "string") or all(states(parts, keyword, goal) for keyword in opaque)

    def _object_follows(self, parts: Parts, goal: dict[str, object]) -> bool:
        if not any(keyword in goal for keyword in _OBJECT):
            return True
        if excludes_type(parts, "object"):
            return True
        names = {name for part in (*parts, goal) for name in map_under(part, "properties")}
        patterns = {pattern for part in (*parts, goal) for pattern in map_under(part, "patternProperties")}
        matching = {name: {pattern for pattern in patterns if matches(pattern, name)} for name in sorted(names)}
        for name in sorted(names):
            wanted = all_of(applied_to_name(goal, name, matching[name]))
            given = all_of(form for part in parts for form in applied_to_name(part, name, matching[name]))
            if not self._below(given, wanted):
                return False
        return self._patterns_follow(parts, goal) and self._others_follow(parts, goal)

    def _patterns_follow(self, parts: Parts, goal: dict[str, object]) -> bool:
        """Names that match a pattern of the goal and that nobody spells out."""
        for pattern, wanted in map_under(goal, "patternProperties").items():
            given: list[Form] = []
            for part in parts:
                named = map_under(part, "patternProperties")
                given += [named[pattern]] if pattern in named else []
                given += [form_under(part, "additionalProperties")] if not named else []
            if not self._below(all_of(given), wanted):
                return False
        return True

    def _others_follow(self, parts: Parts, goal: dict[str, object]) -> bool:
        """Names that nobody spells out and that match no pattern of the goal."""
        wanted = form_under(goal, "additionalProperties")
        if wanted is True:
            return True
        excluded = map_under(goal, "patternProperties").keys()
        given: list[Form] = []
        for part in parts:
            more = [form for pattern, form in map_under(part, "patternProperties").items() if pattern not in excluded]
            other = form_under(part, "additionalProperties")
            if not more:
                given.append(other)
            elif all(self._below(form, wanted) for form in (other, *more)):  # whichever of them applies
                return True
        return self._below(all_of(given), wanted)

    def _array_follows(self, parts: Parts, goal: dict[str, object]) -> bool:
        if not any(keyword in goal for keyword in _ARRAY) or excludes_type(parts, "array"):
            return True
        length = max(len(forms_under(part, "prefixItems")) for part in (*parts, goal))
        most = min([count_under(part, "maxItems", length + 1) for part in parts], default=length + 1)
        for index in range(min(length + 1, most)):  # the last one stands for all behind the prefixes
            given = all_of(applied_to_item(part, index) for part in parts)
            if not self._below(given, applied_to_item(goal, index)):
                return False
        return True

    def _names_follow(self, parts: Parts, goal: dict[str, object]) -> bool:
        wanted = form_under(goal, "propertyNames")
        given = all_of(form_under(part, "propertyNames") for part in parts)
        return wanted is True or self._below({"allOf": [{"type": "string"}, given]}, wanted)

    def _contains_follows(self, parts: Parts, goal: dict[str, object]) -> bool:
        if "contains" not in goal or excludes_type(parts, "array"):
            return True
        wanted, least = form_under(goal, "contains"), count_under(goal, "minContains", 1)
        most = count_under(goal, "maxContains", -1)
        known = holding(parts, "contains")
        enough = least == 0 or any(
            count_under(part, "minContains", 1) >= least and self._below(form_under(part, "contains"), wanted)
            for part in known
        )
        few = most < 0 or any(
            count_under(part, "maxContains", most + 1) <= most and self._below(wanted, form_under(part, "contains"))
            for part in known
        )
        return enough and few

    def _logic_follows(self, parts: Parts, goal: dict[str, object]) -> bool:
        given = all_of(parts)
        return (
            ("anyOf" not in goal or any(self.within(given, form) for form in _likely_first(parts, goal, "anyOf")))
            and ("oneOf" not in goal or self._exactly_one(given, _likely_first(parts, goal, "oneOf")))
            and ("not" not in goal or self._rejected(parts, form_under(goal, "not")))
            and self._condition_follows(given, goal)
            and all(
                self.within(all_of([given, {"required": [name]}]), form)
                for name, form in map_under(goal, "dependentSchemas").items()
            )
        )

    def _exactly_one(self, given: Form, branches: Sequence[Form]) -> bool:
        for chosen, branch in enumerate(branches):
            if self.within(given, branch):
                return all(self._disjoint(given, other) for index, other in enumerate(branches) if index != chosen)
        return False

    def _rejected(self, parts: Parts, refused: Form) -> bool:
        denied = [form_under(part, "not") for part in holding(parts, "not")]
        return any(self.within(refused, form) for form in denied) or self._disjoint(all_of(parts), refused)

    def _condition_follows(self, given: Form, goal: dict[str, object]) -> bool:
        if "if" not in goal:
            return True
        holds = form_under(goal, "if")
        denied: Form = {"not": holds}
        return self.within(all_of([given, holds]), form_under(goal, "then")) and self.within(
            all_of([given, denied]), form_under(goal, "else")
        )

    def _by_cases(self, parts: Parts, covering: Form) -> bool:
        """Each alternative that the covered form has must be within the covering one."""
        for keyword in ("anyOf", "oneOf", "if"):
            for part in holding(parts, keyword):
                found = cases(part, keyword)
                if len(found) > ALTERNATIVES_MAX or counts_evaluated(part):
                    continue
                rest = {key: value for key, value in part.items() if key not in (keyword, "then", "else")}
                others = [other for other in parts if other is not part]
                return all(self.within(all_of([*others, rest or True, *case]), covering) for case in found)
        return False


def _likely_first(parts: Parts, goal: dict[str, object], keyword: str) -> list[Form]:
    """The branches, those first that one of the parts states word for word."""
    texts = {text_of(part) for part in parts}
    return sorted(forms_under(goal, keyword), key=lambda branch: text_of(branch) not in texts)
