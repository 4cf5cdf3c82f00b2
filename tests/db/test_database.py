"""What both stores promise alike."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from event_issuer.db.database import Database, open_database
from event_issuer.db.work import Statement, Work, rows_cte
from event_issuer.domain.errors import Conflict, SettingsInvalid, Unavailable
from tests.db.notes import CREATE, CREATE_CARDS, Card, add, add_all, create, ids

DUPLICATE_KEY = (sqlite3.IntegrityError, asyncpg.UniqueViolationError)


@pytest.fixture
async def notes(empty_database_url: str) -> AsyncIterator[Database]:
    database = await open_database(empty_database_url, tables=[Card])
    await database.run(create(CREATE, CREATE_CARDS))
    yield database
    await database.close()


async def test_a_work_gets_the_rows_of_its_statements_and_returns_a_result(notes: Database) -> None:
    def work() -> Work[tuple[int, str]]:
        assert (yield add(1, "one")) == []
        rows = yield Statement("SELECT id, body FROM notes WHERE id = $2 AND body = $1", ("one", 1))
        number, body = rows[0]
        return number, body

    assert await notes.run(work()) == (1, "one")
    assert await ids(notes) == [1]


async def test_values_come_back_as_they_went_in(notes: Database) -> None:
    blob_type = "BLOB" if notes.dialect == "sqlite" else "BYTEA"
    await notes.run(create(f"CREATE TABLE things (n BIGINT, t TEXT, b {blob_type}, u UUID, f BOOLEAN)"))
    thing = (2**63 - 1, "naïve ☃", b"\x00\xff", UUID(int=7), True)

    def work() -> Work[list[tuple[object, ...]]]:
        yield Statement("INSERT INTO things VALUES ($1, $2, $3, $4, $5)", thing)
        yield Statement("INSERT INTO things VALUES ($1, $2, $3, $4, $5)", (None,) * 5)
        return [tuple(row) for row in (yield Statement("SELECT * FROM things ORDER BY n NULLS LAST"))]

    assert await notes.run(work()) == [thing, (None,) * 5]


async def test_a_batch_of_rows_is_one_statement(notes: Database) -> None:
    batch = [(number, f"note {number}") for number in range(500)]

    def work() -> Work[list[int]]:
        cte = rows_cte(notes.dialect, "new", {"id": "bigint", "body": "text"}, batch)
        rows = yield Statement(
            f"{cte.sql} INSERT INTO notes (id, body) SELECT id, body FROM new "
            f"WHERE id < ${len(cte.args) + 1} RETURNING id",
            (*cte.args, 400),
        )
        return sorted(row[0] for row in rows)

    assert await notes.run(work()) == list(range(400))
    assert await ids(notes) == list(range(400))


async def test_a_refusal_in_the_work_undoes_it_and_reaches_the_caller(notes: Database) -> None:
    with pytest.raises(Conflict, match="no more notes"):
        await notes.run(add_all([1, 2], then=Conflict("no more notes")))
    assert await ids(notes) == []


async def test_a_failing_statement_undoes_the_work(notes: Database) -> None:
    with pytest.raises(DUPLICATE_KEY):
        await notes.run(add_all([1, 2, 1]))
    assert await ids(notes) == []
    assert await notes.run(add_all([3])) == 1


async def test_twenty_writers_at_once(notes: Database) -> None:
    def work(number: int) -> Work[None]:
        yield Statement("SELECT count(*) FROM notes")  # a deferred transaction would read first and then be refused
        yield add(number, "")

    await asyncio.gather(*(notes.run(work(number)) for number in range(20)))
    assert await ids(notes) == list(range(20))


async def test_readers_beside_writers_see_only_whole_works(notes: Database) -> None:
    async def read() -> int:
        return len(await ids(notes))

    writes = [notes.run(add_all(range(10 * n, 10 * n + 10))) for n in range(10)]
    results = await asyncio.gather(*writes, *(read() for _ in range(10)))
    assert [count % 10 for count in results] == [0] * 20
    assert await read() == 100


async def test_run_and_read_join_the_transaction_of_their_task(notes: Database) -> None:
    async with notes.transaction():
        assert await notes.run(add_all([1])) == 1
        assert await ids(notes) == [1]
        async with notes.transaction():
            assert await notes.run(add_all([2])) == 2
    assert await ids(notes) == [1, 2]


async def test_an_exception_in_the_transaction_undoes_all_of_it(notes: Database) -> None:
    async def attempt() -> None:
        async with notes.transaction():
            await notes.run(add_all([1]))
            async with notes.transaction():
                await notes.run(add_all([2]))
            raise Conflict("enough")

    with pytest.raises(Conflict, match="enough"):
        await attempt()
    assert await ids(notes) == []
    assert await notes.run(add_all([3])) == 1


async def test_a_failing_work_within_a_transaction_undoes_only_itself(notes: Database) -> None:
    async with notes.transaction():
        await notes.run(add_all([1]))
        with pytest.raises(Conflict):
            await notes.run(add_all([2], then=Conflict("no")))
        with pytest.raises(DUPLICATE_KEY):
            await notes.run(add_all([3, 1]))
        await notes.run(add_all([4]))
    assert await ids(notes) == [1, 4]


async def test_a_task_started_within_a_transaction_may_not_use_the_database(notes: Database) -> None:
    async with notes.transaction():
        with pytest.raises(RuntimeError, match="started inside a transaction"):
            await asyncio.create_task(ids(notes))
        await notes.run(add_all([1]))
    assert await ids(notes) == [1]


async def test_a_cancelled_transaction_leaves_nothing_behind(notes: Database) -> None:
    written = asyncio.Event()

    async def write_and_wait() -> None:
        async with notes.transaction():
            await notes.run(add_all([1]))
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write_and_wait())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await ids(notes) == []
    assert await notes.run(add_all([2])) == 1


async def test_works_cancelled_at_any_moment_happen_whole_or_not_at_all(notes: Database) -> None:
    for turns in range(12):
        task = asyncio.create_task(notes.run(add_all(range(10 * turns, 10 * turns + 10))))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    found = await ids(notes)
    assert found == [n for n in range(120) if n - n % 10 in found and n - n % 10 + 9 in found]
    assert await notes.run(add_all([1000])) == len(found) + 1


async def test_a_closed_database_is_unavailable(notes: Database) -> None:
    await notes.close()
    with pytest.raises(Unavailable, match="closed"):
        await notes.run(add_all([1]))
    with pytest.raises(Unavailable, match="closed"):
        await ids(notes)


async def test_piccolo_writes_and_reads(notes: Database) -> None:
    made_at = datetime(2024, 2, 29, 12, tzinfo=UTC)
    cards = [Card(id=UUID(int=n), title=f"card {n}", done=False, rank=n, made_at=made_at) for n in range(3)]
    inserted = await Card.insert(*cards).returning(Card.id)
    assert [UUID(str(row["id"])) for row in inserted] == [UUID(int=n) for n in range(3)]
    await Card.update({Card.done: True}).where(Card.rank == 1)
    await Card.delete().where(Card.rank == 2)
    assert await Card.select().order_by(Card.rank) == [
        {"id": UUID(int=0), "title": "card 0", "done": False, "rank": 0, "made_at": made_at},
        {"id": UUID(int=1), "title": "card 1", "done": True, "rank": 1, "made_at": made_at},
    ]
    card = await Card.objects().get(Card.id == UUID(int=1))
    assert card is not None
    assert (card.title, card.done) == ("card 1", True)
    assert await Card.count() == 2


async def test_piccolo_joins_the_transaction_and_is_undone_with_it(notes: Database) -> None:
    async def attempt() -> None:
        async with notes.transaction():
            await Card.insert(Card(id=UUID(int=1), title="", done=False, rank=1, made_at=datetime.now(UTC)))
            assert await Card.count() == 1
            assert await notes.run(add_all([1])) == 1
            raise Conflict("enough")

    with pytest.raises(Conflict):
        await attempt()
    assert await Card.count() == 0
    assert await ids(notes) == []


async def test_piccolo_writers_at_once(notes: Database) -> None:
    async def write(number: int) -> None:
        async with notes.transaction():
            await Card.select()
            await Card.insert(Card(id=UUID(int=number), title="", done=False, rank=number, made_at=datetime.now(UTC)))

    await asyncio.gather(*(write(number) for number in range(20)))
    assert await Card.count() == 20


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("", "the database URL is of no known kind"),
        ("s3cret", "the database URL is of no known kind"),
        ("mysql://user:s3cret@host/db", "the database URL is of no known kind"),
        ("postgresql+asyncpg://user:s3cret@host/db", "the database URL is of no known kind"),
        ("sqlite://issuer.db", "the database URL names no file: 'sqlite://issuer.db'"),
        ("sqlite:///", "the database URL names no file: 'sqlite:///'"),
        ("sqlite:///:memory:", "the database URL names no file: 'sqlite:///:memory:'"),
        ("sqlite:////nowhere/issuer.db", "/nowhere/issuer.db cannot be used as an SQLite database"),
        ("postgresql://user:s3cret@host:port/db", "the PostgreSQL URL cannot be used"),
        ("postgresql://user:s3/cret@host/db", "the PostgreSQL URL cannot be used"),
    ],
)
async def test_a_url_that_will_not_do_is_refused_without_its_password(url: str, detail: str) -> None:
    with pytest.raises(SettingsInvalid) as refusal:
        await open_database(url)
    assert str(refusal.value).startswith(detail)
    assert not re.search("s3|cret", str(refusal.value))
    assert refusal.value.__cause__ is None or "cret" not in str(refusal.value.__cause__)
