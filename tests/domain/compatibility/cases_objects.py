"""Objects: properties, required names, patterns, names, dependencies, and what is left unevaluated."""

from tests.domain.compatibility.cases import NARROWER, OTHER, SAME, WIDER, Case, Schema

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
OBJECT: Schema = {"type": "object"}


def closed(**properties: object) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def opened(*required: str, **properties: object) -> Schema:
    found: Schema = {"type": "object", "properties": properties}
    return found | {"required": list(required)} if required else found


PROPERTIES = [
    Case("an optional property is declared: others could carry the name before", opened(), opened(a=STRING), NARROWER),
    Case("an optional property is declared as anything", opened(), opened(a=True), SAME),
    Case("an optional property of a closed object", closed(a=STRING), closed(a=STRING, b=STRING), WIDER),
    Case(
        "an optional property is dropped from a closed object", closed(a=STRING, b=STRING), closed(a=STRING), NARROWER
    ),
    Case("a property's type is widened", closed(a=INTEGER), closed(a=NUMBER), WIDER),
    Case("a property's type is replaced", opened(a=INTEGER), opened(a=STRING), OTHER),
    Case("a property is renamed", closed(a=STRING), closed(b=STRING), OTHER),
    Case("a property may be null", opened(a=STRING), opened(a={"type": ["string", "null"]}), WIDER),
    Case("a property is forbidden", opened(a=STRING), opened(a=False), NARROWER),
    Case("an object is closed", opened(a=STRING), closed(a=STRING), NARROWER),
    Case("an object is opened", closed(a=STRING), opened(a=STRING), WIDER),
    Case("other properties are typed", opened(a=STRING), opened(a=STRING) | {"additionalProperties": STRING}, NARROWER),
    Case(
        "additionalProperties true is no assertion",
        opened(a=STRING),
        opened(a=STRING) | {"additionalProperties": True},
        SAME,
    ),
    Case(
        "a name told apart like all others",
        {"additionalProperties": STRING},
        {"properties": {"a": STRING}, "additionalProperties": STRING},
        SAME,
    ),
    Case(
        "a deep change",
        opened(a=opened(b=opened(c={"maximum": 3}))),
        opened(a=opened(b=opened(c={"maximum": 4}))),
        WIDER,
    ),
    Case("properties say nothing of arrays", {"type": "array"}, {"type": "array", "properties": {"a": False}}, SAME),
    Case("properties without type let strings through", {"properties": {"a": STRING}}, opened(a=STRING), NARROWER),
    Case("names that look like keywords", closed(type=STRING), closed(type=STRING, required=STRING), WIDER),
    Case("names that look like our own keywords", closed(**{"x-a": INTEGER}), closed(**{"x-a": NUMBER}), WIDER),
    Case(
        "the empty name, and one with a slash",
        closed(**{"": INTEGER, "a/b": INTEGER}),
        closed(**{"": NUMBER, "a/b": INTEGER}),
        WIDER,
    ),
    Case("an optional property and its default", opened(a=INTEGER), opened(a={"type": "integer", "default": 3}), SAME),
]

REQUIRED = [
    Case("an optional property is required", opened(a=STRING), opened("a", a=STRING), NARROWER),
    Case("a required property becomes optional", opened("a", a=STRING), opened(a=STRING), WIDER),
    Case("required without type lets strings through", OBJECT, {"required": ["a"]}, OTHER),
    Case("a name is required that nobody declares", OBJECT, {"type": "object", "required": ["a"]}, NARROWER),
    Case(
        "a name is required that the object forbids", closed(a=STRING), closed(a=STRING) | {"required": ["b"]}, NARROWER
    ),
    Case("the order of required names says nothing", opened("a", "b"), opened("b", "a"), SAME),
    Case("no required names are no assertion", OBJECT, {"type": "object", "required": []}, SAME),
    Case("one required name for another", opened("a"), opened("b"), OTHER),
    Case(
        "a new required property in a closed object",
        closed(a=STRING),
        closed(a=STRING, b=STRING) | {"required": ["b"]},
        OTHER,
    ),
    Case(
        "a new required property in an open object",
        opened("a", a=STRING),
        opened("a", "b", a=STRING, b=STRING),
        NARROWER,
    ),
    Case(
        "required implies one property at least",
        {"type": "object", "minProperties": 1},
        {"type": "object", "required": ["a"]},
        NARROWER,
    ),
    Case(
        "two required names are two properties at least",
        opened("a", "b"),
        opened("a", "b") | {"minProperties": 2},
        SAME,
    ),
]

COUNTS = [
    Case("minProperties added", OBJECT, {"type": "object", "minProperties": 1}, NARROWER),
    Case("maxProperties raised", {"type": "object", "maxProperties": 1}, {"type": "object", "maxProperties": 2}, WIDER),
    Case(
        "a closed object has no more than its names",
        closed(a=STRING, b=STRING),
        closed(a=STRING, b=STRING) | {"maxProperties": 2},
        SAME,
    ),
    Case("no properties at all", {"type": "object", "maxProperties": 0}, closed(), SAME),
    Case("at least 100 properties", {"type": "object"}, {"type": "object", "minProperties": 100}, NARROWER),
]

PATTERNS = [
    Case("names of a pattern are typed", OBJECT, {"type": "object", "patternProperties": {"^x": STRING}}, NARROWER),
    Case("their type is widened", {"patternProperties": {"^x": INTEGER}}, {"patternProperties": {"^x": NUMBER}}, WIDER),
    Case(
        "names of a pattern are allowed in a closed object",
        closed(a=STRING),
        closed(a=STRING) | {"patternProperties": {"^x": STRING}},
        WIDER,
    ),
    Case(
        "a declared name that matches obeys both",
        closed(xa=STRING),
        closed(xa=STRING) | {"patternProperties": {"^x": INTEGER}},
        OTHER,
    ),
    Case(
        "a pattern that all names match is additionalProperties",
        {"additionalProperties": STRING},
        {"patternProperties": {"": STRING}},
        SAME,
    ),
    Case(
        "a pattern dropped while others are closed",
        {"type": "object", "patternProperties": {"^x": STRING}, "additionalProperties": False},
        {"type": "object", "additionalProperties": False},
        NARROWER,
    ),
    Case(
        "a pattern of one name is that name",
        {"type": "object", "patternProperties": {"^a$": INTEGER}},
        opened(a=INTEGER),
        SAME,
    ),
    Case(
        "a pattern covers a declared name",
        opened(xa=STRING),
        {"type": "object", "patternProperties": {"^x": STRING}},
        NARROWER,
    ),
    Case(
        "other properties beside a pattern",
        {"type": "object", "patternProperties": {"^x": STRING}, "additionalProperties": INTEGER},
        {"type": "object", "patternProperties": {"^x": STRING}, "additionalProperties": NUMBER},
        WIDER,
    ),
]

NAMES = [
    Case("names have a length", OBJECT, {"type": "object", "propertyNames": {"maxLength": 3}}, NARROWER),
    Case("names may be longer", {"propertyNames": {"maxLength": 3}}, {"propertyNames": {"maxLength": 4}}, WIDER),
    Case("names are listed", {"type": "object", "propertyNames": {"enum": ["a", "b"]}}, closed(a=True, b=True), SAME),
    Case("names are strings anyway", OBJECT, {"type": "object", "propertyNames": STRING}, SAME),
    Case(
        "no name is allowed", {"type": "object", "propertyNames": False}, {"type": "object", "maxProperties": 0}, SAME
    ),
    Case(
        "a name is listed no more",
        {"type": "object", "propertyNames": {"enum": ["a", "b"]}},
        {"type": "object", "propertyNames": {"enum": ["a"]}},
        NARROWER,
    ),
    Case("names of a pattern", OBJECT, {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}}, NARROWER),
]

DEPENDENCIES = [
    Case("a asks for b", OBJECT, {"type": "object", "dependentRequired": {"a": ["b"]}}, NARROWER),
    Case(
        "a asks for b and c",
        {"type": "object", "dependentRequired": {"a": ["b"]}},
        {"type": "object", "dependentRequired": {"a": ["b", "c"]}},
        NARROWER,
    ),
    Case("what is required anyway", opened("b"), opened("b") | {"dependentRequired": {"a": ["b"]}}, SAME),
    Case(
        "a is forbidden, so it asks for nothing",
        closed(b=STRING),
        closed(b=STRING) | {"dependentRequired": {"a": ["c"]}},
        SAME,
    ),
    Case("a asks for a schema", OBJECT, {"type": "object", "dependentSchemas": {"a": {"required": ["b"]}}}, NARROWER),
    Case(
        "both ways to ask for b",
        {"type": "object", "dependentRequired": {"a": ["b"]}},
        {"type": "object", "dependentSchemas": {"a": {"required": ["b"]}}},
        SAME,
    ),
    Case(
        "a asks for a wider schema",
        {"dependentSchemas": {"a": {"properties": {"b": INTEGER}}}},
        {"dependentSchemas": {"a": {"properties": {"b": NUMBER}}}},
        WIDER,
    ),
    Case("a asks for itself", OBJECT, {"type": "object", "dependentRequired": {"a": ["a"]}}, SAME),
    Case("the old keyword still counts in 2020-12", OBJECT, {"type": "object", "dependencies": {"a": ["b"]}}, NARROWER),
]

BASE: Schema = {"properties": {"a": STRING}}
UNEVALUATED = [
    Case(
        "what stands beside is evaluated",
        {"properties": {"a": STRING}, "unevaluatedProperties": False},
        {"properties": {"a": STRING}, "additionalProperties": False},
        SAME,
    ),
    Case(
        "what allOf holds is evaluated",
        {"allOf": [BASE], "unevaluatedProperties": False},
        {"properties": {"a": STRING}, "additionalProperties": False},
        SAME,
    ),
    Case(
        "additionalProperties does not see into allOf",
        {"allOf": [BASE], "unevaluatedProperties": False},
        {"allOf": [BASE], "additionalProperties": False},
        NARROWER,
    ),
    Case(
        "a property more under allOf",
        {"allOf": [BASE], "unevaluatedProperties": False},
        {"allOf": [BASE, {"properties": {"b": INTEGER}}], "unevaluatedProperties": False},
        WIDER,
    ),
    Case(
        "what a reference holds is evaluated",
        {"$ref": "#/$defs/base", "$defs": {"base": BASE}, "unevaluatedProperties": False},
        {"properties": {"a": STRING}, "additionalProperties": False},
        SAME,
    ),
    Case(
        "additionalProperties evaluates all: nothing is left",
        {"additionalProperties": STRING},
        {"additionalProperties": STRING, "unevaluatedProperties": False},
        SAME,
    ),
    Case(
        "what a failing branch holds is not evaluated",
        {"type": "object", "anyOf": [{"properties": {"a": STRING}, "required": ["a"]}, {}]},
        {
            "type": "object",
            "anyOf": [{"properties": {"a": STRING}, "required": ["a"]}, {}],
            "unevaluatedProperties": False,
        },
        NARROWER,
    ),
    Case(
        "what is unevaluated is widened",
        {"allOf": [BASE], "unevaluatedProperties": INTEGER},
        {"allOf": [BASE], "unevaluatedProperties": NUMBER},
        WIDER,
    ),
    Case(
        "what not holds is never evaluated",
        {"not": {"not": BASE}, "type": "object", "unevaluatedProperties": False},
        {"type": "object", "maxProperties": 0},
        SAME,
    ),
]

CASES = [*PROPERTIES, *REQUIRED, *COUNTS, *PATTERNS, *NAMES, *DEPENDENCIES, *UNEVALUATED]
