"""CloudEvents as the house holds them: attributes in canonical string form, data as bytes.

Source: CloudEvents core 1.0.2 §3 (attributes and types), JSON event format 1.0.2. Nothing is invented: `id`, `source`
and `time` are the producer's or absent. This module knows no wire but JSON values that are already parsed.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from event_issuer.domain.errors import BadInput, Violation

REQUIRED: Final = ("specversion", "id", "source", "type")
OPTIONAL: Final = ("datacontenttype", "dataschema", "subject", "time", "partitionkey")
NAME_LENGTH_MAX: Final = 64  # core §3.1 advises 20; longer names are rare and harmless, unbounded ones are not
VALUE_LENGTH_MAX: Final = 2048  # an attribute becomes an HTTP header of each delivery; receivers cap those near 8 KiB
ATTRIBUTES_MAX: Final = 64  # the same reason

_NAME = re.compile(r"[a-z0-9]+")
# Core §3.1: no control characters, no surrogates, no noncharacters.
_FORBIDDEN_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_URI_REFERENCE = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%\u00a0-\U0010ffff]+")
_ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:.+")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:)([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)")
_MEDIA_TYPE = re.compile(r"[!#$&^_.+\-A-Za-z0-9]+/[!#$&^_.+\-A-Za-z0-9]+\s*(;.*)?")
_JSON_MEDIA_TYPE = re.compile(r"[^/;\s]+/(?:[^;\s]*\+)?json\s*(?:;.*)?", re.IGNORECASE)
_INTEGER_MIN, _INTEGER_MAX = -(2**31), 2**31 - 1  # core §3.1: Integer is 32 bits, signed


@dataclass(slots=True)
class CloudEvent:
    """`attributes` holds every context attribute that is set, by its lower-case name; `data` is None when absent."""

    attributes: dict[str, str]
    data: bytes | None

    @property
    def id(self) -> str:
        return self.attributes["id"]

    @property
    def source(self) -> str:
        return self.attributes["source"]

    @property
    def type(self) -> str:
        return self.attributes["type"]

    @property
    def partitionkey(self) -> str | None:
        return self.attributes.get("partitionkey")

    @property
    def has_json_data(self) -> bool:
        return is_json(self.attributes.get("datacontenttype"))


def is_json(datacontenttype: str | None) -> bool:
    """JSON event format §3.1: absent means application/json; `*/json` and `*/*+json` are JSON in any case."""
    return datacontenttype is None or _JSON_MEDIA_TYPE.fullmatch(datacontenttype) is not None


def event_from_json(value: object) -> tuple[CloudEvent, object]:
    """A CloudEvent from a parsed JSON object in the JSON event format, and its data as JSON (None for other data).

    Raises BadInput with every violation found. Data is serialised here, once; from here on it is bytes.
    """
    if not isinstance(value, Mapping):
        raise BadInput(f"A CloudEvent is a JSON object, not {_json_type(value)}.")
    violations: list[Violation] = []
    attributes: dict[str, str] = {}
    for name, member in value.items():
        if name == "data" or name == "data_base64" or member is None:
            continue  # JSON event format §2.2: a null attribute is an unset one
        try:
            attributes[name] = _canonical(name, member)
        except ValueError as problem:
            violations.append(Violation(f"/{name}", "attribute", str(problem)))
    violations.extend(_missing(attributes, violations))
    event, document = CloudEvent(attributes, None), None
    if not violations:
        try:
            event.data, document = _data(attributes.get("datacontenttype"), value)
        except ValueError as problem:
            violations.append(Violation("/data", "data", str(problem)))
    if violations:
        raise BadInput("The CloudEvent is not well formed: " + violations[0].message, violations=violations)
    return event, document


def _missing(attributes: Mapping[str, str], found: list[Violation]) -> list[Violation]:
    faulty = {violation.path for violation in found}
    missing = [name for name in REQUIRED if name not in attributes and f"/{name}" not in faulty]
    problems = [Violation(f"/{name}", "required", f"The attribute {name} is missing.") for name in missing]
    if len(attributes) > ATTRIBUTES_MAX:
        message = f"An event may have {ATTRIBUTES_MAX} attributes, not {len(attributes)}."
        problems.append(Violation("", "attributes", message))
    return problems


def _canonical(name: object, value: object) -> str:
    """The canonical string form of an attribute (core §3.1), or ValueError saying what is wrong with it."""
    if not isinstance(name, str) or _NAME.fullmatch(name) is None or len(name) > NAME_LENGTH_MAX:
        raise ValueError(f"{_shown(name)} is no attribute name: 1 to {NAME_LENGTH_MAX} characters of a-z and 0-9.")
    if isinstance(value, str):
        text = value
    elif name in REQUIRED or name in OPTIONAL:
        raise ValueError(f"The attribute {name} is a string, not {_json_type(value)}.")
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int) and _INTEGER_MIN <= value <= _INTEGER_MAX:
        text = str(value)
    else:
        raise ValueError(f"The attribute {name} is a string, a boolean or a 32-bit integer, not {_shown(value)}.")
    if len(text) > VALUE_LENGTH_MAX:
        raise ValueError(f"The attribute {name} has {len(text)} characters; at most {VALUE_LENGTH_MAX} are allowed.")
    if _FORBIDDEN_CHARACTER.search(text):
        raise ValueError(f"The attribute {name} has a control character or an unpaired surrogate.")
    check = _CHECKS.get(name)
    if check is not None:
        check(name, text)
    return text


def _check_version(name: str, text: str) -> None:
    if text != "1.0":
        raise ValueError(f"specversion is 1.0, not {_shown(text)}.")


def _check_filled(name: str, text: str) -> None:
    if not text:
        raise ValueError(f"The attribute {name} is not empty when it is present.")


def _check_source(name: str, text: str) -> None:
    if _URI_REFERENCE.fullmatch(text) is None:
        raise ValueError(f"source is a non-empty URI-reference, not {_shown(text)}.")


def _check_dataschema(name: str, text: str) -> None:
    if _URI_REFERENCE.fullmatch(text) is None or _ABSOLUTE_URI.fullmatch(text) is None:
        raise ValueError(f"dataschema is an absolute URI, not {_shown(text)}.")


def _check_time(name: str, text: str) -> None:
    """RFC 3339 §5.6. The text is kept as it is, so that 7-digit fractions survive; only its truth is checked."""
    parts = _TIME.fullmatch(text)
    if parts is not None:
        day, minute, second, _, _, _ = parts.groups()
        try:  # a leap second is legal in RFC 3339 and unknown to datetime
            datetime.fromisoformat(f"{day}T{minute}{'59' if second == '60' else second}")
            return
        except ValueError:
            pass
    raise ValueError(f"time is an RFC 3339 timestamp with an offset, not {_shown(text)}.")


def _check_media_type(name: str, text: str) -> None:
    if _MEDIA_TYPE.fullmatch(text) is None:
        raise ValueError(f"datacontenttype is a media type (RFC 2046), not {_shown(text)}.")


_CHECKS: Final = {
    "specversion": _check_version,
    "id": _check_filled,
    "source": _check_source,
    "type": _check_filled,
    "subject": _check_filled,
    "partitionkey": _check_filled,
    "dataschema": _check_dataschema,
    "time": _check_time,
    "datacontenttype": _check_media_type,
}


def _data(datacontenttype: str | None, members: Mapping[str, object]) -> tuple[bytes | None, object]:
    """JSON event format §3.1.1: `data` is a JSON value (or text where the type is not JSON), `data_base64` is bytes."""
    has_value = "data" in members
    encoded = members.get("data_base64")
    if encoded is not None:
        if has_value and members["data"] is not None:
            raise ValueError("An event has data or data_base64, not both.")
        raw = _decoded(encoded)
        return raw, json_document(raw) if is_json(datacontenttype) else None
    if not has_value:
        return None, None
    value = members["data"]
    if is_json(datacontenttype):
        return json_bytes(value), value
    if value is None:
        return None, None
    if not isinstance(value, str):
        raise ValueError(f"data of type {datacontenttype} is a string or data_base64, not {_json_type(value)}.")
    try:
        return value.encode(), None
    except UnicodeEncodeError:
        raise ValueError("data has an unpaired surrogate.") from None


def _decoded(encoded: object) -> bytes:
    try:
        if isinstance(encoded, str):
            return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise ValueError("data_base64 is a string in base64 (RFC 4648 §4).")


def json_bytes(value: object) -> bytes:
    """The one serialisation of a JSON value. Raises ValueError on NaN, Infinity and unpaired surrogates."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError:
        raise ValueError("data has an unpaired surrogate, which is no text.") from None


def json_document(raw: bytes) -> object:
    """Parses JSON bytes strictly: UTF-8, no NaN or Infinity. Raises ValueError."""
    try:
        return json.loads(raw.decode(), parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("data is nested too deeply.") from None
    except UnicodeDecodeError:
        raise ValueError("data is not UTF-8.") from None
    except json.JSONDecodeError as problem:
        raise ValueError(f"data is not JSON: {problem.msg} at character {problem.pos}.") from None


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is no JSON number.")


def _json_type(value: object) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _shown(value: object) -> str:
    """A value as a message may show it: short, and in quotes."""
    text = str(value)
    return json.dumps(text if len(text) <= 80 else text[:80] + "…", ensure_ascii=False)
