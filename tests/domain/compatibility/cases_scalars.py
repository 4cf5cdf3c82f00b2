"""Types, listed values, numbers and texts."""

from tests.domain.compatibility.cases import NARROWER, OTHER, SAME, WIDER, Case

TYPES = [
    Case("nothing changed", {"type": "string"}, {"type": "string"}, SAME),
    Case("a type is an assertion: without it anything goes", {"type": "string"}, {}, WIDER),
    Case("a first type refuses the six others", {}, {"type": "object"}, NARROWER),
    Case("each integer is a number", {"type": "integer"}, {"type": "number"}, WIDER),
    Case("no string is an integer", {"type": "integer"}, {"type": "string"}, OTHER),
    Case("a list of types is a union", {"type": "string"}, {"type": ["string", "null"]}, WIDER),
    Case("the order of types says nothing", {"type": ["null", "string"]}, {"type": ["string", "null"]}, SAME),
    Case("number holds integer already", {"type": "number"}, {"type": ["integer", "number"]}, SAME),
    Case("a list of one type is the type", {"type": ["string"]}, {"type": "string"}, SAME),
    Case(
        "all seven types are no assertion",
        {},
        {"type": ["null", "boolean", "integer", "number", "string", "array", "object"]},
        SAME,
    ),
    Case("boolean is not 0 or 1", {"type": "boolean"}, {"enum": [0, 1]}, OTHER),
    Case("there are only two booleans", {"type": "boolean"}, {"enum": [True, False]}, SAME),
    Case("there is only one null", {"type": "null"}, {"const": None}, SAME),
    Case("1.0 is an integer", {"const": 1.0}, {"type": "integer"}, WIDER),
]

LISTED = [
    Case("a member more", {"enum": ["a", "b"]}, {"enum": ["a", "b", "c"]}, WIDER),
    Case("a member less", {"enum": ["a", "b"]}, {"enum": ["a"]}, NARROWER),
    Case("a member replaced", {"enum": ["a", "b"]}, {"enum": ["a", "c"]}, OTHER),
    Case("the order of members says nothing", {"enum": ["a", "b"]}, {"enum": ["b", "a"]}, SAME),
    Case("const is an enum of one", {"const": "a"}, {"enum": ["a"]}, SAME),
    Case("a const is added: one value is left", {"type": "string"}, {"type": "string", "const": "a"}, NARROWER),
    Case(
        "enum beside type: both count, and the list was cut",
        {"type": "string", "enum": ["a", "b"]},
        {"type": "string", "enum": ["a"]},
        NARROWER,
    ),
    Case(
        "type beside enum drops the members of other types",
        {"enum": ["a", 1]},
        {"enum": ["a", 1], "type": "string"},
        NARROWER,
    ),
    Case(
        "the member that type drops was never taken",
        {"type": "string", "enum": ["a"]},
        {"type": "string", "enum": ["a", 1]},
        SAME,
    ),
    Case("1 and 1.0 are one value", {"enum": [1, 2]}, {"enum": [1.0, 2.0]}, SAME),
    Case("1 and true are two values", {"const": 1}, {"const": True}, OTHER),
    Case("0 and false are two values inside arrays too", {"const": [0]}, {"const": [False]}, OTHER),
    Case("1 and 1.0 are one value inside objects too", {"const": {"a": [1]}}, {"const": {"a": [1.0]}}, SAME),
    Case("null in an enum", {"enum": ["a"]}, {"enum": ["a", None]}, WIDER),
    Case("the empty string is a member like others", {"enum": ["", "a"]}, {"enum": ["a"]}, NARROWER),
    Case("an object as a member", {"enum": [{"a": 1}]}, {"enum": [{"a": 1}, {"a": 2}]}, WIDER),
    Case("big integers are exact", {"const": 12345678901234567890123}, {"const": 12345678901234567890124}, OTHER),
    Case("enum within bounds", {"enum": [1, 2, 3]}, {"minimum": 1, "maximum": 3, "type": "integer"}, SAME),
    Case("an enum that bounds make smaller", {"enum": [1, 2, 3]}, {"enum": [1, 2, 3], "maximum": 2}, NARROWER),
    Case("lists that never met", {"enum": ["a"], "type": "integer"}, {"enum": ["b"], "type": "integer"}, SAME),
]

NUMBERS = [
    Case("maximum lowered", {"maximum": 10}, {"maximum": 5}, NARROWER),
    Case("maximum raised", {"maximum": 10}, {"maximum": 11}, WIDER),
    Case("minimum raised", {"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 1}, NARROWER),
    Case("minimum lowered below zero", {"minimum": 0}, {"minimum": -0.5}, WIDER),
    Case("a bound added", {"type": "number"}, {"type": "number", "minimum": 0}, NARROWER),
    Case("a bound without type says nothing of strings", {"type": "string"}, {"type": "string", "maximum": 3}, SAME),
    Case("exclusive leaves the bound out", {"maximum": 5}, {"exclusiveMaximum": 5}, NARROWER),
    Case(
        "for integers < 6 is ≤ 5", {"type": "integer", "maximum": 5}, {"type": "integer", "exclusiveMaximum": 6}, SAME
    ),
    Case(
        "for numbers < 6 is more than ≤ 5",
        {"type": "number", "maximum": 5},
        {"type": "number", "exclusiveMaximum": 6},
        WIDER,
    ),
    Case("for integers ≥ 0.5 is ≥ 1", {"type": "integer", "minimum": 1}, {"type": "integer", "minimum": 0.5}, SAME),
    Case("exclusiveMinimum lowered", {"exclusiveMinimum": 1}, {"exclusiveMinimum": 0}, WIDER),
    Case("two bounds, one looser and one tighter", {"minimum": 0, "maximum": 10}, {"minimum": 5, "maximum": 15}, OTHER),
    Case("5 and 5.0 are one bound", {"maximum": 5}, {"maximum": 5.0}, SAME),
    Case("the looser of two bounds says nothing", {"maximum": 5}, {"maximum": 5, "exclusiveMaximum": 9}, SAME),
    Case(
        "bounds that leave nothing",
        {"type": "integer", "minimum": 3},
        {"type": "integer", "minimum": 3, "maximum": 2},
        NARROWER,
    ),
    Case(
        "nothing is within anything",
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "integer", "minimum": 7, "maximum": 6},
        SAME,
    ),
    Case("beyond a double's integers", {"maximum": 9007199254740993}, {"maximum": 9007199254740992}, NARROWER),
    Case(
        "a huge bound is no bound, but not quite",
        {"type": "integer"},
        {"type": "integer", "maximum": 10**300},
        NARROWER,
    ),
    Case("each multiple of 4 is one of 2", {"multipleOf": 4}, {"multipleOf": 2}, WIDER),
    Case("not each multiple of 2 is one of 4", {"multipleOf": 2}, {"multipleOf": 4}, NARROWER),
    Case("multiples of 2 and of 3", {"multipleOf": 2}, {"multipleOf": 3}, OTHER),
    Case(
        "multiples of 6 are those of 2 and 3",
        {"multipleOf": 6},
        {"allOf": [{"multipleOf": 2}, {"multipleOf": 3}]},
        SAME,
    ),
    Case(
        "a number that is a multiple of 1 is an integer", {"type": "integer"}, {"type": "number", "multipleOf": 1}, SAME
    ),
    Case("0.3 is a multiple of 0.1 in decimal", {"multipleOf": 0.1}, {"multipleOf": 0.3}, NARROWER),
    Case("cents to tenths of a cent", {"multipleOf": 0.01}, {"multipleOf": 0.001}, WIDER),
    Case("each integer is a multiple of 0.5", {"type": "integer"}, {"type": "number", "multipleOf": 0.5}, WIDER),
    Case("multipleOf says nothing of strings", {"type": "string"}, {"type": "string", "multipleOf": 7}, SAME),
    Case(
        "a multiple in a range that holds only one",
        {"type": "integer", "multipleOf": 7, "minimum": 1, "maximum": 13},
        {"const": 7},
        SAME,
    ),
    Case("multipleOf added to integers", {"type": "integer"}, {"type": "integer", "multipleOf": 10}, NARROWER),
    Case("integer to a multiple of 2.5", {"type": "integer"}, {"type": "number", "multipleOf": 2.5}, OTHER),
]

TEXTS = [
    Case("maxLength lowered", {"type": "string", "maxLength": 10}, {"type": "string", "maxLength": 9}, NARROWER),
    Case("maxLength dropped", {"type": "string", "maxLength": 10}, {"type": "string"}, WIDER),
    Case("minLength 0 is no assertion", {"type": "string"}, {"type": "string", "minLength": 0}, SAME),
    Case("minLength 1 refuses the empty string", {"type": "string"}, {"type": "string", "minLength": 1}, NARROWER),
    Case("a length of 2.0 is 2", {"maxLength": 2.0}, {"maxLength": 2}, SAME),
    Case("lengths count characters, not bytes", {"maxLength": 1}, {"enum": ["\U0001f686"]}, NARROWER),
    Case("lengths of texts say nothing of arrays", {"type": "array"}, {"type": "array", "maxLength": 1}, SAME),
    Case(
        "minLength above maxLength leaves no text",
        {"type": "string"},
        {"type": "string", "minLength": 3, "maxLength": 2},
        NARROWER,
    ),
    Case("a pattern added", {"type": "string"}, {"type": "string", "pattern": "^[A-Z]{3}$"}, NARROWER),
    Case("a pattern dropped", {"type": "string", "pattern": "^[A-Z]{3}$"}, {"type": "string"}, WIDER),
    Case(
        "the same pattern, another length",
        {"pattern": "^a+$", "maxLength": 5},
        {"pattern": "^a+$", "maxLength": 6},
        WIDER,
    ),
    Case(
        "a pattern is searched for, not matched whole",
        {"type": "string", "const": "xay"},
        {"type": "string", "pattern": "a"},
        WIDER,
    ),
    Case(
        "two patterns that share no text",
        {"type": "string", "pattern": "^a$"},
        {"type": "string", "pattern": "^b$"},
        OTHER,
    ),
    Case(
        "a pattern that was made longer",
        {"type": "string", "pattern": "^[A-Z]{3}$"},
        {"type": "string", "pattern": "^[A-Z]{4}$"},
        OTHER,
    ),
    Case("an enum within a pattern", {"enum": ["OSL", "BGO"]}, {"type": "string", "pattern": "^[A-Z]{3}$"}, WIDER),
    Case(
        "an enum beside a pattern that drops one",
        {"enum": ["OSL", "B1"]},
        {"enum": ["OSL", "B1"], "pattern": "^[A-Z]{3}$"},
        NARROWER,
    ),
    Case(
        "U: more letters allowed; whether one pattern is within another is not decided here",
        {"type": "string", "pattern": "^[A-Z]{3}$"},
        {"type": "string", "pattern": "^[A-Z]{3,4}$"},
        "UI",
    ),
    Case(
        r"U: \d and [0-9] are one set, but patterns are not taken apart",
        {"type": "string", "pattern": "^[0-9]+$"},
        {"type": "string", "pattern": r"^\d+$"},
        "UU",
    ),
    Case("a pattern that all texts match", {"type": "string"}, {"type": "string", "pattern": ""}, SAME),
    Case(
        "a pattern and the refusal of it",
        {"type": "string", "pattern": "a"},
        {"type": "string", "not": {"pattern": "a"}},
        OTHER,
    ),
]

FORMATS = [
    Case("a format is asserted", {"type": "string"}, {"type": "string", "format": "date-time"}, NARROWER),
    Case("a format dropped", {"type": "string", "format": "date-time"}, {"type": "string"}, WIDER),
    Case("a format says nothing of numbers", {"type": "integer"}, {"type": "integer", "format": "email"}, SAME),
    Case(
        "a format that nobody knows is ignored", {"type": "string"}, {"type": "string", "format": "train-number"}, SAME
    ),
    Case("two unknown formats", {"format": "int32"}, {"format": "int64"}, SAME),
    Case(
        "a date is no date-time", {"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}, OTHER
    ),
    Case("the same format, shorter", {"format": "email"}, {"format": "email", "maxLength": 20}, NARROWER),
    Case("a value of the format", {"const": "2026-03-01"}, {"type": "string", "format": "date"}, WIDER),
    Case(
        "a value that is not of the format",
        {"enum": ["soon", "2026-03-01"]},
        {"enum": ["soon", "2026-03-01"], "format": "date"},
        NARROWER,
    ),
    Case(
        "U: each URI is a reference to one, but formats are not compared",
        {"type": "string", "format": "uri"},
        {"type": "string", "format": "uri-reference"},
        "UI",
    ),
    Case(
        "U: each email is one for international mail, but formats are not compared",
        {"type": "string", "format": "email"},
        {"type": "string", "format": "idn-email"},
        "UI",
    ),
    Case(
        "contentEncoding only describes in 2020-12",
        {"type": "string"},
        {"type": "string", "contentEncoding": "base64"},
        SAME,
    ),
    Case("not a format", {"type": "string"}, {"type": "string", "not": {"format": "ipv4"}}, NARROWER),
    Case(
        "ipv4 and ipv6 share no text", {"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}, OTHER
    ),
]

CASES = [*TYPES, *LISTED, *NUMBERS, *TEXTS, *FORMATS]
