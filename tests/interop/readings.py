"""What a reader makes of a message, in one form for every codec, and how two readings differ.

Attributes are compared in their canonical string form (core §3.1), data as what it is: JSON values by value, text by
its characters, bytes by their bytes. Knows no SDK, and no message.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final, TypeAlias

from event_issuer.domain.events import ReadEvent, is_json

# RFC 3339 §5.6: what is left of a timestamp when a fraction's last zeros are gone; Z is +00:00.
_TIME: Final = re.compile(r"(?P<second>.{19})(?P<fraction>\.\d+)?(?P<offset>.+)")


@dataclass(frozen=True)
class Json:
    value: object


Data: TypeAlias = Json | str | bytes | None
"""As a reader hands it over: a JSON value, text, bytes, or none."""


@dataclass(frozen=True)
class Reading:
    """`attributes` are canonical, without those that are unset; `invented` names those that no message had."""

    attributes: Mapping[str, str]
    data: Data
    invented: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Refused:
    words: str


class Differs(Enum):
    WE_REFUSE = "we refuse, the SDK does not"
    THEY_REFUSE = "the SDK refuses, we do not"
    ATTRIBUTES = "other attributes"
    DATA = "other data"
    BOTH = "other attributes and other data"


def difference(theirs: Reading | Refused, ours: ReadEvent | Refused) -> Differs | None:
    if isinstance(theirs, Refused) or isinstance(ours, Refused):
        if isinstance(theirs, Refused) and isinstance(ours, Refused):
            return None
        return Differs.THEY_REFUSE if isinstance(theirs, Refused) else Differs.WE_REFUSE
    named = comparable(theirs.attributes) != comparable(ours.event.attributes)
    filled = not same_data(theirs.data, ours)
    if named and filled:
        return Differs.BOTH
    return Differs.ATTRIBUTES if named else Differs.DATA if filled else None


def comparable(attributes: Mapping[str, str]) -> dict[str, str]:
    """Core §3.1.2: an event without datacontenttype is exactly equivalent to one with application/json."""
    found = {"datacontenttype": "application/json", **attributes}
    if "time" in found:
        found["time"] = _same_spelling(found["time"])
    return found


def _same_spelling(time: str) -> str:
    """The local time, the fraction and the offset of a timestamp, in the one spelling of all that say the same."""
    parts = _TIME.fullmatch(time.upper())
    if parts is None:
        return time
    offset = "+00:00" if parts["offset"] == "Z" else parts["offset"]
    return f"{parts['second']}{(parts['fraction'] or '').rstrip('0').rstrip('.')}{offset}"


def same_data(theirs: Data, ours: ReadEvent) -> bool:
    """JSON event format §3.1.2: bytes MAY be interpreted further, so bytes are compared with what we keep."""
    event, document = ours
    if theirs is None or isinstance(theirs, bytes):
        return theirs == event.data
    if isinstance(theirs, Json):
        return event.has_json_data and event.data is not None and same_value(theirs.value, document)
    return not event.has_json_data and theirs == event.text


def same_value(one: object, other: object) -> bool:
    """JSON has one type of number, and neither numbers nor null are Booleans or strings."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_value(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return one == other


def canonical(attributes: Mapping[str, object]) -> dict[str, str]:
    """Core §3.1: native values in their string encoding. What has no type there keeps its JSON, to be seen."""
    return {name: _text(value) for name, value in attributes.items() if value is not None}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value)


def data_of(value: object, datacontenttype: str | None) -> Data:
    """What an API calls data: an unparsed string is JSON text's value only where the type is JSON."""
    if value is None or isinstance(value, bytes):
        return value
    return value if isinstance(value, str) and not is_json(datacontenttype) else Json(value)
