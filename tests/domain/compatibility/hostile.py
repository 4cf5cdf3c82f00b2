"""Pairs of versions that were made to keep a comparison busy."""

from tests.domain.compatibility.cases import Schema
from tests.domain.schemas import doubling_chain


def _chain(links: int, last: Schema) -> Schema:
    """Each link names the next one in two branches; the last one judges."""
    return {
        "$ref": "#/$defs/s0",
        "$defs": {
            **{
                f"s{n}": {"anyOf": [{"$ref": f"#/$defs/s{n + 1}"}, {"$ref": f"#/$defs/s{n + 1}", "title": "b"}]}
                for n in range(links)
            },
            f"s{links}": last,
        },
    }


def _deep(levels: int, last: Schema) -> Schema:
    for _ in range(levels):
        last = {"properties": {"a": last}, "required": ["a"], "type": "object"}
    return last


def _kinds(count: int, keyword: str, last: object) -> Schema:
    return {
        keyword: [
            {
                "type": "object",
                "properties": {"kind": {"const": f"k{n}"}, "value": {"maximum": n}, "more": {"type": "string"}},
                "required": ["kind", "value"],
            }
            for n in range(count)
        ]
        + [last]
    }


def _tree(width: int, leaf: Schema) -> Schema:
    return {"type": "object", "properties": {f"p{n}": {"$ref": "#"} for n in range(width)} | {"leaf": leaf}}


_NESTED = "^(([a-z]{1,8}){1,8}-?){1,8}$"
_NOT: Schema = {"not": {"allOf": [{"anyOf": [{"const": n}, {"minimum": n}]} for n in range(60)]}}

HOSTILE: dict[str, tuple[Schema, Schema]] = {
    "a doubling chain": (_chain(8, {"maximum": 5}), _chain(8, {"maximum": 4})),
    "a longer doubling chain": (
        {"$ref": "#/$defs/s0", "$defs": doubling_chain(26)},
        {"$ref": "#/$defs/s0", "$defs": doubling_chain(25)},
    ),
    "nested quantifiers": ({"pattern": _NESTED}, {"pattern": _NESTED.replace("8", "7")}),
    "many patterns": (
        {"patternProperties": {f"^a.*{n}": {"maximum": n} for n in range(60)}, "type": "object"},
        {"patternProperties": {f"^a.*{n}": {"maximum": n + n % 2} for n in range(60)}, "type": "object"},
    ),
    "a huge enum": ({"enum": [f"code-{n}" for n in range(8_000)]}, {"enum": [f"code-{n}" for n in range(1, 8_001)]}),
    "a huge enum of numbers": ({"enum": list(range(900))}, {"enum": [n + 0.5 for n in range(900)]}),
    "deep nesting": (_deep(28, {"maximum": 5}), _deep(28, {"maximum": 4})),
    "a tree of 30 branches": (_tree(30, {"maximum": 5}), _tree(30, {"maximum": 4})),
    "a large oneOf": (_kinds(100, "oneOf", {"type": "null"}), _kinds(100, "oneOf", {"type": "string"})),
    "a large anyOf": (_kinds(100, "anyOf", {"type": "null"}), _kinds(100, "anyOf", {"type": "string"})),
    "a large allOf of oneOfs": (
        {"allOf": [{"oneOf": [{"minimum": n}, {"maximum": -n}]} for n in range(1, 60)]},
        {"allOf": [{"oneOf": [{"minimum": n}, {"maximum": -n - 1}]} for n in range(1, 60)]},
    ),
    "many dependencies": (
        {"dependentRequired": {f"a{n}": [f"a{n + 1}"] for n in range(200)}, "type": "object"},
        {"dependentRequired": {f"a{n}": [f"a{n + 1}"] for n in range(199)}, "type": "object"},
    ),
    "big multiples": ({"multipleOf": 10**300 + 1}, {"multipleOf": 10**299 + 3}),
    "tiny multiples": ({"multipleOf": 1e-300}, {"multipleOf": 3e-308}),
    "coprime multiples": (
        {"allOf": [{"multipleOf": prime} for prime in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)]},
        {"allOf": [{"multipleOf": prime} for prime in (43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)]},
    ),
    "a wide range of multiples": (
        {"type": "integer", "minimum": 0, "maximum": 10**15, "multipleOf": 7},
        {"type": "integer", "minimum": 0, "maximum": 10**15, "not": {"multipleOf": 7}},
    ),
    "a huge minItems": ({"type": "array", "minItems": 10**9}, {"type": "array", "minItems": 10**9 + 1}),
    "a huge minLength": ({"type": "string", "minLength": 10**9}, {"type": "string", "minLength": 10**9 + 1}),
    "a huge minProperties": ({"minProperties": 10**6}, {"minProperties": 10**6 + 1}),
    "a huge minContains": ({"contains": {}, "minContains": 10**6}, {"contains": {}, "minContains": 10**7}),
    "a long repetition": ({"pattern": "^a{60000}$"}, {"pattern": "^a{60001}$"}),
    "negated combinations": (_NOT | {"type": "integer"}, _NOT | {"type": "number"}),
    "conditions upon conditions": (
        {"allOf": [{"if": {"required": [f"a{n}"]}, "then": {"required": [f"b{n}"]}} for n in range(40)]},
        {"allOf": [{"if": {"required": [f"a{n}"]}, "then": {"required": [f"c{n}"]}} for n in range(40)]},
    ),
    "a thousand properties": (
        {"type": "object", "properties": {f"p{n}": {"type": "string", "maxLength": 50} for n in range(1_000)}},
        {"type": "object", "properties": {f"p{n}": {"type": "string", "maxLength": 51} for n in range(1_000)}},
    ),
    "a thousand required properties": (
        {"type": "object", "required": [f"p{n}" for n in range(450)]},
        {"type": "object", "required": [f"p{n}" for n in range(451)]},
    ),
    "unevaluated under many branches": (
        {
            "anyOf": [{"properties": {f"p{n}": {}}, "required": [f"p{n}"]} for n in range(60)],
            "unevaluatedProperties": False,
        },
        {
            "anyOf": [{"properties": {f"p{n}": {}}, "required": [f"p{n}"]} for n in range(59)],
            "unevaluatedProperties": False,
        },
    ),
    "long texts in an enum": ({"enum": ["x" * 100_000]}, {"enum": ["y" * 100_000]}),
}
