"""What goes into an event log, and what becomes of it. Knows no log."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Final, NamedTuple

import orjson

from event_issuer.domain.events import CloudEvent
from event_issuer.domain.time import Instant

DIGEST_BYTES: Final = 16  # two of 2^64 events are alike by chance: nothing to fear within a window of millions


# In sorted order it is never the last one; inside a string its quotes would be escaped.
_JSON_TYPE: Final = b'"datacontenttype":"application/json",'


@dataclass(slots=True)
class NewRecord:
    """An accepted event on its way into a partition; `attributes` are the event's as JSON.

    `identity_digest` names the event (tenant, type, source, id) for deduplication, None where its type does not
    deduplicate; `content_digest` tells the same event sent again from another one under the same name. `origin` is the
    trace and the span that it was produced in, where those are recorded.
    """

    partition_id: int
    event: CloudEvent
    schema_version: int | None
    identity_digest: bytes | None
    content_digest: bytes
    attributes: bytes
    origin: tuple[str, str] | None = None


def new_record(
    partition_id: int, event: CloudEvent, schema_version: int | None, identity_digest: bytes | None
) -> NewRecord:
    """The content is the attributes, in whatever order, and the data as bytes: no JSON text goes on behind its last
    brace, so one cannot pass for the other. Core §3.1.2: application/json is what an absent datacontenttype means."""
    attributes = orjson.dumps(event.attributes, option=orjson.OPT_SORT_KEYS)
    content = attributes.replace(_JSON_TYPE, b"") + (event.data or b"")
    digest = blake2b(content, digest_size=DIGEST_BYTES).digest()
    return NewRecord(partition_id, event, schema_version, identity_digest, digest, attributes)


def identity_of(tenant_id: int, event_type_id: int, source: str, event_id: str) -> bytes:
    """What an event is recognised by: NUL can stand in none of the texts. `tenant_id` is the producer's."""
    name = f"{tenant_id}\0{event_type_id}\0{source}\0{event_id}"
    return blake2b(name.encode(), digest_size=DIGEST_BYTES).digest()


class AppendStatus(StrEnum):
    PERSISTED = "PERSISTED"
    DUPLICATE = "DUPLICATE"  # the same event is in the log; the position is its own
    CONFLICT = "CONFLICT"  # another event with the same source and id is in the log, at this position


class Appended(NamedTuple):
    """A tuple, because there is one per record of a batch."""

    status: AppendStatus
    partition_id: int
    offset: int
    recorded_at: Instant
