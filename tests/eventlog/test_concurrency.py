"""Producers and readers at once, in one process and in two: nothing is skipped, repeated or out of order."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from event_issuer.domain.records import AppendStatus
from event_issuer.eventlog.protocol import EventLog, LogRecord
from tests.eventlog.logs import Logs, on_every_engine
from tests.eventlog.records import read_all, record

PRODUCERS = 4
APPENDS = 20
PER_PRODUCER = sum(1 + number % 5 for number in range(APPENDS))


async def produce(log: EventLog, name: str, partition_ids: Sequence[int]) -> None:
    """Appends its own numbered events, and finds each at the position it was told."""
    number = 0
    for turn in range(APPENDS):
        new = []
        for _ in range(1 + turn % 5):
            new.append(record(partition_ids[number % len(partition_ids)], f"{name}-{number}", key=name))
            number += 1
        for one, answer in zip(new, await log.append(new), strict=True):
            assert (answer.status, answer.partition_id) == (AppendStatus.PERSISTED, one.partition_id)
            page = await log.read(answer.partition_id, answer.offset)
            found = page.records[0]
            assert (found.offset, found.event, found.recorded_at) == (answer.offset, one.event, answer.recorded_at)


class Follower:
    """Reads a partition as a lane does: page after page, and at the head it sleeps until it is woken."""

    def __init__(self, log: EventLog, partition_id: int, offset: int = 0) -> None:
        self._log, self._partition_id, self._offset = log, partition_id, offset
        self._awake = asyncio.Event()
        self.found: list[LogRecord] = []
        log.watch(self._wake)

    def _wake(self, partition_id: int, next_offset: int) -> None:
        if partition_id == self._partition_id:
            self._awake.set()

    async def follow(self, count: int) -> list[LogRecord]:
        while len(self.found) < count:
            self._awake.clear()
            page = await self._log.read(self._partition_id, self._offset)
            self.found += page.records
            if not page.records and page.next_offset == self._offset:
                await self._awake.wait()
            self._offset = page.next_offset
        return self.found


def check(found: Sequence[LogRecord], count: int) -> None:
    """Every event once, in order of offsets, and each producer's in the order in which it sent them."""
    offsets = [one.offset for one in found]
    assert offsets == sorted(set(offsets))
    assert max(Counter(one.event.id for one in found).values()) == 1
    assert len(found) == count
    sent: dict[str, int] = {}
    for one in found:
        name, number = one.event.id.split("-")
        assert int(number) > sent.get(name, -1)
        sent[name] = int(number)


@on_every_engine
async def test_readers_beside_producers_miss_nothing(logs: Logs) -> None:
    partition_ids = await logs.partitions(2)
    count = PRODUCERS * PER_PRODUCER // 2
    followers = [Follower(logs.log, partition_id) for partition_id in partition_ids for _ in range(3)]
    follows = [asyncio.create_task(follower.follow(count)) for follower in followers]
    await asyncio.gather(*(produce(logs.log, str(n), partition_ids) for n in range(PRODUCERS)))
    for found in await asyncio.gather(*follows):
        check(found, count)


@on_every_engine
async def test_two_processes_write_and_read_the_same_partitions(logs: Logs) -> None:
    partition_ids = await logs.partitions(2)
    both = (logs.log, await logs.another())
    count = PRODUCERS * PER_PRODUCER // 2
    followers = [Follower(log, partition_id) for log in both for partition_id in partition_ids for _ in range(2)]
    follows = asyncio.gather(*(follower.follow(count) for follower in followers))

    async def watch_heads() -> None:
        while not follows.done():
            for log in both:
                await log.notice(partition_ids)
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch_heads())
    await asyncio.gather(*(produce(both[n % 2], str(n), partition_ids) for n in range(PRODUCERS)))
    for found in await follows:
        check(found, count)
    await watching


async def test_the_offsets_of_the_embedded_log_have_no_gap(logs: Logs) -> None:
    partition_ids = await logs.partitions(2)
    both = (logs.log, await logs.another())
    bad = [logs.log.append([record(999, n)]) for n in range(5)]  # what fails leaves no gap either
    good = [produce(both[n % 2], str(n), partition_ids) for n in range(PRODUCERS)]
    again = [log.append([record(partition_ids[0], "1-1"), record(partition_ids[0], "1-1")]) for log in both]
    await asyncio.gather(*good, *bad, *again, return_exceptions=True)
    third = await logs.another()
    for partition_id in partition_ids:
        found = await read_all(third, partition_id)
        assert [one.offset for one in found] == list(range(len(found)))
        bounds = (await third.bounds([partition_id]))[partition_id]
        assert (bounds.first, bounds.next) == (0, len(found))
        assert [one.recorded_at for one in found] == sorted(one.recorded_at for one in found)
