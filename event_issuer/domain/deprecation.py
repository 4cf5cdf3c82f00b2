"""What a deprecated event type says of itself in each of its events. Knows no clock and no types.

Source: CloudEvents, extensions/deprecation.md.
"""

from dataclasses import dataclass, field
from typing import Final

from event_issuer.domain.events import CloudEvent
from event_issuer.domain.time import Instant, to_rfc3339

NAMES: Final = ("deprecated", "deprecationfrom", "deprecationsunset", "deprecationmigration")


@dataclass(frozen=True, slots=True)
class Deprecation:
    """`since` never moves; `migration_url` is where it is said what to use instead."""

    since: Instant
    sunset_at: Instant | None = None
    migration_url: str | None = None
    _attributes: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        attributes = {"deprecated": "true", "deprecationfrom": to_rfc3339(self.since)}
        if self.sunset_at is not None:
            attributes["deprecationsunset"] = to_rfc3339(self.sunset_at)
        if self.migration_url is not None:
            attributes["deprecationmigration"] = self.migration_url
        object.__setattr__(self, "_attributes", attributes)

    def told_by(self, event: CloudEvent) -> CloudEvent:
        """The event with the attributes of the extension; as it is where its producer set any of them: what one party
        says is consistent, a mixture need not be."""
        if any(name in event.attributes for name in NAMES):
            return event
        return CloudEvent(event.attributes | self._attributes, event.data)
