"""What becomes of a log whose broker stops, dies or says nothing any more: exact outcomes, quickly, and it goes on."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from time import monotonic

import httpx
import pytest

from event_issuer.app import asgi_app, open_issuer
from event_issuer.db.database import open_database
from event_issuer.domain.access import EVERYTHING, Action, Policy
from event_issuer.domain.errors import OutcomeUnknown, Unavailable
from event_issuer.domain.records import AppendStatus
from event_issuer.domain.time import system_clock
from event_issuer.eventlog.kafka.connection import KafkaConnection
from event_issuer.eventlog.kafka.log import KafkaLog
from event_issuer.security.sealing import new_sealing_key
from event_issuer.settings import load_settings
from tests.api.partners import Partners, event
from tests.api.webhooks import TAKES, header
from tests.egress.receiver import Receivers
from tests.eventlog.kafka_logs import KafkaLogs
from tests.eventlog.records import ids, record
from tests.kafka.process import Broker

TIMEOUT_S = 1.5
QUICK_S = 1.0  # for an answer that needs nobody's patience

pytestmark = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


@pytest.fixture
async def logs(database_url: str, own_kafka: Broker) -> AsyncIterator[KafkaLogs]:
    database = await open_database(database_url)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        logs = KafkaLogs(database, database_url, stack, own_kafka.address)
        logs.connection = KafkaConnection([own_kafka.address], timeout_s=TIMEOUT_S)
        logs.log = await logs.open_kafka(database)
        yield logs


async def back(log: KafkaLog) -> None:
    """Looks, as its loop does each second, until Kafka answers again."""
    while True:
        await log.keep_up_step()
        try:
            await log.answers()
        except Unavailable:
            continue
        return


async def test_a_broker_that_is_stopped(logs: KafkaLogs, own_kafka: Broker) -> None:
    log = logs.kafka
    partition_id = await logs.partition()
    assert [one.offset for one in await log.append([record(partition_id, "a")])] == [0]
    idle = await logs.open_kafka(logs.database)
    await asyncio.to_thread(own_kafka.stop)
    await idle.keep_up_step()  # nobody has asked anything of it
    with pytest.raises(Unavailable, match="Kafka does not answer"):
        await idle.answers()
    begun_s = monotonic()
    with pytest.raises(Unavailable) as refused:
        await log.append([record(partition_id, "b")])
    assert not isinstance(refused.value, OutcomeUnknown)
    await log.keep_up_step()
    with pytest.raises(Unavailable, match=r"^Kafka does not answer; nothing was written, try again\.$"):
        await log.append([record(partition_id, "c")])
    with pytest.raises(Unavailable, match="Kafka does not answer"):
        await log.bounds([partition_id])
    assert monotonic() - begun_s < QUICK_S
    await asyncio.to_thread(own_kafka.start)
    await back(log)
    answers = await log.append([record(partition_id, name) for name in ("a", "b")])
    assert [(one.status, one.offset) for one in answers] == [(AppendStatus.DUPLICATE, 0), (AppendStatus.PERSISTED, 1)]
    assert await ids(log, partition_id) == ["a", "b"]
    assert await ids(await logs.another(), partition_id) == ["a", "b"]


async def test_a_broker_that_says_nothing_any_more(logs: KafkaLogs, own_kafka: Broker) -> None:
    """What it had been sent it writes when it goes on, once; nobody sends it again but the caller."""
    log = logs.kafka
    partition_id = await logs.partition()
    await log.append([record(partition_id, "a")])
    own_kafka.freeze()
    try:
        with pytest.raises(OutcomeUnknown):
            await log.append([record(partition_id, "b", deduplicates=False)])
        await log.keep_up_step()
        begun_s = monotonic()
        with pytest.raises(Unavailable, match="nothing was written"):
            await log.append([record(partition_id, "c")])
        assert monotonic() - begun_s < QUICK_S
    finally:
        own_kafka.thaw()
    await back(log)
    assert [one.status for one in await log.append([record(partition_id, "c")])] == [AppendStatus.PERSISTED]
    found = await ids(await logs.another(), partition_id)
    assert [name for name in found if name != "b"] == ["a", "c"]
    assert found.count("b") <= 1


@pytest.mark.usefixtures("apache_only")
async def test_a_broker_that_is_killed_under_load_has_all_that_was_answered(logs: KafkaLogs, own_kafka: Broker) -> None:
    log = logs.kafka
    partition_ids = await logs.partitions(2)
    answered: list[str] = []
    are_many = asyncio.Event()

    async def produce(producer: int) -> None:
        for number in count():
            name = f"{producer}-{number}"
            try:
                await log.append([record(partition_ids[number % 2], name)])
            except Unavailable:
                return
            answered.append(name)
            if len(answered) == 100:
                are_many.set()

    producers = [asyncio.create_task(produce(producer)) for producer in range(4)]
    await are_many.wait()
    await asyncio.to_thread(own_kafka.kill)
    await asyncio.gather(*producers)
    await asyncio.to_thread(own_kafka.start)
    await back(log)
    other = await logs.another()
    found = [name for partition_id in partition_ids for name in await ids(other, partition_id)]
    assert set(answered) <= set(found)
    assert len(found) == len(set(found))


async def test_the_issuer_goes_on_when_its_broker_does(database_url: str, own_kafka: Broker) -> None:
    settings = load_settings(
        database_url=database_url,
        log_url=f"kafka://{own_kafka.address}",
        kafka_topic=f"o{uuid.uuid4().hex[:12]}.{{event_type}}",
        kafka_timeout_s=TIMEOUT_S,
        sealing_key=new_sealing_key(),
        http_allowed=True,
        allowed_networks=["127.0.0.0/8"],
        verification_optional=True,
        grace_s=1,
    )
    async with open_issuer(settings, "https://events.example.com") as issuer, Receivers() as receivers:
        transport = httpx.ASGITransport(asgi_app(issuer, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://issuer") as http:
            operator = await Partners(issuer, http).invite("acme", *(Policy(action, EVERYTHING) for action in Action))
            receiver = await receivers(TAKES)
            await operator.create_type()
            await operator.subscribe(receiver.url, verification="NONE")
            await operator.produce(event("1"))
            await receiver.asked(1)
            assert (await http.get("/readyz")).status_code == 200
            await asyncio.to_thread(own_kafka.stop)
            begun_s = monotonic()
            (result,) = (await operator.produce(event("2")))["results"]
            assert (result["status"], result["problem"]["code"]) == ("REJECTED", "UNAVAILABLE")
            assert monotonic() - begun_s < QUICK_S
            while (ready := await http.get("/readyz")).status_code == 200:
                pass
            assert ready.json() == {"status": "unavailable", "failing": ["log"]}
            await asyncio.to_thread(own_kafka.start)
            while (await http.get("/readyz")).status_code != 200:
                pass
            assert (await operator.produce(event("2"), event("1")))["persisted"] == 1
            await receiver.asked(2)
            assert [header(request, "ce-id") for request in receiver.requests] == ["1", "2"]


async def test_a_server_that_is_started_while_kafka_is_away_says_so(tmp_path: Path, database_url: str) -> None:
    settings = load_settings(
        database_url=database_url, log_url="kafka://127.0.0.1:9", sealing_key=new_sealing_key(), kafka_timeout_s=1
    )
    with pytest.raises(Unavailable, match=r"Kafka cannot be reached: .*Unable to bootstrap"):
        async with open_issuer(settings, "https://events.example.com", clock=system_clock):
            pass
