"""Work: one write transaction, written once for both stores.

A work is a generator that yields statements and is sent their rows. SQLite runs the whole generator in its writer
thread (one thread hop per transaction), PostgreSQL awaits each statement on one connection. This module knows the
two dialects of SQL and nothing of connections.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, TypeVar

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


def batches(dialect: Dialect, columns: Mapping[str, str], rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Cuts any number of rows into parts that `rows_cte` can take, in order; no part is empty.

    For SQLite each part has 2^n rows, so that there are few texts of one statement and each stays prepared: to compile
    a new one took two thirds of the time of an insertion. PostgreSQL has one text whatever the number.
    """
    rows_max = VARIABLES_MAX // len(columns)
    start = 0
    while start < len(rows):
        count = min(len(rows) - start, rows_max)
        if dialect == "sqlite":
            count = 1 << (count.bit_length() - 1)
        yield rows[start : start + count]
        start += count


def rows_cte(dialect: Dialect, name: str, columns: Mapping[str, str], rows: Sequence[Row]) -> Statement:
    """A `WITH` clause that makes `rows` a table: one statement per batch is what both stores like best.

    `columns` maps each column to its PostgreSQL type. There is one row or more, and no more than `batches` allows:
    else ValueError. The caller appends the statement that uses the table; its own parameters, if any, are numbered
    from `len(args) + 1`.
    """
    if not 1 <= len(rows) * len(columns) <= VARIABLES_MAX:
        raise ValueError(f"{len(rows)} rows of {len(columns)} values; 1 to {VARIABLES_MAX} values fit into a statement")
    header = f"WITH {name}({', '.join(columns)}) AS"
    if dialect == "postgresql":
        arrays = ", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(columns.values(), 1))
        return Statement(f"{header} (SELECT * FROM unnest({arrays}))", list(zip(*rows, strict=True)))
    slot = f"({', '.join('?' * len(columns))})"
    values: Iterable[object] = (value for row in rows for value in row)
    return Statement(f"{header} (VALUES {', '.join([slot] * len(rows))})", list(values))


def insertion(dialect: Dialect, table: str, columns: Mapping[str, str], rows: Sequence[Row]) -> Statement:
    """Inserts `rows` with one statement; a RETURNING clause may be appended."""
    fresh = rows_cte(dialect, "fresh", columns, rows)
    names = ", ".join(columns)
    return Statement(f"{fresh.sql} INSERT INTO {table} ({names}) SELECT {names} FROM fresh", fresh.args)
