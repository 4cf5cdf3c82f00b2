"""The URLs that name our schema versions: `{public_url}/v1/schemas/{event type}/{version}`. Knows no schema."""

import re
from dataclasses import dataclass
from typing import Final

from event_issuer.domain.errors import ContractBroken
from event_issuer.domain.violations import violation

PATH: Final = "/v1/schemas/"
_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}")  # fits 32 bits


def version_number(text: str) -> int | None:
    """The version that a segment of a URL names; None where it names none: each version has one spelling."""
    return int(text) if _VERSION.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class SchemaUrls:
    """`public_url` has no slash at its end."""

    public_url: str

    def of(self, event_type: str, version: int) -> str:
        return f"{self.public_url}{PATH}{event_type}/{version}"

    def version_in(self, dataschema: str, event_type: str) -> int | None:
        """The version of this type that the `dataschema` of an event names; None for a URI that is not ours.

        Raises ContractBroken for a URL of ours that names no version of this type.
        """
        prefix = self.public_url + PATH
        if not dataschema.startswith(prefix):
            return None
        name, _, number = dataschema.removeprefix(prefix).rpartition("/")
        version = version_number(number)
        if version is None or name != event_type:
            raise self.broken(dataschema, event_type)
        return version

    def broken(self, dataschema: str, event_type: str) -> ContractBroken:
        """Of an event whose `dataschema` is a URL of ours, but of no version of its type."""
        right = f"{self.public_url}{PATH}{event_type}/1 or another version of it"
        message = f"{dataschema[:200]!r} names no schema version of this event's type; right is {right}."
        return ContractBroken(message, violations=[violation("/dataschema", "dataschema", message)])
