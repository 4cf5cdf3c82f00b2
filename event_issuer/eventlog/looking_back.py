"""Looking for one event backwards from the heads of some partitions, the newest first, no further than it may.

The log has no index of what events are called: this is for what somebody asks for now and then. Knows no callers.
"""

import heapq
from collections.abc import Callable, Sequence
from typing import Final

from event_issuer.domain.time import Instant
from event_issuer.eventlog.protocol import EventLog, LogRecord

CHUNK_RECORDS: Final = 256  # of one partition read at a time: about a page
_NOTHING_READ: Final = -(2**63)  # comes before all instants, which are turned round


async def look_back(
    log: EventLog, partition_ids: Sequence[int], is_wanted: Callable[[LogRecord], bool], count_max: int
) -> LogRecord | None:
    """The newest record that is wanted among the newest `count_max` or a few more. Raises Unavailable."""
    if not partition_ids:
        return None
    size = max(1, min(CHUNK_RECORDS, count_max // len(partition_ids)))
    bounds = await log.bounds(partition_ids)
    # Where to go on in each partition, by when what was read there last was recorded: none of it yet.
    frontier: list[tuple[Instant, int, int]] = [(_NOTHING_READ, id_, found.next) for id_, found in bounds.items()]
    looked_at = 0
    while frontier and looked_at < count_max:
        newest, partition_id, end = heapq.heappop(frontier)
        begin = max(bounds[partition_id].first, end - size)
        if begin >= end:
            continue
        records = await _between(log, partition_id, begin, end)
        looked_at += end - begin
        found = next((record for record in reversed(records) if is_wanted(record)), None)
        if found is not None:
            return found
        heapq.heappush(frontier, (-records[0].recorded_at if records else newest, partition_id, begin))
    return None


async def _between(log: EventLog, partition_id: int, begin: int, end: int) -> list[LogRecord]:
    records: list[LogRecord] = []
    while begin < end:
        page = await log.read(partition_id, begin)
        records += [record for record in page.records if record.offset < end]
        if page.next_offset <= begin:
            break
        begin = page.next_offset
    return records
