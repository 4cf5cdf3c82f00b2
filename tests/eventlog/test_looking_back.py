"""Looking backwards in the log: the newest first, over several partitions, and no further than it may."""

import pytest

from event_issuer.eventlog.looking_back import CHUNK_RECORDS, look_back
from event_issuer.eventlog.protocol import LogRecord
from tests.eventlog.logs import Logs
from tests.eventlog.records import record


class Wanted:
    """Counts what it was asked about."""

    def __init__(self, *ids: str) -> None:
        self.ids, self.asked = ids, 0

    def __call__(self, found: LogRecord) -> bool:
        self.asked += 1
        return found.event.id in self.ids


async def test_the_newest_that_is_wanted_is_found(logs: Logs) -> None:
    first, second = await logs.partitions(2)
    await logs.log.append([record(first, "a"), record(second, "b"), record(first, "c")])
    for wanted, place in ((("a", "c"), (first, 1)), (("a",), (first, 0)), (("b",), (second, 0))):
        found = await look_back(logs.log, [first, second], Wanted(*wanted), 100)
        assert found is not None
        assert (found.partition_id, found.offset) == place
    assert await look_back(logs.log, [first, second], Wanted("none"), 100) is None
    assert await look_back(logs.log, [], Wanted("a"), 100) is None


@pytest.mark.parametrize(("count_max", "asked"), [(10, 10), (15, 21), (10_000, 40)])
async def test_no_more_than_it_may_is_looked_at(logs: Logs, count_max: int, asked: int) -> None:
    first, second = await logs.partitions(2)
    for partition_id in (first, second):
        await logs.log.append([record(partition_id, f"{partition_id}-{number}") for number in range(20)])
    wanted = Wanted("none")
    assert await look_back(logs.log, [first, second], wanted, count_max) is None
    assert wanted.asked == asked


async def test_partitions_are_read_in_the_order_of_their_records(logs: Logs) -> None:
    """Chunks of the one whose last read event is the newest come first."""
    old, new = await logs.partitions(2)
    await logs.log.append([record(old, f"old-{number}") for number in range(2 * CHUNK_RECORDS)])
    logs.clock.advance(10)
    await logs.log.append([record(new, f"new-{number}") for number in range(2 * CHUNK_RECORDS)])
    wanted = Wanted("new-0")
    found = await look_back(logs.log, [old, new], wanted, 4 * CHUNK_RECORDS)
    assert found is not None
    assert (found.partition_id, found.offset, wanted.asked) == (new, 0, 3 * CHUNK_RECORDS)
