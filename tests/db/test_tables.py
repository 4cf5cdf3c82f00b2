"""The migrations make the tables that Piccolo is told of: the same columns, types and nullability on both stores."""

import pytest
from piccolo.columns import BigInt, BigSerial, Boolean, Bytea, Column, Integer, Text
from piccolo.table import Table

from event_issuer.db.database import Database
from event_issuer.db.event_types import NewEventType
from event_issuer.db.tables import TABLES, EventType, SubscriptionEventType
from tests.db.rows import select

TYPES: dict[type[Column], dict[str, str]] = {
    BigSerial: {"sqlite": "INTEGER", "postgresql": "bigint"},
    BigInt: {"sqlite": "BIGINT", "postgresql": "bigint"},
    Integer: {"sqlite": "INTEGER", "postgresql": "integer"},
    Boolean: {"sqlite": "BOOLEAN", "postgresql": "boolean"},
    Text: {"sqlite": "TEXT", "postgresql": "text"},
    Bytea: {"sqlite": "BLOB", "postgresql": "bytea"},
}
WITHOUT_PICCOLO = {
    "changes", "compactions", "dedupe_entries", "judged_ranges", "lanes", "leases", "log_heads", "log_identity",
    "log_records", "processes", "registry_versions", "replay_ranges", "schema_migrations",
}  # fmt: skip
COLUMNS = {
    "sqlite": "SELECT name, type, \"notnull\" = 1 OR pk > 0 FROM pragma_table_info('{}') ORDER BY cid",
    "postgresql": "SELECT column_name, data_type, is_nullable = 'NO' FROM information_schema.columns "
    "WHERE table_schema = 'public' AND table_name = '{}' ORDER BY ordinal_position",
}
NAMES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    "postgresql": "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'",
}


async def columns_of(database: Database, table: str) -> list[tuple[str, str, bool]]:
    rows = await select(database, COLUMNS[database.dialect].format(table))
    return [(name, type_, bool(is_required)) for name, type_, is_required in rows]


async def test_each_table_has_the_columns_that_piccolo_expects(database: Database) -> None:
    for table in TABLES:
        expected = [
            (column._meta.name, TYPES[type(column)][database.dialect], not column._meta.null)
            for column in table._meta.columns
        ]
        assert await columns_of(database, table._meta.tablename) == expected, table


async def test_no_table_is_forgotten(database: Database) -> None:
    found = {row[0] for row in await select(database, NAMES[database.dialect])}
    assert found == {table._meta.tablename for table in TABLES} | WITHOUT_PICCOLO


async def test_the_tables_without_piccolo_are_alike_on_both_stores(database: Database) -> None:
    """What SQLite calls BLOB and BIGINT, PostgreSQL calls bytea and bigint; all else is the same text."""
    words = {"bytea": "blob"}
    found = {
        table: [(name, words.get(type_.lower(), type_.lower()), required) for name, type_, required in columns]
        for table in sorted(WITHOUT_PICCOLO)
        if (columns := await columns_of(database, table))
    }
    assert found.keys() == WITHOUT_PICCOLO
    assert found["log_heads"] == [
        ("partition_id", "bigint", True),
        ("first_offset", "bigint", True),
        ("next_offset", "bigint", True),
        ("recorded_at_us", "bigint", True),
        ("kept_bytes", "bigint", True),
        ("trimmed_to", "bigint", True),
    ]
    assert found["log_records"] == [
        ("partition_id", "bigint", True),
        ("log_offset", "bigint", True),
        ("recorded_at_us", "bigint", True),
        ("schema_version", "integer", False),
        ("attributes", "blob", True),
        ("data", "blob", False),
        ("expunged_at_us", "bigint", False),
    ]


@pytest.mark.parametrize("table", TABLES)
def test_the_key_is_one_column(table: type[Table]) -> None:
    key = table._meta.primary_key
    assert key._meta.name == ("subscription_id" if table is SubscriptionEventType else "id")


def test_a_new_event_type_says_everything_but_what_the_database_adds() -> None:
    added = {"id", "status", "sunset_at_us", "created_at_us", "deprecated_at_us", "migration_url"}
    columns = {column._meta.name for column in EventType._meta.columns} - added
    assert set(NewEventType.__slots__) - {"definition", "example"} == columns
