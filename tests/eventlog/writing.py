"""A program that appends one event after the other and prints each answer, for tests that kill or trace it.

Arguments: the database URL, the partition, the number of events. Each line is the event's number and its offset.
"""

import asyncio
import sys

from event_issuer.db.database import open_database
from event_issuer.domain.time import system_clock
from event_issuer.eventlog.embedded import open_embedded_log
from tests.eventlog.logs import CACHE_BYTES, running
from tests.eventlog.records import record


async def write(url: str, partition_id: int, count: int) -> None:
    database = await open_database(url)
    log = await open_embedded_log(database, system_clock, "id", cache_bytes_max=CACHE_BYTES)
    async with running(log):
        for number in range(count):
            (answer,) = await log.append([record(partition_id, number)])
            sys.stdout.write(f"{number} {answer.offset}\n")  # one system call
            sys.stdout.flush()
    await database.close()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
