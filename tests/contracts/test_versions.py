"""Schema versions by their number: compiled once, kept while used, and missed until there is one. On both stores."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from event_issuer.contracts.catalogue import Catalogue
from event_issuer.contracts.versions import Versions
from event_issuer.db.changes import ChangeFeed
from event_issuer.db.database import Database, open_database
from event_issuer.db.event_types import insert
from event_issuer.db.schemas import NextVersion
from event_issuer.db.schemas import insert as add_version
from event_issuer.db.tables import TABLES
from event_issuer.domain.dataschemas import SchemaUrls
from event_issuer.domain.errors import ContractBroken
from tests.db.rows import NOW, add_tenant, new_event_type

NAME = "acme.train.arrived.v1"
URLS = SchemaUrls("https://events.example.com")
ARRAYS = '{"type":"array"}'


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
async def type_id(database: Database) -> int:
    """An event type of objects."""
    added = await database.run(insert(new_event_type(await add_tenant(database), NAME), NOW))
    assert added is not None
    return added


async def follow(database: Database, type_id: int, after: int = 1) -> None:
    new = NextVersion(type_id, after, "BACKWARD", ARRAYS, None)
    assert await database.run(add_version(database.dialect, new, 9, NOW)) is not None


async def test_a_version_is_compiled_once(type_id: int, feed: ChangeFeed) -> None:
    versions = Versions(feed, URLS)
    assert versions.known(type_id, 1) is None
    contracts = await asyncio.gather(*(versions.contract(type_id, 1) for _ in range(5)))
    assert contracts[0] is not None
    assert all(contract is contracts[0] for contract in contracts)
    assert (contracts[0].accepts({}), contracts[0].accepts([])) == (True, False)
    assert versions.known(type_id, 1) is contracts[0]
    assert await versions.contract(type_id, 1) is contracts[0]


async def test_a_missing_version_is_looked_for_again_after_a_change(
    database: Database, type_id: int, feed: ChangeFeed
) -> None:
    versions = Versions(feed, URLS)
    await feed.step()
    assert await versions.contract(type_id, 2) is None
    await follow(database, type_id)
    assert await versions.contract(type_id, 2) is None  # remembered until the change is passed on
    await feed.step()
    contract = await versions.contract(type_id, 2)
    assert contract is not None
    assert contract.accepts([])


async def test_what_is_missed_while_a_type_changes_is_not_remembered(
    database: Database, type_id: int, feed: ChangeFeed
) -> None:
    versions = Versions(feed, URLS)
    asking = asyncio.create_task(versions.contract(type_id, 2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # it has begun to read
    await feed.step()
    assert await asking is None
    await follow(database, type_id)
    assert await versions.contract(type_id, 2) is not None


async def test_what_is_used_least_is_forgotten_first(database: Database, type_id: int, feed: ChangeFeed) -> None:
    await follow(database, type_id, 1)
    await follow(database, type_id, 2)
    versions = Versions(feed, URLS, contracts_max=2)
    for version in (1, 2):
        await versions.contract(type_id, version)
    first = versions.known(type_id, 1)
    await versions.contract(type_id, 3)
    assert versions.known(type_id, 1) is first
    assert versions.known(type_id, 2) is None
    assert versions.known(type_id, 3) is not None


async def test_the_version_that_is_named_judges(database: Database, type_id: int, feed: ChangeFeed) -> None:
    await follow(database, type_id)
    entry = await Catalogue(database, feed).entry(NAME)
    assert entry is not None
    versions = Versions(feed, URLS)
    assert await versions.named(entry, URLS.of(NAME, 2)) is entry
    assert await versions.named(entry, "urn:example:schema") is entry
    first = await versions.named(entry, URLS.of(NAME, 1))
    assert (first.id, first.version, first.partition_ids) == (entry.id, 1, entry.partition_ids)
    assert (first.contract.accepts({}), entry.contract.accepts({})) == (True, False)
    for dataschema in (URLS.of(NAME, 3), URLS.of("acme.other", 1)):
        with pytest.raises(ContractBroken):
            await versions.named(entry, dataschema)
