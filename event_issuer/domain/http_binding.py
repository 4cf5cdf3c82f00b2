"""CloudEvents HTTP binding 1.0.2, both ways: an event as header lines and a body.

Going out: binary mode where a receiver can verify and read it; structured mode where it could not: an event without
data (nothing goes out with an empty body), data that is not UTF-8 text, and data that is itself a CloudEvent (by its
media type it would be taken for structured mode, §3). Knows nothing of connections, signatures or retries.
"""

import re
from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

from event_issuer.domain.errors import Violation
from event_issuer.domain.events import CloudEvent, ReadEvent, malformed, read_attributes
from event_issuer.domain.json_format import document_of, json_format
from event_issuer.domain.violations import pointer_token, violation

STRUCTURED_MEDIA_TYPE = b"application/cloudevents+json; charset=utf-8"
BATCH_MEDIA_TYPE = b"application/cloudevents-batch+json; charset=utf-8"

# §3.1.3.2: space, double quote, percent and everything outside U+0021..U+007E are percent-encoded as UTF-8.
_ENCODED = re.compile(r"[^\x21\x23\x24\x26-\x7e]")


# RFC 7230 §3.2.6, which the binding asks to unescape first.
_QUOTED_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_QUOTED_PAIR = re.compile(r"\\(.)")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

_PREFIX: Final = b"ce-"
_MEDIA_TYPE: Final = "application/cloudevents"
_NOT_A_HEADER: Final = {
    "data": "the body",
    "data_base64": "the body",
    "datacontenttype": "the header Content-Type",
}

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Names in lower case, as ASGI has them."""


class Mode(Enum):
    """§3: how events stand in a message, which its Content-Type tells."""

    BINARY = "binary"
    STRUCTURED = "structured"
    BATCH = "batch"


class Wire(NamedTuple):
    """`head` is complete header lines, each ending in CRLF; `body` what they describe."""

    head: bytes
    body: bytes


def outgoing(event: CloudEvent) -> Wire:
    data = event.data
    if not data or not _is_text(data) or _is_cloudevent(event.attributes.get("datacontenttype")):
        return structured(event)
    return binary(event, data)


def binary(event: CloudEvent, data: bytes) -> Wire:
    """§3.1: every attribute but datacontenttype becomes a `ce-` header; the data is the body, unchanged."""
    attributes = event.attributes
    if _ENCODED.search("".join(attributes.values())) is not None:  # most events have nothing to encode
        attributes = {
            name: value if name == "datacontenttype" else _encode(value) for name, value in attributes.items()
        }
    lines = [f"ce-{name}: {value}\r\n" for name, value in attributes.items() if name != "datacontenttype"]
    lines.append(f"content-type: {attributes.get('datacontenttype', 'application/json')}\r\n")
    return Wire("".join(lines).encode("latin-1"), data)


def structured(event: CloudEvent) -> Wire:
    """§3.2: the whole event as one JSON document (JSON event format)."""
    return Wire(b"content-type: " + STRUCTURED_MEDIA_TYPE + b"\r\n", json_format(event))


def batched(events: Sequence[bytes]) -> Wire:
    """§3.3: events, each in the JSON event format, as one JSON array (JSON event format §4)."""
    return Wire(b"content-type: " + BATCH_MEDIA_TYPE + b"\r\n", b"[" + b",".join(events) + b"]")


def _is_cloudevent(datacontenttype: str | None) -> bool:
    return datacontenttype is not None and datacontenttype.lower().startswith("application/cloudevents")


def _encode(value: str) -> str:
    return _ENCODED.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), value)


def _is_text(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def mode_of(content_type: str | None) -> Mode | None:
    """None for an event format that is not JSON in UTF-8. Without a `+json`, JSON is meant."""
    name, *parameters = (part.strip().lower() for part in (content_type or "").split(";"))
    if not name.startswith(_MEDIA_TYPE):
        return Mode.BINARY
    charsets = {part.removeprefix("charset=").strip('"') for part in parameters if part.startswith("charset=")}
    if not charsets <= {"utf-8", "utf8"}:
        return None
    return _MODES.get(name.removeprefix(_MEDIA_TYPE))


_MODES: Final = {"": Mode.STRUCTURED, "+json": Mode.STRUCTURED, "-batch": Mode.BATCH, "-batch+json": Mode.BATCH}


def incoming(headers: Headers, body: bytes) -> ReadEvent:
    """§3.1: binary mode. An empty body is no data. Raises BadInput with every violation found."""
    members, violations = _members(headers)
    attributes, wrong = read_attributes(members)
    violations += [found for found in wrong if found.path not in {known.path for known in violations}]
    event, document = CloudEvent(attributes, body or None), None
    if body and not violations and event.has_json_data:
        try:
            document = document_of(body)
        except ValueError as problem:
            violations.append(violation("/data", "data", str(problem)))
    if violations:
        raise malformed(violations)
    return ReadEvent(event, document)


def _members(headers: Headers) -> tuple[dict[str, object], list[Violation]]:
    members: dict[str, object] = {}
    found: list[Violation] = []
    for header, value in headers:
        if header.startswith(_PREFIX):
            name = header[len(_PREFIX) :].decode("latin-1")
            if name in _NOT_A_HEADER:
                found.append(_header_violation(name, f"{name} is {_NOT_A_HEADER[name]}, not a header ce-{name}."))
                continue
        elif header == b"content-type":
            name = "datacontenttype"
        else:
            continue
        if name in members:
            found.append(_header_violation(name, f"The header {header.decode('latin-1')} occurs more than once."))
        try:
            members[name] = value.decode("ascii") if name == "datacontenttype" else _decode(value)
        except ValueError as problem:
            members[name] = None
            found.append(_header_violation(name, f"The header {header.decode('latin-1')} {_reason(problem)}"))
    return members, found


def _header_violation(name: str, message: str) -> Violation:
    return violation(f"/{pointer_token(name)}", "header", message)


def _reason(problem: ValueError) -> str:
    if isinstance(problem, UnicodeDecodeError):
        return "is not UTF-8, percent-encoded where it is not printable ASCII (HTTP binding §3.1.3.2)."
    return str(problem)


def _decode(value: bytes) -> str:
    """§3.1.3.2, decoding: a quoted string is unescaped, then one round of percent-decoding, then UTF-8."""
    text = value.decode("ascii")
    quoted = _QUOTED_STRING.fullmatch(text)
    if quoted is not None:
        text = _QUOTED_PAIR.sub(r"\1", quoted[1])
    if "%" not in text:
        return text
    if _BROKEN_ESCAPE.search(text) is not None:
        raise ValueError("has a % without two hexadecimal digits behind it; a % itself is %25.")
    return unquote_to_bytes(text).decode()
