"""Fixtures that all tests may ask for."""

from tests.brokers import apache_only, kafka_address, own_kafka
from tests.stores import (
    database,
    database_url,
    empty_database_url,
    postgresql_copies,
    postgresql_server,
    postgresql_template,
    sqlite_template,
    store,
)

__all__ = [
    "apache_only",
    "database",
    "database_url",
    "empty_database_url",
    "kafka_address",
    "own_kafka",
    "postgresql_copies",
    "postgresql_server",
    "postgresql_template",
    "sqlite_template",
    "store",
]
