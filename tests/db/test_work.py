"""Batches of rows: cut to what a statement takes, whatever their number."""

import pytest

from event_issuer.db.database import Database
from event_issuer.db.work import VARIABLES_MAX, Dialect, Row, Statement, Work, batches, insertion, rows_cte
from tests.db.rows import NOW, select

COLUMNS = {"topic": "text", "object_id": "bigint", "at_us": "bigint"}


def test_batches_are_as_large_as_a_statement_takes() -> None:
    fits = VARIABLES_MAX // 3
    rows = [("topic", n, NOW) for n in range(2 * fits + 1)]
    parts = list(batches(COLUMNS, rows))
    assert [len(part) for part in parts] == [fits, fits, 1]
    assert [row for part in parts for row in part] == rows
    assert list(batches(COLUMNS, [])) == []


def test_sqlite_sees_few_texts_of_one_statement() -> None:
    def statement(count: int) -> Statement:
        return insertion("sqlite", "changes", COLUMNS, [("topic", n, NOW) for n in range(count)])

    sizes = {len(statement(count).args) // 3 for count in range(1, 1_025)}
    assert sorted(sizes) == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024]
    assert statement(385).sql == statement(512).sql
    assert len(statement(VARIABLES_MAX // 3).args) == VARIABLES_MAX // 3 * 3


async def test_any_number_of_rows_becomes_as_many(database: Database) -> None:
    async def inserted(count: int) -> list[Row]:
        def work() -> Work[None]:
            yield Statement("DELETE FROM changes")
            yield insertion(database.dialect, "changes", COLUMNS, [("topic", n, NOW) for n in range(count)])

        await database.run(work())
        return await select(database, "SELECT object_id FROM changes ORDER BY object_id")

    for count in (1, 2, 3, 5, 7, 100):
        assert await inserted(count) == [(n,) for n in range(count)]


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize("number", [0, VARIABLES_MAX // 3 + 1])
def test_a_statement_takes_neither_no_row_nor_too_many(dialect: Dialect, number: int) -> None:
    with pytest.raises(ValueError, match=f"{number} rows of 3 values; 1 to 32000 values fit into a statement"):
        rows_cte(dialect, "fresh", COLUMNS, [("topic", n, NOW) for n in range(number)])


async def test_the_largest_batch_is_taken_with_parameters_of_the_caller(database: Database) -> None:
    rows = [("topic", n, NOW) for n in range(VARIABLES_MAX // 3)]

    def work() -> Work[int]:
        insert = insertion(database.dialect, "changes", COLUMNS, rows)
        first = len(insert.args) + 1
        sql = f"{insert.sql} WHERE object_id >= ${first} AND object_id < ${first + 1} RETURNING object_id"
        return len((yield Statement(sql, [*insert.args, 10, 10_000])))

    assert await database.run(work()) == 9_990
    assert await select(database, "SELECT MIN(object_id), MAX(object_id) FROM changes") == [(10, 9_999)]
