"""Work: one write transaction, written once for both stores.

A work is a generator that yields statements and is sent their rows. SQLite runs the whole generator in its writer
thread (one thread hop per transaction), PostgreSQL awaits each statement on one connection. This module knows the
two dialects of SQL and nothing of connections.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, TypeVar

import orjson

VARIABLES_MAX: Final = 32_000  # SQLite takes 32,766 in one statement; the rest is for the caller's own parameters

Dialect: TypeAlias = Literal["sqlite", "postgresql"]
Row: TypeAlias = Sequence[Any]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with PostgreSQL's numbered parameters (`$1`, `$2`, …), which the SQLite engine rewrites to `?1`, `?2`."""

    sql: str
    args: Sequence[object] = ()


Work: TypeAlias = Generator[Statement, list[Row], Result]


def batches(columns: Mapping[str, str], rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Cuts any number of rows into parts that `rows_cte` can take; no part is empty."""
    rows_max = VARIABLES_MAX // len(columns)
    for start in range(0, len(rows), rows_max):
        yield rows[start : start + rows_max]


def rows_cte(dialect: Dialect, name: str, columns: Mapping[str, str], rows: Sequence[Row]) -> Statement:
    """A `WITH` clause that makes `rows` a table: one statement per batch is what both stores like best.

    `columns` maps each column to its PostgreSQL type; the first one is never NULL. There is one row or more, and no
    more than `batches` allows: else ValueError. The caller appends the statement that uses the table; its own
    parameters, if any, are numbered from `len(args) + 1`.
    """
    width, rows_max = len(columns), VARIABLES_MAX // len(columns)
    if not 1 <= len(rows) <= rows_max:
        raise ValueError(f"{len(rows)} rows of {width} values; 1 to {VARIABLES_MAX} values fit into a statement")
    header = f"WITH {name}({', '.join(columns)}) AS"
    if dialect == "postgresql":
        arrays = ", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(columns.values(), 1))
        return Statement(f"{header} (SELECT * FROM unnest({arrays}))", list(zip(*rows, strict=True)))
    count = min(_rounded_up(len(rows)), rows_max)
    values: list[object] = [value for row in rows for value in row]
    values += [None] * (width * (count - len(rows)))
    slot = f"({', '.join('?' * width)})"
    return Statement(f"{header} (SELECT * FROM (VALUES {', '.join([slot] * count)}) WHERE column1 IS NOT NULL)", values)


def _rounded_up(count: int) -> int:
    """To 2^n or 3·2^n rows, the rest being NULL: so SQLite sees few texts of one statement and keeps them prepared.

    Compiling a new text took two thirds of the time of an insertion.
    """
    power = 1 << (count - 1).bit_length()
    return power * 3 // 4 if power >= 4 and count <= power * 3 // 4 else power


def numbers(dialect: Dialect, asked: Statement, columns: str, rest: str, locking: str) -> Work[list[Row]]:
    """Rows of numbers: `SELECT columns rest` behind the CTE `asked`, with PostgreSQL's `locking` clause there.

    SQLite gives them as one row of JSON: its thread takes the interpreter anew for each row, which a busy event loop
    makes it wait for.
    """
    if dialect == "postgresql":
        return (yield Statement(f"{asked.sql} SELECT {columns} {rest} {locking}", asked.args))
    rows = yield Statement(f"{asked.sql} SELECT json_group_array(json_array({columns})) {rest}", asked.args)
    found: list[Row] = orjson.loads(rows[0][0])
    return found


def insertion(dialect: Dialect, table: str, columns: Mapping[str, str], rows: Sequence[Row]) -> Statement:
    """Inserts `rows` with one statement; a RETURNING clause may be appended."""
    fresh = rows_cte(dialect, "fresh", columns, rows)
    names = ", ".join(columns)
    return Statement(f"{fresh.sql} INSERT INTO {table} ({names}) SELECT {names} FROM fresh", fresh.args)


def removal(dialect: Dialect, delete: Statement) -> Work[int]:
    """Runs a DELETE, or an UPDATE, without RETURNING; the number of rows it met.

    The number, not the rows: SQLite's thread takes the interpreter anew for each row that it gives.
    """
    if dialect == "postgresql":
        rows = yield Statement(f"WITH met AS ({delete.sql} RETURNING 1) SELECT COUNT(*) FROM met", delete.args)
    else:
        yield delete
        rows = yield Statement("SELECT changes()")
    return int(rows[0][0])
