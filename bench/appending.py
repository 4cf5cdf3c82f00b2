"""Limit L2: the store alone. Batches of the same rows as the log's, one statement and one commit each, nothing else.

SQLite: WAL, `synchronous=FULL`, one multi-row INSERT. PostgreSQL: INSERT … SELECT FROM unnest(…), default durability.
Kafka: the usual client's idempotent producer, acks=all, with the headers that the same events have there.
"""

import asyncio
import sqlite3
import sys
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.counters import DONE, Counters
from bench.processes import argument, say_ready
from bench.traffic import BATCH_EVENTS, DATA

_TABLE: Final = """CREATE TABLE bench_records (
    partition_id BIGINT NOT NULL, log_offset BIGINT NOT NULL, recorded_at_us BIGINT NOT NULL, schema_version INTEGER,
    attributes {bytes} NOT NULL, data {bytes}, PRIMARY KEY (partition_id, log_offset))"""
_ATTRIBUTES: Final = (
    b'{"specversion":"1.0","id":"%d","partitionkey":"train-1","source":"/bench/line-2",'
    b'"type":"bench.train-arrived.v1","time":"2026-11-24T09:17:42.5Z","datacontenttype":"application/json"}'
)

_TOPIC: Final = "bench-limit"
_HEADERS: Final = (
    ("content-type", b"application/json"),
    ("ce_specversion", b"1.0"),
    ("ce_partitionkey", b"train-1"),
    ("ce_source", b"/bench/line-2"),
    ("ce_type", b"bench.train-arrived.v1"),
    ("ce_time", b"2026-11-24T09:17:42.5Z"),
)
PARTITIONS: Final = 20

Record = tuple[int, int, int, int, bytes, bytes]


def batches() -> Iterator[list[Record]]:
    for first in count(0, BATCH_EVENTS):
        yield [
            (number % PARTITIONS, number, 1_764_000_000_000_000, 1, _ATTRIBUTES % number, DATA)
            for number in range(first, first + BATCH_EVENTS)
        ]


def append_sqlite(path: str, counters: Counters, ended: threading.Event) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(_TABLE.format(bytes="BLOB"))
    statement = f"INSERT INTO bench_records VALUES {', '.join(['(?, ?, ?, ?, ?, ?)'] * BATCH_EVENTS)}"
    say_ready()
    for batch in batches():
        if ended.is_set():
            return
        connection.execute(statement, [value for record in batch for value in record])  # commits by itself
        counters.words[DONE] += BATCH_EVENTS


async def append_postgresql(url: str, counters: Counters, ended: threading.Event) -> None:
    connection: Any = await asyncpg.connect(url)
    await connection.execute(_TABLE.format(bytes="BYTEA"))
    statement = await connection.prepare(
        "INSERT INTO bench_records SELECT * FROM "
        "unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::bytea[], $6::bytea[])"
    )
    say_ready()
    for batch in batches():
        if ended.is_set():
            break
        await statement.fetch(*zip(*batch, strict=True))  # commits by itself
        counters.words[DONE] += BATCH_EVENTS
    await connection.close()


async def append_kafka(servers: str, counters: Counters, ended: threading.Event) -> None:
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic(_TOPIC, PARTITIONS, 1)])
    await admin.close()
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=True, max_batch_size=1024 * 1024
    )
    await producer.start()
    say_ready()
    for first in count(0, BATCH_EVENTS):
        if ended.is_set():
            break
        sent = [
            await producer.send(
                _TOPIC,
                DATA,
                key=b"train-1",
                partition=number % PARTITIONS,
                headers=[*_HEADERS, ("ce_id", b"%d" % number)],
            )
            for number in range(first, first + BATCH_EVENTS)
        ]
        await asyncio.gather(*sent)
        counters.words[DONE] += BATCH_EVENTS
    await producer.stop()


def _watch_parent(ended: threading.Event) -> None:
    sys.stdin.buffer.read()
    ended.set()


if __name__ == "__main__":
    given = argument()
    when_ended = threading.Event()
    threading.Thread(target=_watch_parent, args=(when_ended,), daemon=True).start()
    url = given["database_url"]
    its_counters = Counters(Path(given["counters"]))
    if given["kafka"]:
        asyncio.run(append_kafka(given["kafka"], its_counters, when_ended))
    elif url.startswith("sqlite:///"):
        append_sqlite(url.removeprefix("sqlite:///"), its_counters, when_ended)
    else:
        asyncio.run(append_postgresql(url, its_counters, when_ended))
