"""`unevaluatedProperties` and `unevaluatedItems` said in other keywords, where all documents have the same evaluated.

Next to references and `allOf` only, the names and items that are evaluated can be listed: what is left is
`additionalProperties`, or `items`, of a schema that lists them. What `anyOf` and the like evaluate depends on the
document, and there the keyword stays. Source: JSON Schema Core 2020-12, section 11.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from event_issuer.domain.compatibility_forms import (
    Form,
    form_under,
    forms_under,
    map_under,
    schemas_in,
)

_CONDITIONAL = ("anyOf", "oneOf", "if", "then", "else")


@dataclass(slots=True)
class _Evaluated:
    """What a schema evaluates of each object and array it accepts. `varies`: it depends on the document."""

    names: set[str] = field(default_factory=set)
    patterns: set[str] = field(default_factory=set)
    items: int = 0
    all_properties: bool = False
    all_items: bool = False
    properties_vary: bool = False
    items_vary: bool = False

    def evaluates_properties(self) -> bool:
        return bool(self.names or self.patterns or self.all_properties or self.properties_vary)

    def evaluates_items(self) -> bool:
        return bool(self.items or self.all_items or self.items_vary)


def resolve_unevaluated(form: Form, target: Callable[[object], Form]) -> None:
    """Rewrites the form in place. `target` finds what a reference refers to, in its form."""
    for schema in list(schemas_in(form)):
        if "unevaluatedProperties" in schema or "unevaluatedItems" in schema:
            _resolve(schema, target)


def _resolve(schema: dict[str, object], target: Callable[[object], Form]) -> None:
    others = {key: value for key, value in schema.items() if not key.startswith("unevaluated")}
    evaluated = _evaluated(others, target)
    if "unevaluatedProperties" in schema and not evaluated.properties_vary:
        refused = schema.pop("unevaluatedProperties")
        if not evaluated.all_properties:
            _refuse_other_properties(schema, evaluated, refused)
    if "unevaluatedItems" in schema and not evaluated.items_vary:
        refused = schema.pop("unevaluatedItems")
        if not evaluated.all_items:
            _refuse_other_items(schema, evaluated.items, refused)


def _refuse_other_properties(schema: dict[str, object], evaluated: _Evaluated, refused: object) -> None:
    names, patterns = set(map_under(schema, "properties")), set(map_under(schema, "patternProperties"))
    if names == evaluated.names and patterns == evaluated.patterns:
        schema["additionalProperties"] = refused
        return
    more: dict[str, object] = {"properties": dict.fromkeys(sorted(evaluated.names), True)}
    if evaluated.patterns:
        more["patternProperties"] = dict.fromkeys(sorted(evaluated.patterns), True)
    schema["allOf"] = [*forms_under(schema, "allOf"), {**more, "additionalProperties": refused}]


def _refuse_other_items(schema: dict[str, object], length: int, refused: object) -> None:
    if len(forms_under(schema, "prefixItems")) == length:
        schema["items"] = refused
    else:
        schema["allOf"] = [*forms_under(schema, "allOf"), {"prefixItems": [True] * length, "items": refused}]


def _evaluated(form: Form, target: Callable[[object], Form]) -> _Evaluated:
    found = _Evaluated()
    if isinstance(form, bool):
        return found
    found.names |= map_under(form, "properties").keys()
    found.patterns |= map_under(form, "patternProperties").keys()
    found.items = len(forms_under(form, "prefixItems"))
    found.all_properties = "additionalProperties" in form or "unevaluatedProperties" in form
    found.all_items = "items" in form or "unevaluatedItems" in form
    found.items_vary = "contains" in form
    always: list[Form] = list(forms_under(form, "allOf"))
    always += [target(form["$ref"])] if "$ref" in form else []
    for part in always:
        _add(found, _evaluated(part, target))
    sometimes = [form_under(form, key) for key in _CONDITIONAL if isinstance(form.get(key), (dict, bool))]
    sometimes += [branch for key in ("anyOf", "oneOf") for branch in forms_under(form, key)]
    sometimes += map_under(form, "dependentSchemas").values()
    for part in sometimes:
        maybe = _evaluated(part, target)
        found.properties_vary |= maybe.evaluates_properties()
        found.items_vary |= maybe.evaluates_items()
    return found


def _add(found: _Evaluated, more: _Evaluated) -> None:
    found.names |= more.names
    found.patterns |= more.patterns
    found.items = max(found.items, more.items)
    found.all_properties |= more.all_properties
    found.all_items |= more.all_items
    found.properties_vary |= more.properties_vary
    found.items_vary |= more.items_vary
