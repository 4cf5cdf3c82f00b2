"""Two schemas of whatever dialects, brought into the one form in which they can be compared.

Annotations, unknown keywords and unknown formats fall away, so that schemas that differ in them only are equal.
Knows no verdicts.

Sources: JSON Schema 2020-12, 2019-09 and draft-07, each as jsonschema-rs 0.60 asserts it: `dependencies` in every
dialect, `format` and draft-07's `content*` as assertions, what `contains` has matched as evaluated in 2019-09 too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from event_issuer.domain.compatibility_forms import DEFINITION, MAPS, OPAQUE, Form, references_in, text_of
from event_issuer.domain.compatibility_unevaluated import resolve_unevaluated
from event_issuer.domain.dialects import Dialect, dialect_named
from event_issuer.domain.subschemas import Subschema, reference_targets, subschemas_of

_DRAFT_07: Final = dialect_named("http://json-schema.org/draft-07/schema")

# Formats that jsonschema-rs 0.60 asserts, the same in every dialect; of the newer two draft-07 knows nothing.
_FORMATS_OF_ALL: Final = frozenset(
    [
        *("date", "date-time", "time", "email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6"),
        *("uri", "uri-reference", "iri", "iri-reference", "uri-template"),
        *("json-pointer", "relative-json-pointer", "regex"),
    ]
)
_NEWER_FORMATS: Final = frozenset({"duration", "uuid"})

_MAXIMA: Final = frozenset({"maxLength", "maxItems", "maxProperties"})
_MINIMA: Final = frozenset({"minLength", "minItems", "minProperties"})
_PLAIN: Final = frozenset(
    ["const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "pattern", *_MAXIMA]
)
_ONE: Final = frozenset({"additionalProperties", "propertyNames", "not", "unevaluatedProperties"})
_SEVERAL: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_CONTENT: Final = ("contentEncoding", "contentMediaType")
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two schemas in the one form, and by name the definitions of both; equal definitions have one name."""

    old: Form
    new: Form
    definitions: Mapping[str, Form]

    def target(self, reference: object) -> Form:
        return self.definitions[str(reference).removeprefix(DEFINITION)]


def pair_of(old: tuple[Mapping[str, object], Dialect], new: tuple[Mapping[str, object], Dialect]) -> Pair:
    """Both versions, each with its dialect, in the one form. They have passed `check_definition`."""
    names: dict[str, str] = {}

    def named(side: str) -> Callable[[str], str]:
        return lambda pointer: names.setdefault(f"{side}{pointer}", f"d{len(names)}")

    ours, theirs = _Former(*old, named("")), _Former(*new, named(""))
    equal = _equal_definitions(ours.definitions, theirs.definitions)
    shared = {key: name for key, name in names.items() if name in equal}

    def renamed(side: str) -> Callable[[str], str]:
        return lambda pointer: shared.get(pointer) or named(side)(pointer)

    first, second = _Former(*old, renamed("old")), _Former(*new, renamed("new"))
    pair = Pair(first.root, second.root, first.definitions | second.definitions)
    for form in (pair.old, pair.new, *pair.definitions.values()):
        resolve_unevaluated(form, pair.target)
    return pair


def _equal_definitions(ours: Mapping[str, Form], theirs: Mapping[str, Form]) -> set[str]:
    """The names under which both sides keep the same schema, also in what it refers to."""
    equal = {name for name in ours.keys() & theirs.keys() if text_of(ours[name]) == text_of(theirs[name])}
    while True:
        loose = {name for name in equal if not references_in(ours[name]) <= equal}
        if not loose:
            return equal
        equal -= loose


class _Former:
    """Brings one schema into the form: `root`, and `definitions` with all that it refers to."""

    def __init__(
        self, definition: Mapping[str, object], dialect: Dialect, named: Callable[[str], str] = lambda pointer: pointer
    ) -> None:
        self._dialect = dialect
        self._named = named
        self._found = subschemas_of(definition, dialect)
        self._targets = reference_targets(self._found, dialect)
        self._unevaluated = dialect is not _DRAFT_07 and any(map(_looks_at_evaluation, self._found))
        self._wanted: list[int] = []
        self.root = self._form(definition)
        self.definitions: dict[str, Form] = {}
        for index in self._wanted:  # grows while it is walked
            name = self._name(index)
            if name not in self.definitions:
                self.definitions[name] = self._form(self._found[index].definition)

    def _name(self, index: int) -> str:
        return self._named(self._found[index].pointer)

    def _form(self, schema: object) -> Form:
        if not isinstance(schema, Mapping):
            return bool(schema)
        if self._dialect.ref_stands_alone and "$ref" in schema:
            return self._reference(schema["$ref"])
        form: dict[str, object] = {}
        for keyword in sorted(schema):
            self._take(keyword, schema[keyword], form)
        self._take_references(schema, form)
        self._take_arrays(schema, form)
        self._take_conditions(schema, form)
        self._take_dependencies(schema, form)
        content = {keyword: schema[keyword] for keyword in _CONTENT if keyword in schema}
        if content and self._dialect is _DRAFT_07:  # one assertion: the media type is that of the decoded text
            form[OPAQUE + "content"] = content
        return form or True

    def _reference(self, reference: object) -> dict[str, object]:
        index = self._targets[unquote(str(reference))]
        self._wanted.append(index)
        return {"$ref": f"{DEFINITION}{self._name(index)}"}

    def _take(self, keyword: str, value: object, form: dict[str, object]) -> None:
        """What stands for itself, in the one spelling."""
        if keyword == "type":
            form[keyword] = _types(value)
        elif keyword == "enum" and isinstance(value, list):
            form |= _options(value)
        elif keyword in _PLAIN:
            form[keyword] = _integer(value) if keyword in _MAXIMA else value
        elif (keyword in _MINIMA and value != 0) or (keyword == "uniqueItems" and value is True):
            form[keyword] = _integer(value)
        elif keyword == "required" and isinstance(value, list) and value:
            form[keyword] = sorted(set(value))
        elif keyword == "format" and self._asserts_format(value):
            form[keyword] = value
        elif self._judges(keyword):
            self._take_schemas(keyword, value, form)

    def _take_schemas(self, keyword: str, value: object, form: dict[str, object]) -> None:
        if keyword in _ONE:
            form[keyword] = self._form(value)
        elif keyword in _SEVERAL and isinstance(value, list):
            form[keyword] = [self._form(member) for member in value]
        elif keyword in MAPS and isinstance(value, Mapping):
            form[keyword] = {name: self._form(member) for name, member in value.items()}

    def _judges(self, keyword: str) -> bool:
        return keyword in self._dialect.places or keyword == "propertyNames"

    def _asserts_format(self, name: object) -> bool:
        return name in _FORMATS_OF_ALL or (name in _NEWER_FORMATS and self._dialect is not _DRAFT_07)

    def _take_references(self, schema: Mapping[str, object], form: dict[str, object]) -> None:
        for keyword in _REFERENCES:
            if keyword in schema and keyword in self._dialect.references:
                _add(form, self._reference(schema[keyword]))

    def _take_arrays(self, schema: Mapping[str, object], form: dict[str, object]) -> None:
        items, others = schema.get("items"), schema.get("additionalItems")
        if isinstance(items, list):  # 2019-09 and before
            form["prefixItems"] = [self._form(item) for item in items]
            if others is not None:
                form["items"] = self._form(others)
        elif items is not None:
            form["items"] = self._form(items)
        if schema.get("contains") is not None:
            form["contains"] = self._form(schema["contains"])
            if self._dialect is not _DRAFT_07:
                bounds = {name: _integer(schema[name]) for name in ("minContains", "maxContains") if name in schema}
                form |= {name: bound for name, bound in bounds.items() if (name, bound) != ("minContains", 1)}
        if "unevaluatedItems" in schema and self._judges("unevaluatedItems"):
            form["unevaluatedItems"] = self._form(schema["unevaluatedItems"])

    def _take_conditions(self, schema: Mapping[str, object], form: dict[str, object]) -> None:
        branches = [name for name in ("then", "else") if name in schema]
        if "if" in schema and (branches or self._unevaluated):
            form |= {name: self._form(schema[name]) for name in ("if", *branches)}

    def _take_dependencies(self, schema: Mapping[str, object], form: dict[str, object]) -> None:
        required = schema.get("dependentRequired") if self._dialect is not _DRAFT_07 else None
        if isinstance(required, Mapping):
            form["dependentRequired"] = {name: sorted(names) for name, names in required.items()}
        dependencies = schema.get("dependencies")
        if not isinstance(dependencies, Mapping):
            return
        lists = {name: sorted(value) for name, value in dependencies.items() if isinstance(value, list)}
        schemas = {name: self._form(value) for name, value in dependencies.items() if name not in lists}
        for keyword, value in (("dependentRequired", lists), ("dependentSchemas", schemas)):
            if value:
                # The old keyword evaluates nothing, the new one does; under `not` nothing counts as evaluated.
                hidden = self._unevaluated and keyword == "dependentSchemas"
                _add(form, {"not": {"not": {keyword: value}}} if hidden else {keyword: value})


def _add(form: dict[str, object], more: dict[str, object]) -> None:
    """Both: beside each other where they do not share a keyword, else under `allOf`."""
    if form.keys().isdisjoint(more):
        form |= more
    else:
        others = form.get("allOf")
        form["allOf"] = [*(others if isinstance(others, list) else ()), more]


def _types(value: object) -> object:
    names = sorted(set(value)) if isinstance(value, list) else [value]
    if "number" in names:
        names = [name for name in names if name != "integer"]
    return names[0] if len(names) == 1 else names


def _options(values: list[object]) -> dict[str, object]:
    """As `const` where there is but one."""
    different = {text_of(value): value for value in values}
    options = [different[text] for text in sorted(different)]
    return {"const": options[0]} if len(options) == 1 else {"enum": options}


def _integer(value: object) -> object:
    """A count that is written 2.0 is 2."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _looks_at_evaluation(subschema: Subschema) -> bool:
    return subschema.keyword("unevaluatedItems") is not None or subschema.keyword("unevaluatedProperties") is not None
