"""CloudEvents HTTP binding 1.0.2, outgoing: an event as header lines and a body.

Binary mode where a receiver can verify and read it; structured mode where it could not: an event without data (nothing
goes out with an empty body), data that is not UTF-8 text, and data that is itself a CloudEvent (by its media type it
would be taken for structured mode, §3). Knows nothing of connections, signatures or retries.
"""

import re
from typing import NamedTuple

from event_issuer.domain.events import CloudEvent
from event_issuer.domain.json_format import json_format

STRUCTURED_MEDIA_TYPE = b"application/cloudevents+json; charset=utf-8"

# §3.1.3.2: space, double quote, percent and everything outside U+0021..U+007E are percent-encoded as UTF-8.
_ENCODED = re.compile(r"[^\x21\x23\x24\x26-\x7e]")


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
