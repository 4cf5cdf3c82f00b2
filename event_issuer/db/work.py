"""Work: one write transaction, written once for both stores.

A work is a generator that yields statements and is sent their rows. SQLite runs the whole generator in its writer
thread (one thread hop per transaction), PostgreSQL awaits each statement on one connection. This module knows the
two dialects of SQL and nothing of connections.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

Dialect: TypeAlias = Literal["sqlite", "postgresql"]
Row: TypeAlias = Sequence[Any]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with PostgreSQL's numbered parameters (`$1`, `$2`, …), which the SQLite engine rewrites to `?1`, `?2`."""

    sql: str
    args: Sequence[object] = ()


Work: TypeAlias = Generator[Statement, list[Row], Result]


def rows_cte(dialect: Dialect, name: str, columns: Mapping[str, str], rows: Sequence[Row]) -> Statement:
    """A `WITH` clause that makes `rows` a table: one statement per batch is what both stores like best.

    `columns` maps each column to its PostgreSQL type. The caller appends the statement that uses the table; its own
    parameters, if any, are numbered from `len(args) + 1`.
    """
    header = f"WITH {name}({', '.join(columns)}) AS"
    if dialect == "postgresql":
        arrays = ", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(columns.values(), 1))
        return Statement(f"{header} (SELECT * FROM unnest({arrays}))", list(zip(*rows, strict=True)))
    width = len(columns)
    slot = f"({', '.join('?' * width)})"
    values: Iterable[object] = (value for row in rows for value in row)
    return Statement(f"{header} (VALUES {', '.join([slot] * len(rows))})", list(values))
