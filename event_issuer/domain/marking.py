"""The event that tries an endpoint out: marked, so that nobody takes it for something that happened.

Neither CloudEvents nor Standard Webhooks has a word for it; these are ours, and `docs/test-events.md` explains them.
"""

from typing import Final

from event_issuer.domain.events import CloudEvent
from event_issuer.domain.time import Instant, to_rfc3339

SOURCE: Final = "/event-issuer/test"
ATTRIBUTE: Final = "testevent"  # an extension attribute, `true`
HEADER_LINE: Final = b"webhook-test: true\r\n"  # the same for who looks at headers before the body


def marked_event(event_type: str, id_: str, dataschema: str, data: bytes, now: Instant) -> CloudEvent:
    """`data` is JSON."""
    attributes = {
        "specversion": "1.0",
        "id": id_,
        "source": SOURCE,
        "type": event_type,
        "time": to_rfc3339(now),
        "datacontenttype": "application/json",
        "dataschema": dataschema,
        ATTRIBUTE: "true",
    }
    return CloudEvent(attributes, data)
