"""What only some dialects say, two dialects in one line of versions, and what says nothing in any of them."""

from tests.domain.compatibility.cases import (
    DRAFT_07,
    DRAFT_2019_09,
    DRAFT_2020_12,
    NARROWER,
    OTHER,
    SAME,
    WIDER,
    Case,
    Schema,
    d7,
    d19,
    of,
)

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}

ANNOTATIONS = [
    Case("titles and descriptions", {"title": "a", "description": "b"}, {"title": "c"}, SAME),
    Case(
        "default, examples, readOnly, deprecated",
        {},
        {"default": 1, "examples": [2], "readOnly": True, "writeOnly": True, "deprecated": True},
        SAME,
    ),
    Case(
        "$comment and $id",
        {"$id": "https://example.com/a"},
        {"$id": "https://example.com/b", "$comment": "moved"},
        SAME,
    ),
    Case("keywords of one's own", {"x-owner": "a"}, {"x-owner": False, "owner": {"type": "string"}}, SAME),
    Case("the default dialect spelled out", STRING, of(DRAFT_2020_12, type="string"), SAME),
    Case("contentSchema only describes", {}, {"contentSchema": STRING, "contentMediaType": "application/json"}, SAME),
    Case("an annotation beside a change", {"title": "a", "maximum": 1}, {"title": "b", "maximum": 2}, WIDER),
]

OF_DRAFT_07 = [
    Case("items as a list are a tuple", d7(items=[STRING]), d7(items=[STRING], additionalItems=False), NARROWER),
    Case(
        "additionalItems beside one schema says nothing",
        d7(items=STRING),
        d7(items=STRING, additionalItems=False),
        SAME,
    ),
    Case("additionalItems without items says nothing", d7(), d7(additionalItems=False), SAME),
    Case("a tuple gets a place", d7(items=[STRING]), d7(items=[STRING, INTEGER]), NARROWER),
    Case(
        "keywords beside a reference count for nothing",
        d7(**{"$ref": "#/definitions/a"}, definitions={"a": STRING}),
        d7(**{"$ref": "#/definitions/a"}, maxLength=1, definitions={"a": STRING}),
        SAME,
    ),
    Case("dependencies on names", d7(), d7(dependencies={"a": ["b"]}), NARROWER),
    Case(
        "dependencies on a schema",
        d7(dependencies={"a": {"properties": {"b": INTEGER}}}),
        d7(dependencies={"a": {"properties": {"b": NUMBER}}}),
        WIDER,
    ),
    Case("prefixItems is no keyword yet", d7(), d7(prefixItems=[STRING]), SAME),
    Case("unevaluatedProperties is no keyword yet", d7(), d7(unevaluatedProperties=False), SAME),
    Case("dependentRequired is no keyword yet", d7(), d7(dependentRequired={"a": ["b"]}), SAME),
    Case("minContains is no keyword yet", d7(contains=STRING), d7(contains=STRING, minContains=2), SAME),
    Case("uuid is no format yet", d7(type="string"), d7(type="string", format="uuid"), SAME),
    Case("contentEncoding is asserted", d7(type="string"), d7(type="string", contentEncoding="base64"), NARROWER),
    Case(
        "contentMediaType is asserted", d7(type="string", contentMediaType="application/json"), d7(type="string"), WIDER
    ),
    Case(
        "a media type is that of the decoded text",
        d7(type="string", contentMediaType="application/json"),
        d7(type="string", contentMediaType="application/json", contentEncoding="base64"),
        OTHER,
    ),
    Case(
        "the same encoding, another length",
        d7(contentEncoding="base64", maxLength=8),
        d7(contentEncoding="base64", maxLength=12),
        WIDER,
    ),
    Case(
        "an encoding beside a change",
        d7(properties={"a": {"contentEncoding": "base64"}, "b": INTEGER}),
        d7(properties={"a": {"contentEncoding": "base64"}, "b": NUMBER}),
        WIDER,
    ),
    Case("if is a keyword already", d7(), d7(**{"if": STRING, "then": {"maxLength": 3}}), NARROWER),
    Case(
        "an anchor by $id",
        d7(**{"$ref": "#a"}, definitions={"x": {"$id": "#a", "type": "string"}}),
        d7(type="string"),
        SAME,
    ),
]

OF_2019_09 = [
    Case("items as a list are a tuple", d19(items=[STRING]), d19(items=[STRING], additionalItems=False), NARROWER),
    Case("prefixItems is no keyword yet", d19(), d19(prefixItems=[STRING]), SAME),
    Case(
        "keywords beside a reference count",
        d19(**{"$ref": "#/$defs/a"}, **{"$defs": {"a": STRING}}),
        d19(**{"$ref": "#/$defs/a"}, maxLength=1, **{"$defs": {"a": STRING}}),
        NARROWER,
    ),
    Case("minContains is a keyword", d19(contains=STRING), d19(contains=STRING, minContains=2), NARROWER),
    Case(
        "unevaluatedProperties is a keyword",
        d19(type="object"),
        d19(type="object", unevaluatedProperties=False),
        NARROWER,
    ),
    Case(
        "a recursive reference is one to the root",
        d19(type="object", properties={"a": {"$recursiveRef": "#"}}),
        d19(type="object", properties={"a": {"$ref": "#"}}),
        SAME,
    ),
    Case("contentEncoding only describes", d19(), d19(contentEncoding="base64"), SAME),
    Case("uuid is a format", d19(type="string"), d19(type="string", format="uuid"), NARROWER),
    Case(
        "items as a list evaluate their places",
        d19(items=[STRING], unevaluatedItems=False),
        d19(items=[STRING], additionalItems=False),
        SAME,
    ),
]

BETWEEN = [
    Case(
        "draft-07 to 2020-12, nothing else",
        d7(type="object", required=["a"]),
        {"type": "object", "required": ["a"]},
        SAME,
    ),
    Case(
        "draft-07 to 2019-09, nothing else", d7(type="object", required=["a"]), d19(type="object", required=["a"]), SAME
    ),
    Case(
        "a tuple in its two spellings",
        d7(items=[STRING], additionalItems=INTEGER),
        {"prefixItems": [STRING], "items": INTEGER},
        SAME,
    ),
    Case(
        "dependencies in their two spellings", d7(dependencies={"a": ["b"]}), {"dependentRequired": {"a": ["b"]}}, SAME
    ),
    Case(
        "dependencies on a schema in their two spellings",
        d7(dependencies={"a": {"maxProperties": 2}}),
        {"dependentSchemas": {"a": {"maxProperties": 2}}},
        SAME,
    ),
    Case(
        "definitions in their two places",
        d7(**{"$ref": "#/definitions/a"}, definitions={"a": STRING}),
        {"$ref": "#/$defs/a", "$defs": {"a": STRING}},
        SAME,
    ),
    Case(
        "a new dialect makes what stood beside a reference count",
        d7(**{"$ref": "#/definitions/a"}, maxLength=1, definitions={"a": STRING}),
        of(DRAFT_2019_09, **{"$ref": "#/definitions/a"}, maxLength=1, definitions={"a": STRING}),
        NARROWER,
    ),
    Case(
        "a new dialect makes a format count",
        d7(type="string", format="uuid"),
        of(DRAFT_2020_12, type="string", format="uuid"),
        NARROWER,
    ),
    Case(
        "a new dialect makes an encoding a description",
        d7(type="string", contentEncoding="base64"),
        {"type": "string", "contentEncoding": "base64"},
        WIDER,
    ),
    Case(
        "a new dialect makes a keyword count",
        d7(unevaluatedProperties=False, type="object"),
        {"unevaluatedProperties": False, "type": "object"},
        NARROWER,
    ),
    Case(
        "a new dialect drops additionalItems",
        d19(type="array", items=[STRING], additionalItems=False),
        {"type": "array", "prefixItems": [STRING]},
        WIDER,
    ),
    Case("a change and a new dialect", d7(properties={"a": INTEGER}), {"properties": {"a": NUMBER}}, WIDER),
    Case(
        "two changes and an old dialect",
        {"properties": {"a": INTEGER}, "required": ["b"]},
        of(DRAFT_07, properties={"a": STRING}),
        OTHER,
    ),
    Case(
        "what contains has matched is evaluated, in 2019-09 too",
        d19(type="array", contains=STRING, unevaluatedItems=False),
        {"type": "array", "contains": STRING, "unevaluatedItems": False},
        SAME,
    ),
]

CASES = [*ANNOTATIONS, *OF_DRAFT_07, *OF_2019_09, *BETWEEN]
