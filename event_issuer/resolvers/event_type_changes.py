"""What a change of an event type comes to: the columns to set. Pure: it is called in the transaction that has locked
the type. A field that is `Unset` stays as it is; None unsets it.

A deprecation keeps the promises of CloudEvents' deprecation extension: its beginning never moves, and its sunset only
to a later time.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from event_issuer.db.event_types import CurrentEventType, Decision
from event_issuer.domain.access import Audience
from event_issuer.domain.errors import BadInput, Conflict
from event_issuer.domain.events import read_attributes
from event_issuer.domain.time import Instant, to_rfc3339
from event_issuer.resolvers.subscription_changes import UNSET, Maybe, Unset, Value

DESCRIPTION_LENGTH_MAX: Final = 4096
RETENTION_MIN_S: Final = 60
RETENTION_MAX_S: Final = 100 * 365 * 24 * 3600  # in microseconds it fits into 64 bits, beside the present
RETENTION_BYTES_MAX: Final = 2**50
MIGRATION_URL_LENGTH_MAX: Final = 1024  # becomes a header of each delivery, beside up to 6 KiB of the event's own
ACTIVE: Final = "ACTIVE"
DEPRECATED: Final = "DEPRECATED"
# RFC 3986: what it does not allow is percent-encoded, so that the URL is a header as it is.
_URL = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")


@dataclass(frozen=True, slots=True)
class EventTypeChange:
    """None takes the server's default for a retention, and unsets `sunset_at`, `migration_url` and `plain_json_source`;
    elsewhere it leaves the field as it is."""

    description: str | None = None
    audience: Audience | None = None
    compatibility: str | None = None
    validation: str | None = None
    status: str | None = None
    sunset_at: Maybe[Instant] = UNSET
    migration_url: Maybe[str] = UNSET
    retention_s: Maybe[int] = UNSET
    retention_bytes: Maybe[int] = UNSET
    plain_json_source: Maybe[str] = UNSET


def decide_change(change: EventTypeChange, now: Instant) -> Decision:
    """Raises BadInput now for what is wrong whatever the type; the decision raises BadInput and Conflict."""
    if change.description is not None:
        check_description(change.description)
    check_retention(_given(change.retention_s), _given(change.retention_bytes))
    _check_migration_url(_given(change.migration_url))
    check_plain_json_source(_given(change.plain_json_source))
    if isinstance(change.sunset_at, int) and change.sunset_at <= now:
        raise BadInput(f"A sunset is in the future, not at {to_rfc3339(change.sunset_at)}.")

    def decide(current: CurrentEventType) -> Mapping[str, object]:
        wishes: dict[str, object] = {
            "description": change.description,
            "audience": None if change.audience is None else change.audience.value,
            "compatibility": change.compatibility,
            "validation": change.validation,
        }
        columns = {name: value for name, value in wishes.items() if value is not None}
        settable: tuple[tuple[str, object], ...] = (
            ("retention_s", change.retention_s),
            ("retention_bytes", change.retention_bytes),
            ("plain_json_source", change.plain_json_source),
        )
        columns |= {name: value for name, value in settable if value is not UNSET}
        columns |= _deprecation(change, current, now)
        return {name: value for name, value in columns.items() if getattr(current, name) != value}

    return decide


def _deprecation(change: EventTypeChange, current: CurrentEventType, now: Instant) -> dict[str, object]:
    status = change.status or current.status
    if status == ACTIVE:
        if _given(change.sunset_at) is not None or _given(change.migration_url) is not None:
            raise BadInput("Only a DEPRECATED event type has a sunset and a migration URL; set its status with them.")
        return {"status": ACTIVE, "deprecated_at_us": None, "sunset_at_us": None, "migration_url": None}
    columns: dict[str, object] = {"status": DEPRECATED}
    if current.deprecated_at_us is None:
        columns["deprecated_at_us"] = now
    if change.sunset_at is not UNSET:
        _refuse_earlier(change.sunset_at, current.sunset_at_us)
        columns["sunset_at_us"] = change.sunset_at
    if change.migration_url is not UNSET:
        columns["migration_url"] = change.migration_url
    return columns


def _refuse_earlier(sunset_at: Maybe[Instant], present: Instant | None) -> None:
    if isinstance(sunset_at, int) and present is not None and sunset_at < present:
        raise Conflict(
            f"A sunset that was announced moves to a later time only: it is {to_rfc3339(present)}, and "
            f"{to_rfc3339(sunset_at)} is before it."
        )


def check_description(text: str) -> None:
    if not 0 < len(text) <= DESCRIPTION_LENGTH_MAX:
        raise BadInput(f"A description has 1 to {DESCRIPTION_LENGTH_MAX} characters, not {len(text)}.")


def check_retention(seconds: int | None, bytes_: int | None) -> None:
    if seconds is not None and not RETENTION_MIN_S <= seconds <= RETENTION_MAX_S:
        raise BadInput(f"retentionSeconds is {RETENTION_MIN_S} to {RETENTION_MAX_S}, not {seconds}.")
    if bytes_ is not None and not 1 <= bytes_ <= RETENTION_BYTES_MAX:
        raise BadInput(f"retentionBytes, of one partition, is 1 to {RETENTION_BYTES_MAX}, not {bytes_}.")


def check_plain_json_source(source: str | None) -> None:
    if source is None:
        return
    _, wrong = read_attributes({"specversion": "1.0", "id": "1", "type": "a.b", "source": source})
    if wrong:
        raise BadInput(f"plainJsonSource becomes the source of events: {wrong[0].message}")


def _check_migration_url(url: str | None) -> None:
    if url is not None and (len(url) > MIGRATION_URL_LENGTH_MAX or _URL.fullmatch(url) is None):
        raise BadInput(
            f"A migration URL is http or https, at most {MIGRATION_URL_LENGTH_MAX} characters of RFC 3986, "
            f"not {url!r:.80}."
        )


def _given(wish: Maybe[Value]) -> Value | None:
    return None if isinstance(wish, Unset) else wish
