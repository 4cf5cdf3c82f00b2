"""HTTP messages as both sides see them: header lines and a body, from our codec's checklist, from us, from an SDK.

Header values are Latin-1, as servers hand them over. Knows our codec, and no SDK.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from event_issuer.domain.errors import BadInput
from event_issuer.domain.events import ReadEvent
from event_issuer.domain.http_binding import Mode, Wire, incoming, mode_of
from event_issuer.domain.json_format import event_from_text
from tests.domain.codec_rows import ROWS, Row
from tests.interop.readings import Refused


@dataclass(frozen=True)
class Message:
    headers: Mapping[str, str]
    body: bytes

    @property
    def has_time(self) -> bool:
        return "ce-time" in self.headers or b'"time"' in self.body

    def json(self) -> dict[str, object]:
        return {"headers": dict(self.headers), "body": base64.b64encode(self.body).decode()}

    @classmethod
    def from_json(cls, members: Mapping[str, object]) -> "Message":
        headers, body = members["headers"], members["body"]
        assert isinstance(headers, dict)
        assert isinstance(body, str)
        return cls(headers, base64.b64decode(body))


def message_of_row(row: Row) -> Message:
    values = {name: text if isinstance(text, bytes) else text.encode() for name, text in row.headers.items()}
    return Message({name: value.decode("latin-1") for name, value in values.items()}, row.body)


def message_of_wire(wire: Wire) -> Message:
    lines = wire.head.decode("latin-1").removesuffix("\r\n").split("\r\n")
    return Message(dict(_header(line) for line in lines), wire.body)


def _header(line: str) -> tuple[str, str]:
    """RFC 7230 §3.2.4: the white space around a value is no part of it."""
    name, value = line.split(":", 1)
    return name, value.strip(" \t")


def read_by_us(message: Message) -> ReadEvent | Refused:
    """As the HTTP producing endpoint reads a single event."""
    mode = mode_of(message.headers.get("content-type"))
    try:
        if mode is Mode.STRUCTURED:
            return event_from_text(message.body)
        if mode is Mode.BINARY:
            headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in message.headers.items()]
            return incoming(headers, message.body)
    except BadInput as problem:
        return Refused(problem.detail)
    return Refused(f"no mode of a single event: {message.headers.get('content-type')}")


ROW_MESSAGES: Final = {f"{row.section}: {row.says}": message_of_row(row) for row in ROWS}
