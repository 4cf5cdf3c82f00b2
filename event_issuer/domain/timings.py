"""How long each part of an attempt took, in microseconds, and the short text that is stored of it.

Nearly every attempt goes out on a kept connection, whose only time of its own is that to the first byte: one number.
A new connection adds what opening it took. None is what was not needed, or not reached. Knows no request.
"""

from typing import NamedTuple


class AttemptTimings(NamedTuple):
    """`first_byte_us` is from the request to the first byte of the answer."""

    first_byte_us: int | None = None
    dns_us: int | None = None
    connect_us: int | None = None
    tls_us: int | None = None

    @classmethod
    def parse(cls, text: str | None) -> "AttemptTimings":
        """Of what `written` and `written_kept` made."""
        return cls(*(int(part) if part else None for part in text.split(","))) if text else cls()

    def written(self) -> str | None:
        """None where nothing is known."""
        text = ",".join("" if part is None else str(part) for part in self).rstrip(",")
        return text or None


def written_kept(first_byte_us: int | None) -> str | None:
    """The same for an attempt on a kept connection: what is written in nearly every case, and so by itself."""
    return None if first_byte_us is None else str(first_byte_us)
