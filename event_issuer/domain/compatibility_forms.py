"""The form in which schemas are compared: the keywords of JSON Schema 2020-12 that judge, and nothing else.

A form refers to others by name; what 2020-12 cannot say stands in it under a name that begins with `OPAQUE`, and can
be compared with itself only. Here is how a form is read; event_issuer.domain.compatibility_pairs makes them.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

import jsonschema_rs
import orjson

from event_issuer.domain.contracts import PATTERN_BYTES_MAX

Form = dict[str, object] | bool

OPAQUE: Final = "x-"
DEFINITION: Final = "#/$defs/"
# Keywords whose value is an object of forms.
MAPS: Final = frozenset({"properties", "patternProperties", "dependentSchemas"})
# Keywords that judge without a form inside them.
LEAVES: Final = (
    *("type", "const", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems"),
    *("required", "minProperties", "maxProperties", "dependentRequired"),
)
_REGEX: Final = jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES_MAX)


def text_of(form: object) -> str:
    """The same text for the same form. Numbers that are equal may still differ in it: 1 and 1.0."""
    try:
        return orjson.dumps(form, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:  # an integer beyond 64 bits
        return json.dumps(form, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def references_in(form: Form) -> set[str]:
    """The names of the definitions that the form refers to, itself."""
    return {str(schema["$ref"]).removeprefix(DEFINITION) for schema in schemas_in(form) if "$ref" in schema}


def has_opaque(form: Form) -> bool:
    """Whether there is something in the form, definitions aside, that 2020-12 cannot say."""
    return any(keyword.startswith(OPAQUE) for schema in schemas_in(form) for keyword in schema)


def schemas_in(form: Form) -> Iterator[dict[str, object]]:
    """Every schema in the form that is an object."""
    to_do: list[object] = [form]
    while to_do:
        schema = to_do.pop()
        if not isinstance(schema, dict):
            continue
        yield schema
        for keyword, value in schema.items():
            if keyword in MAPS:
                to_do += value.values() if isinstance(value, dict) else ()
            elif keyword not in ("const", "enum") and not keyword.startswith(OPAQUE):
                to_do += value if isinstance(value, list) else [value]


def validator_of(form: Form) -> jsonschema_rs.Validator:
    """Judges by a form that refers to nothing, as a contract would: what is opaque counts for nothing."""
    return jsonschema_rs.Draft202012Validator(form, validate_formats=True, offline=True, pattern_options=_REGEX)


@lru_cache(maxsize=10_000)
def matches(pattern: str, name: str) -> bool:
    """Whether a pattern matches the name of a property, by the engine that judges events."""
    return validator_of({"pattern": pattern}).is_valid(name)


def form_under(part: Mapping[str, object] | bool, keyword: str) -> Form:
    """The schema under the keyword; True where there is none."""
    value = True if isinstance(part, bool) else part.get(keyword, True)
    return value if isinstance(value, (dict, bool)) else True


def forms_under(part: Mapping[str, object] | bool, keyword: str) -> list[Form]:
    """The schemas that the keyword lists."""
    value = None if isinstance(part, bool) else part.get(keyword)
    return value if isinstance(value, list) else []


def map_under(part: Mapping[str, object] | bool, keyword: str) -> dict[str, Form]:
    """The schemas that the keyword keeps by name."""
    value = None if isinstance(part, bool) else part.get(keyword)
    return value if isinstance(value, dict) else {}


def names_under(part: Mapping[str, object] | bool, keyword: str) -> list[str]:
    """The names that the keyword lists."""
    value = None if isinstance(part, bool) else part.get(keyword)
    return value if isinstance(value, list) else []


def count_under(part: Mapping[str, object] | bool, keyword: str, otherwise: int) -> int:
    """The count under the keyword."""
    value = None if isinstance(part, bool) else part.get(keyword)
    return value if isinstance(value, int) else otherwise


def leaves_of(part: Mapping[str, object]) -> dict[str, object]:
    """The part without what holds forms: it accepts no less."""
    return {keyword: part[keyword] for keyword in LEAVES if keyword in part}
