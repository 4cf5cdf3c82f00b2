"""Pairs of schemas and documents to judge them by, made up from a seed: versions of one event type, or strangers.

Names, numbers and texts come from small pools, so that the two versions speak about the same places. Knows nothing
of the decider and of its witnesses.
"""

import copy
import json
from collections.abc import Callable
from random import Random

Schema = dict[str, object]
Sub = Schema | bool

DRAFT_07 = "http://json-schema.org/draft-07/schema#"
DRAFT_2019_09 = "https://json-schema.org/draft/2019-09/schema"
DRAFT_2020_12 = "https://json-schema.org/draft/2020-12/schema"
DRAFTS = (DRAFT_2020_12, DRAFT_2020_12, DRAFT_07, DRAFT_2019_09)

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
NAMES = ("a", "b", "ab", "id", "")
PATTERNS = ("^a", "b$", "^[ab]+$", "^$", r"\d|a{2}", "^[a-z]{1,3}$", "^a?b*$")
FORMATS = ("date", "date-time", "email", "ipv4", "uri", "uuid", "duration", "train-number")
TEXTS = ("", "a", "b", "ab", "aa", "abb", "1", "2026-03-01", "2026-03-01T12:00:00Z", "a@b.no", "10.0.0.1", "urn:a")
NUMBERS = (-2, -1, 0, 1, 2, 3, 4, 6, 0.5, 1.5, -0.5, 1.0, 2.0, 0.1, 0.3, 1e300, 2**60)
DEPTH_MAX = 3


class Pairs:
    """An endless supply of pairs; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._draft = DRAFT_2020_12

    def pair(self) -> tuple[Schema, Schema]:
        """Two schemas in dialects of ours: mostly an edit of one another, sometimes strangers."""
        old = self.root()
        if self.random.random() < 0.15:
            return old, self.root()
        new = copy.deepcopy(old)
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            self._edit(new)
        if self.random.random() < 0.1:
            new["$schema"] = self.random.choice(DRAFTS)
        return (old, new) if self.random.random() < 0.5 else (new, old)

    def root(self) -> Schema:
        self._draft = self.random.choice(DRAFTS)
        made = self._event() if self.random.random() < 0.5 else self._keywords(0)
        shared = {"a": self._sub(1), "b": self._event() if self.random.random() < 0.3 else self._sub(2)}
        made = {"$schema": self._draft, **made}
        return made | {"definitions": shared} if "#/definitions/" in json.dumps(made) else made

    def document(self, depth: int = 0) -> object:
        """Any JSON value, from the same pools."""
        choice = self.random.random()
        if depth < DEPTH_MAX and choice < 0.35:
            names = self.random.sample(NAMES, self.random.randint(0, 3))
            return {name: self.document(depth + 1) for name in names}
        if depth < DEPTH_MAX and choice < 0.55:
            return [self.document(depth + 1) for _ in range(self.random.randint(0, 3))]
        return self._scalar()

    def documents(self, schemas: list[Schema], count: int) -> list[object]:
        """Values from the pools, and what stands in the schemas themselves, alone and put together."""
        written = [value for schema in schemas for value in _values_in(schema)]
        made: list[object] = list(written[:20])
        while len(made) < count:
            document = self.document()
            if written and self.random.random() < 0.3:
                document = {self.random.choice(NAMES): self.random.choice(written), "b": document}
            made.append(document)
        return made[:count]

    def _scalar(self) -> object:
        return self.random.choice((None, True, False, *NUMBERS, *TEXTS))

    def _event(self) -> Schema:
        """An object with typed properties, as most schemas of events are."""
        names = self.random.sample(NAMES, self.random.randint(1, 3))
        made: Schema = {"type": "object", "properties": {name: self._sub(1) for name in names}}
        if self.random.random() < 0.6:
            made["required"] = self.random.sample(names, self.random.randint(0, len(names)))
        if self.random.random() < 0.4:
            made["additionalProperties"] = self.random.choice((False, False, {"type": "string"}))
        return made

    def _sub(self, depth: int) -> Sub:
        choice = self.random.random()
        if choice < 0.08:
            return self.random.random() < 0.7
        if choice < 0.45 or depth >= DEPTH_MAX:
            return self._typed()
        if choice < 0.55:
            return {"$ref": self.random.choice(("#/definitions/a", "#/definitions/b", "#"))}
        return self._keywords(depth)

    def _typed(self) -> Schema:
        """A scalar with bounds."""
        kind = self.random.choice(TYPES[:5])
        made: Schema = {"type": kind}
        for keyword in _OF_TYPE.get(kind, ()):
            if self.random.random() < 0.25:
                made[keyword] = self._makers()[keyword](DEPTH_MAX)
        return made

    def _keywords(self, depth: int) -> Schema:
        makers = self._makers()
        chosen = self.random.sample(sorted(makers), self.random.randint(1, 3))
        return {keyword: makers[keyword](depth + 1) for keyword in chosen}

    def _edit(self, schema: Schema) -> None:
        """Change one place: drop, add or replace a keyword, a property or a required name."""
        place = self.random.choice(_schemas_in(schema))
        keywords = [key for key in place if key not in ("$schema", "definitions")]
        choice = self.random.random()
        if keywords and choice < 0.3:
            del place[self.random.choice(keywords)]
        elif choice < 0.55:
            makers = self._makers()
            keyword = self.random.choice(sorted(makers))
            place[keyword] = makers[keyword](2)
        elif choice < 0.7 and isinstance(named := place.get("properties"), dict):
            place["properties"] = named | {self.random.choice(NAMES): self._sub(2)}
        elif keywords:
            keyword = self.random.choice(keywords)
            if keyword in self._makers():
                place[keyword] = self._makers()[keyword](2)

    def _makers(self) -> dict[str, Callable[[int], object]]:
        """Every keyword of the dialect, with what makes a value for it."""
        pick = self.random.choice
        makers: dict[str, Callable[[int], object]] = {
            "type": lambda _: pick(TYPES) if self.random.random() < 0.7 else self.random.sample(TYPES, 2),
            "enum": lambda _: self._distinct(),
            "const": lambda _: self.document(2),
            "minimum": lambda _: pick(NUMBERS),
            "maximum": lambda _: pick(NUMBERS),
            "exclusiveMinimum": lambda _: pick(NUMBERS),
            "exclusiveMaximum": lambda _: pick(NUMBERS),
            "multipleOf": lambda _: pick((1, 2, 3, 4, 6, 0.5, 0.1, 1.0, 0.3, 2.5)),
            "pattern": lambda _: pick(PATTERNS),
            "format": lambda _: pick(FORMATS),
            "uniqueItems": lambda _: self.random.random() < 0.8,
            "contains": self._sub,
            "properties": lambda depth: self._by_name(NAMES, depth),
            "patternProperties": lambda depth: self._by_name(PATTERNS, depth),
            "additionalProperties": self._sub,
            "propertyNames": self._sub,
            "required": lambda _: self.random.sample(NAMES, self.random.randint(0, 2)),
            "allOf": self._several,
            "anyOf": self._several,
            "oneOf": self._several,
            "not": self._sub,
            "if": self._sub,
            "then": self._sub,
            "else": self._sub,
            "$ref": lambda _: pick(("#/definitions/a", "#/definitions/b")),
            "title": lambda _: pick(TEXTS),
        }
        for name in ("Length", "Items", "Properties"):
            makers |= {f"min{name}": lambda _: self.random.randint(0, 3), f"max{name}": lambda _: pick((0, 1, 2, 3))}
        return makers | self._makers_of_dialect()

    def _makers_of_dialect(self) -> dict[str, Callable[[int], object]]:
        required: Callable[[int], object] = lambda _: {self.random.choice(NAMES): self.random.sample(NAMES, 1)}  # noqa: E731
        arrays: dict[str, Callable[[int], object]] = {
            "items": lambda depth: self._sub(depth) if self.random.random() < 0.5 else self._several(depth),
            "additionalItems": self._sub,
            "dependencies": lambda depth: self._by_name(NAMES, depth) | {"a": ["b"]},
        }
        if self._draft == DRAFT_07:
            return arrays | {"contentEncoding": lambda _: "base64", "contentMediaType": lambda _: "application/json"}
        newer: dict[str, Callable[[int], object]] = {
            "minContains": lambda _: self.random.randint(0, 3),
            "maxContains": lambda _: self.random.randint(0, 3),
            "dependentRequired": required,
            "dependentSchemas": lambda depth: self._by_name(NAMES, depth),
            "unevaluatedItems": self._sub,
            "unevaluatedProperties": self._sub,
        }
        if self._draft == DRAFT_2019_09:
            return arrays | newer
        return newer | {"prefixItems": self._several, "items": self._sub, "dependencies": arrays["dependencies"]}

    def _several(self, depth: int) -> list[object]:
        return [self._sub(depth) for _ in range(self.random.randint(1, 3))]

    def _by_name(self, names: tuple[str, ...], depth: int) -> Schema:
        return {name: self._sub(depth) for name in self.random.sample(names, self.random.randint(1, 2))}

    def _distinct(self) -> list[object]:
        found = {json.dumps(value, sort_keys=True): value for value in (self.document(2) for _ in range(3))}
        return list(found.values())


_OF_TYPE = {
    "integer": ("minimum", "maximum", "multipleOf", "exclusiveMaximum"),
    "number": ("minimum", "maximum", "multipleOf", "exclusiveMinimum"),
    "string": ("minLength", "maxLength", "pattern", "format", "enum"),
}


_MAPS = ("properties", "patternProperties", "dependentSchemas", "dependencies", "definitions")
_NO_SCHEMAS = ("const", "enum", "dependentRequired")


def _schemas_in(schema: Schema) -> list[Schema]:
    """Every schema in the schema that is an object, itself first."""
    found = [schema]
    for place in found:  # grows while it is walked
        for keyword, value in place.items():
            if keyword in _NO_SCHEMAS:
                continue
            inside = list(value.values()) if keyword in _MAPS and isinstance(value, dict) else [value]
            for member in inside:
                found += [item for item in (member if isinstance(member, list) else [member]) if isinstance(item, dict)]
    return found


def _values_in(schema: Schema) -> list[object]:
    found: list[object] = []
    for place in _schemas_in(schema):
        found += [place["const"]] if "const" in place else []
        options = place.get("enum")
        found += options if isinstance(options, list) else []
    return found
