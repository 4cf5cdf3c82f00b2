"""Global ids: opaque to callers, `kind:key` in base64url to us. Knows no objects."""

import base64
import binascii
from typing import Final

from event_issuer.domain.errors import NotFound
from event_issuer.domain.global_ids import encode_id as encode_id
from event_issuer.domain.paging import ID_DIGITS_MAX

LENGTH_MAX: Final = 200


def parse_id(text: str) -> tuple[str, list[str]]:
    """The kind and the keys; ("", []) for what is no id of ours."""
    try:
        if len(text) <= LENGTH_MAX:
            padded = text + "=" * (-len(text) % 4)
            kind, *keys = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split(":")
            return kind, keys
    except (binascii.Error, ValueError):
        pass
    return "", []


def number_in(text: str, kind: str) -> int | None:
    """The one numeric key of an id of this kind; None for anything else."""
    keys = numbers_in(text, kind, 1)
    return None if keys is None else keys[0]


def numbers_in(text: str, kind: str, count: int) -> list[int] | None:
    """The numeric keys of an id of this kind that has so many; None for anything else."""
    its_kind, keys = parse_id(text)
    if its_kind != kind or len(keys) != count or not all(map(_is_number, keys)):
        return None
    return [int(key) for key in keys]


def existing_number(text: str, kind: str) -> int:
    """The same for a mutation, whose object must be there. Raises NotFound."""
    number = number_in(text, kind)
    if number is None:
        raise NotFound(f"{text!r:.80} is no id of a {kind}.")
    return number


def existing_numbers(text: str, kind: str, count: int) -> list[int]:
    """The same for an id of `count` numeric keys."""
    its_kind, keys = parse_id(text)
    if its_kind != kind or len(keys) != count or not all(map(_is_number, keys)):
        raise NotFound(f"{text!r:.80} is no id of a {kind}.")
    return [int(key) for key in keys]


def event_id(log_id: str, partition_id: int, offset: int) -> str:
    return encode_id("Event", log_id[:LOG_ID_CHARS], partition_id, offset)


def event_position(text: str, log_id: str) -> tuple[int, int] | None:
    """Partition id and offset of an event of this log; None for anything else."""
    kind, keys = parse_id(text)
    if kind != "Event" or len(keys) != 3 or keys[0] != log_id[:LOG_ID_CHARS]:
        return None
    return (int(keys[1]), int(keys[2])) if _is_number(keys[1]) and _is_number(keys[2]) else None


LOG_ID_CHARS: Final = 8  # tells one log from another; it need not be unguessable


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= ID_DIGITS_MAX
