"""A schema registry as it is read for event types: whole schemas, one request after another, until a deadline.

What a schema refers to is asked for and made part of it. Knows no event types and no tables.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from event_issuer.domain.bundling import Document, Key, bundle
from event_issuer.domain.compatibility import CompatibilityMode
from event_issuer.domain.contracts import encode_definition
from event_issuer.domain.errors import BadInput, Conflict, LimitExceeded, NotFound, SchemaInvalid, Unavailable
from event_issuer.domain.json_text import parse_json
from event_issuer.domain.subjects import Theirs, said_here
from event_issuer.egress.schema_registry import JSON_SCHEMA, RegisteredSchema, SchemaRegistry

REFERENCES_MAX: Final = 50  # schemas that one refers to, directly or not: each is a request
DEFAULT_LEVEL: Final = CompatibilityMode.BACKWARD  # of a registry that does not tell

Answer = TypeVar("Answer")


class RegistrySession:
    """For one operation. `seconds` are for all its requests together; after them it raises Unavailable.

    `is_away`: the registry has not answered, or wants no more requests; whoever has more to ask leaves it.
    """

    def __init__(self, client: SchemaRegistry, url: str, seconds: float) -> None:
        self.url = url
        self.is_away = False
        self._client, self._seconds = client, seconds
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._read: dict[Key, RegisteredSchema] = {}

    async def subjects(self) -> list[str]:
        return sorted(await self._told(self._asked().subjects()))

    async def versions(self, subject: str) -> list[int]:
        """The numbers of its versions, the oldest first; none where it is not there."""
        self._read.clear()
        try:
            return await self._told(self._asked().versions(subject))
        except NotFound:
            return []

    async def mode(self, subject: str) -> CompatibilityMode:
        """What the registry asks of a next version of the subject. Raises BadInput for a mode that is none of ours."""
        try:
            level = await self._told(self._asked().compatibility(subject))
        except NotFound:
            return DEFAULT_LEVEL
        try:
            return CompatibilityMode(level)
        except ValueError:
            raise BadInput(f"The registry asks for the compatibility {level!r:.80}; say which mode to take.") from None

    async def read(self, subject: str, number: int) -> Theirs:
        """One version, with all that it refers to inside. Raises SchemaInvalid for what can be no contract."""
        root = await self._schema((subject, number))
        others: dict[Key, Document] = {}
        document = _document(root)
        waiting = list(document.references.values())
        while waiting:
            key = waiting.pop()
            if key in others:
                continue
            if len(others) >= REFERENCES_MAX:
                raise SchemaInvalid(f"It refers to more than {REFERENCES_MAX} other schemas.")
            others[key] = _document(await self._schema(key))
            waiting += others[key].references.values()
        definition = bundle(document, dict(sorted(others.items())))
        return Theirs(number, root.id, definition)

    async def register(self, subject: str, definition: str) -> tuple[int, int]:
        """Number and schema id of the version that the definition is now. Raises Conflict where others register, too.

        The other refusals are those of `SchemaRegistry.register`.
        """
        id_ = await self._told(self._asked().register(subject, definition))
        latest = await self._told(self._asked().schema(subject))
        if latest.id != id_:
            raise Conflict(f"Others register schemas of {subject} at the same time; look at them and try again.")
        return latest.version, id_

    async def _schema(self, key: Key) -> RegisteredSchema:
        if key not in self._read:
            self._read[key] = await self._told(self._asked().schema(*key))
        return self._read[key]

    def _asked(self) -> SchemaRegistry:
        if asyncio.get_running_loop().time() >= self._deadline:
            self.is_away = True
            raise Unavailable(
                f"The schema registry is slow: its answers have taken {self._seconds:g} s. Go on from here."
            )
        return self._client

    async def _told(self, answer: Awaitable[Answer]) -> Answer:
        try:
            return await answer
        except (Unavailable, LimitExceeded):
            self.is_away = True
            raise


def _document(found: RegisteredSchema) -> Document:
    """Raises SchemaInvalid."""
    if found.type != JSON_SCHEMA:
        raise SchemaInvalid(f"{found.subject} is of the type {found.type:.40}; only JSON Schema is taken.")
    try:
        definition = parse_json(found.definition.encode())
    except BadInput as problem:
        raise SchemaInvalid(f"{found.subject} cannot be read: {problem.detail}") from None
    if not isinstance(definition, dict):
        raise SchemaInvalid(f"{found.subject} is true or false, which promises nothing; a contract is a JSON object.")
    encode_definition(definition)  # bounds its size and its depth before it is taken apart
    references = {one.name: (one.subject, one.version) for one in found.references}
    return Document(said_here(definition), references)
