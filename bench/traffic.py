"""The events that all measurements send: 1 KiB of JSON about a train, its contract, and its forms on the wire.

The same event goes in through the API and out as a signed POST, so limits and product carry the same load. Knows
nothing of connections.
"""

import hmac
import json
import time
from binascii import b2a_base64
from collections.abc import Sequence
from itertools import count
from typing import Final

DATA_BYTES: Final = 1024
BATCH_EVENTS: Final = 500
KEYS: Final = 997  # prime, so that every event type sees every key
SOURCE: Final = "/bench/line-2"
SECRET: Final = b"0123456789abcdef0123456789abcdef"  # signs the limits' requests, and nothing else

SCHEMA: Final = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["trainNumber", "operator", "station", "arrivedAt", "stops"],
    "additionalProperties": False,
    "properties": {
        "trainNumber": {"type": "string", "pattern": "^[0-9]{1,6}$"},
        "operator": {"enum": ["VY", "SJN", "FLY", "GAG"]},
        "station": {"type": "string", "minLength": 2, "maxLength": 5},
        "track": {"type": "integer", "minimum": 1, "maximum": 40},
        "arrivedAt": {"type": "string", "format": "date-time"},
        "delaySeconds": {"type": "integer"},
        "stops": {
            "type": "array",
            "maxItems": 50,
            "items": {
                "type": "object",
                "required": ["station", "plannedAt"],
                "properties": {
                    "station": {"type": "string", "minLength": 2, "maxLength": 5},
                    "plannedAt": {"type": "string", "format": "date-time"},
                    "track": {"type": "integer", "minimum": 1, "maximum": 40},
                },
            },
        },
        "remarks": {"type": "string", "maxLength": 1000},
    },
}


def _data() -> bytes:
    stations = ("OSL", "LLS", "GAR", "EVL", "HMR", "BRD", "LHM", "RGB", "VIN", "OTA")
    stop = {"plannedAt": "2026-11-24T10:15:00+01:00", "track": 3}
    document: dict[str, object] = {
        "trainNumber": "4521",
        "operator": "VY",
        "station": "HMR",
        "track": 2,
        "arrivedAt": "2026-11-24T10:17:42.5+01:00",
        "delaySeconds": 162,
        "stops": [{"station": station} | stop for station in stations],
        "remarks": "",
    }
    short = DATA_BYTES - len(_compact(document))
    document["remarks"] = ("Signal fault south of the station. " * 30)[:short]
    return _compact(document)


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


DATA: Final = _data()

_EVENT_HEAD: Final = b'{"specversion":"1.0","id":"%d-%d","partitionkey":"train-%d",'
_EVENT_TAIL: Final = (
    b'"source":"%b","type":"%b","time":"2026-11-24T09:17:42.5Z","datacontenttype":"application/json","data":%b}'
)


def now_us() -> int:
    """The monotonic clock is the same in every process of a machine, so a receiver can tell how old an event is."""
    return time.monotonic_ns() // 1000


class Events:
    """An endless supply of new events, spread evenly over event types. Ids begin with the moment they were made."""

    def __init__(self, types: Sequence[str], first: int = 0) -> None:
        self._tails = [_EVENT_TAIL % (SOURCE.encode(), name.encode(), DATA) for name in types]
        self._numbers = count(first)

    def one(self) -> bytes:
        """A CloudEvent in the JSON event format."""
        number = next(self._numbers)
        return _EVENT_HEAD % (now_us(), number, number % KEYS) + self._tails[number % len(self._tails)]

    def many(self, size: int) -> bytes:
        """`size` events, separated by commas."""
        return b",".join([self.one() for _ in range(size)])


BATCH_QUERY: Final = (
    "mutation($events: [CloudEvent!]!) { produceEvents(events: $events) "
    "{ persisted duplicates rejected results(status: [REJECTED, POSSIBLY_PERSISTED]) { index } } }"
)
SINGLE_QUERY: Final = "mutation($event: CloudEventInput!) { produceEvent(event: $event) { status } }"


def batch_body(events: Events, size: int) -> bytes:
    return b'{"query":%b,"variables":{"events":[%b]}}' % (_compact(BATCH_QUERY), events.many(size))


def http_batch_body(events: Events, size: int) -> bytes:
    """The JSON batch format."""
    return b"[%b]" % events.many(size)


def single_body(events: Events) -> bytes:
    return b'{"query":%b,"variables":{"event":%b}}' % (_compact(SINGLE_QUERY), events.one())


# The webhook as the product sends it: CloudEvents binary mode, Standard Webhooks, a trace.
_POST: Final = (
    b"user-agent: event-issuer\r\nwebhook-request-origin: 127.0.0.1\r\n"
    b"ce-specversion: 1.0\r\nce-id: %d-%d\r\nce-partitionkey: train-%d\r\nce-source: /bench/line-2\r\n"
    b"ce-type: bench.train-arrived.v1\r\nce-time: 2026-11-24T09:17:42.5Z\r\ncontent-type: application/json\r\n"
    b"webhook-id: %b\r\nwebhook-timestamp: %d\r\nwebhook-signature: v1,%b\r\n"
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nContent-Length: 1024\r\n\r\n%b"
)


def signature(webhook_id: bytes, timestamp_s: int) -> bytes:
    """Standard Webhooks 1.0, symmetric: base64 of the HMAC-SHA256 of `id.timestamp.body`."""
    signed = b"%b.%d.%b" % (webhook_id, timestamp_s, DATA)
    return b2a_base64(hmac.digest(SECRET, signed, "sha256"), newline=False)


def post(number: int) -> bytes:
    """One signed webhook without its request line and Host."""
    webhook_id, timestamp_s = b"msg_bench_%d" % number, int(time.time())
    return _POST % (
        now_us(),
        number,
        number % KEYS,
        webhook_id,
        timestamp_s,
        signature(webhook_id, timestamp_s),
        DATA,
    )


def post_headers(number: int) -> dict[str, str]:
    """The headers of `post`, for a client that wants them as names and values."""
    lines = post(number).partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return dict(line.split(": ", 1) for line in lines)
