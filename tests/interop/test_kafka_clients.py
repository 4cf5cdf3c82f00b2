"""Another Kafka client on our topics, with a real server between it and a real webhook receiver.

What it writes, in every form that others write, is received as a CloudEvent, exact in headers and body. What we write
it finds with the headers, the key and the partition that it would have chosen itself. What is no event is passed, and
its owner told why.
"""

import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from event_issuer.domain.time import to_rfc3339
from event_issuer.domain.unreadable import UnreadableReason
from tests.acceptance.server import Server
from tests.api.partners import Partner, event
from tests.api.webhooks import TAKES, body, settled
from tests.egress.receiver import Receiver, Receivers
from tests.kafka.kinds import is_apache
from tests.kafka.librdkafka import Header, Written, read, write

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWER_S = 30.0
FORMS, OURS, POISONED = "others.forms.v1", "others.ours.v1", "others.poisoned.v1"
DATA_BYTES_MAX = 70_000
ODD = b'{ "train" :"4521",\n"delay": 3 }'  # as no program of ours would print it
STRUCTURED = b"application/cloudevents+json; charset=utf-8"
JSON = ("content-type", b"application/json")
QUARANTINED = """query ($type: String!) { quarantinedEvents(eventType: $type, first: 50) { nodes {
  standing unreadable violations { message } event { eventId } } } }"""


@dataclass
class Site:
    """A server, and one event type with a subscriber; its topic is `topic`."""

    operator: Partner
    receiver: Receiver
    kafka: str
    type: str
    topic: str
    subscription: str

    async def write(self, *records: Written) -> list[tuple[int, int]]:
        return await write(self.kafka, self.topic, *records)


Begin = Callable[..., Awaitable[Site]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def begin(
    kafka_address: str, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Begin]:
    """`await begin(name, …)`: an event type of that name, and who wants it, on one server for all tests here."""
    folder, prefix = tmp_path_factory.mktemp("others"), f"others{uuid.uuid4().hex[:12]}"
    shutil.copyfile(sqlite_template, folder / "issuer.db")
    settings = {
        "EVENT_ISSUER_LOG_URL": f"kafka://{kafka_address}",
        "EVENT_ISSUER_KAFKA_TOPIC": prefix + ".{event_type}",
        "EVENT_ISSUER_VERIFICATION_OPTIONAL": "true",
        "EVENT_ISSUER_DATA_BYTES_MAX": str(DATA_BYTES_MAX),
    }
    server = Server(f"sqlite:///{folder}/issuer.db", folder / "server.log", more=settings)
    key = await server.run("key", "create", "--tenant", "acme", "--principal", "tester", "--operator")
    await server.start()
    try:
        async with Receivers() as receivers, httpx.AsyncClient(base_url=server.url, timeout=ANSWER_S) as http:

            async def begin(type_: str, **more: object) -> Site:
                operator, receiver = Partner(http, key, "tester"), await receivers(TAKES)
                await operator.create_type(type_, validation="QUARANTINE", **more)
                made = await operator.subscribe(receiver.url, type_, verification="NONE")
                subscription = made["webhookSubscription"]["id"]
                return Site(operator, receiver, kafka_address, type_, f"{prefix}.{type_}", subscription)

            yield begin
        assert await server.stop() == 0
    finally:
        await server.close()


def attributes(type_: str, id_: str = "1", **more: bytes | None) -> list[Header]:
    """Headers of an event in binary mode, changed by `more`; None takes one away."""
    ours: dict[str, bytes | None] = {
        "specversion": b"1.0",
        "id": id_.encode(),
        "source": b"/other",
        "type": type_.encode(),
    }
    return [(f"ce_{name}", value) for name, value in (ours | more).items() if value is not None]


def received(request: bytes) -> tuple[dict[str, str], bytes]:
    """The CloudEvent as the webhook brought it: its headers, and the body."""
    lines = request.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")[1:]
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    event_only = {name: value for name, value in headers.items() if name.startswith("ce-") or name == "content-type"}
    return event_only, body(request)


async def test_what_it_writes_is_received(begin: Begin) -> None:
    site = await begin(FORMS, partitions=3, plainJsonSource="//kafka/trains")
    structured = b'{"specversion":"1.0","id":"s","source":"/other","type":"%s","time":"2026-03-01T12:00:00.5+01:00",'
    places = await site.write(
        Written(ODD, [*attributes(FORMS, "b", subject="Tromsø S".encode(), partitionkey=b"k"), JSON], b"k"),
        Written(structured % FORMS.encode() + b'"data":' + ODD + b"}", [("content-type", STRUCTURED)], b"k"),
        Written(ODD, (), b"k"),
        Written(b"\0\0\0\1\2" + ODD, (), b"k"),
        Written(None, (), b"k"),
        Written(ODD, attributes(FORMS, "last"), b"k"),
    )
    partition, first = places[0]
    assert places == [(partition, first + n) for n in range(6)]
    await site.receiver.asked(5)
    lying = await read(site.kafka, site.topic, 6)
    times = [to_rfc3339(record.timestamp_ms * 1000) for record in lying]
    common = {"ce-specversion": "1.0", "ce-type": FORMS, "ce-partitionkey": "k", "content-type": "application/json"}
    plain = common | {"ce-source": "//kafka/trains"}
    assert [received(request) for request in site.receiver.requests] == [
        (common | {"ce-id": "b", "ce-source": "/other", "ce-subject": "Troms%C3%B8%20S"}, ODD),
        (common | {"ce-id": "s", "ce-source": "/other", "ce-time": "2026-03-01T12:00:00.5+01:00"}, ODD),
        (plain | {"ce-id": f"{site.topic}-{partition}-2", "ce-time": times[2]}, ODD),
        (plain | {"ce-id": f"{site.topic}-{partition}-3", "ce-time": times[3], "ce-confluentschemaid": "258"}, ODD),
        (common | {"ce-id": "last", "ce-source": "/other"}, ODD),
    ]
    lag = (await settled(site.operator, site.subscription))["lag"]
    assert (lag["events"], lag["parked"]) == (0, 0)


async def test_what_we_write_it_finds_where_it_would_have_put_it(begin: Begin) -> None:
    site = await begin(OURS, partitions=3)
    keys = [f"Østbanen-{n}" for n in range(20)]
    events = [event(f"e{n}", type=OURS, partitionkey=key, time="2026-03-01T12:00:00Z") for n, key in enumerate(keys)]
    produced = await site.operator.produce_counted(*events, event("keyless", type=OURS))
    assert produced == {"persisted": 21, "duplicates": 0, "rejected": 0}
    ours = await read(site.kafka, site.topic, 21)
    found = {dict(record.headers)["ce_id"].decode(): record for record in ours}
    for n, key in enumerate(keys):
        record = found[f"e{n}"]
        assert (record.key, record.value) == (key.encode(), b'{"train":"4521"}')
        assert sorted(record.headers) == [
            ("ce_id", b"e%d" % n),
            ("ce_partitionkey", key.encode()),
            ("ce_source", b"/banenor/tests"),
            ("ce_specversion", b"1.0"),
            ("ce_time", b"2026-03-01T12:00:00Z"),
            ("ce_type", OURS.encode()),
            ("ei_schemaversion", b"1"),
        ]
    assert found["keyless"].key is None
    chosen = await site.write(*(Written(None, (), key.encode()) for key in keys))
    assert [found[f"e{n}"].partition for n in range(20)] == [partition for partition, _ in chosen]
    assert {partition for partition, _ in chosen} == {0, 1, 2}


POISON: dict[str, Written] = {
    "HEADER_NOT_UTF8": Written(ODD, attributes(POISONED, id=b"\xff")),
    "HEADER_TWICE": Written(ODD, [*attributes(POISONED), ("ce_id", b"2")]),
    "ATTRIBUTE_MISSING": Written(ODD, attributes(POISONED, source=None)),
    "ATTRIBUTE_NAME": Written(ODD, [*attributes(POISONED), ("ce_Bad-Name", b"x")]),
    "ATTRIBUTE_VALUE": Written(ODD, attributes(POISONED, "")),
    "SPECVERSION": Written(ODD, attributes(POISONED, specversion=b"0.3")),
    "TIME": Written(ODD, attributes(POISONED, time=b"yesterday")),
    "EVENT_FORMAT": Written(ODD, [("content-type", b"application/cloudevents+avro")]),
    "ENVELOPE": Written(b"[]", [("content-type", STRUCTURED)]),
    "DATA": Written(b'{"train": ', attributes(POISONED)),
    "NOT_A_NUMBER": Written(b'{"train": NaN}', attributes(POISONED)),
    "CONFLUENT_FORMAT": Written(b"\0\0\0\0\1\x08Avro", attributes(POISONED)),
    "CONTENT_TYPE": Written(b"4521", [("content-type", b"text/plain")]),
    "TOO_LARGE": Written(b'"' + b"x" * DATA_BYTES_MAX + b'"', attributes(POISONED)),
}


async def test_what_is_no_event_is_passed_and_its_owner_told_why(begin: Begin) -> None:
    assert {*POISON, "NO_PLAIN_RULE", "INTERNAL"} == set(UnreadableReason)
    site = await begin(POISONED, partitions=1, plainJsonSource="//kafka/trains")
    # noida-db keeps one of two headers of the same name.
    written = {reason: record for reason, record in POISON.items() if is_apache() or reason != "HEADER_TWICE"}
    await site.write(*written.values(), Written(ODD, attributes(POISONED, "good")))
    await site.receiver.asked(1)
    found: Any = (await site.operator.ask(QUARANTINED, type=POISONED))["quarantinedEvents"]["nodes"]
    assert sorted((one["event"]["eventId"], one["unreadable"]) for one in found) == sorted(
        (f"{site.topic}-0-{offset}", reason) for offset, reason in enumerate(written)
    )
    assert all(one["standing"] == "HELD" and one["violations"] for one in found)
    assert [received(request)[0]["ce-id"] for request in site.receiver.requests] == ["good"]
    lag = (await settled(site.operator, site.subscription))["lag"]
    assert (lag["events"], lag["parked"], lag["deadLettered"]) == (0, 0, 0)
