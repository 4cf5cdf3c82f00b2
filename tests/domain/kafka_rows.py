"""The checklist of the Kafka binding: section, what lies in a topic, and what it is.

CloudEvents 1.0: "kafka" is the Kafka protocol binding, "core" the specification itself, "json" the JSON event format.
A row's record is at offset 7 of partition 2 of the topic `trains`, written on 1 March 2026. It is an event (attributes
beside the required four, data as bytes), a tombstone (None), or unreadable: the reason, the path of the first violation
and words of its message.
"""

from dataclasses import dataclass, field

from event_issuer.domain.kafka_binding import KafkaRecord, PlainRule
from event_issuer.domain.unreadable import UnreadableReason as Reason

REQUIRED = {"specversion": "1.0", "id": "1", "source": "/s", "type": "a.b"}
HEADERS = {f"ce_{name}": value for name, value in REQUIRED.items()}
JSON_EVENT = b'"specversion":"1.0","id":"1","source":"/s","type":"a.b"'
STRUCTURED = "application/cloudevents+json"
TIME = 1_772_366_096_789_000
RULE = PlainRule("a.b", "//kafka/trains")
PLAIN = {
    "specversion": "1.0",
    "id": "trains-2-7",
    "source": "//kafka/trains",
    "type": "a.b",
    "time": "2026-03-01T11:54:56.789000Z",
    "datacontenttype": "application/json",
}
JSON = "application/json"


@dataclass(frozen=True)
class Event:
    attributes: dict[str, str] = field(default_factory=dict)
    data: bytes | None = None
    schema_version: int | None = None


@dataclass(frozen=True)
class Plain:
    """An event that the rule made; these attributes are added, or not there (None)."""

    data: bytes
    more: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Bad:
    reason: Reason
    path: str
    words: str


Expected = Event | Plain | Bad | None


@dataclass(frozen=True)
class Row:
    section: str
    says: str
    record: KafkaRecord
    expected: Expected
    rule: PlainRule | None = RULE


def lying(value: bytes | None, *headers: tuple[str, bytes | None], key: bytes | None = None) -> KafkaRecord:
    return KafkaRecord("trains", 2, 7, TIME, key, value, headers)


def binary(
    section: str,
    says: str,
    expected: Expected,
    value: bytes | None = None,
    *more: tuple[str, bytes | None],
    key: bytes | None = None,
    **changed: str | None,
) -> Row:
    """`changed` are headers by their names; `content_type` is content-type; None removes one."""
    headers = {**HEADERS, **{"content-type" if k == "content_type" else k: v for k, v in changed.items()}}
    written = [(name, text.encode()) for name, text in headers.items() if text is not None]
    return Row(section, says, lying(value, *written, *more, key=key), expected)


def structured(
    section: str, says: str, expected: Expected, *members: str, whole: bytes | None = None, type_: str = STRUCTURED
) -> Row:
    value = b"{" + b",".join([JSON_EVENT, *(member.encode() for member in members)]) + b"}" if whole is None else whole
    return Row(section, says, lying(value, ("content-type", type_.encode())), expected)


BINARY_ROWS = [
    binary("kafka 3.2.3", "the four required attributes are enough", Event()),
    binary(
        "kafka 3.2.3", "every attribute has a header", Event({"subject": "x", "ext": "y"}), ce_subject="x", ce_ext="y"
    ),
    binary("kafka 3.2.3", "values are UTF-8", Event({"ext": "Å € \U0001f600"}), ce_ext="Å € \U0001f600"),
    binary("kafka 3.2.3", "and not percent-encoded", Event({"ext": "%41"}), ce_ext="%41"),
    binary("kafka 3.2.3", "an empty extension is one", Event({"ext": ""}), ce_ext=""),
    binary(
        "kafka 3.2.3",
        "no other encoding",
        Bad(Reason.HEADER_NOT_UTF8, "/ext", "ce_ext is not UTF-8"),
        None,
        ("ce_ext", b"\xe5"),
    ),
    binary(
        "kafka 3.2.3",
        "surrogates are no UTF-8",
        Bad(Reason.HEADER_NOT_UTF8, "/ext", "ce_ext is not UTF-8"),
        None,
        ("ce_ext", b"\xed\xa0\x80"),
    ),
    binary("kafka 3.2.3", "a header without a value sets nothing", Event(), None, ("ce_ext", None)),
    binary(
        "kafka 3.2.3",
        "nor what is required",
        Bad(Reason.ATTRIBUTE_MISSING, "/id", "id is missing"),
        None,
        ("ce_id", None),
        ce_id=None,
    ),
    binary(
        "kafka 3.2.3",
        "each header once",
        Bad(Reason.HEADER_TWICE, "/id", "ce_id occurs more than once"),
        None,
        ("ce_id", b"1"),
    ),
    binary(
        "kafka 3.2.3",
        "the content type, too, in whatever case",
        Bad(Reason.HEADER_TWICE, "/datacontenttype", "Content-Type occurs more than once"),
        b"{}",
        ("Content-Type", b"application/json"),
        content_type=JSON,
    ),
    binary("kafka 3.2.3", "other headers are the writer's own", Event(), None, ("traceparent", b"\xff"), ("ce", b"x")),
    binary(
        "kafka 3.2.3.1",
        "names have letters and digits only",
        Bad(Reason.ATTRIBUTE_NAME, "/my-ext", "no attribute name"),
        None,
        ("ce_my-ext", b"x"),
    ),
    binary(
        "kafka 3.2.3.1",
        "in lower case",
        Bad(Reason.ATTRIBUTE_NAME, "/Ext", "no attribute name"),
        None,
        ("ce_Ext", b"x"),
    ),
    binary(
        "kafka 3.2.3",
        "in UTF-8, unlike this one as Python can hold it",
        Bad(Reason.ATTRIBUTE_NAME, "/\\udcff", "no attribute name"),
        None,
        ("ce_\udcff", b"x"),
    ),
    binary("kafka 3.2.3", "unlike this one, which is no attribute's", Event(), None, ("\udcff", b"x")),
    binary("kafka 3.2.3.1", "at least one", Bad(Reason.ATTRIBUTE_NAME, "/", "no attribute name"), None, ("ce_", b"x")),
    binary(
        "kafka 3.2.3.1",
        "data is the value",
        Bad(Reason.ATTRIBUTE_NAME, "/data", "the record's value"),
        None,
        ("ce_data", b"x"),
    ),
    binary(
        "kafka 3.2.1",
        "datacontenttype is content-type",
        Bad(Reason.ATTRIBUTE_NAME, "/datacontenttype", "the header content-type"),
        None,
        ("ce_datacontenttype", b"text/xml"),
    ),
    binary(
        "kafka 3.2.1",
        "content-type is datacontenttype",
        Event({"datacontenttype": "text/xml; charset=utf-8"}, b"<a/>"),
        b"<a/>",
        content_type="text/xml; charset=utf-8",
    ),
    binary("kafka 3.2.1", "without it there is none", Event({}, b"{}"), b"{}"),
    binary(
        "kafka 3.2.1",
        "written as in HTTP",
        Event({"datacontenttype": JSON}, b"{}"),
        b"{}",
        ("Content-Type", JSON.encode()),
    ),
    binary(
        "kafka 3.2.1",
        "it is a media type",
        Bad(Reason.ATTRIBUTE_VALUE, "/datacontenttype", "media type"),
        b"{}",
        content_type="json",
    ),
    binary("kafka 3.2.2", "the value is the data as it is", Event({}, b' {"a":1e2}\n'), b' {"a":1e2}\n'),
    binary("kafka 3.2.2", "no value is no data", Event({"datacontenttype": JSON}, None), None, content_type=JSON),
    binary(
        "kafka 3.2.2",
        "an empty value is data",
        Event({"datacontenttype": "text/plain"}, b""),
        b"",
        content_type="text/plain",
    ),
    binary("kafka 3.2.2", "but where it would be JSON: then it is none", Event(), b""),
    binary("kafka 3.2.2", "said or not", Event({"datacontenttype": JSON}), b"", content_type=JSON),
    binary(
        "kafka 3.2.2",
        "bytes of another type are not read",
        Event({"datacontenttype": "image/png"}, b"\x00\xff"),
        b"\x00\xff",
        content_type="image/png",
    ),
    binary("kafka 3.2.2", "JSON that is none", Bad(Reason.DATA, "/data", "not JSON"), b"{"),
    binary("kafka 3.2.2", "a name twice", Bad(Reason.DATA, "/data", "the name 'a' twice"), b'{"a":1,"a":1}'),
    binary("kafka 3.2.2", "NaN", Bad(Reason.NOT_A_NUMBER, "/data", "not JSON"), b'{"a":NaN}'),
    binary("kafka 3.2.2", "Infinity", Bad(Reason.NOT_A_NUMBER, "/data", "not JSON"), b"[-Infinity]", content_type=JSON),
    binary("kafka 3.2.2", "NaN in a text is text", Event({}, b'"NaN"'), b'"NaN"'),
    binary("kafka 3.2.2", "nested too deep", Bad(Reason.DATA, "/data", "more than 64 levels"), b"[" * 65 + b"]" * 65),
    binary("kafka 3.2.2", "nested beyond any parser", Bad(Reason.DATA, "/data", "not JSON"), b"[" * 100_000),
    binary(
        "kafka 3.1",
        "the key is the partitionkey of an event without one",
        Event({"partitionkey": "å7"}),
        key="å7".encode(),
    ),
    binary(
        "kafka 3.1",
        "it does not take the place of another",
        Event({"partitionkey": "own"}),
        key=b"k",
        ce_partitionkey="own",
    ),
    binary("kafka 3.1", "a key of bytes is none", Event(), key=b"\xff\x00"),
    binary("kafka 3.1", "nor one that no attribute can be", Event(), key=b"\x00\x00\x00\x00\x01"),
    binary("kafka 3.1", "nor an empty one", Event(), key=b""),
    binary("kafka 3.1", "nor one that is too long", Event(), key=b"k" * 2049),
    binary("core 3.1.1", "id is required", Bad(Reason.ATTRIBUTE_MISSING, "/id", "id is missing"), ce_id=None),
    binary(
        "core 3.1.1",
        "source is required",
        Bad(Reason.ATTRIBUTE_MISSING, "/source", "source is missing"),
        ce_source=None,
    ),
    binary("core 3.1.1", "type is required", Bad(Reason.ATTRIBUTE_MISSING, "/type", "type is missing"), ce_type=None),
    binary(
        "core 3.1.1",
        "specversion is required",
        Bad(Reason.ATTRIBUTE_MISSING, "/specversion", "is missing"),
        ce_specversion=None,
    ),
    binary(
        "core 3.1.1",
        "specversion is 1.0",
        Bad(Reason.SPECVERSION, "/specversion", "specversion is 1.0"),
        ce_specversion="0.3",
    ),
    binary(
        "core 3.1.1",
        "source is a URI-reference",
        Bad(Reason.ATTRIBUTE_VALUE, "/source", "URI-reference"),
        ce_source="a b",
    ),
    binary("core 3.1.1", "id is not empty", Bad(Reason.ATTRIBUTE_VALUE, "/id", "is not empty"), ce_id=""),
    binary("core 3.1.2", "time is RFC 3339", Bad(Reason.TIME, "/time", "RFC 3339"), ce_time="2026-11-24 10:00"),
    binary(
        "core 3.1.2",
        "with digits that survive",
        Event({"time": "2026-11-24T10:00:00.1234567+01:00"}),
        ce_time="2026-11-24T10:00:00.1234567+01:00",
    ),
    binary(
        "core 3.1", "no control characters", Bad(Reason.ATTRIBUTE_VALUE, "/ext", "control character"), ce_ext="a\r\nb"
    ),
    binary("core 3.1", "no value without end", Bad(Reason.ATTRIBUTE_VALUE, "/ext", "at most 2048"), ce_ext="x" * 2049),
    binary(
        "core 3.1",
        "no attributes without end",
        Bad(Reason.ATTRIBUTE_VALUE, "", "at most 6144"),
        None,
        *((f"ce_ext{n}", b"x" * 2048) for n in range(3)),
    ),
    binary("ours", "the schema version that judged it", Event({}, b"{}", 12), b"{}", ("ei_schemaversion", b"12")),
    *(
        binary("ours", f"a version {value!r} is none", Event({}, b"{}"), b"{}", ("ei_schemaversion", value))
        for value in (b"", b"0", b"-1", b"1.0", b"2147483648", b"\xd9\xa3", None)
    ),
    binary(
        "ours", "two versions are none", Event({}, b"{}"), b"{}", ("ei_schemaversion", b"1"), ("ei_schemaversion", b"2")
    ),
]

STRUCTURED_ROWS = [
    structured(
        "kafka 3.3",
        "the whole event is the value",
        Event({"ext": "true"}, b'{"a": 1}'),
        '"ext":true',
        '"data":{"a": 1}',
    ),
    structured("kafka 3.3.1", "with a charset", Event(), type_=f"{STRUCTURED}; charset=UTF-8"),
    structured("kafka 3", "in any case", Event(), type_="Application/CloudEvents+JSON"),
    structured("kafka 3", "without +json, JSON is meant", Event(), type_="application/cloudevents"),
    structured(
        "kafka 1.3",
        "Kafka has no batches",
        Bad(Reason.EVENT_FORMAT, "/datacontenttype", "no event format"),
        whole=b"[]",
        type_="application/cloudevents-batch+json",
    ),
    structured(
        "kafka 3",
        "no other format",
        Bad(Reason.EVENT_FORMAT, "/datacontenttype", "application/cloudevents+avro"),
        type_="application/cloudevents+avro",
    ),
    structured(
        "kafka 3",
        "no other charset",
        Bad(Reason.EVENT_FORMAT, "/datacontenttype", "UTF-8"),
        type_=f"{STRUCTURED}; charset=latin1",
    ),
    Row(
        "kafka 3.3.3",
        "ce_ headers are copies, and not read",
        lying(b"{" + JSON_EVENT + b"}", ("content-type", STRUCTURED.encode()), ("ce_id", b"2"), ("ce_id", b"\xff")),
        Event(),
    ),
    Row(
        "kafka 3.1",
        "the key counts here, too",
        lying(b"{" + JSON_EVENT + b"}", ("content-type", STRUCTURED.encode()), key=b"4711"),
        Event({"partitionkey": "4711"}),
    ),
    Row(
        "kafka 3.3.2",
        "no value and ce_ headers: no event",
        lying(None, ("content-type", STRUCTURED.encode()), ("ce_id", b"1")),
        Bad(Reason.ENVELOPE, "", "no JSON"),
    ),
    structured("json 3", "an event is an object", Bad(Reason.ENVELOPE, "", "not an array"), whole=b"[]"),
    structured("json 3", "an event is JSON", Bad(Reason.ENVELOPE, "", "no JSON"), whole=b"{"),
    structured("json 3", "without NaN", Bad(Reason.NOT_A_NUMBER, "", "no JSON"), '"data":NaN'),
    structured("json 3", "a name twice", Bad(Reason.ENVELOPE, "", "the name 'id' twice"), '"id":"2"'),
    structured(
        "core 3.1.1",
        "id is required here, too",
        Bad(Reason.ATTRIBUTE_MISSING, "/id", "id is missing"),
        whole=b'{"specversion":"1.0","source":"/s","type":"a.b"}',
    ),
    structured("core 3.1", "names, too", Bad(Reason.ATTRIBUTE_NAME, "/my_ext", "no attribute name"), '"my_ext":"x"'),
    structured("core 3.1", "a name of a path", Bad(Reason.ATTRIBUTE_NAME, "/a~1b", "no attribute name"), '"a/b":"x"'),
    structured(
        "core 3.1",
        "a number that is too big",
        Bad(Reason.ATTRIBUTE_VALUE, "/ext", "32-bit integer"),
        '"ext":2147483648',
    ),
    structured("core 3.1.2", "time, too", Bad(Reason.TIME, "/time", "RFC 3339"), '"time":"yesterday"'),
    structured("json 3.1.2", "base64 that is none", Bad(Reason.DATA, "/data", "base64"), '"data_base64":"AP8"'),
    structured(
        "json 3.1.1",
        "data that is too deep",
        Bad(Reason.DATA, "/data", "more than 64"),
        '"data":' + "[" * 65 + "]" * 65,
    ),
]
