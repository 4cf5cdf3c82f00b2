"""Arrays: lengths, items, tuples, `contains`, uniqueness, and what is left unevaluated."""

from tests.domain.compatibility.cases import NARROWER, OTHER, SAME, WIDER, Case, Schema

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}

LENGTHS = [
    Case("maxItems lowered", {"type": "array", "maxItems": 3}, {"type": "array", "maxItems": 2}, NARROWER),
    Case("maxItems dropped", {"maxItems": 3}, {}, WIDER),
    Case("minItems 0 is no assertion", {}, {"minItems": 0}, SAME),
    Case("minItems 1 refuses the empty array", {"type": "array"}, {"type": "array", "minItems": 1}, NARROWER),
    Case("lengths of arrays say nothing of texts", {"type": "string"}, {"type": "string", "minItems": 4}, SAME),
    Case(
        "minItems above maxItems leaves no array",
        {"type": "array"},
        {"type": "array", "minItems": 2, "maxItems": 1},
        NARROWER,
    ),
    Case("only the empty array", {"type": "array", "maxItems": 0}, {"const": []}, SAME),
    Case(
        "items false leaves the empty array", {"type": "array", "maxItems": 0}, {"type": "array", "items": False}, SAME
    ),
    Case("a large minimum", {"type": "array"}, {"type": "array", "minItems": 200}, NARROWER),
]

ITEMS = [
    Case("items are widened", {"items": INTEGER}, {"items": NUMBER}, WIDER),
    Case("items are narrowed", {"items": STRING}, {"items": {"type": "string", "maxLength": 3}}, NARROWER),
    Case("items replaced", {"items": STRING}, {"items": INTEGER}, OTHER),
    Case("items true are no assertion", {}, {"items": True}, SAME),
    Case("items say nothing of objects", {"type": "object"}, {"type": "object", "items": STRING}, SAME),
    Case("items of items", {"items": {"items": INTEGER}}, {"items": {"items": NUMBER}}, WIDER),
    Case(
        "items that cannot be there, and none may",
        {"maxItems": 0, "items": STRING},
        {"maxItems": 0, "items": INTEGER},
        SAME,
    ),
    Case("the first item is told apart", {"items": STRING}, {"prefixItems": [INTEGER], "items": STRING}, OTHER),
    Case(
        "a tuple gets a third place",
        {"prefixItems": [STRING, STRING]},
        {"prefixItems": [STRING, STRING, STRING]},
        NARROWER,
    ),
    Case("a tuple is closed", {"prefixItems": [STRING]}, {"prefixItems": [STRING], "items": False}, NARROWER),
    Case(
        "a tuple is opened",
        {"prefixItems": [STRING], "items": False},
        {"prefixItems": [STRING], "items": STRING},
        WIDER,
    ),
    Case("a prefix like the rest says nothing", {"items": STRING}, {"prefixItems": [STRING], "items": STRING}, SAME),
    Case(
        "a prefix does not ask for its items",
        {"prefixItems": [STRING]},
        {"prefixItems": [STRING], "minItems": 1},
        NARROWER,
    ),
    Case(
        "a place beyond maxItems is never filled",
        {"maxItems": 1, "prefixItems": [STRING]},
        {"maxItems": 1, "prefixItems": [STRING, INTEGER]},
        SAME,
    ),
    Case(
        "places change their order",
        {"prefixItems": [STRING, INTEGER], "minItems": 2},
        {"prefixItems": [INTEGER, STRING], "minItems": 2},
        OTHER,
    ),
    Case(
        "a closed pair within a list of two",
        {"prefixItems": [STRING, STRING], "items": False},
        {"items": STRING, "maxItems": 2},
        SAME,
    ),
]

CONTAINS = [
    Case("something must be contained", {"type": "array"}, {"type": "array", "contains": STRING}, NARROWER),
    Case("something wider must be contained", {"contains": INTEGER}, {"contains": NUMBER}, WIDER),
    Case("two must be contained", {"contains": STRING}, {"contains": STRING, "minContains": 2}, NARROWER),
    Case("minContains 1 is what contains says", {"contains": STRING}, {"contains": STRING, "minContains": 1}, SAME),
    Case("minContains 0 takes contains back", {"contains": STRING, "minContains": 0}, {}, SAME),
    Case("minContains without contains is ignored", {}, {"minContains": 2}, SAME),
    Case("at most two may be contained", {"contains": STRING}, {"contains": STRING, "maxContains": 2}, NARROWER),
    Case("maxContains raised", {"contains": STRING, "maxContains": 2}, {"contains": STRING, "maxContains": 3}, WIDER),
    Case(
        "maxContains of something wider",
        {"contains": INTEGER, "maxContains": 1},
        {"contains": NUMBER, "maxContains": 1},
        OTHER,
    ),
    Case(
        "items that all match contain one, if there is one",
        {"items": STRING, "minItems": 1},
        {"contains": STRING, "minItems": 1},
        WIDER,
    ),
    Case("contains false can never be", {"type": "array"}, {"type": "array", "contains": False}, NARROWER),
    Case("contains true is minItems 1", {"type": "array", "minItems": 1}, {"type": "array", "contains": True}, SAME),
    Case(
        "two different things contained",
        {"contains": {"const": 1}},
        {"allOf": [{"contains": {"const": 1}}, {"contains": {"const": 2}}]},
        NARROWER,
    ),
]

UNIQUE = [
    Case("uniqueItems added", {"type": "array"}, {"type": "array", "uniqueItems": True}, NARROWER),
    Case("uniqueItems false is no assertion", {}, {"uniqueItems": False}, SAME),
    Case(
        "an array of one is unique",
        {"type": "array", "maxItems": 1},
        {"type": "array", "maxItems": 1, "uniqueItems": True},
        SAME,
    ),
    Case("1 and 1.0 are not unique", {"const": [1, 1.0]}, {"const": [1, 1.0], "uniqueItems": True}, NARROWER),
    Case("1 and true are unique", {"const": [1, True]}, {"const": [1, True], "uniqueItems": True}, SAME),
    Case(
        "three different booleans do not exist",
        {"type": "array", "minItems": 3, "items": {"type": "boolean"}},
        {"type": "array", "minItems": 3, "uniqueItems": True, "items": {"type": "boolean"}},
        NARROWER,
    ),
    Case("uniqueItems dropped from a set", {"items": STRING, "uniqueItems": True}, {"items": STRING}, WIDER),
]

UNEVALUATED = [
    Case("all items are unevaluated", {"unevaluatedItems": False}, {"items": False}, SAME),
    Case(
        "a prefix is evaluated",
        {"prefixItems": [True], "unevaluatedItems": False},
        {"prefixItems": [True], "items": False},
        SAME,
    ),
    Case("items evaluate all: nothing is left", {"items": STRING}, {"items": STRING, "unevaluatedItems": False}, SAME),
    Case(
        "a prefix under allOf is evaluated",
        {"allOf": [{"prefixItems": [STRING]}], "unevaluatedItems": False},
        {"prefixItems": [STRING], "items": False},
        SAME,
    ),
    Case(
        "the third item is refused",
        {"prefixItems": [True, True]},
        {"prefixItems": [True, True], "unevaluatedItems": False},
        NARROWER,
    ),
    Case(
        "what is unevaluated is widened",
        {"prefixItems": [STRING], "unevaluatedItems": INTEGER},
        {"prefixItems": [STRING], "unevaluatedItems": NUMBER},
        WIDER,
    ),
    Case(
        "what contains has matched is evaluated",
        {"contains": STRING, "items": STRING},
        {"contains": STRING, "unevaluatedItems": False},
        SAME,
    ),
    Case(
        "a branch evaluates its place",
        {"anyOf": [{"prefixItems": [STRING]}, {"prefixItems": [True, INTEGER]}]},
        {"anyOf": [{"prefixItems": [STRING]}, {"prefixItems": [True, INTEGER]}], "unevaluatedItems": False},
        NARROWER,
    ),
]

CASES = [*LENGTHS, *ITEMS, *CONTAINS, *UNIQUE, *UNEVALUATED]
