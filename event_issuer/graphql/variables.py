"""Variables, which a face may hand over as JSON text: each is read as what its type in the operation is.

An event stays text for whoever judges it: its data goes into the log as the producer wrote it, and no event of a batch
is parsed before its turn. Everything else is parsed here. Knows no resolver and no HTTP.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from graphql import NonNullTypeNode, OperationDefinitionNode, TypeNode
from graphql.language import ListTypeNode, NamedTypeNode
from msgspec import Raw

from event_issuer.domain.json_text import parse_json

EVENT_TYPE: Final = "CloudEvent"

_ITEMS: Final = msgspec.json.Decoder(list[Raw])
_NULL: Final = Raw(b"null")


def read_variables(operation: OperationDefinitionNode, given: Mapping[str, object]) -> dict[str, object]:
    """Values for the executor: parsed JSON, and a `Raw` for each event. Raises BadInput for what is no JSON."""
    events = {
        definition.variable.name.value
        for definition in operation.variable_definitions or ()
        if _is_of_events(definition.type)
    }
    return {
        name: _read(value, is_of_events=name in events) if isinstance(value, Raw) else value
        for name, value in given.items()
    }


def _is_of_events(type_: TypeNode) -> bool:
    while isinstance(type_, NonNullTypeNode | ListTypeNode):
        type_ = type_.type
    return isinstance(type_, NamedTypeNode) and type_.name.value == EVENT_TYPE


def _read(raw: Raw, *, is_of_events: bool) -> object:
    text = bytes(raw)
    if is_of_events and text.startswith(b"["):
        return [None if item == _NULL else item for item in _ITEMS.decode(text)]
    if is_of_events and text.startswith(b"{"):
        return raw
    return parse_json(text)
