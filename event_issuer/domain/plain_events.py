"""Many events as text, the plain ones among them read at once: what nearly all events of a batch are.

Plain is an event whose attributes are printable strings within bounds and whose data is JSON, in a text that leaves no
question: printed anew it is the same but for white space. So no name occurs twice and no number changes, and orjson
prints nothing that is nested too deep: one pass over many events tells. An event that is not plain may be right all the
same: `event_issuer.domain.json_format` decides, and says what is wrong. Knows no wire and no contract.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import orjson
from msgspec import Raw

from event_issuer.domain.events import CloudEvent, ReadEvent, are_plain_attributes
from event_issuer.domain.json_values import DEPTH_MAX, is_same_text

SLICE_EVENTS: Final = 64  # what they share costs little each, and their parsed data stays in the processor's cache
PLAIN_MIN: Final = 3  # fewer are read one by one as quickly
DEPTH_PROBED: Final = 1_024  # orjson writes less deep than that, or it is of no use here


def read_plain(values: Sequence[object]) -> Iterator[ReadEvent | None]:
    """For each value, a text (`Raw`) or anything else, the event if it is plain, in order.

    What is in a slice is parsed when its first event is asked for, and can be forgotten after its last.
    """
    if len(values) < PLAIN_MIN:
        yield from [None] * len(values)
        return
    for start in range(0, len(values), SLICE_EVENTS):
        yield from _read_slice(values[start : start + SLICE_EVENTS])


class _Part(msgspec.Struct, gc=False):
    """Where the data stands in an event's text; other members are passed over."""

    data: Raw = Raw()


# No texts, or no JSON; nested too deep (orjson's is a TypeError); no objects.
_NOT_PLAIN: Final = (TypeError, ValueError, RecursionError, msgspec.DecodeError)
_PARTS: Final = msgspec.json.Decoder(list[_Part])


def _read_slice(values: Sequence[object]) -> Sequence[ReadEvent | None]:
    none = [None] * len(values)
    try:
        text = b"[%b]" % b",".join(values)  # type: ignore[arg-type]  # a Raw is a buffer; other values raise
        documents = orjson.loads(text)
        printed = orjson.dumps(_wrapped(documents))[_WRAPS:-_WRAPS]
        parts = _PARTS.decode(text)
    except _NOT_PLAIN:
        return none
    if len(documents) != len(values) or not is_same_text(printed, text):
        return none
    datas = [bytes(part.data) for part in parts]
    bodies = [members.pop("data", None) for members in documents]
    return [
        ReadEvent(CloudEvent(members, data), body) if is_plain and data else None
        for members, data, body, is_plain in zip(documents, datas, bodies, are_plain_attributes(documents), strict=True)
    ]


def _wrapped(documents: object) -> object:
    """In so many lists that orjson refuses to print data that is nested more than `DEPTH_MAX` deep."""
    for _ in range(_WRAPS):
        documents = [documents]
    return documents


def _wraps() -> int:
    """How many: tried out, for only orjson knows how deep it goes. The slice and the event are levels, too."""
    depths = range(1, DEPTH_PROBED)
    printed = bisect_left(depths, True, key=lambda depth: not (_is_printed([], depth - 1) or _is_printed(0, depth)))
    if printed == len(depths):
        raise ImportError(f"orjson prints what is nested {DEPTH_PROBED} levels deep; what is too deep would pass")
    return depths[printed - 1] - DEPTH_MAX - 2


def _is_printed(innermost: object, lists: int) -> bool:
    value = innermost
    for _ in range(lists):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True


_WRAPS: Final = _wraps()
