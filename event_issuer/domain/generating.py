"""Documents made from a form: what it asks for, in several variants, the simplest first.

To find a document that one schema takes and another refuses, ask for `{"allOf": [one, {"not": other}]}`: negations
are resolved into the ways in which a value can break each keyword. What is made need not keep the form (texts for
two patterns at once, say): who asks has validators. Deterministic; the work is counted, so that it ends.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from event_issuer.domain.compatibility_forms import (
    Form,
    count_under,
    form_under,
    forms_under,
    leaves_of,
    names_under,
    text_of,
    validator_of,
)
from event_issuer.domain.generating_scalars import numbers, texts
from event_issuer.domain.generating_ways import Steps, Ways

# Steps of one search: values made, whole ones and parts, and ways looked at; some 20 µs each.
STEPS_MAX: Final = 2_000
# Ways looked at, ways that led to values, and values kept, for one place in a document; for the document itself there
# are no such bounds.
WAYS_BELOW: Final = 60
FRUITFUL_BELOW: Final = 12
VALUES_BELOW: Final = 5
# Levels that documents have, round after round; each round has an equal share of the steps.
LEVELS: Final = (2, 8, 40)
# Items and properties of one value that is made.
MEMBERS_MAX: Final = 1_000
# Of alternatives, values in turn.
_VARIANTS: Final = 3
# Where nothing is asked for.
_ANYTHING: Final[tuple[object, ...]] = (None, 0, "", [], {})
_TYPES: Final = ("null", "boolean", "integer", "number", "string", "array", "object")

Parts = list[dict[str, object]]


class Generator:
    """Makes values of forms that share `definitions`, until its work is done."""

    def __init__(self, definitions: Mapping[str, Form], steps_max: int = STEPS_MAX) -> None:
        self._steps = Steps(steps_max)
        self._ways = Ways(definitions, self._steps)
        self._levels = 0
        self._cut = False  # whether something was left out for its depth

    @property
    def exhausted(self) -> bool:
        return self._steps.left <= 0

    def hurry(self, steps_max: int) -> None:
        """At most so many steps more."""
        self._steps.left = min(self._steps.left, steps_max)

    def documents(self, form: Form) -> Iterator[object]:
        """Each once; flat ones first, then deeper ones: recursion has no end. The ways to meet the form come in turn,
        so that no way has to wait for the variants of another."""
        seen: set[str] = set()
        total = self._steps.left
        for levels in LEVELS:
            kept = max(self._steps.left - total // len(LEVELS), 0)  # for those that are deeper
            self._steps.left -= kept
            self._levels, self._cut = levels, False
            for parts in self._ways.of(form):
                for value in islice(self._values(parts, 0), _VARIANTS * 2):
                    if (text := text_of(value)) not in seen:
                        seen.add(text)
                        yield value
                if self.exhausted:
                    break
            self._steps.left = max(self._steps.left, 0) + kept
            if not self._cut:
                return

    def _below(self, forms: Iterable[Form], level: int) -> list[object]:
        """The values of a place inside a document, few of them; none if there is no way to meet all the forms."""
        wanted = [form for form in forms if form is not True]
        if not wanted:
            return list(_ANYTHING)
        if level > self._levels or self.exhausted:
            self._cut = True
            return []
        found: dict[str, object] = {}
        fruitful = 0
        for parts in islice(self._ways.of({"allOf": wanted}), WAYS_BELOW):
            made = {text_of(value): value for value in islice(self._values(parts, level), _VARIANTS)}
            fruitful += bool(made)
            found |= {text: value for text, value in made.items() if text not in found}
            if len(found) >= VALUES_BELOW or fruitful >= FRUITFUL_BELOW or self.exhausted:
                break
        return list(found.values())[:VALUES_BELOW]

    def _values(self, parts: Parts, level: int) -> Iterator[object]:
        self._steps.take()
        kinds = _kinds(parts)
        listed = _listed(parts)
        if listed is not None:
            yield from _keeping(listed, parts)
            return
        for kind in _TYPES:
            if kind not in kinds or (kind == "integer" and "number" in kinds):
                continue
            self._steps.take()
            if kind == "object":
                yield from self._objects(parts, level)
            elif kind == "array":
                yield from self._arrays(parts, level)
            else:
                yield from islice(_keeping(_scalars(kind, parts), parts), VALUES_BELOW)

    def _objects(self, parts: Parts, level: int) -> Iterator[object]:
        wanted = {name: None for part in parts for name in names_under(part, "required")}
        least = max(count_under(part, "minProperties", 0) for part in parts) if parts else 0
        names = list(wanted)
        if len(names) < least:
            names += islice(self._more_names(parts, wanted), min(least, MEMBERS_MAX) - len(names))
        if len(names) > MEMBERS_MAX:
            return
        values = {name: self._below(self._ways.of_name(parts, name), level + 1) for name in names}
        if not all(values.values()):
            return
        for turn in range(max([len(options) for options in values.values()], default=1)):
            self._steps.take(1 + len(names) // 10)
            yield {name: options[min(turn, len(options) - 1)] for name, options in values.items()}
        yield from self._with_one_more(parts, values, level)

    def _with_one_more(self, parts: Parts, values: dict[str, list[object]], level: int) -> Iterator[object]:
        """The first variant, with a property that is not asked for."""
        base = {name: options[0] for name, options in values.items()}
        for name in islice(self._more_names(parts, values), VALUES_BELOW):
            for value in self._below(self._ways.of_name(parts, name), level + 1)[:1]:
                yield base | {name: value}

    def _more_names(self, parts: Parts, taken: Iterable[str]) -> Iterator[str]:
        """Names that may be there, declared ones first."""
        known = set(taken)
        for name in self._ways.names(parts):
            allowed = self._ways.of_name(parts, name)
            if name not in known and False not in allowed:
                known.add(name)
                yield name

    def _arrays(self, parts: Parts, level: int) -> Iterator[object]:
        least = max([count_under(part, "minItems", 0) for part in parts], default=0)
        most = min([count_under(part, "maxItems", MEMBERS_MAX) for part in parts], default=MEMBERS_MAX)
        first = self._matching(parts, level)
        if first is None:
            return
        least = max(least, len(first), 2 if {"uniqueItems": True} in (part.get("not") for part in parts) else 0)
        if least > MEMBERS_MAX:
            return
        for length in range(least, min(most, least + _VARIANTS) + 1):
            yield from self._arrays_of(parts, first, length, level)

    def _matching(self, parts: Parts, level: int) -> list[object] | None:
        """As many items as each `contains` asks for; None if there are none."""
        wanted: dict[str, tuple[Form, int]] = {}
        for part in parts:
            if "contains" in part:
                form = form_under(part, "contains")
                least = max(count_under(part, "minContains", 1), wanted.get(text_of(form), (form, 0))[1])
                wanted[text_of(form)] = (form, least)
        found: list[object] = []
        for form, least in wanted.values():
            if not 0 < least <= MEMBERS_MAX:
                continue
            values = self._items(parts, max(map(_prefix_length, parts)), level, form)
            if not values:
                return None
            found += [values[turn % len(values)] for turn in range(least)]
        return found

    def _items(self, parts: Parts, index: int, level: int, wanted: Form = True) -> list[object]:
        """Values for the item at that index, rather such as nobody counts who has a maximum."""
        forms = [wanted, *self._ways.of_item(parts, index)]
        counted = [form_under(part, "contains") for part in parts if "maxContains" in part]
        denied: list[Form] = [{"not": form} for form in counted if text_of(form) != text_of(wanted)]
        return (self._below([*forms, *denied], level + 1) if denied else []) or self._below(forms, level + 1)

    def _arrays_of(self, parts: Parts, first: list[object], length: int, level: int) -> Iterator[object]:
        prefix = max([_prefix_length(part) for part in parts], default=0)
        start = min(prefix, length - len(first))
        options: list[list[object]] = []
        behind: list[object] | None = None
        for index in range(length):
            if start <= index < start + len(first):
                options.append([first[index - start]])
            elif index < prefix:
                options.append(self._items(parts, index, level))
            else:
                behind = self._items(parts, index, level) if behind is None else behind  # all behind the prefix alike
                options.append(behind)
        if not all(options):
            return
        for turn in range(max([len(values) for values in options], default=1)):
            self._steps.take(1 + length // 10)
            yield [values[min(turn, len(values) - 1)] for values in options]
        if length > 1:
            yield [values[index % len(values)] for index, values in enumerate(options)]
            yield _distinct(options)


def _kinds(parts: Parts) -> set[str]:
    kinds = set(_TYPES)
    for part in parts:
        named = part.get("type")
        names = set(named) if isinstance(named, list) else {named} if isinstance(named, str) else set(_TYPES)
        kinds &= names | ({"integer"} if "number" in names else set())
    return kinds


def _listed(parts: Parts) -> list[object] | None:
    """The values that are listed, by the shortest list; None if nothing is."""
    lists = [[part["const"]] for part in parts if "const" in part]
    lists += [options for part in parts if isinstance(options := part.get("enum"), list)]
    return min(lists, key=len) if lists else None


def _scalars(kind: str, parts: Parts) -> Iterator[object]:
    if kind == "null":
        yield None
    elif kind == "boolean":
        yield from (True, False)
    elif kind == "string":
        yield from texts(parts)
    else:
        yield from numbers(parts, integers_only=kind == "integer")


def _keeping(values: Iterable[object], parts: Parts) -> Iterator[object]:
    """Those that keep what stands in the parts themselves. Schemas in them are left to who asked."""
    leaves = [leaves_of(part) | {key: part[key] for key in ("not",) if key in part} for part in parts]
    validator = validator_of({"allOf": leaves} if leaves else True)
    return (value for value in values if validator.is_valid(value))


def _distinct(options: list[list[object]]) -> list[object]:
    """One value of each place, rather one that no place before it has."""
    taken: set[str] = set()
    found: list[object] = []
    for values in options:
        chosen = next((value for value in values if text_of(value) not in taken), values[0])
        taken.add(text_of(chosen))
        found.append(chosen)
    return found


def _prefix_length(part: dict[str, object]) -> int:
    """The index from which on all items are judged alike."""
    return len(forms_under(part, "prefixItems"))
