"""Pages of lists that can grow: what was asked for, checked, and the slice that answers it.

Cursors are keys, not positions, so that a page stays where it is when rows are added before it. A cursor is opaque
to callers: base64url of a short text. Knows no table and no face.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from event_issuer.domain.errors import BadInput

Item = TypeVar("Item")

PAGE_SIZE: Final = 50
PAGE_SIZE_MAX: Final = 1000  # a page is built in memory and sent as one document


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Up to `size` items whose keys lie between `after` and `before`, from the end when `backwards`."""

    size: int = PAGE_SIZE
    after: str | None = None
    before: str | None = None
    backwards: bool = False

    @property
    def limit(self) -> int:
        """One more than asked for tells whether there are more."""
        return self.size + 1


@dataclass(frozen=True, slots=True)
class Slice(Generic[Item]):
    """Items in their natural order, whichever way they were asked for."""

    items: Sequence[Item]
    has_next: bool
    has_previous: bool


def page_request(first: int | None, after: str | None, last: int | None, before: str | None) -> PageRequest:
    """From Relay's four arguments, cursors decoded. Raises BadInput."""
    if first is not None and last is not None:
        raise BadInput("Give first or last, not both.")
    size = first if first is not None else last
    if size is not None and not 0 <= size <= PAGE_SIZE_MAX:
        raise BadInput(f"A page has 0 to {PAGE_SIZE_MAX} items, not {size}.")
    return PageRequest(
        PAGE_SIZE if size is None else size,
        None if after is None else decode_cursor(after),
        None if before is None else decode_cursor(before),
        last is not None,
    )


def sliced(found: Sequence[Item], request: PageRequest) -> Slice[Item]:
    """The answer to `request` from up to `request.limit` items, found in the direction it asks for."""
    more = len(found) > request.size
    items = list(found[: request.size])
    if request.backwards:
        items.reverse()
        return Slice(items, has_next=request.before is not None, has_previous=more)
    return Slice(items, has_next=more, has_previous=request.after is not None)


def encode_cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """Raises BadInput for what `encode_cursor` never gave."""
    try:
        key = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        key = ""
    if not key or encode_cursor(key) != cursor:
        raise BadInput(f"{cursor[:80]!r} is no cursor of this list; take one from an earlier page.")
    return key


def id_of(key: str | None) -> int | None:
    """The key of a list that is ordered by id. Raises BadInput."""
    if key is None:
        return None
    if not key.isascii() or not key.isdigit() or len(key) > ID_DIGITS_MAX:
        raise BadInput("The cursor is of another list; take one from an earlier page of this one.")
    return int(key)


ID_DIGITS_MAX: Final = 18  # fits 64 bits
