"""The only SQL in the house: tables, migrations and every statement, for SQLite and PostgreSQL."""
