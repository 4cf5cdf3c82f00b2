"""Our Kafka binding and the Python SDK's write the same events and read each other's records, but for what is here."""

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage

from event_issuer.domain.events import ReadEvent
from event_issuer.domain.json_format import document_of
from event_issuer.domain.kafka_binding import KafkaRecord, ReadRecord, from_kafka, to_kafka
from tests.interop import kafka_sdk
from tests.interop.examples import EXAMPLES, Example, attribute
from tests.interop.kafka_sdk import MODES
from tests.interop.readings import Differs, Refused, difference

WRITTEN = {**EXAMPLES, "partitionkey": attribute(partitionkey="å 4711")}
INVENTS_TIME = {("no time", mode): Differs.ATTRIBUTES for mode in MODES}
CUTS_TIME = {("time: seven digits", mode): Differs.ATTRIBUTES for mode in MODES}
NO_LEAP_SECOND = {("time: a leap second", mode): Differs.THEY_REFUSE for mode in MODES}

# What the SDK writes is not what was meant.
THEIRS: dict[tuple[str, str], Differs] = {
    **INVENTS_TIME,
    **CUTS_TIME,
    **NO_LEAP_SECOND,
    # A boolean is written as Python prints it.
    ("extension: true", "binary"): Differs.ATTRIBUTES,
    ("extension: false", "binary"): Differs.ATTRIBUTES,
    # Of JSON only objects are; the rest is written as Python prints it, or, being false, not at all.
    ("array of strings", "binary"): Differs.WE_REFUSE,
    ("string", "binary"): Differs.WE_REFUSE,
    ("true", "binary"): Differs.WE_REFUSE,
    ("false", "binary"): Differs.WE_REFUSE,
    ("empty string", "binary"): Differs.DATA,
    ("string that spells JSON", "binary"): Differs.DATA,
    ("string that spells a number", "binary"): Differs.DATA,
    **{("null", mode): Differs.DATA for mode in MODES},
    # Other JSON types are none to it.
    ("JSON that is no application", "structured"): Differs.DATA,
    ("JSON in upper case", "structured"): Differs.DATA,
    # Written in binary mode, it reads as structured mode: the inner event.
    ("an event as data", "binary"): Differs.BOTH,
}
# What the SDK reads is not what we wrote.
OURS: dict[tuple[str, str], Differs] = {
    **INVENTS_TIME,
    **CUTS_TIME,
    **NO_LEAP_SECOND,
    ("null", "binary"): Differs.DATA,
    ("null", "structured"): Differs.DATA,
    ("JSON that is no application", "binary"): Differs.DATA,
    ("JSON in upper case", "binary"): Differs.DATA,
    ("empty text", "binary"): Differs.DATA,
    # We write it in structured mode whatever was asked.
    ("an event as data", "binary"): Differs.THEY_REFUSE,
}


def read(message: KafkaMessage) -> ReadEvent | Refused:
    key = message.key.encode() if isinstance(message.key, str) else message.key
    found = from_kafka(KafkaRecord("t", 0, 0, 0, key, message.value, list(message.headers.items())), None)
    if not isinstance(found, ReadRecord):
        return Refused(repr(found))
    data = found.event.data
    return ReadEvent(found.event, document_of(data) if data is not None and found.event.has_json_data else None)


def theirs(example: Example, mode: str) -> Differs | None:
    message = kafka_sdk.write(example, mode)
    if isinstance(message, Refused):
        return Differs.THEY_REFUSE
    return difference(example.meant, read(message))


def ours(example: Example, mode: str) -> Differs | None:
    key, value, headers = to_kafka(example.event.event, None, structured=mode == "structured")
    # It expects some value; a client that has none gives it an empty one.
    return difference(kafka_sdk.read(KafkaMessage(dict(headers), key, value or b""), mode), example.event)


@pytest.mark.parametrize(("compare", "explained"), [(theirs, THEIRS), (ours, OURS)], ids=["we read", "they read"])
def test_every_difference_is_explained(compare: object, explained: dict[tuple[str, str], Differs]) -> None:
    assert callable(compare)
    found = {(name, mode): compare(example, mode) for name, example in WRITTEN.items() for mode in MODES}
    assert {case: differs for case, differs in found.items() if differs is not None} == explained
    assert len(found) >= 80


def test_a_key_without_the_attribute_is_the_partitionkey_for_both() -> None:
    message = kafka_sdk.write(attribute(), "binary")
    assert isinstance(message, KafkaMessage)
    keyed = KafkaMessage(message.headers, b"k", message.value)
    mine, other = read(keyed), kafka_sdk.read(keyed, "binary")
    assert not isinstance(mine, Refused)
    assert not isinstance(other, Refused)
    assert mine.event.partitionkey == other.attributes["partitionkey"] == "k"


def test_the_attribute_stays_ours_where_the_key_is_another() -> None:
    message = kafka_sdk.write(attribute(partitionkey="own"), "binary")
    assert isinstance(message, KafkaMessage)
    keyed = KafkaMessage(message.headers, b"other", message.value)
    mine, other = read(keyed), kafka_sdk.read(keyed, "binary")
    assert not isinstance(mine, Refused)
    assert not isinstance(other, Refused)
    assert (mine.event.partitionkey, other.attributes["partitionkey"]) == ("own", "other")
