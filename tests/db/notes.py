"""A little table of the tests' own, as SQL and as Piccolo sees it."""

from collections.abc import Iterable

from piccolo.columns import UUID, BigInt, Boolean, Text, Timestamptz
from piccolo.table import Table

from event_issuer.db.database import Database
from event_issuer.db.work import Statement, Work

CREATE = "CREATE TABLE notes (id BIGINT PRIMARY KEY, body TEXT NOT NULL)"
CREATE_CARDS = (
    "CREATE TABLE cards (id UUID PRIMARY KEY, title TEXT NOT NULL, done BOOLEAN NOT NULL, "
    "rank BIGINT NOT NULL, made_at TIMESTAMPTZ NOT NULL)"
)


class Card(Table, tablename="cards"):
    id = UUID(primary_key=True)
    title = Text()
    done = Boolean()
    rank = BigInt()
    made_at = Timestamptz()


def create(*statements: str) -> Work[None]:
    for sql in statements:
        yield Statement(sql)


def add(number: int, body: str) -> Statement:
    return Statement("INSERT INTO notes (id, body) VALUES ($1, $2)", (number, body))


def add_all(numbers: Iterable[int], then: Exception | None = None) -> Work[int]:
    """Adds the notes and answers how many there are; or raises `then` instead."""
    for number in numbers:
        yield add(number, f"note {number}")
    if then:
        raise then
    return int((yield Statement("SELECT count(*) FROM notes"))[0][0])


async def ids(database: Database) -> list[int]:
    return [row[0] for row in await database.read(Statement("SELECT id FROM notes ORDER BY id"))]
