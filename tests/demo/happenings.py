"""Ready-made lines and deliveries for the demo's tests."""

from event_issuer.demo.receiver import Received
from event_issuer.demo.traffic import ACCEPTED, Entry, Outcome

TYPE = "cloud.open.operational.train-arrived.v1"


def entry(
    line: int, *, expected: Outcome = ACCEPTED, key: str = "807", subject: str = "OSL", type_: str = TYPE
) -> Entry:
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": f"id-{line}",
        "source": "/traffic",
        "type": type_,
        "subject": subject,
        "partitionkey": key,
        "data": {"line": line},
    }
    return Entry(line, event, expected)


def received(one: Entry, *, at_s: float = 0.0, is_signed: bool | None = True, data: object = None) -> Received:
    """The delivery of a line as it was sent, or with other data."""
    attributes = {name: str(value) for name, value in one.event.items() if name != "data"}
    return Received(attributes, one.event["data"] if data is None else data, is_signed, at_s)
