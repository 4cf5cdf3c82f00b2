"""The Python SDK, asked through its own API: what it makes of a message, and how it writes an event.

Knows the SDK, and nothing of our codec.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from tests.interop.examples import Example
from tests.interop.messages import Message
from tests.interop.readings import Json, Reading, Refused, canonical, data_of

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def read(message: Message) -> Reading | Refused:
    before = datetime.now(UTC)
    try:
        event = from_http_event(HTTPMessage(dict(message.headers), message.body))
    except Exception as problem:  # whatever it raises, a receiver gets no event
        return Refused(f"{type(problem).__name__}: {problem}")
    invented = _invented(event, before)
    attributes = {name: value for name, value in event.get_attributes().items() if name not in invented}
    return Reading(canonical(attributes), data_of(event.get_data(), event.get_datacontenttype()), invented)


def _invented(event: BaseCloudEvent, before: datetime) -> frozenset[str]:
    """A time that is now; an id that is a UUID, which no message here has."""
    time, now = event.get_time(), datetime.now(UTC)
    found = {"time"} if time is not None and before <= time <= now else set()
    return frozenset(found | ({"id"} if _UUID.fullmatch(event.get_id()) else set()))


def write(example: Example) -> Mapping[str, Message | Refused]:
    """By mode. Its API takes `time` as a datetime, data as a JSON value, text or bytes."""
    try:
        attributes: dict[str, object] = dict(example.attributes)
        if "time" in attributes:
            attributes["time"] = datetime.fromisoformat(str(attributes["time"]))
        data = example.data.value if isinstance(example.data, Json) else example.data
        event = CloudEvent(attributes, data)  # type: ignore[arg-type]  # it takes any JSON, whatever it declares
    except Exception as problem:
        refused = Refused(f"{type(problem).__name__}: {problem}")
        return {"binary": refused, "structured": refused}
    written = {"binary": to_binary_event(event), "structured": to_structured_event(event)}
    return {mode: Message(message.headers, message.body) for mode, message in written.items()}
