"""The catalogue: event types in memory, read once, forgotten when they change. On both stores."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from event_issuer.contracts.catalogue import NAME_LENGTH_MAX, Catalogue
from event_issuer.db.changes import ChangeFeed
from event_issuer.db.database import Database, open_database
from event_issuer.db.event_types import insert
from event_issuer.db.tables import TABLES
from event_issuer.domain.access import Audience
from tests.db.rows import NOW, add_tenant, new_event_type

NAME = "acme.train.arrived.v1"
BIG = 12345678901234567890123


def clock() -> int:
    return NOW


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await open_database(database_url, tables=TABLES)
    yield database
    await database.close()


@pytest.fixture
def feed(database: Database) -> ChangeFeed:
    return ChangeFeed(database, clock)


@pytest.fixture
def catalogue(database: Database, feed: ChangeFeed) -> Catalogue:
    return Catalogue(database, feed)


async def add(database: Database, name: str = NAME, **others: object) -> int:
    new = replace(new_event_type(await add_tenant(database), name, partitions=3), **others)  # type: ignore[arg-type]
    event_type_id = await database.run(insert(new, NOW))
    assert event_type_id is not None
    return event_type_id


async def test_an_entry_has_what_producing_needs(database: Database, catalogue: Catalogue) -> None:
    event_type_id = await add(database, definition=f'{{"const": {BIG}}}', audience="GRANTED")
    assert catalogue.known(NAME) is None
    entry = await catalogue.entry(NAME)
    assert entry is not None
    assert (entry.id, entry.name, entry.version, entry.audience) == (event_type_id, NAME, 1, Audience.GRANTED)
    assert (entry.deduplicates, len(set(entry.partition_ids))) == (True, 3)
    assert list(entry.partition_ids) == sorted(entry.partition_ids)
    assert (entry.contract.accepts(BIG), entry.contract.accepts(float(BIG))) == (True, False)
    assert catalogue.known(NAME) is entry
    assert await catalogue.entry(NAME) is entry


@pytest.mark.parametrize("name", ["", "no.such.type", "n" * (NAME_LENGTH_MAX + 1)])
async def test_what_is_not_there_is_none(catalogue: Catalogue, name: str) -> None:
    assert await catalogue.entry(name) is None
    assert await catalogue.entry(name) is None


async def test_a_change_is_seen_when_the_feed_passes_it_on(
    database: Database, catalogue: Catalogue, feed: ChangeFeed
) -> None:
    assert await catalogue.entry(NAME) is None
    await add(database)
    assert await catalogue.entry(NAME) is None  # remembered until the change is passed on
    await feed.step()
    first = await catalogue.entry(NAME)
    assert first is not None
    await add(database, "acme.train.departed.v1")
    await feed.step()
    assert catalogue.known(NAME) is first  # another type has changed


async def test_those_who_ask_at_once_share_one_reading(database: Database, catalogue: Catalogue) -> None:
    await add(database)
    asking = [asyncio.create_task(catalogue.entry(NAME)) for _ in range(10)]
    await asyncio.sleep(0)
    asking[0].cancel()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert catalogue.known(NAME) is not None
    assert all(entry is catalogue.known(NAME) for entry in found[1:])


async def test_what_is_read_while_a_type_changes_is_not_kept(
    database: Database, feed: ChangeFeed, catalogue: Catalogue
) -> None:
    await add(database)
    asking = asyncio.create_task(catalogue.entry(NAME))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # it has begun to read
    feed._tell("event_type", 0)
    entry = await asking
    assert entry is not None
    assert catalogue.known(NAME) is None
    assert (await catalogue.entry(NAME)) is not entry
