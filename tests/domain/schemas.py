"""Schemas to start tests from: real-looking ones of a railway, and some that were made to be expensive."""

Schema = dict[str, object]

TRAIN_ARRIVED: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.com/schemas/train-arrived",
    "title": "A train has arrived at a station",
    "type": "object",
    "required": ["train", "station", "arrivedAt"],
    "properties": {
        "train": {"$ref": "#/$defs/train"},
        "station": {"$ref": "#/$defs/station"},
        "arrivedAt": {"type": "string", "format": "date-time"},
        "delaySeconds": {"type": "integer", "minimum": -3600, "maximum": 172800},
        "cars": {
            "type": "array",
            "maxItems": 80,
            "items": {
                "type": "object",
                "required": ["number"],
                "properties": {
                    "number": {"type": "string", "pattern": "^[0-9]{2} [0-9]{2} [0-9]{4} [0-9]{3}-[0-9]$"},
                    "lengthMetres": {"type": "number", "exclusiveMinimum": 0},
                    "doors": {"enum": ["OPEN", "CLOSED", None]},
                },
            },
        },
        "remarks": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 500}},
    },
    "additionalProperties": False,
    "$defs": {
        "train": {
            "type": "object",
            "properties": {"number": {"type": "string", "pattern": r"^\d{1,6}$"}, "operator": {"$ref": "#operator"}},
            "required": ["number"],
        },
        "operator": {"$anchor": "operator", "type": "string", "pattern": "^[A-Z]{2,4}$"},
        "station": {
            "type": "object",
            "properties": {
                "code": {"type": "string", "minLength": 2, "maxLength": 5},
                "track": {"type": "integer", "minimum": 1},
                "position": {
                    "type": "array",
                    "prefixItems": [{"minimum": -90, "maximum": 90}, {"minimum": -180, "maximum": 180}],
                    "items": False,
                    "minItems": 2,
                },
            },
            "required": ["code"],
        },
    },
}
ARRIVAL: dict[str, object] = {
    "train": {"number": "4711", "operator": "VY"},
    "station": {"code": "OSL", "track": 19, "position": [59.91, 10.75]},
    "arrivedAt": "2026-03-01T12:34:56.123+01:00",
    "delaySeconds": 74,
    "cars": [{"number": "94 76 0074 001-2", "lengthMetres": 26.2, "doors": "OPEN"}],
    "remarks": {"nb": "Ankom forsinket"},
}

TRACK_STATE: Schema = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "$id": "https://example.com/schemas/track-state",
    "type": "object",
    "required": ["section", "state"],
    "properties": {
        "section": {"$ref": "#section"},
        "state": {"enum": ["FREE", "OCCUPIED", "CLOSED"]},
        "until": {"type": "string", "format": "date-time"},
        "reason": {"oneOf": [{"type": "string"}, {"$ref": "#/definitions/reason"}]},
        "neighbours": {"type": "array", "items": {"$ref": "#"}, "uniqueItems": True},
    },
    "dependencies": {"reason": ["until"]},
    "if": {"properties": {"state": {"const": "CLOSED"}}},
    "then": {"required": ["reason"]},
    "definitions": {
        "section": {"$id": "#section", "type": "string", "pattern": "^[A-ZÆØÅ]{3}-[0-9]+$"},
        "reason": {
            "type": "object",
            "properties": {"code": {"type": "integer"}, "because": {"$ref": "#/definitions/reason"}},
            "required": ["code"],
        },
    },
}
CLOSURE: dict[str, object] = {
    "section": "OSØ-12",
    "state": "CLOSED",
    "until": "2026-03-02T00:00:00Z",
    "reason": {"code": 7, "because": {"code": 3}},
    "neighbours": [{"section": "OSØ-13", "state": "FREE"}],
}


def doubling_chain(links: int, reference: str = "#/$defs/") -> Schema:
    """`$defs` in which each schema applies the next one twice: 2**links checks for one value."""
    chain: Schema = {
        f"s{n}": {"anyOf": [{"$ref": f"{reference}s{n + 1}"}, {"$ref": f"{reference}s{n + 1}"}]} for n in range(links)
    }
    return chain | {f"s{links}": {"type": "string"}}
