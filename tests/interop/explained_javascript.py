"""Where the JavaScript SDK 10 differs from our codec, and why. A message is read with `HTTP.toEvent` and judged with
`validate()`, an event is sent with `emitterFor(httpTransport(…))`."""

from typing import Final

from tests.interop.differences import Difference, both_modes, in_mode, rows
from tests.interop.explained_python import EMPTY_TEXT, EVENT_AS_DATA
from tests.interop.readings import Differs

ENCODED = (
    "subject: a percent sign",
    "subject: a percent-encoded text",
    "subject: quotes",
    "subject: Latin letters",
    "subject: the euro sign",
    "subject: beyond the BMP",
    "subject: a no-break space",
    "subject: spaces around",
    "id: not ASCII",
    "source: percent-encoded",
)
CUT = ("time: microseconds and an offset", "time: seven digits", "time: a negative offset")
BIG = ("integer beyond 2^53", "integer beyond 64 bits")

JAVASCRIPT: Final = [
    Difference(
        does="invents what is missing: `time` is the moment of reading or writing, `id` a UUID in structured mode, "
        "`specversion` 1.0",
        ours="refuse an event without `id` or `specversion`, and leave `time` out",
        decides='core 3.1.1, "The following attributes are REQUIRED to be present in all CloudEvents"; `time` is '
        "OPTIONAL (3.1.2)",
        advice="Producers: set `id` and `time`: an event that is made anew to be sent again has another `id`, and is "
        "another event, or another `time`, and is a conflict. Receivers: a `time` may be that of reading.",
        cases={
            Differs.WE_REFUSE: [
                *rows("core 3.1.1", "specversion is required"),
                *rows("json 2.2", "a null required attribute is missing"),
            ],
            Differs.ATTRIBUTES: both_modes("theirs: no time"),
        },
    ),
    Difference(
        does="neither encodes header values nor decodes them: what is beyond Latin-1 cannot be sent, the rest goes out "
        "as it is, and what comes in keeps its percent signs and quotes",
        ours="encode and decode, and refuse raw bytes and a `%` without digits",
        decides='http 3.1.3.2, "string values represented as HTTP header values MUST be percent-encoded", "A single '
        'round of percent-decoding MUST then be performed"',
        advice="Producers: use structured mode unless all attributes are ASCII without space, quote and percent sign. "
        "Receivers: in binary mode, `decodeURIComponent` each attribute.",
        cases={
            Differs.ATTRIBUTES: [
                *rows("http 3.1.3.2", "percent-decoding", "lower-case digits, too", "one round only"),
                *rows("http 3.1.3.2", "what need not be encoded may be", "a quoted string"),
                *rows("http 3.1.3.2", "a quoted string with quoted pairs", "unescaped before it is decoded"),
                *in_mode("binary", "ours: subject: a space", *(f"ours: {name}" for name in ENCODED)),
                *in_mode("binary", "theirs: subject: spaces around", "theirs: subject: quotes"),
                *in_mode("binary", "theirs: subject: a percent-encoded text"),
            ],
            Differs.WE_REFUSE: [
                *rows("core 3.1.1", "source has no space"),
                *rows("http 3.1.3.2", "half an escape", "no hexadecimal digits", "invalid UTF-8", "overlong UTF-8"),
                *rows("http 3.1.3.2", "surrogates in UTF-8", "raw bytes beyond ASCII", "an encoded control character"),
                *in_mode("binary", "theirs: subject: a percent sign", "theirs: subject: Latin letters"),
                *in_mode("binary", "theirs: subject: a no-break space", "theirs: id: not ASCII"),
                *in_mode("binary", "theirs: source: percent-encoded"),
            ],
            Differs.THEY_REFUSE: in_mode("binary", "theirs: subject: the euro sign", "theirs: subject: beyond the BMP"),
        },
    ),
    Difference(
        does="reads `time` with JavaScript's Date and writes it in UTC with milliseconds; what Date cannot read "
        "becomes the moment of reading, and cannot be written",
        ours="keep the text of an RFC 3339 timestamp, and refuse others",
        decides='core 3.1.2, "If present, MUST adhere to the format specified in RFC 3339", whose §5.6 has any number '
        "of digits, an offset and the second 60",
        advice="Receivers: the offset, digits beyond milliseconds and leap seconds are lost; who needs them reads the "
        "header or the body.",
        cases={
            Differs.WE_REFUSE: rows("core 3.1.2", "time is RFC 3339", "time has an offset", "time exists"),
            Differs.ATTRIBUTES: [
                *rows("core 3.1.2", "7-digit fractions survive", "a leap second at the end of a day"),
                *both_modes(*(f"{who}: {name}" for who in ("ours", "theirs") for name in CUT)),
                *both_modes("ours: time: a leap second"),
            ],
            Differs.THEY_REFUSE: both_modes("theirs: time: a leap second"),
        },
    ),
    Difference(
        does="does not judge the values of attributes, not with `validate()` either: any number, object, list or "
        "character, any text as a media type",
        ours="refuse what is of no CloudEvents type",
        decides='core 3.1, "All context attribute values MUST be of one of the types listed above"',
        advice="Producers: we refuse what the SDK lets through; the answer says why.",
        cases={
            Differs.WE_REFUSE: [
                *rows("core 3.1", "Integer: beyond 32 bits", "no fractions", "1.0 is no integer literal"),
                *rows("core 3.1", "no objects", "no arrays", "String: control characters", "String: C1 controls"),
                *rows("core 3.1", "String: noncharacters", "String: half a pair"),
                *rows("core 3.1.2", "datacontenttype is a media type"),
            ]
        },
    ),
    Difference(
        does="takes an empty attribute for an unset one",
        ours="refuse it",
        decides='core 3.1.2, "If present, MUST be a non-empty string"',
        advice="Producers: leave an empty `subject` out.",
        cases={Differs.WE_REFUSE: rows("core 3.1.2", "subject is not empty")},
    ),
    Difference(
        does="drops data that is null, false, 0 or an empty string when it reads structured mode",
        ours="keep it",
        decides='json 3.1.1, "MAY contain any valid JSON", "an explicit `null` payload as distinct from the absence of '
        'the `data` member"',
        advice="Receivers: no data may have been one of these. Producers: such a document goes inside an object.",
        cases={
            Differs.DATA: [
                *rows("json 3.1.1", "data null is the document null", "data may be a boolean"),
                *in_mode("structured", "ours: null", "ours: false", "ours: zero"),
                *in_mode("structured", "ours: empty string", "ours: empty text"),
            ]
        },
    ),
    Difference(
        does="puts quotes around a JSON body that does not begin with `{`, `[`, `|` or a quote: numbers, true, false "
        "and null become strings, and white space before an object is an error",
        ours="read the JSON that is there, and send the bytes that came",
        decides='http 3.1.2, "The `data` byte-sequence is used as the HTTP message body", and http 2.2, "encoded as '
        'declared by the `datacontenttype` attribute"',
        advice="Producers to such receivers: data is an object or an array without white space before it.",
        cases={
            Differs.THEY_REFUSE: rows("http 3.1.2", "the body is the data as it is"),
            Differs.DATA: in_mode(
                "binary",
                "ours: integer",
                "ours: zero",
                "ours: fraction",
                "ours: true",
                "ours: false",
                "ours: null",
            ),
        },
    ),
    Difference(
        does="parses a body as JSON only where its type is `application/json`, with `; charset=utf-8` or nothing "
        "behind it; other JSON stays text",
        ours="know `*/json` and `*/*+json` in any case",
        decides='json 3.1.1, "if its media type, when stripped of parameters, has the form `*/json` or `*/*+json`"',
        advice="Receivers: parse the text of other JSON types.",
        cases={
            Differs.DATA: in_mode(
                "binary",
                "ours: JSON by suffix",
                "ours: JSON that is no application",
                "ours: JSON in upper case",
            )
        },
    ),
    Difference(
        does="sends a JSON string without its quotes in binary mode",
        ours="refuse what is no JSON, and read a string that spells JSON as what it spells",
        decides='http 2.2, "the expectation is that the `data` value is made available as UTF-8 encoded JSON text"',
        advice="Producers: a document that is a string goes in structured mode.",
        cases={
            Differs.WE_REFUSE: in_mode("binary", "theirs: string"),
            Differs.DATA: in_mode(
                "binary",
                "theirs: empty string",
                "theirs: string that spells JSON",
                "theirs: string that spells a number",
            ),
        },
    ),
    Difference(
        does="cannot send numbers, Booleans or no data in binary mode: its transport takes text and bytes only",
        ours="write numbers and Booleans as JSON text, and an event without data in structured mode",
        decides='json 3.1.1, "the `data` member JSON value is unrestricted", and core, Event Data, "CloudEvents MAY '
        'include domain-specific information"',
        advice="Producers: such an event goes in structured mode.",
        cases={
            Differs.THEY_REFUSE: in_mode(
                "binary",
                "theirs: no data",
                "theirs: integer",
                "theirs: zero",
                "theirs: fraction",
                "theirs: true",
                "theirs: false",
            )
        },
    ),
    Difference(
        does="says `application/json; charset=utf-8` in binary mode where the event has no `datacontenttype`",
        ours="say `application/json`",
        decides='json 3.1.2, "the `datacontenttype` in the re-serialized event SHOULD be set explicitly to the implied '
        '`application/json` content type"',
        advice="Producers: set `datacontenttype`: the same event in another mode has another type, and is a conflict.",
        cases={Differs.ATTRIBUTES: in_mode("binary", "theirs: object without a type")},
    ),
    Difference(
        does="holds numbers as doubles: integers beyond 2^53 are rounded",
        ours="keep the text",
        decides='RFC 8259 §6 (json 1), "numbers that are integers and are in the range `[-(2**53)+1, (2**53)-1]` are '
        'interoperable"',
        advice="Producers and receivers: a larger integer goes as a string.",
        cases={
            Differs.DATA: [
                *rows("json 3.1.1", "data keeps big integers"),
                *both_modes(*(f"{who}: {name}" for who in ("ours", "theirs") for name in BIG)),
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
            ]
        },
    ),
    Difference(
        does="takes `data_base64` before `data` where both are there, and base64 that is cut short",
        ours="refuse them",
        decides='json 3.1.1, "the presence of the `data` and `data_base64` members is mutually exclusive"; RFC 4648 '
        '§3.2, "Implementations MUST include appropriate pad characters"',
        advice="Nothing: neither writes such a message.",
        cases={Differs.WE_REFUSE: rows("json 3.1.2", "not both", "data_base64 is base64")},
    ),
    Difference(
        does="takes the last of two equal names in JSON, and any depth",
        ours="refuse them",
        decides='RFC 8259 (json 1): "names within an object SHOULD be unique" (§4), "An implementation may set limits '
        'on the maximum depth of nesting" (§9)',
        advice="Nothing: JavaScript's JSON writes no name twice.",
        cases={
            Differs.WE_REFUSE: [
                *rows("RFC 8259 4", "a name twice in the event", "a name twice in the data"),
                *rows("RFC 8259 4", "a name twice, once escaped"),
                *rows("RFC 8259 9", "nesting is bounded"),
            ]
        },
    ),
    Difference(
        does="takes the body as a string, which a server makes of bytes that are not UTF-8 with U+FFFD for each",
        ours="refuse such bytes",
        decides='RFC 8259 §8.1 (json 1), "MUST be encoded using UTF-8"',
        advice="Nothing: what we send is UTF-8.",
        cases={Differs.WE_REFUSE: rows("RFC 8259 8.1", "UTF-8 only", "UTF-8 in attributes, too")},
    ),
    Difference(
        does="takes the headers ce-datacontenttype and ce-data",
        ours="refuse them",
        decides='http 3.1.1, "a `ce-datacontenttype` HTTP header MUST NOT also be present in the message", and core '
        '3.1, "attributes MUST NOT have the name `data`"',
        advice="Nothing: neither writes them.",
        cases={
            Differs.WE_REFUSE: [
                *rows("http 3.1.1", "ce-datacontenttype is none"),
                *rows("http 3.1.2", "data is no header"),
            ]
        },
    ),
    Difference(
        does="knows structured mode only as `application/cloudevents+json`, with `; charset=utf-8` or nothing behind "
        "it, in lower case",
        ours="know it in any case, with any spelling of UTF-8, and without `+json`",
        decides='http 3, "If the value is prefixed with the CloudEvents media type `application/cloudevents`", and '
        "http 3.2.1, whose example has `charset=UTF-8`",
        advice="Nothing: what we send is spelt as the SDK has it.",
        cases={
            Differs.THEY_REFUSE: [
                *rows("http 3.2.1", "a charset"),
                *rows("http 3", "in any case", "without +json, JSON is meant"),
            ]
        },
    ),
    EVENT_AS_DATA,
    EMPTY_TEXT,
]

ONLY_VALIDATE_REFUSES: Final = [
    *rows("core 3.1.1", "source is required", "type is required", "specversion is 1.0"),
    *rows("core 3.1.1", "type is not empty", "source is not empty"),
    *rows("core 3.1", "names have letters and digits only", "an upper-case name is refused"),
    *rows("core 3.1", "an empty name is refused"),
    *rows("core 3.1.2", "dataschema is absolute"),
    *rows("RFC 8259 6", "no number beyond a double"),
    *rows("json 3", "an event is an object"),
]
"""What `HTTP.toEvent` takes all the same: it judges nothing."""
