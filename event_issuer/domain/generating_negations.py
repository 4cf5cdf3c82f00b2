"""The ways in which a value can break a form: one for each keyword, as a form that such a value keeps.

Keywords that what applies already states word for word cannot be broken and are left out: of two long versions
that differ in one place, only that place is left. Makes no values.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations, islice
from typing import Final

from event_issuer.domain.compatibility_forms import (
    DEFINITION,
    OPAQUE,
    Form,
    count_under,
    form_under,
    forms_under,
    leaves_of,
    map_under,
    matches,
    names_under,
    references_in,
    text_of,
    validator_of,
)
from event_issuer.domain.generating_scalars import texts
from event_issuer.domain.generating_texts import samples

# Names that hardly any schema declares.
FRESH_NAMES: Final = ("extra", "x", "", "0", "Another Name")
_TYPES: Final = ("null", "boolean", "integer", "number", "string", "array", "object")
# Names tried for properties that are not declared.
_OTHER_NAMES_MAX: Final = 8
_PAIRS_MAX: Final = 20
_OBJECT: Final = ("properties", "patternProperties", "additionalProperties")
_ARRAY: Final = ("prefixItems", "items")
_BOUNDS: Final = {
    "minimum": ("number", "exclusiveMaximum", 0),
    "maximum": ("number", "exclusiveMinimum", 0),
    "exclusiveMinimum": ("number", "maximum", 0),
    "exclusiveMaximum": ("number", "minimum", 0),
    "minLength": ("string", "maxLength", -1),
    "maxLength": ("string", "minLength", 1),
    "minItems": ("array", "maxItems", -1),
    "maxItems": ("array", "minItems", 1),
    "minProperties": ("object", "maxProperties", -1),
    "maxProperties": ("object", "minProperties", 1),
}
# Keywords whose plain negation is judged as it stands.
_DENIED: Final = {"multipleOf": "number", "pattern": "string", "format": "string", "uniqueItems": "array"}
# Texts in no encoding, in base64 but not of JSON, and JSON but not in base64.
_OTHER_CONTENT: Final = ("%", " ", "{", "YWFh", "{}", "e30=")

Parts = list[dict[str, object]]
Schema = dict[str, object]


def negations(form: Form, parts: Parts, definitions: Mapping[str, Form]) -> Iterator[Form]:
    """Forms that together hold each value that `form` refuses and that `parts` may hold, up to the bounds."""
    if isinstance(form, bool):
        yield from () if form else (True,)
        return
    if "$ref" in form:
        yield {"not": definitions[str(form["$ref"]).removeprefix(DEFINITION)]}
    grouped = (
        (("required",), _without_required),
        (_OBJECT, _with_wrong_property),
        (_ARRAY, _with_wrong_item),
        (("contains", "minContains", "maxContains"), _with_wrong_count),
        (("propertyNames",), _with_wrong_name),
        (("dependentRequired", "dependentSchemas"), _with_broken_dependency),
        (("unevaluatedProperties", "unevaluatedItems"), _with_unevaluated),
    )
    for keyword, value in form.items():
        if not _stated(parts, (keyword,), form):
            yield from _plain(keyword, value)
    for keywords, broken in grouped:
        if any(keyword in form for keyword in keywords) and not _stated(parts, keywords, form):
            yield from broken(form, parts)
    yield from _logic(form)


def _stated(parts: Parts, keywords: tuple[str, ...], form: Schema) -> bool:
    """Whether one part says the same with these keywords, the absent ones included."""
    return any(all(_same(part.get(keyword), form.get(keyword)) for keyword in keywords) for part in parts)


def _same(one: object, other: object) -> bool:
    """Equal as JSON: in Python, True is 1. The quick look first."""
    return one == other and text_of(one) == text_of(other)


def _plain(keyword: str, value: object) -> Iterator[Schema]:
    if keyword == "type":
        named = value if isinstance(value, list) else [value]
        for kind in _TYPES:
            if kind == "number" and "integer" in named and "number" not in named:
                yield {"type": "number", "not": {"multipleOf": 1}}
            elif kind not in named and not (kind == "integer" and "number" in named):
                yield {"type": kind}
    elif keyword in ("const", "enum"):
        yield {"not": {keyword: value}}
    elif keyword in _BOUNDS and isinstance(value, (int, float)):
        kind, opposite, more = _BOUNDS[keyword]
        if value + more >= 0 or more == 0:
            yield {"type": kind, opposite: value + more if more else value}
    elif keyword in _DENIED:
        yield {"type": _DENIED[keyword], "not": {keyword: value}}
    elif keyword.startswith(OPAQUE):
        for text in _OTHER_CONTENT:
            yield {"const": text}


def _without_required(form: Schema, parts: Parts) -> Iterator[Schema]:
    known = {name for part in parts for name in names_under(part, "required")}
    for name in names_under(form, "required"):
        if name not in known:
            yield {"type": "object", "properties": {name: False}}


def _with_wrong_property(form: Schema, parts: Parts) -> Iterator[Schema]:
    named, patterned = map_under(form, "properties"), map_under(form, "patternProperties")
    for name, wanted in sorted(named.items(), key=lambda item: bool(references_in(item[1]))):  # recursion can wait
        if not any(_same(map_under(part, "properties").get(name), wanted) for part in parts):
            yield from _property(name, wanted)
    declared = [name for part in parts for name in map_under(part, "properties")]
    foreign = [pattern for part in parts for pattern in map_under(part, "patternProperties")]
    for pattern, wanted in patterned.items():
        known = [name for name in declared if matches(pattern, name)]
        for name in islice((*known, *samples(pattern)), _OTHER_NAMES_MAX):
            yield from _property(name, wanted)
    others = form_under(form, "additionalProperties")
    if others is not True:
        likely = (*declared, *FRESH_NAMES, *(text for pattern in foreign for text in samples(pattern)[:2]))
        loose = (name for name in dict.fromkeys(likely) if name not in named)
        for name in islice((name for name in loose if not any(matches(p, name) for p in patterned)), _names_max(parts)):
            yield from _property(name, others)


def _names_max(parts: Parts) -> int:
    """All that are declared may be tried, and some fresh ones."""
    return _OTHER_NAMES_MAX + sum(len(map_under(part, "properties")) for part in parts)


def _property(name: str, wanted: Form) -> Iterator[Schema]:
    if wanted is not True:
        yield {"type": "object", "required": [name], "properties": {name: {"not": wanted}}}


def _with_wrong_item(form: Schema, parts: Parts) -> Iterator[Schema]:
    prefix = forms_under(form, "prefixItems")
    for index, wanted in enumerate(prefix):
        yield from _item(index, wanted)
    if "items" in form:
        yield from _item(len(prefix), form_under(form, "items"))
        longest = max([len(forms_under(part, "prefixItems")) for part in parts], default=0)
        if longest > len(prefix):
            yield from _item(longest, form_under(form, "items"))
            yield from _item(longest - 1, form_under(form, "items"))


def _item(index: int, wanted: Form) -> Iterator[Schema]:
    if wanted is not True:
        yield {"type": "array", "minItems": index + 1, "prefixItems": [*([True] * index), {"not": wanted}]}


def _with_wrong_count(form: Schema, parts: Parts) -> Iterator[Schema]:
    if "contains" not in form:
        return
    wanted = form["contains"]
    least = count_under(form, "minContains", 1)
    if least == 1:
        yield {"type": "array", "maxItems": 0}
        yield {"type": "array", "items": {"not": wanted}}
    elif least > 1:
        yield {"type": "array", "items": wanted, "maxItems": least - 1}
        yield {"type": "array", "contains": wanted, "minContains": least - 1, "maxContains": least - 1}
        yield {"type": "array", "items": {"not": wanted}}
    if "maxContains" in form:
        yield {"type": "array", "contains": wanted, "minContains": count_under(form, "maxContains", 0) + 1}


def _with_wrong_name(form: Schema, parts: Parts) -> Iterator[Schema]:
    wanted = form_under(form, "propertyNames")
    known = [names for part in parts if isinstance(names := part.get("propertyNames"), dict)]
    declared = [name for part in parts for name in map_under(part, "properties")]
    foreign = [pattern for part in parts for pattern in map_under(part, "patternProperties")]
    likely = [*declared, *FRESH_NAMES, *(text for pattern in foreign for text in samples(pattern))]
    likely += islice(texts([leaves_of(names) for names in known]), _OTHER_NAMES_MAX) if known else ()
    listed = [value for names in known for value in (names.get("const"), *forms_under(names, "enum"))]
    likely += [name for name in listed if isinstance(name, str)]
    for broken in negations(wanted, [], {}) if isinstance(wanted, dict) and "$ref" not in wanted else ():
        leaves = [leaves_of(part) | {"not": form_under(part, "not")} for part in (broken,) if isinstance(part, dict)]
        likely += islice(texts([*leaves, *map(leaves_of, known)]), _OTHER_NAMES_MAX)
    for name in dict.fromkeys(likely):
        if all(validator_of(leaves_of(names)).is_valid(name) for names in known):
            yield {"type": "object", "required": [name]}


def _with_broken_dependency(form: Schema, parts: Parts) -> Iterator[Schema]:
    required = form.get("dependentRequired")
    for name, others in required.items() if isinstance(required, dict) else ():
        for other in others:
            yield {"type": "object", "required": [name], "properties": {other: False}}
    for name, wanted in map_under(form, "dependentSchemas").items():
        yield {"type": "object", "required": [name], "not": wanted}


def _with_unevaluated(form: Schema, parts: Parts) -> Iterator[Schema]:
    others = form_under(form, "unevaluatedProperties")
    if others is not True:
        declared = [name for part in parts for name in map_under(part, "properties")]
        for name in dict.fromkeys((*FRESH_NAMES[:2], *declared)):
            yield from _property(name, others)
    items = form_under(form, "unevaluatedItems")
    if items is not True:
        lengths = {len(forms_under(part, "prefixItems")) for part in (*parts, form)}
        for index in sorted(lengths | {0, 1}):
            yield from _item(index, items)


def _logic(form: Schema) -> Iterator[Form]:
    for branch in forms_under(form, "allOf"):
        yield {"not": branch}
    if "anyOf" in form:
        yield _none_of(forms_under(form, "anyOf"))
    if "oneOf" in form:
        branches = forms_under(form, "oneOf")
        yield _none_of(branches)
        for pair in islice(combinations(branches, 2), _PAIRS_MAX):
            yield {"allOf": list(pair)}
    if "not" in form:
        yield form_under(form, "not")
    if "if" in form:
        holds = form["if"]
        yield {"allOf": [holds, {"not": form_under(form, "then")}]}
        yield {"allOf": [{"not": holds}, {"not": form_under(form, "else")}]}


def _none_of(branches: list[Form]) -> Form:
    return {"allOf": [{"not": branch} for branch in branches]}
