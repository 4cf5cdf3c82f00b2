"""CloudEvents as the house holds them: attributes in canonical string form, data as bytes.

Source: CloudEvents core 1.0.2 §3 (attributes and types), JSON event format 1.0.2. Nothing is invented: `id`, `source`
and `time` are the producer's or absent. This module knows what an attribute may be, and no wire.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from event_issuer.domain.errors import BadInput, Violation
from event_issuer.domain.json_values import json_type
from event_issuer.domain.violations import pointer_token, violation

REQUIRED: Final = ("specversion", "id", "source", "type")
NAME_LENGTH_MAX: Final = 64  # core §3.1 advises 20; longer names are rare and harmless, unbounded ones are not
# An attribute becomes an HTTP header of each delivery, and receivers take 8 KiB (Tomcat) to 16 KiB (Node) of those.
VALUE_LENGTH_MAX: Final = 2048
ATTRIBUTES_LENGTH_MAX: Final = 6 * 1024  # all names and values together
ATTRIBUTES_MAX: Final = 64

_NAME = re.compile(r"[a-z0-9]+")
# Core §3.1: no control characters, no unpaired surrogates, none of Unicode's 66 noncharacters.
_NONCHARACTERS = "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
_FORBIDDEN_CHARACTER = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_NONCHARACTERS}]")
# RFC 3986 §4.1: [scheme:][//authority]path[?query][#fragment]; without a scheme, the first segment has no colon.
_URI_REFERENCE = re.compile(
    r"(?:[a-z][a-z0-9+.\-]*:|(?![^/?#]*:))"
    r"(?://(?:[a-z0-9\-._~!$&'()*+,;=:@]|%[0-9a-f]{2})*(?:\[[0-9a-fv.:]+\](?::[0-9]*)?)?(?=[/?#]|\Z))?"
    r"(?:[a-z0-9\-._~!$&'()*+,;=:@/]|%[0-9a-f]{2})*"
    r"(?:\?(?:[a-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9a-f]{2})*)?"
    r"(?:#(?:[a-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9a-f]{2})*)?",
    re.IGNORECASE | re.ASCII,
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:.")
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:)([0-5]\d|60)(\.\d+)?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
# Times that need no calendar: no leap second, no 29th of February.
_DAY = r"(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8])"
_PLAIN_TIME = re.compile(
    rf"(?!0000)\d{{4}}-(?:{_DAY})T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
# RFC 6838 §4.2 and RFC 2045 §5.1. All of it is ASCII: it becomes a header as it is.
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_MEDIA_TYPE = re.compile(
    rf"[0-9A-Za-z][!#$&\-^_.+0-9A-Za-z]*/[0-9A-Za-z][!#$&\-^_.+0-9A-Za-z]*"
    rf'(?: *;(?: *{_TOKEN}=(?:{_TOKEN}|"(?:[ !#-\[\]-~]|\\[ -~])*"))?)* *'
)
_JSON_MEDIA_TYPE = re.compile(r"[^/;\s]+/(?:[^;\s]*\+)?json\s*(?:;.*)?", re.IGNORECASE)
_CHARSET = re.compile(r';\s*charset="?([^\s;"]+)', re.IGNORECASE)
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

    @property
    def text(self) -> str | None:
        """The data as text; None where there is none, or its type or its bytes say that it is not UTF-8."""
        if self.data is None or not agrees_with_utf8(self.attributes.get("datacontenttype"), self.data):
            return None
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            return None

    @property
    def string(self) -> str:
        """Data that is not JSON as the JSON event format has it: its text, or its bytes in base64."""
        text = self.text
        return base64.b64encode(self.data or b"").decode() if text is None else text


class ReadEvent(NamedTuple):
    """An event, and its data as JSON: None for other data, or none. A tuple, because there is one per event."""

    event: CloudEvent
    document: object


def malformed(violations: Sequence[Violation]) -> BadInput:
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return BadInput(f"The CloudEvent is not well formed: {violations[0].message}{more}", violations=violations)


@lru_cache(maxsize=1_024)  # of the few types that there are; a type is at most `VALUE_LENGTH_MAX` long
def is_json(datacontenttype: str | None) -> bool:
    """JSON event format §3.1: absent means application/json; `*/json` and `*/*+json` are JSON in any case."""
    return datacontenttype is None or _JSON_MEDIA_TYPE.fullmatch(datacontenttype) is not None


def read_attributes(members: Mapping[str, object]) -> tuple[dict[str, str], list[Violation]]:
    """The attributes among the members of an event in the JSON event format, and all that is wrong with them."""
    attributes: dict[str, str] = {}
    found: list[Violation] = []
    if len(members) > ATTRIBUTES_MAX + len(DATA_MEMBERS):
        message = f"An event may have {ATTRIBUTES_MAX} attributes; this object has {len(members)} members."
        return attributes, [violation("", "attributes", message)]
    length = 0
    for name, member in members.items():
        if name in DATA_MEMBERS or member is None:
            continue  # JSON event format §2.2: a null attribute is an unset one
        if type(member) is str and member in _accepted.get(name, ()):
            text = member
        else:
            try:
                text = _canonical(name, member)
            except ValueError as problem:
                found.append(violation(f"/{pointer_token(name)}", "attribute", str(problem)))
                text = ""
        attributes[name] = text
        length += len(name) + len(text)
    if not attributes.keys() >= _REQUIRED:
        missing = [name for name in REQUIRED if members.get(name) is None]
        found += [violation(f"/{name}", "required", f"The attribute {name} is missing.") for name in missing]
    if length > ATTRIBUTES_LENGTH_MAX:
        message = f"All attributes together have {length} characters; at most {ATTRIBUTES_LENGTH_MAX} are allowed."
        found.append(violation("", "attributes", message))
    return attributes, found


def are_plain_attributes(events: Sequence[Mapping[str, object]]) -> list[bool]:
    """Which of these are the attributes of an event with JSON data in UTF-8 as they stand, by a quick look.

    False may also mean that it takes a closer one: `read_attributes` has the rules, and says what is wrong.
    """
    kinds = set(map(tuple, events))
    if len(kinds) > _KINDS_MAX:
        return [_are_plain(tuple(event), [event]) for event in events]
    plain = {kind for kind in kinds if _are_plain(kind, [event for event in events if tuple(event) == kind])}
    if plain == kinds:
        return [True] * len(events)
    return [tuple(event) in plain or _are_plain(tuple(event), [event]) for event in events]


_KINDS_MAX: Final = 4  # each is looked for among all events; the attributes of most batches are the same


def _are_plain(names: tuple[str, ...], events: Sequence[Mapping[str, object]]) -> bool:
    """Whether all of these, which have the same names, are plain: told attribute by attribute, a column at a time."""
    if names not in _plain_names and not _are_plain_names(names):
        return False
    length = 0
    for name, column in zip(names, zip(*[event.values() for event in events], strict=True), strict=True):
        try:
            text = "".join(column)
        except TypeError:  # what is no string
            return False
        if not all(column) or not text.isprintable():
            return False
        if name in _PLAIN_CHECKS and not all(map(_PLAIN_CHECKS[name], set(column))):
            return False
        length += max(map(len, column))
    return length <= VALUE_LENGTH_MAX


@lru_cache(maxsize=1_024)
def _is_plain_type(datacontenttype: str | None) -> bool:
    if datacontenttype is None:
        return True
    return (
        _MEDIA_TYPE.fullmatch(datacontenttype) is not None
        and is_json(datacontenttype)
        and (_charset_of(datacontenttype) or "utf-8") in _UTF_8
    )


def _are_plain_names(names: tuple[str, ...]) -> bool:
    """Whether attributes may have these names, within all bounds: remembered, for they are the same in most events."""
    right = all(_NAME.fullmatch(name) is not None and len(name) <= NAME_LENGTH_MAX for name in names)
    is_short = sum(map(len, names)) <= ATTRIBUTES_LENGTH_MAX - VALUE_LENGTH_MAX and len(names) <= ATTRIBUTES_MAX
    if not right or not is_short or not _REQUIRED.issubset(names) or "data" in names:
        return False
    if len(_plain_names) >= _ACCEPTED_MAX:
        _plain_names.clear()
    _plain_names.add(names)
    return True


_plain_names: Final[set[tuple[str, ...]]] = set()


DATA_MEMBERS: Final = ("data", "data_base64")
_REQUIRED: Final = frozenset(REQUIRED)
# Attributes with the same few values in event after event: what was found in order once is not looked at again.
_ACCEPTED_MAX: Final = 1_024  # of each; at most 10 MiB, with the longest values
_accepted: Final[dict[str, set[str]]] = {
    name: set() for name in ("specversion", "source", "type", "datacontenttype", "dataschema")
}


_PLAIN_CHECKS: Final[dict[str, Callable[[str], object]]] = {
    "specversion": "1.0".__eq__,
    "source": _URI_REFERENCE.fullmatch,
    "time": _PLAIN_TIME.fullmatch,
    "datacontenttype": _is_plain_type,
    "dataschema": _accepted["dataschema"].__contains__,
}


def _remember(accepted: set[str], text: str) -> None:
    if len(accepted) >= _ACCEPTED_MAX:
        accepted.clear()
    accepted.add(text)


def _canonical(name: str, value: object) -> str:
    """The canonical string form of an attribute (core §3.1), or ValueError saying what is wrong with it."""
    check = _CHECKS.get(name)
    if check is None and (_NAME.fullmatch(name) is None or len(name) > NAME_LENGTH_MAX):
        raise ValueError(f"{shown(name)} is no attribute name: 1 to {NAME_LENGTH_MAX} characters of a-z and 0-9.")
    if isinstance(value, str):
        text = value
    elif check is not None:
        raise ValueError(f"The attribute {name} is a string, not {json_type(value)}.")
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int) and _INTEGER_MIN <= value <= _INTEGER_MAX:
        text = str(value)
    else:
        what = shown(value) if isinstance(value, int | float) else json_type(value)
        raise ValueError(f"The attribute {name} is a string, a boolean or a 32-bit integer, not {what}.")
    if len(text) > VALUE_LENGTH_MAX:
        raise ValueError(f"The attribute {name} has {len(text)} characters; at most {VALUE_LENGTH_MAX} are allowed.")
    if not text.isprintable() and _FORBIDDEN_CHARACTER.search(text):  # what is printable is allowed, and told quickly
        raise ValueError(f"The attribute {name} has a control character, a noncharacter or an unpaired surrogate.")
    if check is not None:
        check(name, text)
    if name in _accepted:
        _remember(_accepted[name], text)
    return text


def _check_version(_: str, text: str) -> None:
    if text != "1.0":
        raise ValueError(f"specversion is 1.0, not {shown(text)}.")


def _check_filled(name: str, text: str) -> None:
    if not text:
        raise ValueError(f"The attribute {name} is not empty when it is present.")


def _check_source(_: str, text: str) -> None:
    if not text or _URI_REFERENCE.fullmatch(text) is None:
        raise ValueError(
            f"source is a non-empty URI-reference (RFC 3986; what it does not allow is percent-encoded), "
            f"not {shown(text)}."
        )


def _check_dataschema(_: str, text: str) -> None:
    if _SCHEME.match(text) is None or _URI_REFERENCE.fullmatch(text) is None:
        raise ValueError(f"dataschema is an absolute URI (RFC 3986), not {shown(text)}.")


def _check_time(_: str, text: str) -> None:
    """RFC 3339 §5.6. The text is kept as it is, so that 7-digit fractions survive; only its truth is checked."""
    parts = _TIME.fullmatch(text)
    if parts is None or not _is_real(*parts.group(1, 2, 3, 5)):
        raise ValueError(f"time is an RFC 3339 timestamp with an offset, not {shown(text)}.")


def _is_real(day: str, minute: str, second: str, offset: str) -> bool:
    """A leap second, unknown to datetime, comes at the end of a day in UTC (RFC 3339 §5.7)."""
    try:
        if second != "60":
            datetime.fromisoformat(f"{day}T{minute}{second}")
            return True
        before = datetime.fromisoformat(f"{day}T{minute}59{offset.upper()}").astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    return (before.hour, before.minute) == (23, 59)


def _check_media_type(_: str, text: str) -> None:
    if _MEDIA_TYPE.fullmatch(text) is None:
        raise ValueError(f"datacontenttype is a media type (RFC 2046), not {shown(text)}.")


# Every attribute that the specification or its partitioning extension defines; all of them are strings.
_CHECKS: Final[dict[str, Callable[[str, str], None]]] = {
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


def agrees_with_utf8(datacontenttype: str | None, data: bytes) -> bool:
    """Whether the `charset` of the type, if it has one, agrees with UTF-8 on these bytes."""
    charset = _charset_of(datacontenttype)
    return charset is None or charset in _UTF_8 or (charset == "us-ascii" and data.isascii())


_UTF_8: Final = ("utf-8", "utf8")


@lru_cache(maxsize=1_024)
def _charset_of(datacontenttype: str | None) -> str | None:
    """The `charset` of the type in lower case, if it has one."""
    charset = _CHARSET.search(datacontenttype or "")
    return None if charset is None else charset[1].lower()


def shown(value: object) -> str:
    """A value as a message may show it: short, and in quotes."""
    text = str(value)
    return json.dumps(text if len(text) <= 80 else text[:80] + "…", ensure_ascii=False)
