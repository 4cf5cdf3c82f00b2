"""Events that every codec writes for the others to read. They are well formed: what differs lies in the writing.

`Example.event` is what is meant; an SDK is given the attributes and the data through its own API.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from event_issuer.domain.events import ReadEvent
from event_issuer.domain.http_binding import outgoing, structured
from event_issuer.domain.json_format import event_from_json
from tests.interop.messages import Message, message_of_wire
from tests.interop.readings import Data, Json, Reading, canonical

Attribute: TypeAlias = str | bool | int
TIME = "2026-11-24T10:00:00Z"
BASE: Final[Mapping[str, Attribute]] = {"specversion": "1.0", "id": "1", "source": "/s", "type": "a.b", "time": TIME}


@dataclass(frozen=True)
class Example:
    attributes: Mapping[str, Attribute]
    data: Data

    @property
    def event(self) -> ReadEvent:
        return event_from_json({**self.attributes, **self._members()})

    @property
    def meant(self) -> Reading:
        return Reading(canonical(self.attributes), self.data)

    def _members(self) -> dict[str, object]:
        match self.data:
            case None:
                return {}
            case bytes():
                return {"data_base64": base64.b64encode(self.data).decode()}
            case Json(value):
                return {"data": value}
            case text:
                return {"data": text}


def attribute(**more: Attribute) -> Example:
    return Example({**BASE, "datacontenttype": "application/json", **more}, Json({"a": 1}))


def text(value: str, datacontenttype: str = "text/plain") -> Example:
    return Example({**BASE, "datacontenttype": datacontenttype}, value)


def document(value: object, datacontenttype: str = "application/json") -> Example:
    return Example({**BASE, "datacontenttype": datacontenttype}, Json(value))


def binary(value: bytes, datacontenttype: str = "application/octet-stream") -> Example:
    return Example({**BASE, "datacontenttype": datacontenttype}, value)


INNER = {"specversion": "1.0", "id": "inner", "source": "/x", "type": "y"}

EXAMPLES: Final[Mapping[str, Example]] = {
    "no data": Example(BASE, None),
    "no time": Example({name: value for name, value in BASE.items() if name != "time"}, Json({"a": 1})),
    "every attribute": Example(
        {
            **BASE,
            "subject": "OSL",
            "dataschema": "https://example.com/schema/1",
            "datacontenttype": "application/json",
            "partitionkey": "807",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        },
        Json({"track": 3}),
    ),
    # Attributes
    "time: microseconds and an offset": attribute(time="2026-03-01T12:34:56.123456+01:00"),
    "time: milliseconds": attribute(time="2026-03-01T12:34:56.120Z"),
    "time: seven digits": attribute(time="2026-03-01T12:34:56.1234567Z"),
    "time: a negative offset": attribute(time="2026-03-01T12:34:56-03:30"),
    "time: long ago": attribute(time="1814-05-17T12:00:00Z"),
    "time: a leap second": attribute(time="2016-12-31T23:59:60Z"),
    "subject: a space": attribute(subject="Oslo S"),
    "subject: spaces around": attribute(subject=" x "),
    "subject: a percent sign": attribute(subject="100 %"),
    "subject: a percent-encoded text": attribute(subject="%41"),
    "subject: quotes": attribute(subject='"ja"'),
    "subject: a backslash": attribute(subject="a\\b"),
    "subject: a plus sign": attribute(subject="a+b"),
    "subject: Latin letters": attribute(subject="Ålesund"),
    "subject: the euro sign": attribute(subject="€"),
    "subject: beyond the BMP": attribute(subject="\U0001f686"),
    "subject: a no-break space": attribute(subject="a\u00a0b"),
    "id: not ASCII": attribute(id="tog-æ"),
    "source: an absolute URI": attribute(source="https://example.com/trains?line=L1#top"),
    "source: percent-encoded": attribute(source="/tog%20nr"),
    "source: a URN": attribute(source="urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66"),
    "extension: true": attribute(ext=True),
    "extension: false": attribute(ext=False),
    "extension: zero": attribute(ext=0),
    "extension: a negative integer": attribute(ext=-5),
    "extension: an empty string": attribute(ext=""),
    "extension: digits in the name": attribute(ext1="x"),
    # JSON data
    "object": document({"a": {"b": [1, "x", None, True]}}),
    "object without a type": Example(BASE, Json({"a": 1})),
    "empty object": document({}),
    "array": document([1, [], {}]),
    "array of strings": document(["a", None]),
    "string": document("a"),
    "empty string": document(""),
    "string that spells JSON": document('{"a":1}'),
    "string that spells a number": document("7"),
    "integer": document(7),
    "zero": document(0),
    "fraction": document(0.1),
    "integer beyond 2^53": document({"n": 2**53 + 1}),
    "integer beyond 64 bits": document({"n": 2**70 + 1}),
    "true": document(True),
    "false": document(False),
    "null": document(None),
    "letters beyond ASCII": document({"æ": "Ålesund € \U0001f686"}),
    "JSON by suffix": document({"a": 1}, "application/vnd.train+json"),
    "JSON that is no application": document({"a": 1}, "model/gltf+json"),
    "JSON in upper case": document({"a": 1}, "Application/JSON"),
    "JSON with a charset": document({"a": 1}, "application/json; charset=utf-8"),
    "JSON as bytes": binary(b'{"a":1}', "application/json"),
    "an event as data": document(INNER, "application/cloudevents+json"),
    # Other data
    "text": text("a"),
    "empty text": text(""),
    "text that spells JSON": text('{"a":1}'),
    "text that spells base64": text("AAAA"),
    "text beyond ASCII": text("Ålesund € \U0001f686"),
    "XML": text("<a>Å</a>", "application/xml"),
    "XML by suffix, whose name has json": text("<a/>", "application/x-json-like+xml"),
    "bytes": binary(b"\x00\xff"),
    "bytes that spell text": binary(b"abc"),
    "bytes of an image": binary(b"\x89PNG\r\n\x1a\n\x00", "image/png"),
    "bytes in another charset": binary(b"\xc5", "text/plain; charset=iso-8859-1"),
}


def written_by_us() -> dict[str, Message]:
    """Each example as a webhook sends it, and in structured mode where that is another message."""
    found: dict[str, Message] = {}
    for name, example in EXAMPLES.items():
        event = example.event.event
        if (sent := outgoing(event)) != structured(event):
            found[f"{name}, binary"] = message_of_wire(sent)
        found[f"{name}, structured"] = message_of_wire(structured(event))
    return found
