"""Why a record of another writer's log is no event that can be delivered: codes that stay, and words for people.

Such a record is passed, and quarantined with its reason. Knows no log, and nothing of how the record was read.
"""

from dataclasses import dataclass
from enum import StrEnum

from event_issuer.domain.errors import Violation
from event_issuer.domain.violations import violation


class UnreadableReason(StrEnum):
    HEADER_NOT_UTF8 = "HEADER_NOT_UTF8"
    HEADER_TWICE = "HEADER_TWICE"
    ATTRIBUTE_MISSING = "ATTRIBUTE_MISSING"
    ATTRIBUTE_NAME = "ATTRIBUTE_NAME"
    ATTRIBUTE_VALUE = "ATTRIBUTE_VALUE"
    SPECVERSION = "SPECVERSION"
    TIME = "TIME"
    EVENT_FORMAT = "EVENT_FORMAT"  # structured, but not in JSON; or a batch, which Kafka does not have
    ENVELOPE = "ENVELOPE"  # structured, and the value is not one JSON object
    DATA = "DATA"  # not what its type says: JSON that is none, base64 that is none
    NOT_A_NUMBER = "NOT_A_NUMBER"  # NaN or Infinity, which JSON does not have
    CONFLUENT_FORMAT = "CONFLUENT_FORMAT"  # behind a schema id, something else than JSON: Avro, Protobuf
    CONTENT_TYPE = "CONTENT_TYPE"  # no CloudEvent, and it says that it is not JSON
    NO_PLAIN_RULE = "NO_PLAIN_RULE"  # no CloudEvent, and its event type has no rule that makes it one
    TOO_LARGE = "TOO_LARGE"
    INTERNAL = "INTERNAL"  # the fault is ours


@dataclass(frozen=True, slots=True)
class Unreadable:
    """`violations` are never empty; the first of them is what `reason` is about."""

    reason: UnreadableReason
    violations: tuple[Violation, ...]


def unreadable(reason: UnreadableReason, message: str, path: str = "") -> Unreadable:
    return Unreadable(reason, (violation(path, reason.value, message),))
