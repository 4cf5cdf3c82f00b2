"""What only PostgreSQL can get wrong: connections that die, commits without an answer, notifications."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from event_issuer.db.database import open_database
from event_issuer.db.postgresql import PostgresDatabase
from event_issuer.db.work import Statement
from event_issuer.domain.errors import OutcomeUnknown, SettingsInvalid, Unavailable
from tests.db.notes import CREATE, add_all, create, ids
from tests.db.stalling import stalled
from tests.stores import PostgresServer


@pytest.fixture
def url(postgresql_server: PostgresServer) -> Iterator[str]:
    name = postgresql_server.create()
    yield postgresql_server.url(name)
    postgresql_server.drop(name)


@pytest.fixture
async def notes(url: str) -> AsyncIterator[PostgresDatabase]:
    database = await open_database(url)
    assert isinstance(database, PostgresDatabase)
    await database.run(create(CREATE))
    yield database
    await database.close()


async def test_a_commit_without_an_answer_is_of_unknown_outcome(notes: PostgresDatabase, url: str) -> None:
    async with stalled(url, "notes", "commit") as stall:
        running = asyncio.create_task(notes.run(add_all([1, 2])))
        await stall.kill()
        with pytest.raises(OutcomeUnknown, match="whether this was committed is not known"):
            await running
        await stall.go_on()
    assert await ids(notes) == []
    assert await notes.run(add_all([1])) == 1


async def test_a_transaction_whose_commit_is_not_answered_is_left_behind(notes: PostgresDatabase, url: str) -> None:
    async def write() -> None:
        async with notes.transaction():
            await notes.run(add_all([1]))

    async with stalled(url, "notes", "commit") as stall:
        writing = asyncio.create_task(write())
        await stall.kill()
        with pytest.raises(OutcomeUnknown):
            await writing
        await stall.go_on()
    await write()
    assert await ids(notes) == [1]


async def test_a_connection_that_dies_before_the_commit_has_changed_nothing(notes: PostgresDatabase, url: str) -> None:
    async with stalled(url, "notes", "statement") as stall:
        running = asyncio.create_task(notes.run(add_all([1, 2])))
        await stall.kill()
        with pytest.raises(Unavailable, match="nothing was changed") as refusal:
            await running
        assert not isinstance(refusal.value, OutcomeUnknown)
        await stall.go_on()
    assert await ids(notes) == []
    assert await notes.run(add_all([1])) == 1


async def test_a_commit_that_the_server_refuses_has_changed_nothing(notes: PostgresDatabase) -> None:
    deferred = "CREATE TABLE replies (note BIGINT REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED)"
    await notes.run(create(deferred))
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await notes.run(create("INSERT INTO replies VALUES (1)"))
    assert await notes.read(Statement("SELECT * FROM replies")) == []


async def test_a_deadlock_is_unavailable_and_changes_nothing(notes: PostgresDatabase) -> None:
    await notes.run(add_all([1, 2]))
    first_locked, second_locked = asyncio.Event(), asyncio.Event()

    async def lock(one: int, other: int, mine: asyncio.Event, theirs: asyncio.Event) -> None:
        async with notes.transaction():
            await notes.read(Statement("SELECT * FROM notes WHERE id = $1 FOR UPDATE", (one,)))
            mine.set()
            await theirs.wait()
            await notes.run(create(f"UPDATE notes SET body = 'taken' WHERE id = {other}"))

    answers = await asyncio.gather(
        lock(1, 2, first_locked, second_locked), lock(2, 1, second_locked, first_locked), return_exceptions=True
    )
    refused = [answer for answer in answers if answer is not None]
    assert [type(answer) for answer in refused] == [Unavailable]
    assert "deadlock detected; nothing was changed" in str(refused[0])
    assert len(await notes.read(Statement("SELECT id FROM notes WHERE body = 'taken'"))) == 1


async def test_a_database_that_may_lose_commits_is_refused(notes: PostgresDatabase, url: str) -> None:
    name = url.partition("@/")[2].partition("?")[0]
    await notes.run(create(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    with pytest.raises(SettingsInvalid, match="synchronous_commit = off and may lose what it commits: set it on"):
        await open_database(url)


async def test_a_listener_hears_and_connects_again_when_its_connection_dies(notes: PostgresDatabase, url: str) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    listening = asyncio.create_task(notes.listen("news", heard.put_nowait))
    other = await asyncpg.connect(url)
    assert await heard.get() == ""
    await other.execute("SELECT pg_notify('news', 'one')")
    assert await heard.get() == "one"
    await other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
    )
    assert await heard.get() == ""
    await other.execute("SELECT pg_notify('news', 'two')")
    assert await heard.get() == "two"
    await other.close()
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
