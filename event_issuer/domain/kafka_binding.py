"""CloudEvents Kafka protocol binding 1.0, both ways: an event as a record's key, value and headers.

Going out: binary mode, but for data that is itself a CloudEvent, whose media type would be taken for structured mode
(§3). Coming in: either mode, and what others write without knowing of CloudEvents: plain JSON, and JSON behind the
schema id of Confluent's serialisers. A record that says the schema version which judged it was written by us; of all
others the data are looked at here. Knows no broker, no topic's settings and no contract.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from event_issuer.domain.errors import BadInput, Violation
from event_issuer.domain.events import NAME_LENGTH_MAX, CloudEvent, is_json, read_attributes
from event_issuer.domain.http_binding import Mode, mode_of
from event_issuer.domain.json_format import document_of, event_from_text, json_format
from event_issuer.domain.kafka_headers import CONTENT_TYPE, PREFIX, SCHEMA_VERSION_HEADER, Found, Headers, read_headers
from event_issuer.domain.murmur2 import murmur2
from event_issuer.domain.time import Instant, to_rfc3339
from event_issuer.domain.unreadable import Unreadable, UnreadableReason, unreadable
from event_issuer.domain.violations import VIOLATIONS_MAX

SCHEMA_ID_ATTRIBUTE: Final = "confluentschemaid"
STRUCTURED_CONTENT_TYPE: Final = b"application/cloudevents+json; charset=utf-8"

# As in the settings: just below what brokers take of one record.
DATA_BYTES_MAX: Final = 1000 * 1000
# An event in the JSON event format has its data in base64 or escaped, and beside it 6 KiB of attributes at most.
_ENVELOPE_TIMES_MAX, _ENVELOPE_BYTES_MAX = 6, 64 * 1024
# The last instant that RFC 3339 can say; a broker takes any number for a time.
INSTANT_MAX: Final[Instant] = 253_402_300_799_999_999

_EVENT_MEDIA_TYPE: Final = "application/cloudevents"
_MAGIC: Final = b"\0"  # no JSON text begins with it
_MAGIC_BYTES: Final = 5
_NAMED: Final = re.compile(rf"/[a-z0-9]{{1,{NAME_LENGTH_MAX}}}")
_REASONS: Final = {
    "/specversion": UnreadableReason.SPECVERSION,
    "/time": UnreadableReason.TIME,
    "/data": UnreadableReason.DATA,
}


class KafkaRecord(NamedTuple):
    """As it lies in a topic. A header may have no value: its attribute is not set. A tuple, because there are many."""

    topic: str
    partition: int
    offset: int
    timestamp: Instant
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class PlainRule:
    """What JSON that knows nothing of CloudEvents becomes: an event of this type, from this source."""

    type: str
    source: str


@dataclass(frozen=True, slots=True)
class RecordRules:
    """What decides how records of a topic are read. `event_type` is the one whose topic it is."""

    event_type: str
    plain: PlainRule | None = None
    data_bytes_max: int = DATA_BYTES_MAX


class ReadRecord(NamedTuple):
    """`schema_version` is None where the record does not say: it came by another way than the API."""

    event: CloudEvent
    schema_version: int | None


Outcome: TypeAlias = ReadRecord | Unreadable | None
"""None for a tombstone: a record without value and attributes, by which its key is deleted."""


def to_kafka(
    event: CloudEvent, schema_version: int | None, *, structured: bool = False
) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]:
    """The record's key, value and headers. §3.1: the key is the partitionkey, which stays an attribute, too."""
    attributes = event.attributes
    partitionkey, datacontenttype = attributes.get("partitionkey"), attributes.get("datacontenttype")
    key = None if partitionkey is None else partitionkey.encode()
    value = event.data
    if structured or _is_event_type(datacontenttype):
        headers = [(CONTENT_TYPE, STRUCTURED_CONTENT_TYPE)]
        value = json_format(event)
    else:
        headers = [(PREFIX + name, text.encode()) for name, text in attributes.items() if name != "datacontenttype"]
        if datacontenttype is not None:
            headers.append((CONTENT_TYPE, datacontenttype.encode()))
    if schema_version is not None:
        headers.append((SCHEMA_VERSION_HEADER, b"%d" % schema_version))
    return key, value, headers


def from_kafka(record: KafkaRecord, rule: PlainRule | None, *, data_bytes_max: int = DATA_BYTES_MAX) -> Outcome:
    """What the record is; of a record that is not ours, without raising. `data_bytes_max` bounds others' data."""
    found = read_headers(record.headers)
    value, content_type = record.value, found.members.get("datacontenttype")
    if value is None and not found.is_event:
        return None
    if isinstance(content_type, str) and _is_event_type(content_type):
        return _structured(record, content_type, found, data_bytes_max)
    if found.is_event:
        return _binary(record, found, data_bytes_max)
    if found.violations:
        return _refused(found.violations)
    return _plain(record, content_type, rule, data_bytes_max)


def _is_event_type(content_type: str | None) -> bool:
    return content_type is not None and content_type[: len(_EVENT_MEDIA_TYPE)].lower() == _EVENT_MEDIA_TYPE


def _binary(record: KafkaRecord, found: Found, data_bytes_max: int) -> ReadRecord | Unreadable:
    """§3.2. No value is no data; an empty value is data of no bytes, or none where these would be JSON: so the Python
    SDK writes an event without data, and so HTTP has it."""
    attributes, wrong = read_attributes(found.members)
    if found.violations or wrong:
        known = {one.path for one in found.violations}
        return _refused([*found.violations, *(one for one in wrong if one.path not in known)])
    event = CloudEvent(attributes, record.value)
    if found.schema_version is not None:
        return ReadRecord(event, found.schema_version)
    if record.value is not None:
        if not record.value and event.has_json_data:
            return ReadRecord(_keyed(CloudEvent(attributes, None), record.key), None)
        if event.has_json_data and record.value.startswith(_MAGIC):
            return _unwrapped(record, event, data_bytes_max)
        problem = _data_problem(event, data_bytes_max)
        if problem is not None:
            return problem
    return ReadRecord(_keyed(event, record.key), None)


def _structured(record: KafkaRecord, content_type: str, found: Found, data_bytes_max: int) -> ReadRecord | Unreadable:
    """§3.3. `ce_` headers are copies, and not read."""
    if mode_of(content_type) is not Mode.STRUCTURED:
        message = f"The content-type {content_type[:80]} is no event format that is read from Kafka; JSON in UTF-8 is."
        return unreadable(UnreadableReason.EVENT_FORMAT, message, "/datacontenttype")
    value, is_ours = record.value or b"", found.schema_version is not None
    if not is_ours and len(value) > _ENVELOPE_TIMES_MAX * data_bytes_max + _ENVELOPE_BYTES_MAX:
        return _too_large("record's value", len(value), data_bytes_max)
    try:
        event, _ = event_from_text(value)
    except BadInput as problem:
        if problem.violations:
            return _refused(problem.violations, value)
        reason = UnreadableReason.NOT_A_NUMBER if _has_constant(value) else UnreadableReason.ENVELOPE
        return unreadable(reason, problem.detail)
    if is_ours:
        return ReadRecord(event, found.schema_version)
    if event.data is not None and len(event.data) > data_bytes_max:
        return _too_large("data", len(event.data), data_bytes_max)
    return ReadRecord(_keyed(event, record.key), None)


def _plain(
    record: KafkaRecord, content_type: object, rule: PlainRule | None, data_bytes_max: int
) -> ReadRecord | Unreadable:
    """No CloudEvent: JSON, which the rule makes one."""
    if rule is None:
        message = "The record is no CloudEvent, and its event type has no rule for plain JSON."
        return unreadable(UnreadableReason.NO_PLAIN_RULE, message)
    if isinstance(content_type, str) and not is_json(content_type):
        message = f"The record is no CloudEvent, and its content-type is {content_type[:80]}; plain records are JSON."
        return unreadable(UnreadableReason.CONTENT_TYPE, message, "/datacontenttype")
    attributes = {
        "specversion": "1.0",
        "id": plain_id(record),
        "source": rule.source,
        "type": rule.type,
    }
    if 0 <= record.timestamp <= INSTANT_MAX:
        attributes["time"] = to_rfc3339(record.timestamp)
    event = CloudEvent(attributes, record.value)
    attributes["datacontenttype"] = "application/json"
    if event.data is not None and event.data.startswith(_MAGIC):
        return _unwrapped(record, event, data_bytes_max)
    return _data_problem(event, data_bytes_max) or ReadRecord(_keyed(event, record.key), None)


def plain_id(record: KafkaRecord) -> str:
    return f"{record.topic}-{record.partition}-{record.offset}"


def _unwrapped(record: KafkaRecord, event: CloudEvent, data_bytes_max: int) -> ReadRecord | Unreadable:
    """Confluent's wire format: a zero byte, four of the schema's id, and what the schema describes."""
    value = record.value or b""
    event.data = value[_MAGIC_BYTES:]
    problem = _data_problem(event, data_bytes_max)
    if problem is not None:
        if problem.reason is not UnreadableReason.DATA:
            return problem
        message = "The value has the zero byte of Confluent's wire format, and behind the schema's id there is no JSON."
        return unreadable(UnreadableReason.CONFLUENT_FORMAT, message, "/data")
    event.attributes.setdefault(SCHEMA_ID_ATTRIBUTE, str(int.from_bytes(value[1:_MAGIC_BYTES], "big")))
    return ReadRecord(_keyed(event, record.key), None)


def _keyed(event: CloudEvent, key: bytes | None) -> CloudEvent:
    """The event, whose partitionkey is the record's key where it has none of its own and the key can be one."""
    if not key or "partitionkey" in event.attributes:
        return event
    try:
        attributes, wrong = read_attributes({**event.attributes, "partitionkey": key.decode()})
    except UnicodeDecodeError:
        return event
    return event if wrong else CloudEvent(attributes, event.data)


def _data_problem(event: CloudEvent, data_bytes_max: int) -> Unreadable | None:
    data = event.data or b""
    if len(data) > data_bytes_max:
        return _too_large("data", len(data), data_bytes_max)
    if not event.has_json_data:
        return None
    try:
        document_of(data)
    except ValueError as problem:
        reason = UnreadableReason.NOT_A_NUMBER if _has_constant(data) else UnreadableReason.DATA
        return unreadable(reason, str(problem), "/data")
    return None


def _too_large(what: str, length: int, data_bytes_max: int) -> Unreadable:
    message = f"The {what} has {length} bytes; data of at most {data_bytes_max} are taken."
    return unreadable(UnreadableReason.TOO_LARGE, message, "/data")


def _refused(violations: Sequence[Violation], value: bytes = b"") -> Unreadable:
    """`value` is the JSON event that they are about."""
    return Unreadable(_reason(violations[0], value), tuple(violations[:VIOLATIONS_MAX]))


def _reason(first: Violation, value: bytes) -> UnreadableReason:
    if first.rule in UnreadableReason.__members__:  # told by the headers
        return UnreadableReason(first.rule)
    if first.rule == "required":
        return UnreadableReason.ATTRIBUTE_MISSING
    if first.path == "/data" and _has_constant(value):
        return UnreadableReason.NOT_A_NUMBER
    if first.path in _REASONS:
        return _REASONS[first.path]
    is_name = first.path == "" or _NAMED.fullmatch(first.path) is not None
    return UnreadableReason.ATTRIBUTE_VALUE if is_name else UnreadableReason.ATTRIBUTE_NAME


class _Constant(Exception):
    """One of NaN, Infinity and -Infinity, which only Python takes for JSON."""


def _raise_constant(_: str) -> None:
    raise _Constant


def _has_constant(text: bytes) -> bool:
    """Whether what is wrong with this JSON is a number that JSON does not have. Asked of refused texts only."""
    try:
        json.loads(text, parse_constant=_raise_constant)
    except _Constant:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def partition_of(key: bytes, count: int) -> int:
    """The partition of a key, as the Java client and those that follow it choose it. Without a key, any will do."""
    return (murmur2(key) & 0x7FFFFFFF) % count
