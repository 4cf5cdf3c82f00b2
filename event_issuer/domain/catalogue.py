"""The catalogue as it is published: event types with their schemas, and what one caller may do with each.

What the documents in `asyncapi.py` and `xregistry.py` are made of. Knows no table, no face, and not who asks.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from event_issuer.domain.access import Audience
from event_issuer.domain.dialects import DEFAULT_DIALECT, Dialect, dialect_named
from event_issuer.domain.json_text import render_json
from event_issuer.domain.time import Instant


@dataclass(frozen=True, slots=True)
class ListedSchema:
    """`definition` and `example` are JSON as it was registered."""

    version: int
    definition: str
    example: str | None
    created_at: Instant

    def parsed(self) -> dict[str, object]:
        """A copy of the schema that the caller may change."""
        definition: dict[str, object] = json.loads(self.definition)
        return definition


@dataclass(frozen=True, slots=True)
class ListedType:
    """One event type; `schemas` are the versions that are shown, the oldest first, one or more."""

    name: str
    description: str
    owner: str
    audience: Audience
    compatibility: str
    is_deprecated: bool
    sunset_at: Instant | None
    created_at: Instant
    may_consume: bool
    may_produce: bool
    schemas: Sequence[ListedSchema]

    @property
    def latest(self) -> ListedSchema:
        return self.schemas[-1]


def rendered(value: object) -> orjson.Fragment:
    """A part of a document as JSON: rendered part by part, a large one holds neither memory nor the processor long."""
    return orjson.Fragment(render_json(value))


def dialect_of(definition: dict[str, object]) -> Dialect:
    """The dialect of a registered schema, which is one of ours."""
    return dialect_named(definition.get("$schema", DEFAULT_DIALECT.uri)) or DEFAULT_DIALECT


def dialect_version(dialect: Dialect) -> str:
    """What AsyncAPI and xRegistry call it by: `draft-07`, `2019-09`, `2020-12`."""
    return dialect.uri.removesuffix("/schema").rpartition("/")[2]
