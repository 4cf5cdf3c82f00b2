"""The Python SDK's Kafka binding, asked through its own API: how it writes an event, and what it reads in a record.

Knows the SDK, and nothing of our codec.
"""

from datetime import datetime

from cloudevents.core.bindings.kafka import (
    KafkaMessage,
    from_binary_event,
    from_structured_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.v1.event import CloudEvent

from tests.interop.examples import Example
from tests.interop.readings import Json, Reading, Refused, canonical, data_of

MODES = ("binary", "structured")


def write(example: Example, mode: str) -> KafkaMessage | Refused:
    try:
        attributes: dict[str, object] = dict(example.attributes)
        if "time" in attributes:
            attributes["time"] = datetime.fromisoformat(str(attributes["time"]))
        data = example.data.value if isinstance(example.data, Json) else example.data
        event = CloudEvent(attributes, data)  # type: ignore[arg-type]  # it takes any JSON, whatever it declares
    except Exception as problem:  # whatever it raises, nothing is written
        return Refused(f"{type(problem).__name__}: {problem}")
    return to_binary_event(event) if mode == "binary" else to_structured_event(event)


def read(message: KafkaMessage, mode: str) -> Reading | Refused:
    try:
        event = from_binary_event(message) if mode == "binary" else from_structured_event(message)
    except Exception as problem:  # whatever it raises, a reader gets no event
        return Refused(f"{type(problem).__name__}: {problem}")
    return Reading(canonical(event.get_attributes()), data_of(event.get_data(), event.get_datacontenttype()))
