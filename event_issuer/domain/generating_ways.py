"""The ways in which a value can meet a form: for each, the plain keywords that it then has to keep, all of them.

A branch of `anyOf`, `oneOf`, `if` and of a dependency is chosen; a `not` becomes the ways to break each keyword
(event_issuer.domain.generating_negations). A way may turn out to be impossible. Ways are made one by one, as they
are asked for: there can be very many. Makes no values.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from event_issuer.domain.compatibility_forms import (
    DEFINITION,
    Form,
    form_under,
    forms_under,
    leaves_of,
    map_under,
    matches,
    names_under,
    validator_of,
)
from event_issuer.domain.generating_negations import FRESH_NAMES, negations
from event_issuer.domain.generating_texts import samples

# Choices above one another, on one value. Beyond, the way is given up.
CHOICES_MAX: Final = 60
# Forms opened to make one way, so that one with hundreds of `allOf` ends.
OPENED_MAX: Final = 3_000
_LOGIC: Final = (
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "$ref",
    "dependentRequired",
    "dependentSchemas",
)
# A `not` of one of these is judged as it stands.
_PLAIN_NEGATIONS: Final = ({"pattern"}, {"format"}, {"const"}, {"enum"}, {"multipleOf"}, {"uniqueItems"})

Parts = list[dict[str, object]]


class Steps:
    """How much work is left: one step takes some 20 µs."""

    def __init__(self, most: int) -> None:
        self.left = most

    def take(self, steps: int = 1) -> bool:
        """Whether there was work left."""
        self.left -= steps
        return self.left > 0


class Ways:
    """The ways of forms that share `definitions`; none more when the steps are used up."""

    def __init__(self, definitions: Mapping[str, Form], steps: Steps) -> None:
        self._definitions = definitions
        self._steps = steps

    def of(self, form: Form) -> Iterator[Parts]:
        """At least one way for each document that keeps the form, up to the bounds."""
        yield from self._open([form], [], [], 0)

    def of_name(self, parts: Parts, name: str) -> list[Form]:
        """What has to hold for the property of that name."""
        found: list[Form] = []
        for part in parts:
            named, patterned = map_under(part, "properties"), map_under(part, "patternProperties")
            applied = [named[name]] if name in named else []
            applied += [form for pattern, form in patterned.items() if matches(pattern, name)]
            found += applied or [form_under(part, "additionalProperties")]
            if "unevaluatedProperties" in part and not any(name in map_under(each, "properties") for each in parts):
                found.append(form_under(part, "unevaluatedProperties"))
            names = form_under(part, "propertyNames")
            if names is not True and not self._names_it(names, name):
                found.append(False)
        return [form for form in found if form is not True]

    def of_item(self, parts: Iterable[Mapping[str, object]], index: int) -> list[Form]:
        """What has to hold for the item at that index."""
        found: list[Form] = []
        for part in parts:
            prefix = forms_under(part, "prefixItems")
            found.append(prefix[index] if index < len(prefix) else form_under(part, "items"))
        return [form for form in found if form is not True]

    def names(self, parts: Parts) -> Iterator[str]:
        """Names for properties: those declared, such as match the patterns, and fresh ones."""
        for part in parts:
            yield from map_under(part, "properties")
        for part in parts:
            for pattern in map_under(part, "patternProperties"):
                yield from samples(pattern)[:3]
            listed = form_under(part, "propertyNames")
            if isinstance(listed, dict):
                options = listed.get("enum", [listed.get("const")])
                yield from (name for name in options if isinstance(name, str)) if isinstance(options, list) else ()
                yield from samples(str(listed["pattern"]))[:3] if "pattern" in listed else ()
        yield from FRESH_NAMES
        yield from (f"extra{number}" for number in range(300))

    def _names_it(self, form: Form, name: str) -> bool:
        """Whether the plain keywords of `propertyNames` allow the name; what they refer to is not looked at."""
        if isinstance(form, bool):
            return form
        return validator_of(leaves_of(form)).is_valid(name)

    def _open(self, to_do: list[Form], parts: Parts, denied: list[Form], choices: int) -> Iterator[Parts]:
        to_do, parts, denied = list(to_do), list(parts), list(denied)
        chosen: list[list[Form]] = []
        opened = 0
        while to_do:
            form = to_do.pop(0)
            opened += 1
            if form is False or opened > OPENED_MAX:
                return
            if isinstance(form, dict):
                self._take_apart(form, to_do, parts, denied, chosen)
        if (
            choices > CHOICES_MAX
            or not self._steps.take(1 + (opened + len(parts) + len(denied)) // 8)
            or _contradict(parts)
        ):
            return
        if chosen:
            first, *others = chosen
            rest: list[Form] = [{"anyOf": options} for options in others]
            for option in first:
                yield from self._open([option, *rest], parts, denied, choices + 1)
        elif denied:
            refused, *left = denied
            for way in negations(refused, parts, self._definitions):
                yield from self._open([way], parts, left, choices + 1)
        else:
            yield parts

    def _take_apart(
        self, form: dict[str, object], to_do: list[Form], parts: Parts, denied: list[Form], chosen: list[list[Form]]
    ) -> None:
        """The plain keywords go to `parts`, what always applies to `to_do`, the rest to `denied` and `chosen`."""
        plain = {keyword: value for keyword, value in form.items() if keyword not in _LOGIC}
        if plain:
            parts.append(plain)
        if "$ref" in form:
            to_do.append(self._definitions[str(form["$ref"]).removeprefix(DEFINITION)])
        to_do += forms_under(form, "allOf")
        if "not" in form:
            refused = form_under(form, "not")
            if isinstance(refused, dict) and set(refused) in _PLAIN_NEGATIONS:
                parts.append({"not": refused})
            else:
                denied.append(refused)
        if "anyOf" in form:
            chosen.append(forms_under(form, "anyOf"))
        if "oneOf" in form:
            chosen.append(_one_of(forms_under(form, "oneOf")))
        if "if" in form:
            holds = form_under(form, "if")
            denial: Form = {"not": holds}
            chosen.append([{"allOf": [holds, form_under(form, "then")]}, {"allOf": [denial, form_under(form, "else")]}])
        required = form.get("dependentRequired")
        for name, names in required.items() if isinstance(required, dict) else ():
            chosen.append([{"properties": {name: False}}, {"required": list(dict.fromkeys([name, *names]))}])
        for name, schema in map_under(form, "dependentSchemas").items():
            chosen.append([{"properties": {name: False}}, {"allOf": [{"required": [name]}, schema]}])


def _one_of(branches: list[Form]) -> list[Form]:
    """One branch and none of the others, each in turn."""
    ways: list[Form] = []
    for index, branch in enumerate(branches):
        others: list[Form] = [{"not": other} for other in branches[:index] + branches[index + 1 :]]
        ways.append({"allOf": [branch, *others]})
    return ways


def _contradict(parts: Parts) -> bool:
    """Whether the parts leave no type, or ask for a property that they forbid."""
    kinds: set[object] | None = None
    for part in parts:
        if "type" in part:
            named = part["type"] if isinstance(part["type"], list) else [part["type"]]
            names = set(named) | ({"integer"} if "number" in named else set())
            kinds = names if kinds is None else kinds & names
    if kinds is not None and not kinds:
        return True
    forbidden = {name for part in parts for name, form in map_under(part, "properties").items() if form is False}
    wanted = {name for part in parts for name in names_under(part, "required")} if forbidden else set()
    return not forbidden.isdisjoint(wanted)
