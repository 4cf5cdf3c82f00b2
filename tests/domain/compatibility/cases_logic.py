"""Combinations of schemas: allOf, anyOf, oneOf, not, if, and references, recursive ones too."""

from tests.domain.compatibility.cases import NARROWER, OTHER, SAME, WIDER, Case, Schema

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
SHORT: Schema = {"type": "string", "maxLength": 3}

ALL = [
    Case("allOf of one is that one", STRING, {"allOf": [STRING]}, SAME),
    Case("allOf holds all its parts", {"allOf": [{"minimum": 1}, {"maximum": 5}]}, {"minimum": 1, "maximum": 5}, SAME),
    Case("a part more", {"allOf": [STRING]}, {"allOf": [STRING, {"maxLength": 3}]}, NARROWER),
    Case("parts that contradict leave nothing", {"allOf": [STRING, INTEGER]}, {"allOf": [STRING, NUMBER]}, SAME),
    Case(
        "the order of parts says nothing",
        {"allOf": [STRING, {"maxLength": 3}]},
        {"allOf": [{"maxLength": 3}, STRING]},
        SAME,
    ),
]

ANY = [
    Case("a branch more", {"anyOf": [STRING]}, {"anyOf": [STRING, INTEGER]}, WIDER),
    Case("a branch less", {"anyOf": [STRING, INTEGER]}, {"anyOf": [STRING]}, NARROWER),
    Case("a branch that another covers", {"anyOf": [STRING]}, {"anyOf": [STRING, SHORT]}, SAME),
    Case("types as branches", {"anyOf": [STRING, INTEGER]}, {"type": ["string", "integer"]}, SAME),
    Case("a branch is narrowed", {"anyOf": [STRING, INTEGER]}, {"anyOf": [SHORT, INTEGER]}, NARROWER),
    Case("a branch that takes anything", {"anyOf": [STRING, True]}, {}, SAME),
    Case(
        "branches that meet each other", {"anyOf": [{"maximum": 5}, {"minimum": 3}], "type": "integer"}, INTEGER, SAME
    ),
    Case("branches that leave a gap", {"anyOf": [{"maximum": 2}, {"minimum": 4}], "type": "integer"}, INTEGER, WIDER),
    Case(
        "one of two names",
        {"type": "object", "required": ["a", "b"]},
        {"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        WIDER,
    ),
]

ONE = [
    Case("oneOf is not monotone: a branch more takes away", {"oneOf": [STRING]}, {"oneOf": [STRING, SHORT]}, NARROWER),
    Case("branches that share nothing: a branch more adds", {"oneOf": [STRING]}, {"oneOf": [STRING, INTEGER]}, WIDER),
    Case("integer and number overlap", {"type": "number"}, {"oneOf": [INTEGER, NUMBER]}, NARROWER),
    Case(
        "oneOf against anyOf where nothing overlaps", {"oneOf": [STRING, INTEGER]}, {"anyOf": [STRING, INTEGER]}, SAME
    ),
    Case(
        "oneOf against anyOf where something does",
        {"oneOf": [{"minimum": 2}, INTEGER]},
        {"anyOf": [{"minimum": 2}, INTEGER]},
        WIDER,
    ),
    Case("the same branch twice leaves nothing", STRING, {"oneOf": [STRING, STRING]}, NARROWER),
    Case(
        "a branch is widened into the other",
        {"oneOf": [SHORT, {"type": "string", "minLength": 4}]},
        {"oneOf": [SHORT, {"type": "string", "minLength": 3}]},
        NARROWER,
    ),
    Case(
        "told apart by a constant, one kind more",
        {"oneOf": [{"properties": {"k": {"const": "a"}}, "required": ["k"], "type": "object"}]},
        {
            "oneOf": [
                {"properties": {"k": {"const": "a"}}, "required": ["k"], "type": "object"},
                {"properties": {"k": {"const": "b"}}, "required": ["k"], "type": "object"},
            ]
        },
        WIDER,
    ),
]

NOT = [
    Case("something is refused", {}, {"not": STRING}, NARROWER),
    Case("less is refused", {"not": STRING}, {"not": SHORT}, WIDER),
    Case("not not", STRING, {"not": {"not": STRING}}, SAME),
    Case(
        "not of a bound turns it round, among numbers only",
        {"type": "number", "not": {"minimum": 5}},
        {"type": "number", "exclusiveMaximum": 5},
        SAME,
    ),
    Case(
        "not minimum refuses all that is no number",
        {"not": {"minimum": 5}},
        {"type": "number", "exclusiveMaximum": 5},
        SAME,
    ),
    Case(
        "not required is forbidden",
        {"type": "object", "not": {"required": ["a"]}},
        {"type": "object", "properties": {"a": False}},
        SAME,
    ),
    Case("a value is refused", STRING, {"type": "string", "not": {"const": "a"}}, NARROWER),
    Case("not of everything", STRING, {"not": {}}, NARROWER),
    Case("not both", {"not": {"required": ["a"]}}, {"not": {"required": ["a", "b"]}}, WIDER),
]

IF: Schema = {"properties": {"k": {"const": 1}}, "required": ["k"]}
CONDITIONS = [
    Case(
        "a condition asks for more",
        {"type": "object"},
        {"type": "object", "if": IF, "then": {"required": ["a"]}},
        NARROWER,
    ),
    Case("a condition without consequence", {"type": "object"}, {"type": "object", "if": IF}, SAME),
    Case("consequences without a condition", {}, {"then": False, "else": False}, SAME),
    Case("then is widened", {"if": STRING, "then": SHORT}, {"if": STRING, "then": STRING}, WIDER),
    Case("else is narrowed", {"if": STRING, "else": NUMBER}, {"if": STRING, "else": INTEGER}, NARROWER),
    Case("the condition is widened", {"if": SHORT, "then": False}, {"if": STRING, "then": False}, NARROWER),
    Case(
        "if, then, else spelled out", {"if": STRING, "then": SHORT, "else": INTEGER}, {"anyOf": [SHORT, INTEGER]}, SAME
    ),
    Case("an always true condition", {"if": True, "then": STRING}, STRING, SAME),
    Case("a condition that fails for all", {"type": "integer", "if": STRING, "then": False}, INTEGER, SAME),
]


def tree(**value: object) -> Schema:
    return {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"value": value, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
                "additionalProperties": False,
            }
        },
    }


def root_tree(**more: object) -> Schema:
    return {"type": "object", "properties": {"next": {"$ref": "#"}} | more, "additionalProperties": False}


LABELLED: Schema = {"type": "string", "pattern": "^[A-Z]+$"}
REFERENCES = [
    Case("a reference is what it refers to", {"$ref": "#/$defs/a", "$defs": {"a": STRING}}, STRING, SAME),
    Case(
        "definitions are renamed",
        {"$ref": "#/$defs/a", "$defs": {"a": STRING}},
        {"$ref": "#/$defs/b", "$defs": {"b": STRING}},
        SAME,
    ),
    Case(
        "by pointer or by anchor",
        {"$ref": "#/$defs/a", "$defs": {"a": STRING}},
        {"$ref": "#a", "$defs": {"b": {"$anchor": "a", **STRING}}},
        SAME,
    ),
    Case(
        "a definition is widened",
        {"items": {"$ref": "#/$defs/a"}, "$defs": {"a": INTEGER}},
        {"items": {"$ref": "#/$defs/a"}, "$defs": {"a": NUMBER}},
        WIDER,
    ),
    Case("a definition that nobody refers to", {"$defs": {"a": INTEGER}}, {"$defs": {"a": STRING, "b": False}}, SAME),
    Case(
        "keywords beside a reference count",
        {"$ref": "#/$defs/a", "$defs": {"a": STRING}},
        {"$ref": "#/$defs/a", "maxLength": 3, "$defs": {"a": STRING}},
        NARROWER,
    ),
    Case(
        "a reference through a reference",
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": STRING}},
        STRING,
        SAME,
    ),
    Case(
        "a dynamic reference inside one document",
        {"$dynamicRef": "#a", "$defs": {"x": {"$dynamicAnchor": "a", **STRING}}},
        STRING,
        SAME,
    ),
    Case("a tree with wider values", tree(type="integer"), tree(type="number"), WIDER),
    Case("a tree with other values", tree(type="integer"), tree(type="string"), OTHER),
    Case("a tree and a pattern in it", tree(**LABELLED), tree(**LABELLED, maxLength=5), NARROWER),
    Case(
        "a tree spelled twice",
        tree(**LABELLED),
        {
            "$ref": "#/$defs/knot",
            "$defs": {
                "knot": {
                    "type": "object",
                    "properties": {"value": LABELLED, "children": {"type": "array", "items": {"$ref": "#/$defs/knot"}}},
                    "additionalProperties": False,
                }
            },
        },
        SAME,
    ),
    Case("a closed chain gets a property", root_tree(), root_tree(name=STRING), WIDER),
    Case(
        "a closed chain with a pattern gets a property",
        root_tree(code=LABELLED),
        root_tree(code=LABELLED, name=STRING),
        WIDER,
    ),
    Case(
        "a chain that never ends has no document",
        root_tree() | {"required": ["next"]},
        root_tree(name=STRING) | {"required": ["next"]},
        SAME,
    ),
    Case(
        "two types that refer to each other",
        {
            "$ref": "#/$defs/a",
            "$defs": {
                "a": {"properties": {"b": {"$ref": "#/$defs/b"}}},
                "b": {"items": {"$ref": "#/$defs/a"}, "maxItems": 3},
            },
        },
        {
            "$ref": "#/$defs/a",
            "$defs": {
                "a": {"properties": {"b": {"$ref": "#/$defs/b"}}},
                "b": {"items": {"$ref": "#/$defs/a"}, "maxItems": 4},
            },
        },
        WIDER,
    ),
    Case(
        "a change beside a recursive part",
        root_tree(code=LABELLED, n={"maximum": 5}),
        root_tree(code=LABELLED, n={"maximum": 6}),
        WIDER,
    ),
    Case(
        "a recursive list is unrolled once",
        {"items": {"$ref": "#"}, "type": "array"},
        {"type": "array", "items": {"type": "array", "items": {"$ref": "#/items"}}},
        SAME,
    ),
]

CASES = [*ALL, *ANY, *ONE, *NOT, *CONDITIONS, *REFERENCES]
