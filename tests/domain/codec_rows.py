"""The checklist of the codec: section of the specification, what comes in, and what it is.

CloudEvents 1.0.2: "core" is the specification itself, "json" the JSON event format, "http" the HTTP binding. A row's
message is a request as an HTTP producer sends it. It is either an event (attributes beside the required four, data as
bytes) or a refusal: the path of the first violation and words of its message.
"""

from dataclasses import dataclass, field

REQUIRED = {"specversion": "1.0", "id": "1", "source": "/s", "type": "a.b"}
JSON_TYPE = {"datacontenttype": "application/json"}
HEADERS = {f"ce-{name}": value for name, value in REQUIRED.items()}
JSON_EVENT = '"specversion":"1.0","id":"1","source":"/s","type":"a.b"'

STRUCTURED = "application/cloudevents+json"


@dataclass(frozen=True)
class Event:
    attributes: dict[str, str] = field(default_factory=dict)
    data: bytes | None = None


@dataclass(frozen=True)
class Refusal:
    path: str
    words: str


@dataclass(frozen=True)
class Row:
    section: str
    says: str
    headers: dict[str, str | bytes]
    body: bytes
    expected: Event | Refusal


def binary(section: str, says: str, expected: Event | Refusal, body: bytes = b"", **more: str | bytes | None) -> Row:
    """`more` are headers (`_` is `-`); None removes one."""
    headers: dict[str, str | bytes | None] = {
        **HEADERS,
        **{name.replace("_", "-"): text for name, text in more.items()},
    }
    return Row(section, says, {name: text for name, text in headers.items() if text is not None}, body, expected)


def json_event(section: str, says: str, expected: Event | Refusal, *members: str, whole: bytes | None = None) -> Row:
    """Structured mode: the required attributes and these members, or `whole` as it is."""
    body = ("{" + ",".join([JSON_EVENT, *members]) + "}").encode() if whole is None else whole
    return Row(section, says, {"content-type": STRUCTURED}, body, expected)


def extension(section: str, says: str, header: str | bytes, value: str) -> Row:
    return binary(section, says, Event({"ext": value}), ce_ext=header)


NOT_UTF_8 = "is not UTF-8"
WRONG_TYPE = "is a string, a boolean or a 32-bit integer"

ROWS = [
    # Core §3.1: attributes, their names and types
    binary("core 3.1.1", "the four required attributes are enough", Event()),
    binary("core 3.1.1", "id is required", Refusal("/id", "id is missing"), ce_id=None),
    binary("core 3.1.1", "source is required", Refusal("/source", "source is missing"), ce_source=None),
    binary("core 3.1.1", "type is required", Refusal("/type", "type is missing"), ce_type=None),
    binary("core 3.1.1", "specversion is required", Refusal("/specversion", "is missing"), ce_specversion=None),
    binary("core 3.1.1", "specversion is 1.0", Refusal("/specversion", "specversion is 1.0"), ce_specversion="0.3"),
    binary("core 3.1.1", "id is not empty", Refusal("/id", "is not empty"), ce_id=""),
    binary("core 3.1.1", "type is not empty", Refusal("/type", "is not empty"), ce_type=""),
    binary("core 3.1.1", "source is not empty", Refusal("/source", "non-empty URI-reference"), ce_source=""),
    binary("core 3.1.1", "source is a URI-reference", Event({"source": "mailto:a@b"}), ce_source="mailto:a@b"),
    binary("core 3.1.1", "source has no space", Refusal("/source", "URI-reference"), ce_source="a%20b"),
    binary("core 3.1", "names are lower case: headers have no case", Event({"trace": "x"}), ce_trace="x"),
    binary("core 3.1", "names have letters and digits only", Refusal("/my-ext", "no attribute name"), ce_my_ext="x"),
    json_event("core 3.1", "an upper-case name is refused", Refusal("/Ext", "no attribute name"), '"Ext":"x"'),
    json_event("core 3.1", "an empty name is refused", Refusal("/", "no attribute name"), '"":"x"'),
    json_event("core 3.1", "Boolean: canonical form", Event({"ext": "true"}), '"ext":true'),
    json_event("core 3.1", "Integer: canonical form", Event({"ext": "-2147483648"}), '"ext":-2147483648'),
    json_event("core 3.1", "Integer: the largest", Event({"ext": "2147483647"}), '"ext":2147483647'),
    json_event("core 3.1", "Integer: beyond 32 bits", Refusal("/ext", WRONG_TYPE), '"ext":2147483648'),
    json_event("core 3.1", "no fractions", Refusal("/ext", WRONG_TYPE), '"ext":1.5'),
    json_event("core 3.1", "1.0 is no integer literal", Refusal("/ext", WRONG_TYPE), '"ext":1.0'),
    json_event("core 3.1", "no objects", Refusal("/ext", WRONG_TYPE), '"ext":{}'),
    json_event("core 3.1", "no arrays", Refusal("/ext", WRONG_TYPE), '"ext":[]'),
    json_event("core 3.1", "String: control characters", Refusal("/ext", "control character"), '"ext":"a\\u0007"'),
    json_event("core 3.1", "String: C1 controls", Refusal("/ext", "control character"), '"ext":"\\u0085"'),
    json_event("core 3.1", "String: noncharacters", Refusal("/ext", "noncharacter"), '"ext":"\\uffff"'),
    json_event("core 3.1", "String: beyond the BMP", Event({"ext": "\U0001f686"}), '"ext":"\\ud83d\\ude86"'),
    json_event("core 3.1", "String: half a pair", Refusal("", "no JSON"), '"ext":"\\ud83d"'),
    json_event("core 3.1.2", "time is RFC 3339", Refusal("/time", "RFC 3339"), '"time":"2026-11-24 10:00"'),
    json_event("core 3.1.2", "time has an offset", Refusal("/time", "RFC 3339"), '"time":"2026-11-24T10:00:00"'),
    json_event("core 3.1.2", "time exists", Refusal("/time", "RFC 3339"), '"time":"2026-02-30T10:00:00Z"'),
    json_event(
        "core 3.1.2",
        "7-digit fractions survive",
        Event({"time": "2026-11-24T10:00:00.1234567+01:00"}),
        '"time":"2026-11-24T10:00:00.1234567+01:00"',
    ),
    json_event(
        "core 3.1.2",
        "a leap second at the end of a day",
        Event({"time": "2016-12-31T23:59:60Z"}),
        '"time":"2016-12-31T23:59:60Z"',
    ),
    json_event("core 3.1.2", "subject is not empty", Refusal("/subject", "is not empty"), '"subject":""'),
    json_event("core 3.1.2", "dataschema is absolute", Refusal("/dataschema", "absolute URI"), '"dataschema":"/a"'),
    json_event(
        "core 3.1.2",
        "datacontenttype is a media type",
        Refusal("/datacontenttype", "media type"),
        '"datacontenttype":"json"',
    ),
    # JSON event format
    json_event("json 2.2", "a null attribute is unset", Event(), '"subject":null'),
    json_event(
        "json 2.2",
        "a null required attribute is missing",
        Refusal("/id", "id is missing"),
        whole=b'{"specversion":"1.0","id":null,"source":"/s","type":"a.b"}',
    ),
    json_event("json 2.4", "an absent datacontenttype is JSON", Event(data=b'{"a":1}'), '"data":{"a":1}'),
    json_event("json 3.1.1", "data null is the document null", Event(data=b"null"), '"data":null'),
    json_event("json 3.1.1", "absent data is no data", Event(data=None)),
    json_event("json 3.1.1", "data may be a string", Event(data=b'"a"'), '"data":"a"'),
    json_event("json 3.1.1", "data may be a number", Event(data=b"1e2"), '"data":1e2'),
    json_event("json 3.1.1", "data may be a boolean", Event(data=b"false"), '"data":false'),
    json_event("json 3.1.1", "data may be an array", Event(data=b"[1,[ ]]"), '"data":[1,[ ]]'),
    json_event("json 3.1.1", "data keeps its white space", Event(data=b'{ "a" :\t1 }'), '"data": { "a" :\t1 } '),
    json_event(
        "json 3.1.1",
        "data keeps its order and escapes",
        Event(data=b'{"b":"\\u00e5","a":1}'),
        '"data":{"b":"\\u00e5","a":1}',
    ),
    json_event(
        "json 3.1.1",
        "data keeps big integers",
        Event(data=b"12345678901234567890123"),
        '"data":12345678901234567890123',
    ),
    json_event(
        "json 3.1.1",
        "JSON by suffix",
        Event({"datacontenttype": "application/x+json"}, b"1"),
        '"datacontenttype":"application/x+json","data":1',
    ),
    json_event(
        "json 3.1.1",
        "JSON in any case",
        Event({"datacontenttype": "Text/JSON"}, b"1"),
        '"datacontenttype":"Text/JSON","data":1',
    ),
    json_event(
        "json 3.1.1",
        "text of another type",
        Event({"datacontenttype": "text/xml"}, b"<a/>"),
        '"datacontenttype":"text/xml","data":"<a/>"',
    ),
    json_event(
        "json 3.1.1",
        "no object of another type",
        Refusal("/data", "is a string or data_base64"),
        '"datacontenttype":"text/xml","data":{}',
    ),
    json_event(
        "json 3.1.1",
        "no text of another charset",
        Refusal("/data", "written in UTF-8"),
        '"datacontenttype":"text/xml;charset=iso-8859-1","data":"\u00e5"',
    ),
    json_event(
        "json 3.1.2",
        "data_base64 is bytes",
        Event({"datacontenttype": "image/png"}, b"\x00\xff"),
        '"datacontenttype":"image/png","data_base64":"AP8="',
    ),
    json_event("json 3.1.2", "data_base64 of JSON", Event(data=b'{"a":1}'), '"data_base64":"eyJhIjoxfQ=="'),
    json_event("json 3.1.2", "data_base64 of what is no JSON", Refusal("/data", "not JSON"), '"data_base64":"AP8="'),
    json_event("json 3.1.2", "data_base64 is base64", Refusal("/data", "base64"), '"data_base64":"AP8"'),
    json_event("json 3.1.2", "data_base64 is a string", Refusal("/data", "base64"), '"data_base64":7'),
    json_event("json 3.1.2", "not both", Refusal("/data", "not both"), '"data":1,"data_base64":"AP8="'),
    json_event("json 3.1.2", "both, one of them null", Event(data=b"1"), '"data":1,"data_base64":null'),
    json_event("RFC 8259 4", "a name twice in the event", Refusal("", "the name 'id' twice"), '"id":"2"'),
    json_event(
        "RFC 8259 4", "a name twice in the data", Refusal("/data", "the name 'a' twice"), '"data":{"a":1,"a":1}'
    ),
    json_event(
        "RFC 8259 4",
        "a name twice, once escaped",
        Refusal("/data", "the name 'a' twice"),
        '"data":[{"a":1,"\\u0061":1}]',
    ),
    json_event("RFC 8259 6", "no NaN", Refusal("", "no JSON"), '"data":NaN'),
    json_event("RFC 8259 6", "no Infinity", Refusal("", "no JSON"), '"data":[-Infinity]'),
    json_event("RFC 8259 6", "no number beyond a double", Refusal("/data", "infinity"), '"data":1e400'),
    json_event(
        "RFC 8259 8.1",
        "UTF-8 only",
        Refusal("/data", "not JSON"),
        whole=b"{" + JSON_EVENT.encode() + b',"data":"\xff"}',
    ),
    json_event(
        "RFC 8259 8.1",
        "UTF-8 in attributes, too",
        Refusal("", "no JSON"),
        whole=b"{" + JSON_EVENT.encode() + b',"ext":"\xff"}',
    ),
    json_event(
        "RFC 8259 8.1",
        "no byte order mark",
        Refusal("", "no JSON"),
        whole=b"\xef\xbb\xbf{" + JSON_EVENT.encode() + b"}",
    ),
    json_event(
        "RFC 8259 9", "nesting is bounded", Refusal("/data", "more than 64 levels"), '"data":' + "[" * 65 + "]" * 65
    ),
    json_event("json 3", "an event is an object", Refusal("", "not an array"), whole=b"[]"),
    # HTTP binding, binary mode
    binary(
        "http 3.1.1", "Content-Type is datacontenttype", Event(JSON_TYPE, b"{}"), b"{}", content_type="application/json"
    ),
    binary(
        "http 3.1.1",
        "its parameters stay",
        Event({"datacontenttype": "text/xml; charset=utf-8"}, b"<a/>"),
        b"<a/>",
        content_type="text/xml; charset=utf-8",
    ),
    binary(
        "http 3.1.1",
        "ce-datacontenttype is none",
        Refusal("/datacontenttype", "Content-Type"),
        ce_datacontenttype="text/xml",
    ),
    binary(
        "http 3.1.2",
        "the body is the data as it is",
        Event(JSON_TYPE, b' {"a":1e2}\n'),
        b' {"a":1e2}\n',
        content_type="application/json",
    ),
    binary("http 3.1.2", "an empty body is no data", Event(JSON_TYPE, None), b"", content_type="application/json"),
    binary(
        "http 3.1.2",
        "bytes of another type are not read",
        Event({"datacontenttype": "image/png"}, b"\xff\x00"),
        b"\xff\x00",
        content_type="image/png",
    ),
    binary("http 3.1.2", "JSON that is none", Refusal("/data", "not JSON"), b"{", content_type="application/json"),
    binary("http 3.1.2", "data is no header", Refusal("/data", "the body"), ce_data="x"),
    extension("http 3.1.3.2", "percent-decoding", "Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u20ac \U0001f600"),
    extension("http 3.1.3.2", "lower-case digits, too", "%e2%82%ac", "\u20ac"),
    extension("http 3.1.3.2", "one round only", "%2541", "%41"),
    extension("http 3.1.3.2", "plus is no space", "a+b", "a+b"),
    extension("http 3.1.3.2", "what need not be encoded may be", "%61b", "ab"),
    extension("http 3.1.3.2", "a quoted string", '"a b"', "a b"),
    extension("http 3.1.3.2", "a quoted string with quoted pairs", '"a \\"b\\" \\\\"', 'a "b" \\'),
    extension("http 3.1.3.2", "unescaped before it is decoded", '"a%22b"', 'a"b'),
    binary("http 3.1.3.2", "half an escape", Refusal("/ext", "two hexadecimal digits"), ce_ext="100%"),
    binary("http 3.1.3.2", "no hexadecimal digits", Refusal("/ext", "two hexadecimal digits"), ce_ext="%ZZ"),
    binary("http 3.1.3.2", "invalid UTF-8", Refusal("/ext", NOT_UTF_8), ce_ext="%FF"),
    binary("http 3.1.3.2", "overlong UTF-8", Refusal("/ext", NOT_UTF_8), ce_ext="%C0%AF"),
    binary("http 3.1.3.2", "surrogates in UTF-8", Refusal("/ext", NOT_UTF_8), ce_ext="%ED%A0%80"),
    binary("http 3.1.3.2", "raw bytes beyond ASCII", Refusal("/ext", NOT_UTF_8), ce_ext=b"\xc3\xa5"),
    binary("http 3.1.3.2", "an encoded control character", Refusal("/ext", "control character"), ce_ext="a%0Ab"),
    # HTTP binding, structured mode
    Row(
        "http 3.2.3",
        "ce- headers are copies, and not read",
        {**HEADERS, "ce-id": "other", "content-type": STRUCTURED},
        b"{" + JSON_EVENT.encode() + b"}",
        Event(),
    ),
    Row(
        "http 3.2.1",
        "a charset",
        {"content-type": f"{STRUCTURED}; charset=UTF-8"},
        b"{" + JSON_EVENT.encode() + b"}",
        Event(),
    ),
    Row(
        "http 3",
        "in any case",
        {"content-type": "Application/CloudEvents+JSON"},
        b"{" + JSON_EVENT.encode() + b"}",
        Event(),
    ),
    Row(
        "http 3",
        "without +json, JSON is meant",
        {"content-type": "application/cloudevents"},
        b"{" + JSON_EVENT.encode() + b"}",
        Event(),
    ),
]
