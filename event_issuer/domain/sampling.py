"""A document that keeps a schema, made up: what a test event says where its event type has no example.

Belongs into a process that can be killed, as all that is done with strangers' schemas but judging.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Final

from event_issuer.domain.compatibility_pairs import pair_of
from event_issuer.domain.contracts import EXAMPLE_BYTES_MAX, Contract
from event_issuer.domain.dialects import DEFAULT_DIALECT, dialect_named
from event_issuer.domain.generating import Generator
from event_issuer.domain.json_values import json_bytes, json_document

_PLAIN: Final[tuple[object, ...]] = ({}, [], "", 0, False, None)  # where nothing was made


def sample_of(definition: Mapping[str, object]) -> str | None:
    """As JSON, no longer than an example may be; None where none was found. `definition` has passed
    `check_definition`."""
    dialect = dialect_named(definition.get("$schema", DEFAULT_DIALECT.uri))
    assert dialect is not None
    form = pair_of((definition, dialect), (definition, dialect))
    contract = Contract(dict(definition))
    for document in chain(Generator(form.definitions).documents(form.old), _PLAIN):
        text = _written(document)
        if text is not None and len(text) <= EXAMPLE_BYTES_MAX and contract.accepts(json_document(text)):
            return text.decode()
    return None


def _written(document: object) -> bytes | None:
    try:
        return json_bytes(document)
    except ValueError:  # what JSON does not have: text that is not Unicode
        return None
