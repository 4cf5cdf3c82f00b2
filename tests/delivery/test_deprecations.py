"""Deprecated types in memory: all at the beginning, then what changes, in whatever process. On both stores."""

import pytest

from event_issuer.db.event_types import alter
from event_issuer.db.work import Statement
from event_issuer.delivery.deprecations import Deprecations
from event_issuer.domain.deprecation import Deprecation
from event_issuer.domain.errors import Unavailable
from tests.delivery.failing import FailingDatabase
from tests.delivery.world import STARTED_AT, World

URL = "https://example.com/next"


async def change(world: World, partition_id: int, **columns: object) -> None:
    """Of the partition's type, as its owner may; told by the feed."""
    wanted = Statement(
        "SELECT tenant_id, name FROM event_types JOIN partitions ON event_type_id = event_types.id "
        "WHERE partitions.id = $1",
        (partition_id,),
    )
    ((tenant_id, name),) = await world.database.read(wanted)
    await world.database.run(alter(world.database.dialect, tenant_id, name, lambda _: columns, world.clock.now))
    await world.feed.step()


async def test_all_deprecated_types_are_known_from_the_beginning(world: World) -> None:
    first, other = await world.partitions(3), await world.partitions()
    await change(world, first[0], status="DEPRECATED", deprecated_at_us=STARTED_AT, migration_url=URL)
    deprecations = Deprecations(world.database, world.feed)
    await deprecations.load()
    assert deprecations.by_partition == dict.fromkeys(first, Deprecation(STARTED_AT, None, URL))
    assert other[0] not in deprecations.by_partition


async def test_a_change_is_read_when_the_feed_tells(world: World) -> None:
    first, other = await world.partitions(2), await world.partitions()
    deprecations = Deprecations(world.database, world.feed)
    await deprecations.load()
    by_partition = deprecations.by_partition
    await world.feed.step()
    await deprecations.step()
    assert by_partition == {}
    await change(world, first[0], status="DEPRECATED", deprecated_at_us=STARTED_AT)
    assert await deprecations.step() == 1
    assert by_partition == dict.fromkeys(first, Deprecation(STARTED_AT))
    await change(world, other[0], status="DEPRECATED", deprecated_at_us=STARTED_AT + 1)
    await change(world, first[0], sunset_at_us=STARTED_AT + 9)
    assert await deprecations.step() == 2
    later = dict.fromkeys(first, Deprecation(STARTED_AT, STARTED_AT + 9))
    assert by_partition == later | {other[0]: Deprecation(STARTED_AT + 1)}
    await change(world, first[0], status="ACTIVE", deprecated_at_us=None, sunset_at_us=None)
    await deprecations.step()
    assert by_partition == {other[0]: Deprecation(STARTED_AT + 1)}
    assert await deprecations.step() == 0


async def test_what_could_not_be_read_is_read_the_next_time(world: World) -> None:
    (partition_id,) = await world.partitions()
    database = FailingDatabase(world.database)
    deprecations = Deprecations(database, world.feed)
    await change(world, partition_id, status="DEPRECATED", deprecated_at_us=STARTED_AT)
    database.refuse_reads = 1
    with pytest.raises(Unavailable):
        await deprecations.step()
    assert deprecations.by_partition == {}
    assert await deprecations.step() == 1
    assert deprecations.by_partition == {partition_id: Deprecation(STARTED_AT)}
