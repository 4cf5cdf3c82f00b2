"""The JSON event format of CloudEvents 1.0.2: an event as one JSON object, in and out.

An event comes as text, or as values that somebody else has parsed already. JSON data is never printed anew where there
is a text: it stays the bytes that the producer wrote. Knows no wire that carries the format, and no contract.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import msgspec
import orjson
from msgspec import Raw

from event_issuer.domain.errors import BadInput
from event_issuer.domain.events import (
    CloudEvent,
    ReadEvent,
    agrees_with_utf8,
    is_json,
    malformed,
    read_attributes,
    shown,
)
from event_issuer.domain.json_values import distinct_names, is_same_text, json_bytes, json_document, json_type
from event_issuer.domain.violations import violation

_T = TypeVar("_T")
_R = TypeVar("_R")

_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_VALUE: Final = msgspec.json.Decoder()
_NOT_READ: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_event(value: object) -> ReadEvent:
    """From an event's text (a `Raw`), from parsed JSON, or what was read already.

    Raises BadInput with every violation found.
    """
    if isinstance(value, ReadEvent):
        return value
    return event_from_text(bytes(value)) if isinstance(value, Raw) else event_from_json(value)


def event_from_text(text: bytes) -> ReadEvent:
    return event_from_json(_members(text))


def event_from_json(value: object) -> ReadEvent:
    """`value` is parsed JSON; its data may still be text, a `Raw`."""
    if not isinstance(value, dict):
        raise BadInput(f"A CloudEvent is a JSON object, not {json_type(value)}.")
    attributes, violations = read_attributes(value)
    event, document = CloudEvent(attributes, None), None
    if not violations:
        try:
            event.data, document = _data(attributes.get("datacontenttype"), value)
        except ValueError as problem:
            violations.append(violation("/data", "data", str(problem)))
    if violations:
        raise malformed(violations)
    return ReadEvent(event, document)


def json_format(event: CloudEvent) -> bytes:
    """JSON data is embedded as the bytes it came in, other data as text or base64. So is JSON under a type that says
    another charset than UTF-8: its reader would refuse it as a member."""
    members: dict[str, object] = dict(event.attributes)
    if event.data is not None:
        if event.has_json_data and agrees_with_utf8(event.attributes.get("datacontenttype"), event.data):
            members["data"] = orjson.Fragment(event.data)
        else:
            members["data" if event.text is not None else "data_base64"] = event.string
    return orjson.dumps(members)


def _members(text: bytes) -> dict[str, object]:
    """Parsed, but for the data. Raises BadInput for what is no JSON object, and where a name occurs twice: readers
    differ on which one counts."""
    try:
        raw = _MEMBERS.decode(text)
        members = {name: member if name == "data" else _VALUE.decode(member) for name, member in raw.items()}
    except _NOT_READ:
        raise _unreadable(text) from None
    if not is_same_text(msgspec.json.encode(raw), text):
        try:
            json.loads(text, object_pairs_hook=distinct_names)
        except (ValueError, RecursionError) as problem:
            raise BadInput(f"The CloudEvent is not well formed: {problem}.") from None
    return members


def _unreadable(text: bytes) -> BadInput:
    try:
        return BadInput(f"A CloudEvent is a JSON object, not {json_type(orjson.loads(text))}.")
    except orjson.JSONDecodeError as problem:
        return BadInput(f"The CloudEvent is no JSON: {problem}.")


def _data(datacontenttype: str | None, members: Mapping[str, object]) -> tuple[bytes | None, object]:
    """JSON event format §3.1.1: `data` is a JSON value (or text where the type is not JSON), `data_base64` is bytes.

    A null `data` of JSON type is the document null; a null `data_base64` is none.
    """
    value, encoded = members.get("data"), members.get("data_base64")
    if encoded is not None:
        if value is not None and value != _NULL:
            raise ValueError("An event has data or data_base64, not both.")
        raw = _decoded(encoded)
        return raw, document_of(raw) if is_json(datacontenttype) else None
    if "data" not in members:
        return None, None
    if is_json(datacontenttype):
        if isinstance(value, Raw):
            written = bytes(value)
            value = document_of(written)
        else:
            written = _judged(json_bytes, value)
    else:
        text = _parsed(value) if isinstance(value, Raw) else value
        if text is None:
            return None, None
        written, value = _text_bytes(datacontenttype, text), None
    if not agrees_with_utf8(datacontenttype, written):
        raise ValueError(f"data is written in UTF-8; what {shown(datacontenttype)} asks for goes as data_base64.")
    return written, value


_NULL: Final = Raw(b"null")


def document_of(data: bytes) -> object:
    """The JSON document that data spells. Raises ValueError with a whole sentence."""
    return _judged(json_document, data)


def _parsed(raw: Raw) -> object:
    try:
        return _VALUE.decode(raw)
    except _NOT_READ:
        raise ValueError("data is no JSON, which has to be UTF-8.") from None


def _judged(convert: Callable[[_T], _R], value: _T) -> _R:
    try:
        return convert(value)
    except ValueError as problem:
        raise ValueError(f"data is {problem}.") from None


def _text_bytes(datacontenttype: str | None, text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError(f"data of type {shown(datacontenttype)} is a string or data_base64, not {json_type(text)}.")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError("data has an unpaired surrogate.") from None


def _decoded(encoded: object) -> bytes:
    try:
        if isinstance(encoded, str):
            return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise ValueError("data_base64 is a string in base64 (RFC 4648 §4).")
