"""The checklist of what is written to topics without CloudEvents, or around them: plain JSON, Confluent's wire format.

Rows as in `kafka_rows`.
"""

from event_issuer.domain.kafka_binding import PlainRule
from event_issuer.domain.unreadable import UnreadableReason as Reason
from tests.domain.kafka_rows import RULE, STRUCTURED, Bad, Event, Expected, Plain, Row, binary, lying

SCHEMA_9 = b"\x00\x00\x00\x00\x09"


def plain(
    says: str,
    expected: Expected,
    value: bytes | None,
    *headers: tuple[str, bytes | None],
    key: bytes | None = None,
    rule: PlainRule | None = RULE,
) -> Row:
    return Row("others", says, lying(value, *headers, key=key), expected, rule)


OTHERS_ROWS = [
    plain("no value: the key is deleted", None, None, key=b"4711"),
    plain("with or without a rule", None, None, key=b"4711", rule=None),
    plain("or a content type", None, None, ("content-type", STRUCTURED.encode()), key=b"4711"),
    plain("plain JSON is an event by the rule", Plain(b'{"a": 1e2}'), b'{"a": 1e2}'),
    plain("of any kind", Plain(b"null"), b"null"),
    plain("its key is the partitionkey", Plain(b"{}", {"partitionkey": "4711"}), b"{}", key=b"4711"),
    plain("its content type may say so", Plain(b"{}"), b"{}", ("content-type", b"text/json; charset=utf-8")),
    plain(
        "or that it is something else",
        Bad(Reason.CONTENT_TYPE, "/datacontenttype", "is text/csv"),
        b"1",
        ("content-type", b"text/csv"),
    ),
    plain(
        "or nothing that can be read",
        Bad(Reason.HEADER_NOT_UTF8, "/datacontenttype", "not UTF-8"),
        b"1",
        ("content-type", b"\xff"),
    ),
    plain("our version says nothing of it", Plain(b"{}"), b"{}", ("ei_schemaversion", b"1")),
    plain("without a rule it is none", Bad(Reason.NO_PLAIN_RULE, "", "no rule for plain JSON"), b"{}", rule=None),
    plain("text is no JSON", Bad(Reason.DATA, "/data", "not JSON"), b"hello"),
    plain("nothing is no JSON", Bad(Reason.DATA, "/data", "not JSON"), b""),
    plain("NaN is no JSON", Bad(Reason.NOT_A_NUMBER, "/data", "not JSON"), b'{"a":[NaN]}'),
    plain("JSON behind a schema id", Plain(b'{"a":1}', {"confluentschemaid": "9"}), SCHEMA_9 + b'{"a":1}'),
    plain("without a rule it is none, either", Bad(Reason.NO_PLAIN_RULE, "", "no rule"), SCHEMA_9 + b"{}", rule=None),
    plain(
        "Avro behind a schema id", Bad(Reason.CONFLUENT_FORMAT, "/data", "there is no JSON"), SCHEMA_9 + b"\x02\x06abc"
    ),
    plain("nothing behind a schema id", Bad(Reason.CONFLUENT_FORMAT, "/data", "there is no JSON"), SCHEMA_9),
    plain("half a schema id", Bad(Reason.CONFLUENT_FORMAT, "/data", "there is no JSON"), b"\x00\x00"),
    plain("NaN behind a schema id", Bad(Reason.NOT_A_NUMBER, "/data", "not JSON"), SCHEMA_9 + b"NaN"),
    binary(
        "others", "a CloudEvent's JSON behind a schema id", Event({"confluentschemaid": "9"}, b"{}"), SCHEMA_9 + b"{}"
    ),
    binary(
        "others",
        "a CloudEvent's own attribute stays",
        Event({"confluentschemaid": "5"}, b"{}"),
        SCHEMA_9 + b"{}",
        ce_confluentschemaid="5",
    ),
    binary(
        "others",
        "a CloudEvent's Avro behind a schema id",
        Bad(Reason.CONFLUENT_FORMAT, "/data", "no JSON"),
        SCHEMA_9 + b"\x02",
    ),
    binary(
        "others",
        "its bytes stay where it says that they are none",
        Event({"datacontenttype": "application/avro"}, SCHEMA_9),
        SCHEMA_9,
        content_type="application/avro",
    ),
]
