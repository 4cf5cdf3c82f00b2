"""Where the Python SDK 2.2 differs from our codec, and why."""

from typing import Final

from tests.interop.differences import Difference, both_modes, in_mode, rows
from tests.interop.readings import Differs

EMPTY_TEXT: Final = Difference(
    does="sends empty text in binary mode as an empty body",
    ours="read an empty body as no data, and send empty text in structured mode",
    decides='http 3.1.2, "The `data` byte-sequence is used as the HTTP message body", tells the two apart by nothing',
    advice="Producers: send empty text in structured mode.",
    cases={Differs.DATA: in_mode("binary", "theirs: empty text")},
)
EVENT_AS_DATA: Final = Difference(
    does="sends data that is a CloudEvent in binary mode, where its media type makes the message structured mode",
    ours="read the inner event, and send such data in structured mode",
    decides='http 3, "If the value is prefixed with the CloudEvents media type `application/cloudevents` […] the '
    'receiver uses structured mode"',
    advice="Producers: send an event that carries an event in structured mode.",
    cases={Differs.BOTH: in_mode("binary", "theirs: an event as data")},
)
OTHER_JSON = ("JSON that is no application", "JSON in upper case")

PYTHON: Final = [
    Difference(
        does="invents what is missing: `time` is the moment of reading or writing, `id` a UUID, `specversion` 1.0",
        ours="refuse an event without `id` or `specversion`, and leave `time` out",
        decides='core 3.1.1, "The following attributes are REQUIRED to be present in all CloudEvents"; `time` is '
        "OPTIONAL (3.1.2)",
        advice="Producers: set `id` and `time`: an event that is made anew to be sent again has another `id`, and is "
        "another event, or another `time`, and is a conflict. Receivers: a `time` may be that of reading.",
        cases={
            Differs.WE_REFUSE: rows("core 3.1.1", "id is required", "specversion is required"),
            Differs.ATTRIBUTES: both_modes("theirs: no time"),
        },
    ),
    Difference(
        does="takes CloudEvents 0.3, too",
        ours="refuse it",
        decides='core 3.1.1, "Compliant event producers MUST use a value of `1.0`"',
        advice="Producers: leave `specversion` at 1.0.",
        cases={Differs.WE_REFUSE: rows("core 3.1.1", "specversion is 1.0")},
    ),
    Difference(
        does="does not judge the values of attributes: any number, object, list or character, any text as a URI or a "
        "media type",
        ours="refuse what is of no CloudEvents type",
        decides='core 3.1, "All context attribute values MUST be of one of the types listed above"',
        advice="Producers: we refuse what the SDK lets through; the answer says why.",
        cases={
            Differs.WE_REFUSE: [
                *rows("core 3.1.1", "source has no space"),
                *rows("core 3.1", "Integer: beyond 32 bits", "no fractions", "1.0 is no integer literal"),
                *rows("core 3.1", "no objects", "no arrays", "String: control characters", "String: C1 controls"),
                *rows("core 3.1", "String: noncharacters", "String: half a pair"),
                *rows("core 3.1.2", "dataschema is absolute", "datacontenttype is a media type"),
                *rows("http 3.1.3.2", "an encoded control character"),
            ]
        },
    ),
    Difference(
        does="holds `time` as a datetime: digits beyond microseconds are cut, a leap second is an error",
        ours="keep the text",
        decides='core 3.1.2, "If present, MUST adhere to the format specified in RFC 3339", whose §5.6 has any number '
        "of digits and the second 60",
        advice="Receivers: an event at a leap second cannot be read; who needs more than microseconds reads the header "
        "or the body.",
        cases={
            Differs.ATTRIBUTES: [
                *rows("core 3.1.2", "7-digit fractions survive"),
                *both_modes("ours: time: seven digits", "theirs: time: seven digits"),
            ],
            Differs.THEY_REFUSE: [
                *rows("core 3.1.2", "a leap second at the end of a day"),
                *both_modes("ours: time: a leap second", "theirs: time: a leap second"),
            ],
        },
    ),
    Difference(
        does="writes a Boolean into a header as Python prints it, `True`",
        ours="write and read `true` and `false`; `True` is a string",
        decides='core 3.1, "String encoding: a case-sensitive value of `true` or `false`"',
        advice='Producers: give a Boolean extension as the string "true" or "false".',
        cases={Differs.ATTRIBUTES: in_mode("binary", "theirs: extension: true", "theirs: extension: false")},
    ),
    Difference(
        does="refuses an attribute that is null",
        ours="take it as unset, and write none",
        decides='json 2.2, "When decoding attributes and a `null` value is encountered, it MUST be treated as the '
        'equivalent of unset or omitted"',
        advice="Nothing: what we send has no null attribute.",
        cases={Differs.THEY_REFUSE: rows("json 2.2", "a null attribute is unset")},
    ),
    Difference(
        does="refuses `data_base64` that is null",
        ours="take it as absent, and write none",
        decides="json 2.4, the JSON Schema of the format, gives `data_base64` the types string and null",
        advice="Nothing: what we send has no null `data_base64`.",
        cases={Differs.THEY_REFUSE: rows("json 3.1.2", "both, one of them null")},
    ),
    Difference(
        does="takes the document `null` for no data, and writes none",
        ours="keep it as a document",
        decides='json 3.1.1, "the `data` member MAY have a value of `null`, representing an explicit `null` payload as '
        'distinct from the absence of the `data` member"',
        advice="Receivers: null and no data look the same. Producers: put a document that may be null into an object.",
        cases={
            Differs.DATA: [
                *rows("json 3.1.1", "data null is the document null"),
                *both_modes("ours: null", "theirs: null"),
            ]
        },
    ),
    Difference(
        does="prints JSON data that is no object as Python does in binary mode: strings without quotes, `True`, "
        "`['a', None]`",
        ours="refuse what is no JSON, and read a string that spells JSON as what it spells",
        decides='http 2.2, "the expectation is that the `data` value is made available as UTF-8 encoded JSON text"',
        advice="Producers: data that is no object goes in structured mode, or as bytes that you have serialised.",
        cases={
            Differs.WE_REFUSE: in_mode(
                "binary", "theirs: array of strings", "theirs: string", "theirs: true", "theirs: false"
            ),
            Differs.DATA: in_mode(
                "binary",
                "theirs: empty string",
                "theirs: string that spells JSON",
                "theirs: string that spells a number",
            ),
        },
    ),
    Difference(
        does="knows JSON only by `application` or `text` in lower case; other JSON is read as text, and written in "
        "structured mode as a string of what Python prints",
        ours="know `*/json` and `*/*+json` in any case",
        decides='json 3.1.1, "if its media type, when stripped of parameters, has the form `*/json` or `*/*+json`"',
        advice="Producers: write `application/…+json`. Receivers: parse such text.",
        cases={
            Differs.DATA: [
                *in_mode("binary", *(f"ours: {name}" for name in OTHER_JSON)),
                *in_mode("structured", *(f"theirs: {name}" for name in OTHER_JSON)),
            ]
        },
    ),
    Difference(
        does="hands over data that is not what `datacontenttype` says",
        ours="refuse it",
        decides='json 3.1.2, "An implementation MAY fail to deserialize the event […] if it is unable to interpret the '
        '`data` with the `datacontenttype`"; a contract could not judge it',
        advice="Producers: data of another type than JSON is a string or bytes; data of another charset is bytes.",
        cases={
            Differs.WE_REFUSE: [
                *rows("json 3.1.1", "no object of another type", "no text of another charset"),
                *rows("json 3.1.2", "data_base64 of what is no JSON"),
                *rows("http 3.1.2", "JSON that is none"),
            ]
        },
    ),
    Difference(
        does="reads JSON as Python does: the last of two equal names, NaN, Infinity, 1e400 as infinity, any depth",
        ours="refuse it",
        decides='RFC 8259 (json 1): "names within an object SHOULD be unique" (§4), "(such as Infinity and NaN) are '
        'not permitted" (§6), "An implementation may set limits on the maximum depth of nesting" (§9)',
        advice="Producers: NaN and Infinity, which `json.dumps` writes, are refused.",
        cases={
            Differs.WE_REFUSE: [
                *rows("RFC 8259 4", "a name twice in the event", "a name twice in the data"),
                *rows("RFC 8259 4", "a name twice, once escaped"),
                *rows("RFC 8259 6", "no NaN", "no Infinity", "no number beyond a double"),
                *rows("RFC 8259 9", "nesting is bounded"),
            ]
        },
    ),
    Difference(
        does="takes a header ce-datacontenttype for the type",
        ours="refuse it",
        decides='http 3.1.1, "a `ce-datacontenttype` HTTP header MUST NOT also be present in the message"',
        advice="Nothing: neither writes one.",
        cases={Differs.WE_REFUSE: rows("http 3.1.1", "ce-datacontenttype is none")},
    ),
    Difference(
        does="keeps the quotes of a quoted header value",
        ours="unescape it, and write none",
        decides='http 3.1.3.2, "any HTTP header value MUST first be unescaped with respect to double-quoted strings"',
        advice="Nothing: neither writes one.",
        cases={
            Differs.ATTRIBUTES: rows(
                "http 3.1.3.2", "a quoted string", "a quoted string with quoted pairs", "unescaped before it is decoded"
            )
        },
    ),
    Difference(
        does="replaces header bytes that are not UTF-8 by U+FFFD or reads them as Latin-1, and leaves a broken escape",
        ours="refuse them",
        decides='http 3.1.3.2, "encoded byte sequences which are invalid in UTF-8 MUST be rejected", "HTTP headers '
        'MUST only use printable characters from the US-ASCII character set"',
        advice="Nothing: neither writes such values.",
        cases={
            Differs.WE_REFUSE: [
                *rows("http 3.1.3.2", "half an escape", "no hexadecimal digits", "invalid UTF-8", "overlong UTF-8"),
                *rows("http 3.1.3.2", "surrogates in UTF-8", "raw bytes beyond ASCII"),
            ]
        },
    ),
    Difference(
        does="reads a message with any `ce-` header as binary mode, a structured one, too",
        ours="go by the Content-Type",
        decides='http 3.2.3, "Implementations MAY include the same HTTP headers as defined for the binary mode", and '
        'http 3, "by inspecting the `Content-Type` header value"',
        advice="Nothing: what we send in structured mode has no `ce-` header.",
        cases={Differs.BOTH: rows("http 3.2.3", "ce- headers are copies, and not read")},
    ),
    EVENT_AS_DATA,
    EMPTY_TEXT,
]
